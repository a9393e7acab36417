"""Laws of losses as a schema can see them: what they read, what they report, what they refuse."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from contract.inputs import Datum, ModelInput
from contract.laws.blame import expect_refusal
from contract.laws.examples import wide_datum
from contract.laws.expect import expect, expect_close, expect_equal
from contract.laws.law import Lawbook
from contract.laws.outputs import logprobs_of, loss_of
from contract.laws.subject import Subject
from contract.tensors import TensorData
from contract.training import ForwardBackwardOutput

__all__ = ["LOSS_LAWS"]

LOSS_LAWS = Lawbook()
law = LOSS_LAWS.law
DOCS = "Tinker docs, losses, 2026-03"
NO_TOKEN = 2**30
"""Ours: above every vocabulary."""
RL: dict[str, Any] = {"weights": None, "logprobs": [-1.0] * 4, "advantages": [1.0, -1.0, 2.0, 0.5]}


def weighed(output: ForwardBackwardOutput, place: int, weights: Sequence[float]) -> float:
    """The sum of a datum's logprobs, each times its weight."""
    logprobs = logprobs_of(output, place, len(weights))
    return sum(weight * logprob for weight, logprob in zip(weights, logprobs, strict=True))


@law(
    "TRN-19",
    "loss:sum of a cross entropy is minus the sum of weights times logprobs, over all datums.",
    source=DOCS,
    breaks="answers a mean: learning rates mean something else with every batch size.",
)
def cross_entropy_is_a_sum(s: Subject) -> None:
    weights = ([1.0, 0.5, 0.0, 2.0], [0.25, 3.0, 1.0])
    data = [s.datum((5, 6, 7, 8), weights[0]), s.datum((9, 8, 7), weights[1])]
    output = s.model().forward(data)
    expected = -sum(weighed(output, place, row) for place, row in enumerate(weights))
    expect_close(loss_of(output), expected, "loss:sum", tolerance=s.tolerance)


@law(
    "TRN-20",
    "A weight may be any real number: negative, fractional, large.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: client losses are sent as such weights",
    breaks="takes weights for a mask of 0 and 1, or refuses negative ones: every client loss is wrong.",
)
def weights_are_real(s: Subject) -> None:
    weights = [-1.5, 0.125, 20.0, 0.0]
    output = s.model().backward([s.datum(weights=weights)])
    expect_close(loss_of(output), -weighed(output, 0, weights), "loss:sum", tolerance=s.tolerance)


@law(
    "TRN-21",
    "loss:sum of targets [N, K] is minus the sum of all weights times logprobs.",
    source="sdk 0.38.0 types/datum.py; tinker-cookbook, distillation with top-k targets",
    breaks="sums over the first column only, or renormalises the K weights.",
)
def sum_over_many_targets(s: Subject) -> None:
    weights = [[0.5, 0.25, 0.125], [1.0, -2.0, 0.0]]
    output = s.model().forward([wide_datum([[6, 9, 4], [7, 5, 3]], weights)])
    flat = [weight for row in weights for weight in row]
    expect_close(loss_of(output), -weighed(output, 0, flat), "loss:sum", tolerance=s.tolerance)


@law(
    "TRN-22",
    "Sparse targets and weights give the loss of the dense ones.",
    source="sdk 0.38.0 types/tensor_data.py: rows are compressed where most cells are empty",
    breaks="reads the listed values as a dense tensor: targets land at other tokens.",
    since="0.18.0",
)
def sparse_is_dense(s: Subject) -> None:
    rows: dict[str, list[int]] = {"sparse_crow_indices": [0, 1, 3], "sparse_col_indices": [1, 0, 2]}
    sparse = Datum(
        model_input=ModelInput.from_ints([5, 6]),
        loss_fn_inputs={
            "target_tokens": TensorData(data=[9, 7, 3], dtype="int64", shape=[2, 3], **rows),
            "weights": TensorData(data=[1.0, 0.5, 2.0], dtype="float32", shape=[2, 3], **rows),
        },
    )
    dense = wide_datum([[0, 9, 0], [7, 0, 3]], [[0.0, 1.0, 0.0], [0.5, 0.0, 2.0]])
    model = s.model()
    expect_close(model.loss([sparse]), model.loss([dense]), "loss:sum of sparse", tolerance=s.tolerance)


@law(
    "TRN-23",
    "A cross entropy without weights weighs each target 1, or is refused by a text that names them.",
    source="ours: neither is written down; silence would be zero gradients",
    breaks="takes the missing weights for zeros: training runs and nothing learns.",
)
def weights_left_out(s: Subject) -> None:
    model, data = s.model(), [s.datum(weights=None)]
    reply = model.send_backward(data, forward_only=True)
    poll = s.poll(str(reply.json["request_id"])) if reply.status == 200 else reply
    taken, told = b"loss:sum" in poll.body, b"weights" in poll.body
    expect(taken or told, f"a pass without weights: expected a loss or a text on them, got {poll.body!r}")
    got, expected = model.loss(data if taken else [s.datum()]), model.loss([s.datum()])
    expect_close(got, expected, "loss:sum of a pass without weights", tolerance=s.tolerance)


@law(
    "TRN-24",
    "An unknown loss fails as the user's fault, and the text names it.",
    source="sdk 0.38.0 types/loss_fn_type.py: the client sends any name",
    breaks="falls back to cross entropy, or fails as the server's fault, which scripts try again.",
)
def unknown_loss(s: Subject) -> None:
    reply = s.model().send_backward([s.datum()], "no_such_loss")
    expect_refusal(s, reply, "no_such_loss", what="a pass with an unknown loss")


@law(
    "TRN-25",
    "An unknown key of loss_fn_config fails as the user's fault, and the text names it.",
    source="ours: the keys are few, and a mistyped one must not be read as its default",
    breaks="ignores it: a run with `clip_hi_threshold` is clipped by the default, without a word.",
    needs=("loss ppo",),
)
def unknown_setting(s: Subject) -> None:
    config = {"clip_hi_threshold": 1.1}
    reply = s.model().send_backward([s.datum(**RL)], "ppo", config)
    expect_refusal(s, reply, "clip_hi_threshold", what="a pass with an unknown setting")


@law(
    "TRN-26",
    "A setting of another type than its own fails as the user's fault, and the text names it.",
    source="sdk 0.38.0 types/forward_backward_input.py: settings are numbers or texts",
    breaks="breaks on it as a server error, or reads it as 0.",
    needs=("loss ppo",),
)
def setting_of_another_type(s: Subject) -> None:
    reply = s.model().send_backward([s.datum(**RL)], "ppo", {"clip_high_threshold": "wide"})
    expect_refusal(s, reply, "clip_high_threshold", what="a pass with a text for a number")


@law(
    "TRN-27",
    "A datum that lacks an input of its loss fails as the user's fault, and the text names the input.",
    source=DOCS,
    breaks="takes zeros: with no advantages the gradients are zero, with no logprobs the ratios are wrong.",
    needs=("loss importance_sampling",),
)
def missing_input(s: Subject) -> None:
    for name in ("advantages", "logprobs"):
        reply = s.model().send_backward([s.datum(**{**RL, name: None})], "importance_sampling")
        expect_refusal(s, reply, name, what=f"a pass without {name}")


@law(
    "TRN-28",
    "A datum without targets is refused, and the text names them.",
    source=DOCS,
    breaks="shifts the input itself: the last token is never learned, and off by one with the rest.",
)
def missing_targets(s: Subject) -> None:
    reply = s.model().send_backward([s.datum(target_tokens=None)])
    expect_refusal(s, reply, "target_tokens", what="a pass without targets")


@law(
    "TRN-29",
    "Targets and weights of another length than the input are refused.",
    source=DOCS,
    breaks="cuts or pads to fit: a client that is off by one trains on the wrong tokens and never hears it.",
)
def lengths_must_agree(s: Subject) -> None:
    short, long = s.datum(target_tokens=[6, 7, 8], weights=[1.0] * 3), s.datum(weights=[1.0] * 5)
    for datum, what in ((short, "too few targets"), (long, "too many weights")):
        expect_refusal(s, s.model().send_backward([datum]), what=f"a pass with {what}")


@law(
    "TRN-30",
    "Tokens and targets outside the vocabulary are refused.",
    source="ours: an index out of range breaks a device, or reads another row",
    breaks="fails on the device, which takes down the worker and every model on it.",
)
def outside_the_vocabulary(s: Subject) -> None:
    outside = s.datum((5, 6), target_tokens=[6, NO_TOKEN]), s.datum((5, NO_TOKEN), target_tokens=[6, 7])
    for datum in outside:
        expect_refusal(s, s.model().send_backward([datum]), what=f"a pass with token {NO_TOKEN}")


@law(
    "TRN-31",
    "A pass without data is refused.",
    source="ours: there is no loss of nothing, and a client that sends it has a mistake",
    breaks="divides by zero and answers 500, or NaN, which spoils the metrics of the whole call.",
)
def empty_data(s: Subject) -> None:
    expect_refusal(s, s.model().send_backward([]), what="a pass without data")


@law(
    "TRN-32",
    "Every loss answers the learner's logprobs of the targets, not ratios nor terms.",
    source=DOCS,
    breaks="answers the ratio or the term under the name: the client's KL estimates are wrong.",
    needs=("loss importance_sampling", "loss ppo", "loss cispo", "loss dro"),
)
def logprobs_whatever_the_loss(s: Subject) -> None:
    model = s.model()
    expected = model.logprobs()
    for loss in ("importance_sampling", "ppo", "cispo", "dro"):
        config = {"beta": 0.05} if loss == "dro" else None
        got = logprobs_of(model.forward([s.datum(**RL)], loss, config=config))
        expect_close(got, expected, f"logprobs of {loss}", tolerance=s.tolerance)


@law(
    "TRN-33",
    "Every loss reports a finite loss:sum, and nothing by another kind of key.",
    source="sdk 0.38.0 lib/chunked_fwdbwd_helpers.py",
    breaks="reports a clip fraction as `clipfrac`: the client refuses the whole result.",
    needs=("loss importance_sampling", "loss ppo", "loss cispo"),
)
def metrics_whatever_the_loss(s: Subject) -> None:
    model = s.model()
    for loss in ("importance_sampling", "ppo", "cispo"):
        metrics = model.backward([s.datum(**RL)], loss).metrics
        expect("loss:sum" in metrics, f"metrics of {loss}: expected loss:sum, got {sorted(metrics)}")
        wrong = {key: v for key, v in metrics.items() if key.count(":") != 1 or not isfinite(v)}
        expect_equal(wrong, {}, f"metrics of {loss} that are no finite number by name:reduction")


@law(
    "TRN-34",
    "The logprobs of a datum do not depend on what else is in its batch.",
    source="ours: padding and packing are the server's own affair",
    breaks="pads on the left without a mask, or packs without borders: long neighbours change short ones.",
)
def neighbours_do_not_matter(s: Subject) -> None:
    model, short = s.model(), s.datum((5, 6, 7))
    neighbours = [s.datum(range(3, 30)), short, s.datum((9, 4)), s.datum(range(40, 60))]
    alone, among = logprobs_of(model.forward([short])), logprobs_of(model.forward(neighbours), 1)
    expect_close(alone, among, "logprobs of a datum alone", tolerance=s.tolerance)
