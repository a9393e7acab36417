"""Servers of the older kind: without what is new in the newer release, one thing after the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract import UntypedAPIFuture
from contract.drift.shape import Shape
from contract.model import Since
from contract.operations import OPERATIONS, Deferred
from contract.versions import SdkVersion
from fake_server.drift.recorder import Scene
from fake_server.drift.runs import Played, Stage
from fake_server.drift.scenes import WHOLE

__all__ = ["Lacking", "answers_of", "play_lacking"]

ALL = "without all new fields"


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the newer release needs, and what it goes on without."""

    operations: Mapping[str, list[str]]
    """Steps that fail where a new operation is answered by 404."""
    fields: Mapping[tuple[str, str], list[str]]
    """Steps that fail where answers of a type do not have a new field."""


def play_lacking(
    stage: Stage,
    folder: Path,
    whole: Played,
    calls: tuple[set[str], set[str]],
    shapes: tuple[Shape, Shape],
    versions: tuple[SdkVersion, SdkVersion],
) -> Lacking:
    """Run the newer release on servers that lack something.

    Args:
        stage: where.
        folder: the newer release.
        whole: what it did on a server that lacks nothing.
        calls: the operations that both releases called, in steps that both went through.
        shapes: of both.
        versions: of both.
    """
    gone = sorted(calls[1] - calls[0])
    fields = {kind.__name__: new for kind in _answers(calls[1]) if (new := _new(kind, shapes, versions))}
    scenes = [Scene(f"without {name}", WHOLE, gone=frozenset({name})) for name in gone]
    known = {kind: names & _known(kind, calls[1]) for kind, names in fields.items()}
    if any(known.values()):
        scenes.append(Scene(ALL, WHOLE, without=known))
    failing = _failing(whole, stage.play(folder, scenes)) if scenes else {}
    missed: dict[tuple[str, str], list[str]] = {
        (kind, name): [] for kind, names in fields.items() for name in names
    }
    if failing.get(ALL):
        each = {f"without {kind}.{name}": (kind, name) for kind in known for name in known[kind]}
        alone = [
            Scene(scene, WHOLE, without={kind: frozenset({name})}) for scene, (kind, name) in each.items()
        ]
        found = _failing(whole, stage.play(folder, alone))
        missed.update({each[scene]: steps for scene, steps in found.items()})
    return Lacking({name: failing[f"without {name}"] for name in gone}, missed)


def _answers(names: Iterable[str]) -> Iterator[Any]:
    """Types that operations answer, promises among them; each of them once."""
    rows = [row for row in OPERATIONS if row.name in set(names)]
    kinds = [row.response for row in rows if hasattr(row.response, "model_fields")]
    yield from dict.fromkeys([*kinds, *(UntypedAPIFuture for row in rows if isinstance(row, Deferred))])


def _known(name: str, calls: Iterable[str]) -> frozenset[str]:
    """Fields that our own server may answer in a type."""
    return frozenset(
        field for kind in _answers(calls) if kind.__name__ == name for field in kind.model_fields
    )


def _new(kind: Any, shapes: tuple[Shape, Shape], versions: tuple[SdkVersion, SdkVersion]) -> frozenset[str]:
    """Fields of an answer that the older release does not read and the newer one may."""
    marked = {
        name
        for name, info in kind.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, Since) and versions[0] < SdkVersion.parse(mark.version) <= versions[1]
    }
    before, after = (shape["types"].get(kind.__name__, {}) for shape in shapes)
    return frozenset(marked | (after.keys() - before.keys() if before else set()))


def _failing(whole: Played, lacking: Mapping[str, Played]) -> dict[str, list[str]]:
    """By scene: the steps that fail there, and not on a server that lacks nothing."""
    return {
        scene: [
            step
            for step, outcome in played.outcomes.items()
            if whole.outcomes[step] == "ok" != outcome and not outcome.startswith("not tried")
        ]
        for scene, played in lacking.items()
    }


def answers_of(kind: str) -> tuple[str, ...]:
    """Names of the operations that answer a type."""
    return tuple(
        row.name
        for row in OPERATIONS
        if kind == (UntypedAPIFuture.__name__ if isinstance(row, Deferred) else None)
        or kind == getattr(row.response, "__name__", "")
    )
