"""Laws of AdamW that no schema can see: Loshchilov and Hutter, 2019, algorithm 2.

Where a law is about the size of steps, they are taken along the gradients (`contract.laws.gradients`).
"""

from math import sqrt

from contract.laws.expect import expect, expect_close, expect_differ
from contract.laws.gradients import EPS, Pass, difference, moves, probed, stride
from contract.laws.law import Lawbook
from contract.laws.subject import Subject

__all__ = ["METAMORPHIC_OPTIMIZER"]

METAMORPHIC_OPTIMIZER = Lawbook()
law = METAMORPHIC_OPTIMIZER.law
ADAMW = "Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2"
FIRST, SECOND = (5, 6, 7, 8), (5, 9, 7, 4, 3)
SMALL = 1e-3
"""Ours: a rate at which adapters move by much more than the tolerance."""
TIGHT = 1e-6
"""Ours: a norm below that of any gradients of a few tokens."""
MEMORYLESS = {"beta1": 0.0, "beta2": 0.0}


@law(
    "MET-23",
    "A step with a learning rate of 0 changes no weight, with weight decay or without.",
    source=ADAMW,
    breaks="takes 0 for absent and uses its default, or decays by the bare coefficient.",
    needs=("learning",),
)
def rate_of_zero_is_identity(s: Subject) -> None:
    model, data = s.model(), [s.datum(FIRST)]
    model.train(data, SMALL)
    before = probed(s, model)
    for decay in (0.0, 0.5):
        model.train(data, 0.0, weight_decay=decay)
    expect_close(probed(s, model), before, "logprobs after steps at rate 0", tolerance=s.tolerance)


@law(
    "MET-24",
    "The first step of Adam has the size of the learning rate, however large the gradients are.",
    source="Kingma and Ba, Adam, 2015, section 2.1",
    breaks="is plain gradient descent, or divides by moments before they hold this gradient.",
    needs=("learning",),
)
def first_step_has_one_size(s: Subject) -> None:
    usual = {"learning_rate": SMALL, "eps": 1e-12}
    light, heavy = (moves(s, Pass([s.datum(FIRST, [w] * 4)]), **usual) for w in (1.0, 8.0))
    expect_close(heavy, light, "what weights of 8 move", tolerance=10 * s.tolerance)
    expect_differ(light, [0.0] * len(light), "what the first step moves", by=10 * s.tolerance)


@law(
    "MET-25",
    "The first step does not depend on the betas: moments are corrected for their start at zero.",
    source="Kingma and Ba, Adam, 2015, section 3",
    breaks="leaves bias correction out: early steps are several times too large.",
    needs=("learning",),
)
def moments_are_corrected(s: Subject) -> None:
    data = Pass([s.datum(FIRST)])
    usual, other = moves(s, data), moves(s, data, beta1=0.5, beta2=0.75)
    expect_close(other, usual, "what other betas move", tolerance=s.tolerance)
    expect_close(moves(s, data, **MEMORYLESS), usual, "what betas of 0 move", tolerance=s.tolerance)


@law(
    "MET-26",
    "A second step on zero gradients coasts as far as both moments say.",
    source="Kingma and Ba, Adam, 2015, algorithm 1",
    breaks="swaps the betas, counts no steps, or drops the moments between two steps.",
    needs=("learning",),
)
def coasting_has_adams_length(s: Subject) -> None:
    coasts_as_far(s, SMALL / 10, 0.9, 0.95)


def coasts_as_far(s: Subject, rate: float, beta1: float, beta2: float) -> None:
    """A step at a rate and one on zero gradients lead where one step leads that is longer by the coasting."""
    coasting, straight, nothing = s.model(), s.model(), s.datum(FIRST, [0.0] * 4)
    coasted = beta1 / (1 + beta1) / sqrt(beta2 / (1 + beta2))
    for model in (coasting, straight):
        model.backward([s.datum(FIRST)])
    coasting.step(rate, beta1=beta1, beta2=beta2)
    coasting.train([nothing], rate, beta1=beta1, beta2=beta2)
    straight.step(rate * (1 + coasted), beta1=beta1, beta2=beta2)
    what = f"logprobs after coasting with betas {beta1} and {beta2}"
    expect_close(probed(s, coasting), probed(s, straight), what, tolerance=s.tolerance)


@law(
    "MET-27",
    "Each step uses its own hyperparameters: beta1 of 0 coasts nowhere.",
    source="sdk 0.38.0 types/optim_step_request.py: they are sent with every step",
    breaks="makes its optimizer at the first step and keeps its betas: schedules are ignored.",
    needs=("learning",),
)
def hyperparameters_are_of_the_step(s: Subject) -> None:
    model, nothing = s.model(), [s.datum(FIRST, [0.0] * 4)]
    model.train([s.datum(FIRST)], SMALL)
    before = probed(s, model)
    model.train(nothing, SMALL, beta1=0.0)
    expect_close(probed(s, model), before, "logprobs after a step without memory", tolerance=s.tolerance)


@law(
    "MET-28",
    "Each step uses its own learning rate: steps along the gradients grow with it.",
    source="sdk 0.38.0 types/optim_step_request.py: it is sent with every step",
    breaks="keeps the first rate, or warms up by itself: a schedule does nothing.",
    needs=("learning",),
)
def rate_is_of_the_step(s: Subject) -> None:
    whole, parts = s.model(), s.model()
    rate = stride(s)["learning_rate"] / 10
    for steps, model in (((3.0,), whole), ((1.0, 2.0), parts)):
        for times in steps:
            model.backward([s.datum(FIRST)])
            model.step(times * rate, eps=EPS, **MEMORYLESS)
    before = probed(s, s.model())
    one, two = (sum(difference(probed(s, model), before)) for model in (whole, parts))
    expect(abs(one) > 10 * s.tolerance, f"a step of three: expected logprobs to move, got {one}")
    expect_close(two / one, 1.0, "steps of one and two over a step of three", tolerance=0.1)


@law(
    "MET-29",
    "eps is added to the root of the second moment: twice as large a one, far above it, halves the step.",
    source="Kingma and Ba, Adam, 2015, algorithm 1",
    breaks="ignores eps, or adds it under the root.",
    needs=("learning",),
)
def eps_is_in_the_denominator(s: Subject) -> None:
    data = Pass([s.datum(FIRST)])
    rate = stride(s)["learning_rate"]
    both = moves(s, data, learning_rate=2 * rate, eps=2 * EPS)
    expect_close(both, moves(s, data), "what twice the rate over twice the eps moves", tolerance=s.tolerance)
    still = moves(s, data, eps=1e6 * EPS)
    expect_close(still, [0.0] * len(still), "what a huge eps moves", tolerance=s.tolerance)


@law(
    "MET-30",
    "Gradients above grad_clip_norm are cut to it: above it their size no longer matters.",
    source="sdk 0.38.0 types/optimizer.py: the global norm",
    breaks="ignores it: one bad batch ruins the run that clipping was to protect.",
    needs=("learning",),
    since="0.7.0",
)
def clipping_clips(s: Subject) -> None:
    rate = SMALL / TIGHT * EPS
    light, heavy = (
        moves(s, Pass([s.datum(FIRST, [w] * 4)]), learning_rate=rate, grad_clip_norm=TIGHT)
        for w in (1.0, 4.0)
    )
    expect_close(heavy, light, "what clipped weights of 4 move", tolerance=s.tolerance)
    expect_differ(light, [0.0] * len(light), "what clipped gradients move", by=s.tolerance)


@law(
    "MET-31",
    "Clipped gradients have the norm that was asked for: twice the norm at half the rate is the same step.",
    source="sdk 0.38.0 types/optimizer.py: the global norm",
    breaks="takes any positive norm for 1, its framework's default.",
    needs=("learning",),
    since="0.7.0",
)
def clipping_is_to_the_norm(s: Subject) -> None:
    data, rate = Pass([s.datum(FIRST)]), SMALL / TIGHT * EPS
    one = moves(s, data, learning_rate=rate, grad_clip_norm=TIGHT)
    other = moves(s, data, learning_rate=rate / 2, grad_clip_norm=2 * TIGHT)
    expect_close(other, one, "what twice the norm at half the rate moves", tolerance=s.tolerance)


@law(
    "MET-32",
    "Gradients are clipped as they were accumulated, once, and as a whole.",
    source="sdk 0.38.0 types/optimizer.py: the global norm, of one step",
    breaks="clips every pass, or every tensor: small gradients count as much as large ones.",
    needs=("learning",),
    since="0.7.0",
)
def clipping_is_of_the_sum(s: Subject) -> None:
    one, other = s.datum(FIRST, [9.0] * 4), s.datum(SECOND, [-1.0, 2.0, -3.0, 1.0, -2.0])
    tight = {"learning_rate": SMALL / TIGHT * EPS, "grad_clip_norm": TIGHT}
    whole, split = moves(s, Pass([one, other]), **tight), moves(s, Pass([one]), Pass([other]), **tight)
    expect_close(split, whole, "what two passes move, clipped", tolerance=s.tolerance)


@law(
    "MET-33",
    "A norm above that of the gradients clips nothing, nor does a norm of 0.",
    source="sdk 0.38.0 types/optimizer.py: 0 means no clipping",
    breaks="rescales to the norm whatever it was; or takes 0 literally, and nothing moves.",
    needs=("learning",),
    since="0.7.0",
)
def loose_clipping_is_none(s: Subject) -> None:
    data = Pass([s.datum(FIRST)])
    off = moves(s, data, grad_clip_norm=0.0)
    expect_differ(off, [0.0] * len(off), "what a norm of 0 lets through", by=s.tolerance)
    expect_close(moves(s, data, grad_clip_norm=1e9), off, "what a norm of 1e9 moves", tolerance=s.tolerance)


@law(
    "MET-34",
    "Weight decay is decoupled: the adapter shrinks by rate times decay, and a product of 1 takes all.",
    source=ADAMW,
    breaks="adds the weights to the gradients (Adam with L2), which Adam scales away.",
    needs=("learning",),
    since="0.7.0",
)
def decay_is_decoupled(s: Subject) -> None:
    model = s.model()
    before = probed(s, model)
    model.train([s.datum(FIRST)], SMALL)
    expect_differ(probed(s, model), before, "logprobs after training", by=s.tolerance)
    model.train([s.datum(FIRST, [0.0] * 4)], 1e-2, weight_decay=100.0, **MEMORYLESS)
    expect_close(probed(s, model), before, "logprobs after a decay of all", tolerance=s.tolerance)


@law(
    "MET-35",
    "Weight decay multiplies: two steps that halve the adapter leave what one that leaves a quarter does.",
    source=ADAMW,
    breaks="subtracts a fixed amount, forgets the rate, or decays by a constant of its own.",
    needs=("learning",),
    since="0.7.0",
)
def decay_multiplies(s: Subject) -> None:
    twice, once = s.model(), s.model()
    nothing = [s.datum(FIRST, [0.0] * 4)]
    for model, decays in ((twice, (50.0, 50.0)), (once, (75.0,))):
        model.train([s.datum(FIRST)], SMALL)
        for decay in decays:
            model.train(nothing, 1e-2, weight_decay=decay, **MEMORYLESS)
    before = probed(s, s.model())
    expect_close(probed(s, twice), probed(s, once), "logprobs after the decays", tolerance=s.tolerance)
    expect_differ(probed(s, once), before, "logprobs of a quarter of the adapter", by=s.tolerance)


@law(
    "MET-74",
    "Both betas are used as they are given: with a short memory of squares a step coasts further.",
    source="sdk 0.38.0 types/optim_step_request.py: they are sent with every step",
    breaks="takes beta1 from the request and keeps its own beta2, which shows in no single step.",
    needs=("learning",),
)
def betas_are_used(s: Subject) -> None:
    for beta1, beta2 in ((0.9, 0.2), (0.5, 0.1)):
        coasts_as_far(s, SMALL / 2, beta1, beta2)
