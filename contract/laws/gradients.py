"""Gradients as a client can see them: where a step along them takes a fresh model.

Adam's first step has the same size whatever the gradients are, so it hides what they are. With an `eps` far
above them it goes along them instead, `learning_rate / eps` times as far. How far is enough depends on the
server's models, and is found once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.inputs import Datum
from contract.laws.expect import pairs
from contract.laws.model import Model
from contract.laws.outputs import logprobs_of
from contract.laws.subject import Subject

__all__ = ["Pass", "difference", "moves", "probed", "stride"]

EPS = 1e6
"""Ours: far above the gradients of a few tokens, and far below the largest float32."""
SMALLEST, LARGEST, FACTOR = 1e-9, 1e3, 10.0
"""Ours: learning rates over `EPS` that are tried."""
ENOUGH = 0.03
"""Nats by which a step moves the mean logprob, or up to ten times as much. Source: ours: 300 times the
tolerance, and not so far that probabilities saturate."""
PROBES = ((5, 6, 7, 8), (5, 9, 7, 4, 3))
"""Sequences that share contexts and differ in what follows."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A training pass to be made."""

    data: Sequence[Datum]
    loss: str = "cross_entropy"
    config: Mapping[str, float | str] | None = None

    def on(self, model: Model) -> None:
        """Make it."""
        model.backward(self.data, self.loss, config=self.config)


def probed(s: Subject, model: Model) -> list[float]:
    """The model's logprobs of two sequences' next tokens, `[9]`."""
    output = model.forward([s.datum(tokens) for tokens in PROBES])
    found = [logprobs_of(output, place, len(tokens)) for place, tokens in enumerate(PROBES)]
    return [logprob for each in found for logprob in each]


def difference(after: Sequence[float], before: Sequence[float]) -> list[float]:
    """By how much each number grew.

    Raises:
        Broken: if one has more numbers than the other.
    """
    return [a - b for a, b in pairs(after, before, "logprobs")]


def stride(s: Subject) -> Mapping[str, float]:
    """Hyperparameters of a step along the gradients that moves logprobs by 0.03 to 0.3 in the mean."""
    if not s.stride:
        rate, moved = SMALLEST / FACTOR, 0.0
        while moved < ENOUGH and rate < LARGEST:
            rate *= FACTOR
            s.stride.update(learning_rate=rate * EPS, eps=EPS)
            changes = moves(s, Pass([s.datum(tokens) for tokens in PROBES]))
            moved = sum(map(abs, changes)) / len(changes)
    return s.stride


def moves(s: Subject, *passes: Pass, **params: float) -> list[float]:
    """What the passes and one step change in a fresh model's logprobs, `[9]`; `params` go over the stride."""
    step, model = {**stride(s), **params}, s.model()
    before = probed(s, model)
    for each in passes:
        each.on(model)
    model.step(**step)
    return difference(probed(s, model), before)
