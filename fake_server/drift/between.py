"""`drift_between`: everything that differs between two releases, read and observed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from contract.drift.change import Change, Drift, Severity, by_severity
from contract.drift.roles import laws_of, roles_of
from contract.drift.schemas_compared import call_changes, message_changes, method_changes
from contract.drift.shape import Shape
from contract.drift.types_compared import Evidence, type_changes
from contract.versions import SdkVersion
from fake_server.drift.behaviour_compared import common_steps, outcome_changes, strike_changes
from fake_server.drift.lacking import Lacking, answers_of, play_lacking
from fake_server.drift.recorder import BACKGROUND_STEP
from fake_server.drift.requests_compared import UNTIED, operations_by_step, request_changes, step_changes
from fake_server.drift.runs import Played, Stage
from fake_server.drift.scenes import scenes

__all__ = ["Release", "drift_between"]

PLACES = {"outcome": "poll"}
"""What is struck, by scene."""


@dataclass(eq=False)
class Release:
    """One release, unpacked in a folder. What was read and observed of it is kept."""

    version: str
    folder: Path
    _shape: Shape | None = field(default=None, repr=False)
    _played: dict[str, Played] | None = field(default=None, repr=False)

    @property
    def number(self) -> SdkVersion:
        """Its number; the package's own, since the oldest releases say all the same of themselves."""
        return SdkVersion.parse(self.version)

    def shape(self) -> Shape:
        """Its types and methods.

        Raises:
            RuntimeError: if it cannot be imported, with the reason.
        """
        if self._shape is None:
            command = [sys.executable, "-W", "ignore", "-m", "contract.drift", str(self.folder)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                words = (done.stderr.strip().splitlines() or ["nothing"])[-1]
                raise RuntimeError(f"{self.version}: expected a release that can be imported, got {words!r}")
            self._shape = cast("Shape", json.loads(done.stdout.splitlines()[-1]))
        return self._shape

    def played(self, stage: Stage) -> dict[str, Played]:
        """What it does in the scenes that every release plays.

        Raises:
            RuntimeError: if it cannot be run, with the reason.
        """
        if self._played is None:
            self._played = stage.play(self.folder, scenes())
        return self._played


def drift_between(older: Release, newer: Release, tell: Callable[[str], None] = lambda _: None) -> Drift:
    """The drift from one release to another.

    Args:
        older: what a server, or a client, was made for.
        newer: what is to be classified.
        tell: is called with what goes on.

    Raises:
        RuntimeError: if one of them cannot be imported or run, with the reason.
    """
    with Stage() as stage, ThreadPoolExecutor(2) as pool:
        tell(f"reading {older.version} and {newer.version}")
        shapes = tuple(pool.map(Release.shape, (older, newer)))
        tell(f"running {older.version} and {newer.version}; takes a minute")
        played = tuple(pool.map(lambda release: release.played(stage), (older, newer)))
        pair = Pair(shapes[0], shapes[1], played[0], played[1])
        tell(f"running {newer.version} on servers that lack what is new in it")
        versions = (older.number, newer.number)
        whole = newer.played(stage)["whole"]
        lacking = play_lacking(stage, newer.folder, whole, pair.calls, pair.shapes, versions)
    found = [*pair.observed(lacking), *pair.read(lacking)]
    changes = by_severity(each for each in found if isinstance(each, Change))
    unread = [f"{side['version']}: {text}" for side in shapes for text in side["unread"]]
    unchecked = [each for each in found if isinstance(each, str)]
    laws = {index: laws_of(change, older.number, newer.number) for index, change in enumerate(changes)}
    return Drift(older.version, newer.version, changes, (*unread, *unchecked), laws)


@dataclass(frozen=True)
class Pair:
    """What was read and observed of two releases."""

    older_shape: Shape
    newer_shape: Shape
    older: Mapping[str, Played]
    newer: Mapping[str, Played]

    @property
    def shapes(self) -> tuple[Shape, Shape]:
        """Of both."""
        return self.older_shape, self.newer_shape

    @property
    def common(self) -> list[str]:
        """Steps that both went through."""
        return common_steps(self.older["whole"], self.newer["whole"])

    @property
    def calls(self) -> tuple[set[str], set[str]]:
        """Operations that each called in them."""
        older, newer = (_called(side, self.common) for side in (self.older, self.newer))
        return older, newer

    @property
    def refused(self) -> tuple[bool, bool]:
        """Whether each takes no results as JSON."""
        step = "forward_backward"
        older, newer = (side["JSON results"].outcomes[step] != "ok" for side in (self.older, self.newer))
        return older, newer

    def observed(self, lacking: Lacking) -> Iterator[Change | str]:
        """What running them has shown; a text for what could not be compared."""
        common = self.common
        yield from outcome_changes(self.older, self.newer)
        before, after = self.older["whole"].sent, self.newer["whole"].sent
        yield from step_changes(before, after, common, lacking.operations)
        yield from self._untied(lacking)
        sent = [[*side["whole"].sent, *side["heartbeat"].sent] for side in (self.older, self.newer)]
        refused = self.refused == (False, True)
        yield from request_changes(sent[0], sent[1], common, _required(self.older_shape), refused)
        for (kind, name), steps in lacking.fields.items():
            if steps:
                text = f"not read -> needed in {', '.join(steps)}"
                place, operations = f"answer {kind}.{name}", self._answering(kind, steps)
                yield Change("breaking", place, text, "Answer it.", operations, (name,), True)
        for scene in scenes():
            if scene.strikes:
                older, newer = self.older[scene.name], self.newer[scene.name]
                place = PLACES.get(scene.name, scene.name)
                yield from strike_changes(older, newer, scene.strikes, place)
        yield from self._heartbeats()

    def _answering(self, kind: str, steps: Sequence[str]) -> tuple[str, ...]:
        """The operations of some steps that answer a type; all that answer it, where the steps have none."""
        called = operations_by_step(self.newer["whole"].sent)
        every = answers_of(kind)
        return tuple(name for name in every if any(name in called[step] for step in steps)) or every

    def _untied(self, lacking: Lacking) -> Iterator[Change]:
        """New operations that come in no step of their own."""
        for name, failing in lacking.operations.items():
            if name in UNTIED:
                words = f"Serve it: on 404 {', '.join(failing)} fails."
                advice = words if failing else "Nothing: 404 is taken; serve it when you can."
                severity: Severity = "breaking" if failing else "additive"
                yield Change(severity, f"operation {name}", "new", advice, (name,), (name,), True)

    def _heartbeats(self) -> Iterator[Change]:
        before, after = (side["heartbeat"].outcomes["heartbeat"] for side in (self.older, self.newer))
        if before != after:
            text, name = f"{before} -> {after}", "session_heartbeat"
            yield Change(
                "additive", "heartbeats", text, "Take them, or their absence.", (name,), (name,), True
            )

    def read(self, lacking: Lacking) -> Iterator[Change]:
        """What their code says."""
        older, newer = self.shapes
        dispensable = frozenset(place for place, steps in lacking.fields.items() if not steps)
        evidence = Evidence(dispensable, self.refused[1])
        yield from type_changes(older["types"], newer["types"], evidence)
        yield from message_changes(older["messages"], newer["messages"])
        yield from call_changes(older["calls"], newer["calls"], frozenset().union(*self.calls))
        yield from method_changes(older, newer)


def _called(side: Mapping[str, Played], common: Sequence[str]) -> set[str]:
    """Operations that a release called in some steps, and beside all of them.

    Whether the scene of all steps outlasts a heartbeat depends on the machine: one waits for it.
    """
    steps = {*common, BACKGROUND_STEP}
    called = {each.operation for each in side["whole"].sent if each.step in steps}
    beats = {each.operation for each in side["heartbeat"].sent if each.step == BACKGROUND_STEP}
    return called - {"session_heartbeat"} | beats


def _required(shape: Shape) -> set[tuple[str, str]]:
    """Fields of the first level that requests had to have, by operation."""
    roles = roles_of(shape["types"])
    return {
        (operation, name)
        for kind, fields in shape["types"].items()
        if kind in roles
        for operation in roles[kind].asked
        for name, info in fields.items()
        if info["required"]
    }
