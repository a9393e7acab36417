"""Laws of training that no schema can see: what two ways of doing the same must have in common.

Gradients are compared by where one step along them leads (`contract.laws.gradients`).
"""

import numpy as np

from contract.inputs import Datum, EncodedTextChunk, ModelInput
from contract.laws.examples import wide_datum
from contract.laws.expect import expect, expect_close, expect_differ
from contract.laws.gradients import Pass, difference, moves, probed, stride
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.outputs import logprobs_of, loss_of
from contract.laws.subject import Subject

__all__ = ["METAMORPHIC_LAWS"]

METAMORPHIC_LAWS = Lawbook()
law = METAMORPHIC_LAWS.law
OURS = "ours: follows from the definition of a gradient"
DOCS = "Tinker docs, training and sampling, 2026-03: gradients accumulate until optim_step"
FIRST, SECOND = (5, 6, 7, 8), (5, 9, 7, 4, 3)
NO_TOKEN = 2**30


def two(s: Subject) -> tuple[Datum, Datum]:
    """Two examples whose gradients differ: one is to be learned, of the other half is to be forgotten."""
    return s.datum(FIRST), s.datum(SECOND, [-2.0, 1.0, -0.5, 3.0, 0.5])


@law(
    "MET-01",
    "Gradients accumulate: a batch in one pass and its datums in passes of their own give the same step.",
    source=DOCS,
    breaks="keeps the last pass only, or means within a pass: gradient accumulation trains something else.",
    needs=("learning",),
)
def accumulation_is_split_invariant(s: Subject) -> None:
    one, other = two(s)
    whole, split = moves(s, Pass([one, other])), moves(s, Pass([one]), Pass([other]))
    expect_close(split, whole, "what two passes move", tolerance=s.tolerance)


@law(
    "MET-02",
    "The order of passes before a step does not matter.",
    source=DOCS,
    breaks="weighs later passes more, or steps between them.",
    needs=("learning",),
)
def accumulation_is_order_invariant(s: Subject) -> None:
    one, other = two(s)
    there, back = moves(s, Pass([one]), Pass([other])), moves(s, Pass([other]), Pass([one]))
    expect_close(back, there, "what passes in reverse move", tolerance=s.tolerance)


@law(
    "MET-03",
    "The order of datums in a batch changes neither gradients nor loss.",
    source=OURS,
    breaks="pads by the first datum's length, so that a longer one after it is cut.",
    needs=("learning",),
)
def batches_are_sets(s: Subject) -> None:
    one, other = two(s)
    model = s.model()
    expect_close(model.loss([other, one]), model.loss([one, other]), "loss:sum", tolerance=s.tolerance)
    there, back = moves(s, Pass([one, other])), moves(s, Pass([other, one]))
    expect_close(back, there, "what a batch in reverse moves", tolerance=s.tolerance)


@law(
    "MET-04",
    "A datum of weight zero adds nothing to loss and gradients.",
    source=OURS,
    breaks="divides by the number of datums or tokens: padding a batch changes the step.",
    needs=("learning",),
)
def zero_weight_is_neutral(s: Subject) -> None:
    one, nothing = s.datum(FIRST), s.datum(SECOND, [0.0] * 5)
    model = s.model()
    expect_close(model.loss([one, nothing]), model.loss([one]), "loss:sum", tolerance=s.tolerance)
    alone, padded = moves(s, Pass([one])), moves(s, Pass([one, nothing]))
    expect_close(padded, alone, "what a batch with a neutral datum moves", tolerance=s.tolerance)


@law(
    "MET-05",
    "Gradients are linear in the weights: a datum of weight 3 is three of weight 1.",
    source=OURS,
    breaks="normalises the weights of a datum or a batch to a sum of 1.",
    needs=("learning",),
)
def weights_are_linear(s: Subject) -> None:
    one, other = two(s)
    heavy = s.datum(FIRST, [3.0] * 4)
    thrice, once = moves(s, Pass([one] * 3 + [other])), moves(s, Pass([heavy, other]))
    expect_close(once, thrice, "what a datum of weight 3 moves", tolerance=s.tolerance)


@law(
    "MET-06",
    "Weights add up within a datum: its tokens, each in a pass of its own, give the step of the whole.",
    source=OURS,
    breaks="learns the tokens where the weight is not zero, whatever the weight is.",
    needs=("learning",),
)
def weights_are_of_tokens(s: Subject) -> None:
    weights = [0.5, 2.0, -1.0, 1.5]
    parts = [[w if at == place else 0.0 for at, w in enumerate(weights)] for place in range(4)]
    split = moves(s, *(Pass([s.datum(FIRST, part)]) for part in parts))
    whole = moves(s, Pass([s.datum(FIRST, weights)]))
    expect_close(split, whole, "what the tokens one by one move", tolerance=s.tolerance)


@law(
    "MET-07",
    "Weights and their opposite cancel: after both passes there is nothing to step along.",
    source=OURS,
    breaks="takes the absolute value, or clamps negative weights to zero: nothing can be unlearned.",
    needs=("learning",),
)
def opposites_cancel(s: Subject) -> None:
    there, back = s.datum(FIRST, [1.0, 2.0, 0.5, 1.0]), s.datum(FIRST, [-1.0, -2.0, -0.5, -1.0])
    moved = moves(s, Pass([there]), Pass([back]))
    expect_close(moved, [0.0] * len(moved), "what opposite passes move", tolerance=s.tolerance)


@law(
    "MET-08",
    "A forward pass leaves no gradients, and takes none.",
    source="sdk 0.38.0 types/forward_backward_request.py forward_only",
    breaks="accumulates in an evaluation: each look at the validation loss trains on it.",
    needs=("learning",),
)
def forward_changes_nothing(s: Subject) -> None:
    one, other = two(s)
    quiet, looked = s.model(), s.model()
    quiet.backward([one])
    looked.forward([other])
    looked.backward([one])
    looked.forward([other, other])
    for model in (quiet, looked):
        model.step(**stride(s))
    expect_close(probed(s, looked), probed(s, quiet), "logprobs after forward passes", tolerance=s.tolerance)


@law(
    "MET-09",
    "optim_step clears the gradients that it used.",
    source=DOCS,
    breaks="leaves them: every step repeats all that came before, and the loss falls, then explodes.",
    needs=("learning",),
)
def step_clears_gradients(s: Subject) -> None:
    one, other = two(s)
    used, fresh = s.model(), s.model()
    used.backward([one])
    used.step(0.0, beta1=0.0, beta2=0.0)
    for model in (used, fresh):
        model.backward([other])
        model.step(**{**stride(s), "beta1": 0.0, "beta2": 0.0})
    expect_close(probed(s, used), probed(s, fresh), "logprobs after the next step", tolerance=s.tolerance)


@law(
    "MET-10",
    "A step uses the gradients of the passes before it, not of those sent after it while it waits.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: the next call is sent before the result",
    breaks="steps when its turn in a queue of steps comes: passes of the next batch slip in.",
    needs=("learning",),
)
def step_ends_what_it_uses(s: Subject) -> None:
    one, other = two(s)
    piped, patient = s.model(), s.model()
    piped.send_backward([one])
    step = promised(piped.send_step(seq_id=None, **stride(s)), "optim_step")
    later = promised(piped.send_backward([other]), "forward_backward")
    s.poll(later), s.poll(step)
    patient.backward([one])
    patient.step(**stride(s))
    expect_close(probed(s, piped), probed(s, patient), "logprobs after the step", tolerance=s.tolerance)


@law(
    "MET-11",
    "A forward pass that is sent before a step sees the weights before it, whenever it is polled.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: executed in the order of request ids",
    breaks="answers reads from the newest weights: evaluations are of another step than they say.",
    needs=("learning",),
)
def reads_keep_their_place(s: Subject) -> None:
    model, data = s.model(), [s.datum(FIRST)]
    before = model.loss(data)
    model.backward(data)
    early = model.send_backward(data, forward_only=True)
    model.step(**stride(s))
    after = model.loss(data)
    got = loss_of(s.passed(promised(early, "a forward pass")))
    expect_close(got, before, "loss of the forward pass before the step", tolerance=s.tolerance)
    expect_differ(after, before, "loss after the step", by=s.tolerance)


@law(
    "MET-12",
    "Two models never mix: trained in turns, each is what it is when it is trained alone.",
    source=OURS,
    breaks="has one gradient buffer or one optimizer for all: tenants train each other's models.",
)
def models_do_not_mix(s: Subject) -> None:
    one, other = two(s)
    mine, theirs = s.model(), s.model()
    before = probed(s, mine)
    mine.backward([one])
    theirs.backward([other])
    mine.step(**stride(s))
    theirs.step(**stride(s))
    moved = [difference(probed(s, model), before) for model in (mine, theirs)]
    for got, data, whose in zip(moved, (one, other), ("the first", "the second"), strict=True):
        expect_close(got, moves(s, Pass([data])), whose, tolerance=s.tolerance)


@law(
    "MET-13",
    "Models of different sessions do not mix either, and training one leaves the base model as it was.",
    source=OURS,
    breaks="merges the adapter into the base model that all share.",
)
def base_stays(s: Subject) -> None:
    before = probed(s, s.model())
    for _ in range(2):
        s.model().train([s.datum(FIRST)], 1e-3)
    expect_close(probed(s, s.model()), before, "logprobs of a model made later", tolerance=s.tolerance)


@law(
    "MET-14",
    "A pass that fails leaves no gradients behind, not even of its good datums.",
    source="ours: a failed call that half counted cannot be put right by its caller",
    breaks="accumulates datum by datum, and fails at the last.",
    needs=("learning",),
)
def failed_pass_leaves_no_trace(s: Subject) -> None:
    one, other = two(s)
    model = s.model()
    before = probed(s, model)
    s.refused(model.send_backward([other, s.datum((5, 6), target_tokens=[6, NO_TOKEN])]))
    model.backward([one])
    model.step(**stride(s))
    moved = difference(probed(s, model), before)
    expect_close(moved, moves(s, Pass([one])), "what a step after a failure moves", tolerance=s.tolerance)


@law(
    "MET-15",
    "A pass that fails leaves the gradients that were there.",
    source="ours: a failed call that took something away cannot be put right by its caller",
    breaks="clears them in its clean-up: the next step is of part of the batch.",
    needs=("learning",),
)
def failed_pass_keeps_gradients(s: Subject) -> None:
    one, _ = two(s)
    model = s.model()
    before = probed(s, model)
    model.backward([one])
    s.refused(model.send_backward([one], "no_such_loss"))
    model.step(**stride(s))
    moved = difference(probed(s, model), before)
    expect_close(moved, moves(s, Pass([one])), "what a step after a failure moves", tolerance=s.tolerance)


@law(
    "MET-16",
    "A pass that is sent again with its seq_id adds its gradients once.",
    source="sdk 0.38.0 _base_client.py: a lost answer is followed by the same request",
    breaks="accumulates twice: one lost packet doubles a batch.",
    needs=("learning",),
)
def replayed_pass_counts_once(s: Subject) -> None:
    one, other = two(s)
    model = s.model()
    before = probed(s, model)
    number = model.next()
    for _ in range(2):
        s.poll(promised(model.send_backward([one], seq_id=number), "forward_backward"))
    model.backward([other])
    model.step(**stride(s))
    moved, expected = difference(probed(s, model), before), moves(s, Pass([one]), Pass([other]))
    expect_close(moved, expected, "what a replayed pass moves", tolerance=s.tolerance)


@law(
    "MET-17",
    "A step that is sent again with its seq_id is made once.",
    source="sdk 0.38.0 _base_client.py: a lost answer is followed by the same request",
    breaks="steps again on what came since, or coasts on its momentum.",
    needs=("learning",),
)
def replayed_step_is_made_once(s: Subject) -> None:
    one, other = two(s)
    model = s.model()
    model.backward([one])
    number = model.next()
    s.poll(promised(model.send_step(seq_id=number, **stride(s)), "optim_step"))
    after = probed(s, model)
    model.backward([other])
    s.poll(promised(model.send_step(seq_id=number, **stride(s)), "the replay of optim_step"))
    expect_close(probed(s, model), after, "logprobs after a replayed step", tolerance=s.tolerance)


@law(
    "MET-18",
    "Training on a datum makes it likelier, and with negative weights less likely.",
    source=OURS,
    breaks="has the sign of the loss or of the step wrong: everything runs, and learns the opposite.",
)
def learning_has_a_direction(s: Subject) -> None:
    up, down = (sum(moves(s, Pass([s.datum(FIRST, [sign] * 4)]))[:4]) for sign in (1.0, -1.0))
    expect(up > s.tolerance, f"logprobs after a pass: expected them to rise, got a change of {up}")
    expect(down < -s.tolerance, f"logprobs after weights of -1: expected a fall, got a change of {down}")


@law(
    "MET-19",
    "What a token is predicted from is what stands before it: later tokens change nothing.",
    source="ours: the models are causal",
    breaks="has no causal mask, or is off by one: the model sees the answer, and the loss is near zero.",
)
def models_are_causal(s: Subject) -> None:
    model = s.model()
    one, other = model.logprobs((5, 6, 7, 8, 3)), model.logprobs((5, 6, 7, 4, 2, 9))
    expect_close(one[:2], other[:2], "logprobs of the common beginning", tolerance=s.tolerance)


@law(
    "MET-20",
    "How an input is cut into chunks does not matter.",
    source="sdk 0.38.0 types/model_input.py",
    breaks="restarts positions at each chunk, or puts a token between them.",
)
def chunks_do_not_matter(s: Subject) -> None:
    model, whole = s.model(), s.datum(SECOND)
    chunks = [EncodedTextChunk(tokens=list(part)) for part in (SECOND[:2], SECOND[2:3], SECOND[3:])]
    cut = whole.model_copy(update={"model_input": ModelInput(chunks=list(chunks))})
    expect_close(model.loss([cut]), model.loss([whole]), "loss:sum of a cut input", tolerance=s.tolerance)


@law(
    "MET-21",
    "K targets at a position are scored and learned as K datums of one target each.",
    source=OURS,
    breaks="normalises over the K targets, or learns the last one only.",
    needs=("learning",),
)
def many_targets_are_many_datums(s: Subject) -> None:
    targets, weights = [[6, 9], [7, 4], [3, 5]], [[1.0, -0.5], [0.25, 2.0], [1.0, 1.0]]
    columns = [
        s.datum((5, 6, 7), [row[k] for row in weights], target_tokens=[row[k] for row in targets])
        for k in range(2)
    ]
    model, wide = s.model(), wide_datum(targets, weights)
    expect_close(model.loss([wide]), model.loss(columns), "loss:sum of [N, 2]", tolerance=s.tolerance)
    together, apart = moves(s, Pass([wide])), moves(s, Pass(columns))
    expect_close(together, apart, "what targets [N, 2] move", tolerance=s.tolerance)


@law(
    "MET-22",
    "Probabilities of different targets at one position add up to at most 1.",
    source="ours: they are of one distribution",
    breaks="scores each target by itself, or without the softmax over the whole vocabulary.",
)
def probabilities_add_up(s: Subject) -> None:
    output = s.model().forward([wide_datum([list(range(64))] * 2, [[1.0] * 64] * 2)])
    for total in np.exp(logprobs_of(output, 0, 128)).reshape(2, 64).sum(axis=1).tolist():
        expect(total <= 1 + s.tolerance, f"probabilities of 64 tokens: expected at most 1, got {total}")
