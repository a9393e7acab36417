"""Laws of the loss whose ratio is of a whole sequence, GSPO: no schema can see it, and PPO looks like it."""

from math import exp

from contract.inputs import Datum
from contract.laws.expect import expect_close, expect_differ
from contract.laws.gradients import Pass, moves
from contract.laws.law import Lawbook
from contract.laws.metamorphic_losses import ADVANTAGES, FAR, TOKENS, example
from contract.laws.subject import Subject

__all__ = ["METAMORPHIC_SEQUENCE"]

METAMORPHIC_SEQUENCE = Lawbook()
law = METAMORPHIC_SEQUENCE.law
GSPO = "Zheng et al., GSPO, arXiv:2507.18071, section 4.3, GSPO-token"
WIDE = {"clip_low_threshold": 0.01, "clip_high_threshold": 100.0}
RATIO = exp(sum(FAR) / len(FAR))
"""Of the sequence: the geometric mean of its tokens' ratios."""


def sequence(s: Subject) -> Datum:
    """A datum all of whose tokens count in the ratio of its sequence."""
    datum = example(s, FAR)
    inputs = {**datum.loss_fn_inputs, "sequence_ratio_mask": [1.0] * len(TOKENS)}
    return Datum(model_input=datum.model_input, loss_fn_inputs=inputs)


@law(
    "MET-72",
    "Where nothing is clipped, the loss of GSPO is minus the sequence's ratio times the sum of A.",
    source=GSPO,
    breaks="takes the ratio of each token, as PPO does, or the product of all of them.",
    needs=("loss gspo",),
    since="0.34.0",
)
def value_of_gspo(s: Subject) -> None:
    got = s.model().loss([sequence(s)], "gspo", config=WIDE)
    expect_close(got, -RATIO * sum(ADVANTAGES), "loss:sum of gspo", tolerance=s.tolerance)


@law(
    "MET-73",
    "Where nothing is clipped, GSPO has the gradients of lp, weighed by the sequence's ratio times A.",
    source=GSPO,
    breaks="weighs each token by its own ratio, or spreads the gradient of one over the sequence.",
    needs=("learning", "loss gspo"),
    since="0.34.0",
)
def gradients_of_gspo(s: Subject) -> None:
    got = moves(s, Pass([sequence(s)], "gspo", WIDE))
    expected = moves(s, Pass([s.datum(TOKENS, [RATIO * advantage for advantage in ADVANTAGES])]))
    expect_close(got, expected, "what gspo moves", tolerance=s.tolerance)
    expect_differ(got, [0.0] * len(got), "what gspo moves", by=s.tolerance)
