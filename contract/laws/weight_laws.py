"""Laws of weights: how they are saved and loaded, and what a path leads to."""

from contract.ids import model_id_of, tinker_path
from contract.laws.blame import expect_refusal
from contract.laws.checkpoints import done, entry
from contract.laws.expect import expect, expect_close, expect_differ, expect_equal
from contract.laws.law import Lawbook
from contract.laws.model import Model
from contract.laws.refusal import refusal_of
from contract.laws.sampler import Sampler
from contract.laws.subject import Subject
from contract.weights import LoadWeightsResponse, SaveWeightsForSamplerResponseInternal

__all__ = ["WEIGHT_LAWS"]

WEIGHT_LAWS = Lawbook()
law = WEIGHT_LAWS.law
MOVED = 1e-3
"""Ours: three steps at a rate of 0.01 move some logprob by more."""


def made_of(s: Subject, path: str, *, optimizer: bool = False) -> Model:
    """A new model of a checkpoint, as clients from 0.38.0 on ask for one."""
    session = s.session()
    body = {"session_id": session, "model_seq_id": 0, "path": path, "optimizer": optimizer}
    s.result(s.promise("load_weights", body), LoadWeightsResponse)
    return Model(s, model_id_of(session, 0))


@law(
    "WGT-01",
    "save_weights answers tinker://<model_id>/weights/<name>.",
    source="sdk 0.38.0 types/checkpoint.py",
    breaks="answers a folder, or a scheme of its own: RestClient refuses the path.",
)
def path_of_a_state(s: Subject) -> None:
    model = s.model()
    expect_equal(model.save("a-1"), tinker_path(model.id, "training", "a-1"), "path of save_weights")


@law(
    "WGT-02",
    "save_weights_for_sampler with a name answers tinker://<model_id>/sampler_weights/<name>.",
    source="sdk 0.38.0 types/checkpoint.py",
    breaks="uses the segment of training states: listing and deleting take one for the other.",
)
def path_of_sampler_weights(s: Subject) -> None:
    model = s.model()
    expect_equal(
        model.save_for_sampler("a-1"), tinker_path(model.id, "sampler", "a-1"), "path of the weights"
    )


@law(
    "WGT-03",
    "save_weights_for_sampler without a name answers a sampler of the weights as they are.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py",
    breaks="answers a path only: save_weights_and_get_sampling_client raises AssertionError.",
    needs=("sampling",),
    since="0.3.0",
)
def sampler_without_a_name(s: Subject) -> None:
    model = s.learned()
    body = {"model_id": model.id, "seq_id": model.next(), "sampling_session_seq_id": 3}
    promise = s.promise("save_weights_for_sampler", body)
    sampler_id = s.result(promise, SaveWeightsForSamplerResponseInternal).sampling_session_id
    expect(sampler_id, "sampling_session_id: expected one where no name was given, got none")
    scores = Sampler(s, sampler_id or "").logprobs((5, 6, 7, 8, 9))[1:]
    expect_close([score or 0.0 for score in scores], model.logprobs(), "logprobs", tolerance=10 * s.tolerance)


@law(
    "WGT-04",
    "A sampler of named weights scores a prompt as the model did that saved them.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py",
    breaks="samples from the base model where the adapter cannot be found.",
    needs=("sampling",),
)
def sampler_of_saved_weights(s: Subject) -> None:
    model = s.learned()
    expected, path = model.logprobs(), model.save_for_sampler("x")
    model.train([s.datum()])
    scores = s.sampler(path).logprobs((5, 6, 7, 8, 9))[1:]
    expect_close([score or 0.0 for score in scores], expected, "logprobs", tolerance=10 * s.tolerance)


@law(
    "WGT-05",
    "A state that is loaded into another model of its shape makes it say what the saved one said.",
    source="sdk 0.38.0 types/load_weights_request.py",
    breaks="loads the part of the adapter that the trainer keeps first: the rest stays random.",
)
def loaded_state(s: Subject) -> None:
    model, other = s.learned(), s.model(seed=5)
    for optimizer in (True, False):
        other.load(model.save(f"with-{optimizer}"), optimizer=optimizer)
        expect_close(other.logprobs(), model.logprobs(), "logprobs after the load", tolerance=s.tolerance)
        other.train([s.datum((9, 8, 7))])


@law(
    "WGT-06",
    "A saved state stays as it was, however the model is trained afterwards.",
    source="ours: a checkpoint is a copy",
    breaks="keeps a reference to the live weights: going back goes nowhere.",
)
def state_is_a_copy(s: Subject) -> None:
    model = s.learned()
    expected, path = model.logprobs(), model.save("then")
    model.train([s.datum((9, 8, 7, 6))], learning_rate=0.05)
    expect_differ(model.logprobs(), expected, "logprobs after training", by=MOVED)
    model.load(path)
    expect_close(model.logprobs(), expected, "logprobs of what was saved", tolerance=s.tolerance)


@law(
    "WGT-07",
    "load_weights with a session and a number makes a model of the saved shape, with the id clients expect.",
    source="sdk 0.38.0 lib/public_interfaces/service_client.py",
    breaks="answers an id of its own, and the client's next request is of a model that is not there.",
    since="0.38.0",
)
def model_of_a_state(s: Subject) -> None:
    source = s.learned(rank=4)
    model = made_of(s, source.save("x"), optimizer=True)
    info = s.answer("get_info", {"model_id": model.id})
    expect_equal(info.get("model_id"), model.id, "model_id of get_info")
    expect_equal(info.get("lora_rank", 4), 4, "lora_rank of the new model")
    expect_close(model.logprobs(), source.logprobs(), "logprobs of the new model", tolerance=s.tolerance)


@law(
    "WGT-08",
    "Two models of one state go their own ways.",
    source="ours: a state is loaded, not shared",
    breaks="shares the tensors of a checkpoint: training one run moves the other.",
)
def loads_are_copies(s: Subject) -> None:
    path, one, other = s.learned().save("x"), s.model(), s.model()
    for model in (one, other):
        model.load(path)
    expected = other.logprobs()
    one.train([s.datum((9, 8, 7, 6))], learning_rate=0.05)
    expect_equal(other.logprobs(), expected, "logprobs of a model that nobody trained")


@law(
    "WGT-09",
    "A state of another rank is refused, and the model stays as it was.",
    source="ours: tensors of another shape",
    breaks="loads what fits and leaves the rest, or dies in the worker: the future never ends.",
)
def other_rank(s: Subject) -> None:
    path, model = s.learned(rank=4).save("x"), s.learned()
    expected = model.logprobs()
    refusal_of(s, model.send_load(path, optimizer=False), "the load of rank 4 into rank 8")
    expect_equal(model.logprobs(), expected, "logprobs after a load that was refused")


@law(
    "WGT-10",
    "Weights for a sampler have no optimizer state, so a load with one is refused.",
    source="ours: nothing is made up",
    breaks="starts the moments afresh in silence: training does not go on as it was.",
)
def no_optimizer_state(s: Subject) -> None:
    model = s.learned()
    reply = model.send_load(model.save_for_sampler("x"), optimizer=True)
    refusal_of(s, reply, "the load of sampler weights with an optimizer")


@law(
    "WGT-11",
    "The load of a path that is not there is refused for good, and the model goes on.",
    source="sdk 0.38.0 types/load_weights_request.py",
    breaks="answers 5xx, and the client repeats it for five minutes; or leaves the model half loaded.",
)
def unknown_path(s: Subject) -> None:
    model = s.model()
    for path in (tinker_path(model.id, "training", "nothing"), "tinker://nobody/weights/x"):
        refusal_of(s, model.send_load(path, optimizer=False), f"the load of {path}")
    model.train([s.datum()])


@law(
    "WGT-12",
    "The load of what is no tinker path is refused for good.",
    source="sdk 0.38.0 types/checkpoint.py",
    breaks="opens it as a file of the server, or fails with a 500.",
)
def malformed_path(s: Subject) -> None:
    model = s.model()
    for path in ("", "weights/x", "tinker://", f"tinker://{model.id}/x", "/etc/hostname", "../x"):
        refusal_of(s, model.send_load(path, optimizer=False), f"the load of {path!r}")


@law(
    "WGT-13",
    "A name with a slash is refused for good.",
    source="sdk 0.38.0 types/checkpoint.py",
    breaks="saves it, and no client can parse, list or delete its path.",
)
def name_with_a_slash(s: Subject) -> None:
    model = s.model()
    for operation in ("save_weights", "save_weights_for_sampler"):
        body = {"model_id": model.id, "seq_id": model.next(), "path": "a/b"}
        refusal_of(s, s.driver.call(operation, body), f"{operation} of a name with a slash")


@law(
    "WGT-14",
    "A name that is taken is refused for good, not by 409, and its state stays as it was.",
    source="wire as observed: clients repeat 409 for five minutes",
    breaks="overwrites in silence, or answers 409: a crashed run loses its state, or hangs.",
)
def name_that_is_taken(s: Subject) -> None:
    model = s.learned()
    expected, path = model.logprobs(), model.save("x")
    model.train([s.datum((9, 8, 7, 6))], learning_rate=0.05)
    body = {"model_id": model.id, "seq_id": model.next(), "path": "x"}
    refusal_of(s, s.driver.call("save_weights", body), "save_weights of a name that is taken")
    model.load(path)
    expect_close(model.logprobs(), expected, "logprobs of the first state", tolerance=s.tolerance)


@law(
    "WGT-15",
    "overwrite replaces a state of that name, under the same path.",
    source="sdk 0.38.0 types/save_weights_request.py",
    breaks="ignores it, and the newest state is the oldest.",
    since="0.20.0",
)
def overwritten(s: Subject) -> None:
    model = s.learned()
    path = model.save("x")
    model.train([s.datum((9, 8, 7, 6))], learning_rate=0.05)
    expected = model.logprobs()
    expect_equal(model.save("x", overwrite=True), path, "path of the state that replaces another")
    other = s.model()
    other.load(path)
    expect_close(other.logprobs(), expected, "logprobs of the second state", tolerance=s.tolerance)


@law(
    "WGT-16",
    "Names are each model's own.",
    source="sdk 0.38.0 types/checkpoint.py",
    breaks="keeps one folder of names: two runs overwrite each other's 'final'.",
)
def names_of_two_models(s: Subject) -> None:
    one, other = s.learned(), s.model()
    expected, paths = one.logprobs(), (one.save("final"), other.save("final"))
    expect(paths[0] != paths[1], f"paths of two models' states: expected two, got {paths[0]} twice")
    other.load(paths[0])
    expect_close(other.logprobs(), expected, "logprobs of the first model's", tolerance=s.tolerance)


@law(
    "WGT-17",
    "A state and weights for a sampler may have the same name.",
    source="sdk 0.38.0 types/checkpoint.py: the segment is a part of the id",
    breaks="keeps both in one folder: the second is refused, or replaces the first.",
)
def name_of_two_kinds(s: Subject) -> None:
    model = s.learned()
    paths = [model.save("both"), model.save_for_sampler("both")]
    expect_equal(len(set(paths)), 2, "paths of a state and of weights for a sampler of one name")
    s.model().load(paths[0])


@law(
    "WGT-18",
    "A save holds the weights of its turn, though a step follows before anybody polls.",
    source="wire as observed: clients send the next operations before a save is done",
    breaks="copies the weights when the save is written, a step too late.",
)
def save_in_its_turn(s: Subject) -> None:
    model, other = s.learned(), s.model()
    expected = model.logprobs()
    body = {"model_id": model.id, "seq_id": model.next(), "path": "x"}
    s.promise("save_weights", body)
    model.train([s.datum((9, 8, 7, 6))], learning_rate=0.05)
    other.load(tinker_path(model.id, "training", "x"))
    expect_close(other.logprobs(), expected, "logprobs of the save's turn", tolerance=s.tolerance)


@law(
    "WGT-19",
    "weights_info says of a state its base model, and the rank of its adapter.",
    source="sdk 0.38.0 types/weights_info_response.py",
    breaks="answers the server's default: older clients make a model of the wrong shape to load into.",
    needs=("weights info",),
    since="0.6.0",
)
def info_of_a_state(s: Subject) -> None:
    info = s.answer("weights_info", {"tinker_path": s.model(rank=4).save("x")})
    expect_equal(info.get("base_model"), s.base_model, "base_model of weights_info")
    expect_equal((info.get("is_lora"), info.get("lora_rank")), (True, 4), "is_lora and lora_rank")


@law(
    "WGT-20",
    "weights_info says which layers a state trains.",
    source="sdk 0.38.0 types/weights_info_response.py",
    breaks="leaves train_* out: the client makes a model with all layers, and the load fails.",
    needs=("weights info",),
    since="0.8.1",
)
def info_of_layers(s: Subject) -> None:
    info = s.answer("weights_info", {"tinker_path": s.model(train_unembed=False).save("x")})
    found = [info.get(f"train_{part}") for part in ("unembed", "mlp", "attn")]
    expect_equal(found, [False, True, True], "train_unembed, train_mlp and train_attn of weights_info")


@law(
    "WGT-42",
    "The load of a path that is not there is the user's fault.",
    source="sdk 0.38.0 types/request_error_category.py",
    breaks="fails with category server: people wait for a repair of what they mistyped.",
)
def unknown_path_is_the_users_fault(s: Subject) -> None:
    model = s.model()
    missing = tinker_path(model.id, "training", "nothing")
    expect_refusal(s, model.send_load(missing, optimizer=False), what="the load of a path that is not there")


@law(
    "WGT-43",
    "A sampler goes on when the checkpoint that it was opened on is deleted.",
    source="ours: a sampler was given weights, and rollouts run while old checkpoints are cleaned away",
    breaks="reads the files again for each request: cleaning up ends the rollouts of a run.",
    needs=("sampling", "deletion"),
)
def sampler_outlives_its_checkpoint(s: Subject) -> None:
    path = s.learned().save_for_sampler("x")
    sampler = s.sampler(path)
    expected = [score or 0.0 for score in sampler.logprobs((5, 6, 7, 8))]
    done(s, "delete_checkpoint", path)
    got = [score or 0.0 for score in sampler.logprobs((5, 6, 7, 8))]
    expect_close(got, expected, "logprobs after the delete", tolerance=10 * s.tolerance)


@law(
    "WGT-44",
    "A checkpoint's size, where the list tells one, is above 0.",
    source="sdk 0.38.0 types/checkpoint.py: size_bytes",
    breaks="tells 0 where it does not know: storage looks free, and clean-up by size does nothing.",
    needs=("checkpoints",),
    since="0.4.0",
)
def sizes_are_of_bytes(s: Subject) -> None:
    model = s.model()
    sizes = [entry(s, path).size_bytes for path in (model.save("x"), model.save_for_sampler("x"))]
    expect(all(size is None or size > 0 for size in sizes), f"size_bytes: expected above 0, got {sizes}")
