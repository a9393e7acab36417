"""Laws of training as a schema can see it: models, and the shapes and metrics of their operations."""

from math import isfinite

from contract.laws.blame import expect_refusal
from contract.laws.driver import Reply
from contract.laws.examples import wide_datum
from contract.laws.expect import expect, expect_close, expect_differ, expect_equal, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.outputs import logprobs_of, loss_of, tensor_of
from contract.laws.subject import Subject
from contract.training import GetInfoResponse, OptimStepResponse

__all__ = ["TRAINING_LAWS"]

TRAINING_LAWS = Lawbook()
law = TRAINING_LAWS.law
NOBODY = "nobody:train:0"
DOCS = "Tinker docs, training and sampling, 2026-03"


def info_of(s: Subject, model_id: str) -> GetInfoResponse:
    """What the server says of a model."""
    return GetInfoResponse.model_validate(s.answer("get_info", {"model_id": model_id}))


def refused_model(s: Subject, **fields: object) -> Reply:
    """The answer to a request for a model with other fields than usual."""
    body = {"session_id": s.session(), "model_seq_id": 0, "base_model": s.base_model, **fields}
    return s.driver.call("create_model", {"lora_config": {"rank": 8}, **body})


@law(
    "TRN-01",
    "get_info knows a new model by the id that create_model gave.",
    source="sdk 0.38.0 lib/public_interfaces/service_client.py: get_info is asked while a client is made",
    breaks="answers before the model is registered, or by another id: no training client comes to be.",
)
def new_model_is_known(s: Subject) -> None:
    model = s.model()
    expect_equal(info_of(s, model.id).model_id, model.id, "get_info: model_id")


@law(
    "TRN-02",
    "get_info names the base model that the model was made of.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py get_tokenizer",
    breaks="leaves model_data.model_name out, and get_tokenizer fails; or names the files that it loaded.",
)
def info_names_the_base(s: Subject) -> None:
    data = info_of(s, s.model().id).model_data
    expect_equal(data.model_name, s.base_model, "get_info: model_data.model_name")


@law(
    "TRN-03",
    "get_info tells the rank that was asked for, where it tells one.",
    source="sdk 0.38.0 types/get_info_response.py",
    breaks="tells the server's default, so checkpoints are exported with the wrong shape.",
)
def info_tells_the_rank(s: Subject) -> None:
    for rank in (4, 16):
        told = info_of(s, s.model(rank=rank).id).lora_rank
        expect(told in (None, rank), f"get_info: expected lora_rank {rank} or none, got {told}")


@law(
    "TRN-04",
    "get_info of a model that is not there is refused by 4xx.",
    source="ours: 5xx is repeated by SDKs for minutes",
    breaks="answers 500 from a failed look-up, and the client hangs where it should say what is wrong.",
)
def unknown_model_has_no_info(s: Subject) -> None:
    reply = s.driver.call("get_info", {"model_id": NOBODY})
    expect_status(reply, 400, 403, 404, 410, 422, what="get_info of a model that is not there")


@law(
    "TRN-05",
    "A pass and a step of a model that is not there are refused.",
    source="ours: a typing error in an id must not end in silence",
    breaks="queues the operation for a model that never comes, and its future is pending for ever.",
)
def unknown_model_is_not_trained(s: Subject) -> None:
    params = {"learning_rate": 1e-4}
    step = {"model_id": NOBODY, "seq_id": 1, "adam_params": params, "type": "optim_step"}
    expect_refusal(s, s.driver.call("optim_step", step), what="optim_step of a model that is not there")
    model = s.model()
    model.id = model.id.__class__(NOBODY)
    expect_refusal(s, model.send_backward([s.datum()]), what="a pass of a model that is not there")


@law(
    "TRN-06",
    "A model of an unknown base model is refused, and the refusal names it.",
    source="ours: the name is what a user mistypes first",
    breaks="serves its own model whatever was asked for: a paper reports the wrong one.",
)
def unknown_base(s: Subject) -> None:
    reply = refused_model(s, base_model="nobody/no-such-model")
    expect_refusal(s, reply, "nobody/no-such-model", what="create_model of an unknown base model")


@law(
    "TRN-07",
    "An adapter of rank 0 is refused, and the refusal names the rank.",
    source="ours: rank is the inner dimension of two matrices",
    breaks="makes an adapter without parameters: training runs and nothing learns.",
)
def rank_zero(s: Subject) -> None:
    expect_refusal(s, refused_model(s, lora_config={"rank": 0}), "rank", what="create_model of rank 0")


@law(
    "TRN-08",
    "An adapter that trains no part of the model is refused, and the refusal names the flags.",
    source="sdk 0.38.0 lib/public_interfaces/service_client.py: at least one of train_* must be true",
    breaks="takes it: steps succeed, and the loss stays where it was.",
)
def nothing_to_train(s: Subject) -> None:
    flags = dict.fromkeys(("train_unembed", "train_mlp", "train_attn"), False)
    reply = refused_model(s, lora_config={"rank": 8, **flags})
    expect_refusal(s, reply, "train_", what="create_model with no part to train")


@law(
    "TRN-09",
    "A training pass answers one record per datum, in their order, with a logprob per target [N].",
    source=DOCS,
    breaks="sorts by length for the batch and forgets to sort back: each datum gets another one's logprobs.",
)
def record_per_datum(s: Subject) -> None:
    sizes = (3, 7, 2, 5)
    output = s.model().backward([s.datum(range(5, 5 + size)) for size in sizes])
    shapes = [tensor_of(output, place).dimensions for place in range(len(output.loss_fn_outputs))]
    expect_equal(shapes, [(size,) for size in sizes], "shapes of logprobs")


@law(
    "TRN-10",
    "Logprobs of targets [N, K] have the shape [N, K].",
    source="sdk 0.38.0 types/datum.py; tinker-cookbook, distillation with top-k targets",
    breaks="flattens them, or scores the first column only: distillation learns one target in K.",
)
def shape_of_many_targets(s: Subject) -> None:
    output = s.model().forward([wide_datum([[6, 9, 4], [7, 5, 3]], [[1.0, 1.0, 1.0]] * 2)])
    expect_equal(tensor_of(output).dimensions, (2, 3), "shape of logprobs")


@law(
    "TRN-11",
    "Logprobs are finite float32 numbers that are not above 0.",
    source="ours: they are logarithms of probabilities",
    breaks="answers losses, or scores before the softmax: ratios of reinforcement learning are nonsense.",
)
def logprobs_are_of_probabilities(s: Subject) -> None:
    tensor = tensor_of(s.model().forward([s.datum()]))
    expect_equal(tensor.dtype, "float32", "dtype of logprobs")
    wrong = [value for value in tensor.to_numpy().ravel().tolist() if not (isfinite(value) and value <= 1e-6)]
    expect(not wrong, f"logprobs: expected finite numbers that are not above 0, got {wrong}")


@law(
    "TRN-12",
    "Metrics of a pass are finite numbers by `name:reduction`, loss:sum among them.",
    source="sdk 0.38.0 lib/chunked_fwdbwd_helpers.py: other keys raise ValueError at the client",
    breaks="adds a key without a colon, and every forward_backward fails in the client.",
)
def metrics_have_reductions(s: Subject) -> None:
    metrics = s.model().backward([s.datum()]).metrics
    expect("loss:sum" in metrics, f"metrics: expected loss:sum, got {sorted(metrics)}")
    wrong = {key: v for key, v in metrics.items() if key.count(":") != 1 or not isfinite(v)}
    expect(not wrong, f"metrics: expected finite numbers by name:reduction, got {wrong}")


@law(
    "TRN-13",
    "A forward pass answers what a training pass of the same data answers.",
    source=DOCS,
    breaks="keeps dropout or another precision in one of them: logprobs differ without a step between.",
)
def forward_answers_the_same(s: Subject) -> None:
    model, data = s.model(), [s.datum(), s.datum((9, 8, 7))]
    only, full = model.forward(data), model.backward(data)
    expect_close(loss_of(only), loss_of(full), "loss:sum", tolerance=s.tolerance)
    for place in range(2):
        ours, theirs = logprobs_of(only, place), logprobs_of(full, place)
        expect_close(ours, theirs, "logprobs of a forward pass", tolerance=s.tolerance)


@law(
    "TRN-14",
    "The metrics of optim_step are finite numbers, or there are none.",
    source="sdk 0.38.0 types/optim_step_response.py; its JSON reader refuses NaN and null",
    breaks="reports a norm of NaN, or a text: the client cannot read the result of a step that was made.",
)
def step_metrics(s: Subject) -> None:
    model = s.model()
    model.backward([s.datum()])
    metrics = model.step()
    wrong = {key: value for key, value in metrics.items() if not isfinite(value)}
    expect(not wrong, f"metrics of optim_step: expected finite numbers, got {wrong}")


@law(
    "TRN-15",
    "A step without hyperparameters uses a rate of 1e-4, betas of 0.9 and 0.95, eps 1e-12 and no decay.",
    source="sdk 0.38.0 types/optimizer.py; SDKs 0.3.0 to 0.16.1 send no defaults",
    breaks="takes the defaults of its framework (beta2 0.999, decay 0.01): old clients train something else.",
    needs=("learning",),
)
def defaults_of_a_step(s: Subject) -> None:
    left_out, told = s.model(), s.model()
    before = told.logprobs()
    usual = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-12, "weight_decay": 0.0, "grad_clip_norm": 0.0}
    for weight in (1.0, 3.0):
        for model in (left_out, told):
            model.backward([s.datum(weights=[weight] * 4)])
        body = {"model_id": left_out.id, "seq_id": left_out.next(), "adam_params": {}, "type": "optim_step"}
        s.result(promised(s.driver.call("optim_step", body), "optim_step"), OptimStepResponse)
        told.step(1e-4, **usual)
    expect_close(left_out.logprobs(), told.logprobs(), "logprobs after two steps", tolerance=s.tolerance)
    expect_differ(told.logprobs(), before, "logprobs after two steps", by=s.tolerance)


@law(
    "TRN-16",
    "Each field of lora_config may be left out but the rank: parts are trained and the seed is the server's.",
    source="sdk 0.38.0 types/lora_config.py; SDKs 0.3.0 to 0.16.1 send no defaults",
    breaks="asks for fields that clients do not send: nobody gets a model.",
)
def defaults_of_an_adapter(s: Subject) -> None:
    body = {"session_id": s.session(), "model_seq_id": 0, "base_model": s.base_model}
    model_id = promised(s.driver.call("create_model", {**body, "lora_config": {"rank": 8}}), "create_model")
    expect_status(s.poll(model_id), 200, what="the poll of create_model")


@law(
    "TRN-17",
    "A model that was unloaded is trained no more.",
    source="wire as observed: clients up to 0.25.0 may ask for it",
    breaks="keeps it, and its memory, until the server is out of it.",
    needs=("unloading",),
)
def unloaded_is_gone(s: Subject) -> None:
    model = s.model()
    reply = s.driver.call("unload_model", {"model_id": model.id})
    expect_status(s.poll(promised(reply, "unload_model")), 200, what="the poll of unload_model")
    expect_refusal(s, model.send_backward([s.datum()]), what="a pass of an unloaded model")


@law(
    "TRN-18",
    "Unloading a model leaves the others, and its own checkpoints.",
    source="ours: what is on disk outlives what is in memory",
    breaks="frees the base model that both share, or deletes the run's folder.",
    needs=("unloading",),
)
def unloading_leaves_the_rest(s: Subject) -> None:
    model, other = s.model(), s.model()
    path, before = model.save("kept"), other.logprobs()
    s.poll(promised(s.driver.call("unload_model", {"model_id": model.id}), "unload_model"))
    expect_close(other.logprobs(), before, "another model's logprobs", tolerance=s.tolerance)
    other.load(path)
    expect_close(other.logprobs(), before, "logprobs of its checkpoint", tolerance=s.tolerance)
