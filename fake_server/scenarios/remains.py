"""`Remains`: what a client leaves on the server: operations that were done, models, checkpoints."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from contract import Backend, BackendOptions, ModelID
from fake_server.elementary import Floats
from fake_server.fake import Fake
from fake_server.history import History
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_options import check_options
from fake_server.scripted_state import Model
from fake_server.scripted_weights import ScriptedWeights

__all__ = [
    "REPEATABLE",
    "Learned",
    "Remains",
    "RememberingBackend",
    "names_in",
    "open_remembering",
    "remains_of",
]

REPEATABLE = ("asample", "forward")
"""Operations that leave nothing: to do them once more harms nobody."""
CLOSENESS = 1e-9
"""Ours: relative; batches that are cut in other places are added up in another order."""


class RememberingBackend(ScriptedBackend):
    """A scripted backend that keeps what it unloads, to be looked at once the client has left."""

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self.unloaded: dict[ModelID, Model] = {}

    def unload_model(self, model_id: ModelID) -> None:
        """Forget a model, but not quite."""
        kept = self.state().models.get(model_id)
        super().unload_model(model_id)
        assert kept is not None  # or it would have raised
        self.unloaded[model_id] = kept


def open_remembering(options: BackendOptions) -> Backend:
    """A backend for one tenant.

    Raises:
        ValueError: naming an option that it cannot honour.
    """
    check_options(options)
    return RememberingBackend(options)


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """The weights of a model or a checkpoint, and the gradients that wait for a step."""

    weights: ScriptedWeights
    passes: int = 0
    """Backward passes since the last step."""

    def equals(self, other: "Learned") -> bool:
        """Whether both have learned the same, in the same number of steps."""
        one, two = self.weights, other.weights
        plain = (one.base_model, one.rank, one.parts, one.gain, self.passes, _steps(one))
        if plain != (two.base_model, two.rank, two.parts, two.gain, other.passes, _steps(two)):
            return False
        if not np.array_equal(one.pairs.keys, two.pairs.keys):
            return False
        numbers = zip(_numbers(one), _numbers(two), strict=True)
        return all(np.allclose(mine, theirs, CLOSENESS, 0) for mine, theirs in numbers)

    def __str__(self) -> str:
        steps = _steps(self.weights)
        told = "weights without an optimizer" if steps is None else f"weights after {steps} steps"
        waiting = f" and {self.passes} passes that wait for one" if self.passes else ""
        return f"{told}{waiting}, of {len(self.weights.pairs.keys)} numbers"


def _steps(weights: ScriptedWeights) -> int | None:
    return None if weights.moments is None else weights.moments.steps


def _numbers(weights: ScriptedWeights) -> list[Floats]:
    moments = weights.moments
    return [weights.pairs.deltas, *([] if moments is None else [moments.means, moments.squares])]


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of one run."""

    operations: Mapping[str, int]
    """How many of each were done; sent again under the same number they count once, failed ones never."""
    models: tuple[Learned, ...] = ()
    checkpoints: tuple[tuple[str, Learned], ...] = ()
    """Each with its type."""

    def difference(self, clean: "Remains", *, operations: bool = True, weights: bool = True) -> str:
        """What is not as where nothing went wrong, in words; empty where all is.

        Args:
            clean: what is left where nothing went wrong.
            operations: whether to compare these.
            weights: whether to compare models and checkpoints.
        """
        found = self._operations(clean) if operations else []
        if weights and not found:
            found = [
                *_unlike("model", self.models, clean.models),
                *_unlike_checkpoints(self.checkpoints, clean.checkpoints),
            ]
        return "; ".join(found)

    def excess(self, clean: "Remains") -> str:
        """What was done more often than where nothing went wrong, in words."""
        return "; ".join(
            f"{name}: expected at most {clean.operations.get(name, 0)} that are done, got {count}"
            for name, count in self.operations.items()
            if name not in REPEATABLE and count > clean.operations.get(name, 0)
        )

    def _operations(self, clean: "Remains") -> list[str]:
        found = []
        for name in sorted({*self.operations, *clean.operations}):
            wanted, got = clean.operations.get(name, 0), self.operations.get(name, 0)
            least = "at least " if name in REPEATABLE else ""
            if got < wanted or (got > wanted and not least):
                found.append(
                    f"{name}: expected {least}{wanted} that are done, as where nothing goes wrong, got {got}"
                )
        return found


def _unlike(kind: str, got: Collection[Learned], clean: Collection[Learned]) -> list[str]:
    """Those of the clean run that are not there, and what is there in their place."""
    left, missing = list(got), []
    for wanted in clean:
        match = next((one for one in left if one.equals(wanted)), None)
        if match is None:
            missing.append(wanted)
        else:
            left.remove(match)
    if not missing and not left:
        return []
    wanted_words = ", ".join(map(str, missing)) or f"no other {kind}"
    got_words = ", ".join(map(str, left)) or "none of that kind"
    other = " with other numbers" if wanted_words == got_words else ""
    return [f"{kind}: expected {wanted_words}, as where nothing goes wrong, got {got_words}{other}"]


def _unlike_checkpoints(
    got: Collection[tuple[str, Learned]], clean: Collection[tuple[str, Learned]]
) -> list[str]:
    found = []
    for kind in sorted({kind for kind, _ in (*got, *clean)}):
        here, there = ([one for own, one in side if own == kind] for side in (got, clean))
        found += _unlike(f"{kind} checkpoint", here, there)
    return found


def remains_of(fake: Fake, history: History, earlier: Collection[str] = ()) -> Remains:
    """What is left in a world whose backend is a `RememberingBackend`.

    Args:
        fake: the world.
        history: of the operations that count.
        earlier: from `names_in`; models and checkpoints that do not count.
    """
    backend = fake.service.backend
    assert isinstance(backend, RememberingBackend)
    with fake.service.lock:
        found = {**backend.unloaded, **backend.state().models}
        models = [model for name, model in found.items() if name not in earlier]
        records = [record for record in fake.service.store.checkpoints if record.path not in earlier]
    own = [record.weights for record in records if isinstance(record.weights, ScriptedWeights)]
    return Remains(
        _done(history),
        tuple(Learned(model.weights, len(model.pending)) for model in models),
        tuple(
            (record.checkpoint_type, Learned(weights)) for record, weights in zip(records, own, strict=True)
        ),
    )


def names_in(fake: Fake) -> frozenset[str]:
    """The ids of the models and the paths of the checkpoints that are there now, or were."""
    backend = fake.service.backend
    assert isinstance(backend, RememberingBackend)
    with fake.service.lock:
        paths = [record.path for record in fake.service.store.checkpoints]
        return frozenset([*backend.unloaded, *backend.state().models, *paths])


def _done(history: History) -> dict[str, int]:
    done: Counter[str] = Counter()
    for promises in history.promises.values():
        first = promises[0]
        if _is_result(first.outcome):
            look = first.operation == "forward_backward" and first.request.get("forward_only")
            done["forward" if look else first.operation] += 1
    return dict(done)


def _is_result(outcome: object) -> bool:
    return isinstance(outcome, Mapping) and not {"error", "category"} <= outcome.keys()
