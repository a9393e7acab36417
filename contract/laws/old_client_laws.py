"""Laws of old clients: what releases before 0.25.0 send and read, on a server that serves them."""

from typing import Any

from contract.codec import JSON, PROTOBUF
from contract.laws.expect import expect, expect_close, expect_equal, expect_finite, expect_status, pairs
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.outputs import logprobs_of, loss_of
from contract.laws.subject import Subject
from contract.sampling import SampleResponse
from contract.training import CreateModelResponse, ForwardBackwardOutput

__all__ = ["OLD_CLIENT_LAWS"]

OLD_CLIENT_LAWS = Lawbook()
law = OLD_CLIENT_LAWS.law

JSON_ONLY = "0.16.1"
"""The last minor release that knows no protobuf and leaves out unset fields. Source: its types."""
EITHER = "0.24.1"
"""The last release that reads JSON. Source: its lib/api_future_impl.py."""
FIRST = "0.0.1-alpha.1"
"""What 0.1.0 to 0.2.2 say they are. Source: their _version.py."""
ADAM = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-12, "weight_decay": 0.0, "grad_clip_norm": 0.0}
"""Source: sdk 0.38.0 types/optim_step_request.py."""
WEIGHTS = ((1.0, 1.0, 1.0, 1.0), (0.01, 0.0, 0.0, 0.0), (0.0, -3.0, 0.0, 0.1))
"""Gradients so different that each default of the optimizer shows."""


def old_datum() -> dict[str, Any]:
    """What 0.3.0 sends: chunks without a type."""
    tensor = {"dtype": "int64", "data": [6, 7, 8, 9], "shape": [4]}
    weights = {"dtype": "float32", "data": [1.0] * 4, "shape": [4]}
    inputs = {"target_tokens": tensor, "weights": weights}
    return {"model_input": {"chunks": [{"tokens": [5, 6, 7, 8]}]}, "loss_fn_inputs": inputs}


@law(
    "WIRE-61",
    "The result of a training pass is JSON for a client that accepts only that.",
    source="release 0.16.1, lib/api_future_impl.py: every result is JSON",
    breaks="answers protobuf to everybody: clients before 0.18.2 cannot read it.",
    needs=("old clients",),
)
def pass_as_json(s: Subject) -> None:
    with s.as_another(sdk_version=JSON_ONLY):
        request_id = promised(s.model().send_backward([s.datum()]), "forward_backward")
        reply = s.poll(request_id, {"accept": JSON})
    expect_equal(reply.media_type, JSON, "media type of a training pass")
    expect_finite(reply, "a training pass")


@law(
    "WIRE-62",
    "The result of a sample is JSON for a client that accepts only that, and has no NaN in it.",
    source="release 0.16.1, types/sample_response.py: prompt logprobs that are not known are null",
    breaks="writes the first prompt logprob as NaN, as the protobuf has it: orjson refuses all of it.",
    needs=("old clients", "sampling"),
)
def sample_as_json(s: Subject) -> None:
    with s.as_another(sdk_version=JSON_ONLY):
        reply = s.poll(promised(s.sampler().send(fields={"prompt_logprobs": True}), "asample"))
    expect_equal(reply.media_type, JSON, "media type of a sample")
    expect_finite(reply, "a sample with prompt logprobs")
    expect_equal(reply.json["prompt_logprobs"][0], None, "logprob of the first prompt token")


@law(
    "WIRE-63",
    "JSON and protobuf carry the same training result.",
    source="release 0.24.1, lib/api_future_impl.py: reads either",
    breaks="rounds or reorders in one of them: an upgrade of the client changes the numbers.",
    needs=("old clients",),
)
def either_form_of_a_pass(s: Subject) -> None:
    with s.as_another(sdk_version=EITHER):
        promise = promised(s.model().send_backward([s.datum(), s.datum((9, 8, 7))]), "forward_backward")
        forms = [s.poll(promise, {"accept": accept}) for accept in (JSON, f"{PROTOBUF}, {JSON}")]
        expect(forms[1].status == 200, f"the poll for protobuf or JSON: expected 200, got {forms[1].status}")
        one, other = (s.decoded(reply, ForwardBackwardOutput) for reply in forms)
    expect_close(loss_of(one), loss_of(other), "loss", tolerance=s.tolerance)
    for place in range(2):
        got, expected = logprobs_of(one, place), logprobs_of(other, place)
        expect_close(got, expected, "logprobs in JSON", tolerance=s.tolerance)


@law(
    "WIRE-64",
    "JSON and protobuf carry the same sample.",
    source="release 0.18.2, lib/api_future_impl.py: accepts both for samples",
    breaks="swaps stop reasons or drops logprobs in one of them.",
    needs=("old clients", "sampling"),
)
def either_form_of_a_sample(s: Subject) -> None:
    promise = promised(s.sampler().send(num_samples=2), "asample")
    one, other = (
        s.decoded(s.poll(promise, {"accept": accept}), SampleResponse) for accept in (JSON, PROTOBUF)
    )
    for mine, theirs in pairs(one.sequences, other.sequences, "sequences in JSON"):
        expect_equal(list(mine.tokens), list(theirs.tokens), "tokens in JSON")
        expect_equal(mine.stop_reason, theirs.stop_reason, "stop reason in JSON")
        expect_close(mine.logprobs or (), theirs.logprobs or (), "logprobs in JSON", tolerance=s.tolerance)


@law(
    "WIRE-65",
    "What is not finite in a training result is no literal of its JSON.",
    source="release 0.18.0, lib/api_future_impl.py: orjson refuses NaN and Infinity",
    breaks="writes an infinite loss as Infinity: the client fails to parse, and hides the cause.",
    needs=("old clients", "loss importance_sampling"),
)
def infinite_loss(s: Subject) -> None:
    far = s.datum(logprobs=[-1e4] * 4, advantages=[1.0, -1.0, 1.0, 0.0])
    with s.as_another(sdk_version=JSON_ONLY):
        reply = s.poll(promised(s.model().send_backward([far], "importance_sampling"), "forward_backward"))
    expect_finite(reply, "a pass whose loss is not finite")


@law(
    "WIRE-66",
    "A training pass may leave out what has a default: types of chunks and the loss's settings.",
    source="release 0.3.0, lib/public_interfaces/training_client.py: exclude_unset; loss_fn_config: null",
    breaks="requires the type of a chunk: clients from 0.3.0 to 0.16.1 cannot train.",
    needs=("old clients",),
)
def pass_without_defaults(s: Subject) -> None:
    model = s.model()
    expected = model.loss([s.datum()])
    given = {"data": [old_datum()], "loss_fn": "cross_entropy", "loss_fn_config": None}
    body = {"forward_backward_input": given, "model_id": model.id, "seq_id": model.next()}
    with s.as_another(sdk_version="0.3.0"):
        got = s.passed(s.promise("forward_backward", body))
    expect_close(loss_of(got), expected, "loss of the old form", tolerance=s.tolerance)


@law(
    "WIRE-67",
    "Parameters of the optimizer that are left out are the SDK's defaults.",
    source="sdk 0.38.0 types/optim_step_request.py; release 0.3.0 sends the learning rate alone",
    breaks="fills in PyTorch's defaults: the same script learns otherwise with an older client.",
)
def step_without_defaults(s: Subject) -> None:
    short, full = s.model(), s.model()
    for weights in WEIGHTS:
        short.train([s.datum(weights=weights)], learning_rate=0.05)
        full.train([s.datum(weights=weights)], learning_rate=0.05, **ADAM)
    expect_close(short.logprobs(), full.logprobs(), "logprobs", tolerance=s.tolerance)


@law(
    "WIRE-68",
    "Sampling parameters that are left out are the SDK's defaults.",
    source="sdk 0.38.0 types/sampling_params.py: temperature 1, top_k -1, top_p 1",
    breaks="samples at its own temperature where none is given: old clients get greedy text.",
    needs=("sampling",),
)
def sample_without_defaults(s: Subject) -> None:
    sampler = s.sampler()
    short = sampler.sample(num_samples=4, seed=5, stop=[])
    full = sampler.sample(num_samples=4, seed=5, stop=[], temperature=1.0, top_k=-1, top_p=1.0)
    got = [list(sequence.tokens) for sequence in short.sequences]
    expected = [list(sequence.tokens) for sequence in full.sequences]
    expect_equal(got, expected, "tokens without the parameters that have defaults")


@law(
    "WIRE-69",
    "A prompt's chunks may have no type.",
    source="release 0.3.0, lib/public_interfaces/sampling_client.py: exclude_unset",
    breaks="requires it: clients from 0.3.0 to 0.16.1 cannot sample.",
    needs=("old clients", "sampling"),
)
def prompt_without_type(s: Subject) -> None:
    with s.as_another(sdk_version="0.3.0"):
        prompt = {"chunks": [{"tokens": [5, 6, 7]}]}
        reply = s.sampler().send(fields={"prompt": prompt, "topk_prompt_logprobs": 0})
        expect_equal(len(s.result(promised(reply, "asample"), SampleResponse).sequences), 1, "sequences")


@law(
    "WIRE-70",
    "Operations of a client that has neither sessions nor numbers run as they come.",
    source="release 0.1.0, lib/public_interfaces/training_client.py",
    breaks="waits for the number 1 that never comes: the client polls until it is killed.",
    needs=("oldest clients",),
)
def unnumbered(s: Subject) -> None:
    numbered = s.model()
    numbered.train([s.datum()])
    with s.as_another(sdk_version=FIRST):
        lora = {"rank": 8, "seed": 1, "train_unembed": True, "train_mlp": True, "train_attn": True}
        body = {"base_model": s.base_model, "lora_config": lora, "type": "create_model"}
        model_id = s.result(s.promise("create_model", body), CreateModelResponse).model_id
        given = {"data": [old_datum()], "loss_fn": "cross_entropy"}
        pass_ = {"forward_backward_input": given, "model_id": model_id}
        s.poll(s.promise("forward_backward", pass_))
        step = {"model_id": model_id, "adam_params": {"learning_rate": 1e-2}}
        expect_status(s.poll(s.promise("optim_step", step)), 200, what="a step without a number")
        after = loss_of(s.passed(s.promise("forward_backward", pass_)))
    expect_close(after, numbered.loss([s.datum()]), "loss after a step", tolerance=s.tolerance)


@law(
    "WIRE-71",
    "An old client's forward pass leaves no gradients.",
    source="release 0.24.1, resources/training.py: POST forward",
    breaks="serves forward as forward_backward: evaluation trains the model.",
    needs=("old clients",),
)
def old_forward(s: Subject) -> None:
    with s.as_another(sdk_version=JSON_ONLY):
        model = s.model()
        before = model.logprobs()
        model.forward([s.datum()])
        model.step(learning_rate=0.1)
        expect_close(model.logprobs(), before, "logprobs after a forward pass and a step", tolerance=1e-6)


@law(
    "WIRE-72",
    "A client that reads no external checkpoints is listed none.",
    source="release 0.27.2, types/checkpoint.py: another type fails the whole list",
    breaks="lists them to everybody: one export, and an older client can list nothing any more.",
    needs=("old clients", "external weights"),
)
def no_external_checkpoints(s: Subject) -> None:
    model = s.model()
    body = {"model_id": model.id, "seq_id": model.next(), "path": "external"}
    s.poll(s.promise("save_weights_external", body))
    with s.as_another(sdk_version="0.27.2"):
        listed = s.answer("list_checkpoints", {"training_run_id": model.id})["checkpoints"]
    types = {checkpoint["checkpoint_type"] for checkpoint in listed}
    expect(types <= {"training", "sampler"}, f"checkpoint types for 0.27.2: expected no others, got {types}")
