"""Laws of the losses of reinforcement learning, that no schema can see: their formulas, values and gradients.

`lp` is the learner's logprob of a token, `q` the sampler's, `A` the advantage and `r` is exp(lp - q). The
gradients of every loss are those of a cross entropy with weights of minus its derivative by each `lp`: that
is how a client's own loss is sent, and here it is how gradients are checked without knowing the model.
"""

from collections.abc import Callable, Sequence
from math import exp

from contract.inputs import Datum
from contract.laws.examples import policy_datum
from contract.laws.expect import expect_close, expect_differ
from contract.laws.gradients import Pass, moves, probed, stride
from contract.laws.law import Lawbook
from contract.laws.model import Model
from contract.laws.subject import Subject

__all__ = ["METAMORPHIC_LOSSES"]

METAMORPHIC_LOSSES = Lawbook()
law = METAMORPHIC_LOSSES.law
DOCS = "Tinker docs, losses, 2026-03"
TOKENS = (5, 9, 7, 4, 3)
ADVANTAGES = (1.0, -0.5, 2.0, -1.0, 0.75)
GAPS = (0.1, -0.15, 0.0, 0.12, -0.05)
"""lp - q of each token, near enough for every clip."""
FAR = (0.5, -0.6, 0.9, 0.7, -0.8)
"""lp - q of each token, where ratios are from 0.45 to 2.5."""
PPO_CLIPS = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
CISPO_CLIPS = {"clip_low_threshold": 0.6, "clip_high_threshold": 1.7}
BETA = 0.3
STEP = 1e-2

Term = Callable[[float, float, float], float]
"""Of a token's lp, q and A."""


def example(s: Subject, gaps: Sequence[float], advantages: Sequence[float] = ADVANTAGES) -> Datum:
    """A datum whose tokens the sampler gave the fresh learner's logprobs less `gaps`."""
    return policy_datum(TOKENS, learner_minus(s, gaps), advantages)


def learner_minus(s: Subject, gaps: Sequence[float]) -> list[float]:
    """The sampler's logprob of each token, by its gap to a fresh model's."""
    return [lp - gap for lp, gap in zip(s.model().logprobs(TOKENS), gaps, strict=True)]


def clamped(ratio: float, clips: dict[str, float]) -> float:
    """The ratio within the thresholds."""
    return min(max(ratio, clips["clip_low_threshold"]), clips["clip_high_threshold"])


def expect_loss(
    s: Subject, loss: str, config: dict[str, float] | None, gaps: Sequence[float], term: Term
) -> None:
    """`loss:sum` is the sum of the terms."""
    model = s.model()
    learner, sampler = model.logprobs(TOKENS), learner_minus(s, gaps)
    expected = sum(map(term, learner, sampler, ADVANTAGES))
    got = model.loss([policy_datum(TOKENS, sampler, ADVANTAGES)], loss, config=config)
    expect_close(got, expected, f"loss:sum of {loss}", tolerance=s.tolerance)


def expect_gradients(
    s: Subject, loss: str, config: dict[str, float] | None, gaps: Sequence[float], weight: Term
) -> None:
    """The gradients are those of a cross entropy with these weights, and there are some."""
    learner, sampler = s.model().logprobs(TOKENS), learner_minus(s, gaps)
    weights = list(map(weight, learner, sampler, ADVANTAGES))
    got = moves(s, Pass([policy_datum(TOKENS, sampler, ADVANTAGES)], loss, config))
    expected = moves(s, Pass([s.datum(TOKENS, weights)]))
    expect_close(got, expected, f"what {loss} moves", tolerance=s.tolerance)
    expect_differ(got, [0.0] * len(got), f"what {loss} moves", by=s.tolerance)


def slope_by_sampler(s: Subject, model: Model, loss: str, config: dict[str, float], place: int) -> float:
    """The derivative of the reported loss by one token's q, by central differences."""
    gaps = [[gap + (sign * STEP if at == place else 0.0) for at, gap in enumerate(FAR)] for sign in (-1, 1)]
    more, less = (model.loss([example(s, each)], loss, config=config) for each in gaps)
    return (more - less) / (2 * STEP)


@law(
    "MET-51",
    "The loss of importance sampling is minus the sum of r A.",
    source=DOCS,
    breaks="means over tokens, or takes the ratio of whole sequences.",
    needs=("loss importance_sampling",),
)
def value_of_importance_sampling(s: Subject) -> None:
    expect_loss(s, "importance_sampling", None, FAR, lambda lp, q, a: -exp(lp - q) * a)


@law(
    "MET-52",
    "With a ratio of 1, importance sampling has the gradients of the policy gradient.",
    source="Williams, REINFORCE, 1992: the gradient of A times lp",
    breaks="detaches the ratio, and the gradients are zero; or has their sign wrong.",
    needs=("learning", "loss importance_sampling"),
)
def ratio_of_one_is_the_policy_gradient(s: Subject) -> None:
    expect_gradients(s, "importance_sampling", None, [0.0] * 5, lambda *each: each[2])


@law(
    "MET-53",
    "Off the policy, the gradients of importance sampling are those of lp, weighed by r A.",
    source=DOCS,
    breaks="leaves the ratio out of the gradients, and corrects nothing.",
    needs=("learning", "loss importance_sampling"),
)
def gradients_of_importance_sampling(s: Subject) -> None:
    expect_gradients(s, "importance_sampling", None, FAR, lambda lp, q, a: exp(lp - q) * a)


@law(
    "MET-54",
    "Where no ratio leaves the clip range, PPO is importance sampling, in loss and gradients.",
    source="Schulman et al., PPO, 2017, equation 7",
    breaks="centres the ratio at 0, or clips the advantage.",
    needs=("learning", "loss ppo", "loss importance_sampling"),
)
def ppo_within_its_range(s: Subject) -> None:
    model, data = s.model(), [example(s, GAPS)]
    losses = [model.loss(data, name) for name in ("ppo", "importance_sampling")]
    expect_close(losses[0], losses[1], "loss:sum of ppo", tolerance=s.tolerance)
    expect_gradients(s, "ppo", None, GAPS, lambda lp, q, a: exp(lp - q) * a)


@law(
    "MET-55",
    "The loss of PPO is minus the sum of the lesser of r A and of the clipped ratio times A.",
    source="Schulman et al., PPO, 2017, equation 7",
    breaks="takes the greater one, which rewards what the clip should end.",
    needs=("loss ppo",),
)
def value_of_ppo(s: Subject) -> None:
    def term(lp: float, q: float, a: float) -> float:
        ratio = exp(lp - q)
        return -min(ratio * a, clamped(ratio, PPO_CLIPS) * a)

    expect_loss(s, "ppo", PPO_CLIPS, FAR, term)


@law(
    "MET-56",
    "PPO has no gradients where the clip decides, and all of them where it does not.",
    source="Schulman et al., PPO, 2017, figure 1",
    breaks="lets gradients through the clamp, or stops them on both sides whatever the advantage's sign.",
    needs=("learning", "loss ppo"),
)
def gradients_of_ppo(s: Subject) -> None:
    def weight(lp: float, q: float, a: float) -> float:
        ratio = exp(lp - q)
        return ratio * a * (ratio * a <= clamped(ratio, PPO_CLIPS) * a)

    expect_gradients(s, "ppo", PPO_CLIPS, FAR, weight)


@law(
    "MET-57",
    "PPO without settings clips from 0.8 to 1.2.",
    source=DOCS,
    breaks="has other defaults, or none: two runs of one script differ between servers.",
    needs=("loss ppo",),
)
def defaults_of_ppo(s: Subject) -> None:
    model, data = s.model(), [example(s, FAR)]
    left_out, told = model.loss(data, "ppo"), model.loss(data, "ppo", config=PPO_CLIPS)
    expect_close(left_out, told, "loss:sum of ppo without settings", tolerance=s.tolerance)


@law(
    "MET-58",
    "Each clip threshold of PPO is used as it is given: a wide range clips nothing.",
    source=DOCS,
    breaks="reads loss_fn_config from the wrong map, or epsilon for the threshold.",
    needs=("loss ppo", "loss importance_sampling"),
)
def settings_of_ppo(s: Subject) -> None:
    model, data = s.model(), [example(s, FAR)]
    wide = {"clip_low_threshold": 0.01, "clip_high_threshold": 100.0}
    free = model.loss(data, "importance_sampling")
    expect_close(
        model.loss(data, "ppo", config=wide), free, "loss:sum in a wide range", tolerance=s.tolerance
    )
    for name in PPO_CLIPS:
        half = model.loss(data, "ppo", config={**wide, name: PPO_CLIPS[name]})
        expect_differ(half, free, f"loss:sum with {name} alone", by=s.tolerance)


@law(
    "MET-59",
    "The loss of CISPO is minus the sum of the clipped ratio times lp A.",
    source=DOCS,
    breaks="takes the surrogate of PPO, which is another one.",
    needs=("loss cispo",),
)
def value_of_cispo(s: Subject) -> None:
    def term(lp: float, q: float, a: float) -> float:
        return -clamped(exp(lp - q), CISPO_CLIPS) * lp * a

    expect_loss(s, "cispo", CISPO_CLIPS, FAR, term)


@law(
    "MET-60",
    "CISPO holds the clipped ratio constant: its gradients are those of lp, weighed by it, clipped or not.",
    source="MiniMax, CISPO, arXiv:2506.13585, equation 4",
    breaks="differentiates the ratio too, or drops clipped tokens as PPO does.",
    needs=("learning", "loss cispo"),
)
def gradients_of_cispo(s: Subject) -> None:
    def weight(lp: float, q: float, a: float) -> float:
        return clamped(exp(lp - q), CISPO_CLIPS) * a

    expect_gradients(s, "cispo", CISPO_CLIPS, FAR, weight)


@law(
    "MET-61",
    "The loss of DRO is minus the sum of lp A less beta / 2 times the square of lp - q.",
    source=DOCS,
    breaks="forgets the half, or squares the ratio.",
    needs=("loss dro",),
)
def value_of_dro(s: Subject) -> None:
    def term(lp: float, q: float, a: float) -> float:
        return -(lp * a - 0.5 * BETA * (lp - q) ** 2)

    expect_loss(s, "dro", {"beta": BETA}, FAR, term)


@law(
    "MET-62",
    "The gradients of DRO are those of lp, weighed by A less beta times lp - q.",
    source=DOCS,
    breaks="holds the penalty constant: it shows in the loss and pulls nothing back.",
    needs=("learning", "loss dro"),
)
def gradients_of_dro(s: Subject) -> None:
    expect_gradients(s, "dro", {"beta": BETA}, FAR, lambda lp, q, a: a - BETA * (lp - q))


@law(
    "MET-63",
    "By finite differences, the loss of DRO changes by q as its formula's derivative says.",
    source=DOCS,
    breaks="reports a loss without the penalty, or with q of another token.",
    needs=("loss dro",),
)
def differences_of_dro(s: Subject) -> None:
    model, config = s.model(), {"beta": BETA}
    got = [slope_by_sampler(s, model, "dro", config, place) for place in range(len(FAR))]
    expect_close(got, [-BETA * gap for gap in FAR], "slopes of dro by q", tolerance=100 * s.tolerance)


@law(
    "MET-64",
    "By finite differences, the loss of CISPO changes by q where the ratio is not clipped, and only there.",
    source=DOCS,
    breaks="clips the logarithm of the ratio, or one side only.",
    needs=("loss cispo",),
)
def differences_of_cispo(s: Subject) -> None:
    model = s.model()
    got = [slope_by_sampler(s, model, "cispo", CISPO_CLIPS, place) for place in range(len(FAR))]
    learner = model.logprobs(TOKENS)
    free = [clamped(exp(gap), CISPO_CLIPS) == exp(gap) for gap in FAR]
    terms = zip(free, FAR, learner, ADVANTAGES, strict=True)
    expected = [is_free * exp(gap) * lp * a for is_free, gap, lp, a in terms]
    expect_close(got, expected, "slopes of cispo by q", tolerance=100 * s.tolerance)


@law(
    "MET-65",
    "Two losses move each other alike: a step along one changes the other as one along the other changes it.",
    source="ours: both changes are the product of their gradients",
    breaks="steps along something else than the gradients of the loss that it reports.",
    needs=("learning", "loss dro"),
)
def losses_move_each_other_alike(s: Subject) -> None:
    one, other = [example(s, FAR)], [s.datum(TOKENS, [1.0, 0.5, 1.0, 0.25, 2.0])]
    small = {**stride(s), "learning_rate": stride(s)["learning_rate"] / 10}
    changes = []
    for (data, loss, config), (seen, its_loss, its) in (
        ((one, "dro", {"beta": BETA}), (other, "cross_entropy", None)),
        ((other, "cross_entropy", None), (one, "dro", {"beta": BETA})),
    ):
        model = s.model()
        before = model.loss(seen, its_loss, config=its)
        model.backward(data, loss, config=config)
        model.step(**small)
        changes.append(model.loss(seen, its_loss, config=its) - before)
    expect_close(changes[0] / changes[1], 1.0, "one change over the other", tolerance=0.1)


@law(
    "MET-66",
    "An advantage of zero adds nothing to loss and gradients of importance sampling and PPO.",
    source=DOCS,
    breaks="whitens advantages in the server: tokens without one are trained too.",
    needs=("learning", "loss importance_sampling", "loss ppo"),
)
def no_advantage_is_neutral(s: Subject) -> None:
    for loss in ("importance_sampling", "ppo"):
        nothing = [example(s, FAR, [0.0] * 5)]
        expect_close(s.model().loss(nothing, loss), 0.0, f"loss:sum of {loss}", tolerance=s.tolerance)
        one = example(s, FAR)
        alone, padded = moves(s, Pass([one], loss)), moves(s, Pass([one, *nothing], loss))
        expect_close(padded, alone, f"what {loss} moves", tolerance=s.tolerance)


@law(
    "MET-67",
    "Twice the advantages are twice the loss and the gradients of two passes.",
    source=DOCS,
    breaks="normalises advantages over the batch: their scale, which the user chose, is lost.",
    needs=("learning", "loss importance_sampling"),
)
def advantages_are_linear(s: Subject) -> None:
    one, double = example(s, FAR), example(s, FAR, [2 * a for a in ADVANTAGES])
    losses = [s.model().loss(data, "importance_sampling") for data in ([double], [one, one])]
    expect_close(losses[0], losses[1], "loss:sum of doubled advantages", tolerance=s.tolerance)
    once, twice = (moves(s, *passes) for passes in ([rl(double)], [rl(one), rl(one)]))
    expect_close(once, twice, "what doubled advantages move", tolerance=s.tolerance)


def rl(datum: Datum) -> Pass:
    """A pass of importance sampling."""
    return Pass([datum], "importance_sampling")


@law(
    "MET-68",
    "A forward pass with a loss of reinforcement learning leaves no gradients either.",
    source="sdk 0.38.0 types/forward_backward_request.py forward_only",
    breaks="has the flag in one of its code paths only.",
    needs=("learning", "loss ppo"),
)
def forward_of_ppo_changes_nothing(s: Subject) -> None:
    looked, quiet, data = s.model(), s.model(), [example(s, FAR)]
    for model in (looked, quiet):
        model.backward([s.datum(TOKENS)])
    looked.forward(data, "ppo")
    for model in (looked, quiet):
        model.step(**stride(s))
    expect_close(probed(s, looked), probed(s, quiet), "logprobs after a forward pass", tolerance=s.tolerance)


@law(
    "MET-69",
    "Gradients of different losses accumulate into one step.",
    source=DOCS,
    breaks="keeps gradients by the loss, and steps along the last one's.",
    needs=("learning", "loss importance_sampling"),
)
def losses_accumulate(s: Subject) -> None:
    policy, text = rl(example(s, [0.0] * 5)), Pass([s.datum((5, 6, 7, 8))])
    both = moves(s, policy, text)
    same = moves(s, Pass([s.datum(TOKENS, ADVANTAGES), s.datum((5, 6, 7, 8))]))
    expect_close(both, same, "what two losses move", tolerance=s.tolerance)
