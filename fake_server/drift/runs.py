"""`Run`: what one release did in each scene, and what it sent."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from fake_server.app import create_app
from fake_server.drift.program import Plan
from fake_server.drift.recorder import Recorder, Scene, Sent
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted

__all__ = ["Played", "Stage"]

MOST_SECONDS = 540.0
"""Ours: a release that hangs in every step of the longest scene is given up."""


@dataclass(frozen=True, slots=True)
class Played:
    """One scene, as a release played it."""

    outcomes: Mapping[str, str]
    """By step: `ok`, `absent`, or what it ended with."""
    sent: Sequence[Sent]
    tries: Mapping[str, int]
    """By step: how often what was struck was asked for."""


class Stage:
    """A server on which releases play scenes, each in a world of its own. A context manager."""

    def __init__(self) -> None:
        self._server = LiveServer(create_app(open_scripted, control=True))
        self._numbers = count()

    def __enter__(self) -> "Stage":
        """Start the server."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._server.stop()

    def play(self, folder: Path, scenes: Sequence[Scene]) -> dict[str, Played]:
        """What the release in a folder does in these scenes; by scene.

        Raises:
            RuntimeError: if it cannot be run, with its last words.
        """
        recorders = [Recorder(scene) for scene in scenes]
        worlds = [Fake(self._server, f"drift-{next(self._numbers)}") for _ in scenes]
        for world, recorder in zip(worlds, recorders, strict=True):
            world.service.traffic.interceptors.insert(0, recorder.intercept)
            world.service.traffic.strays.insert(0, recorder.stray)
        plans = [
            Plan(scene=scene.name, url=world.url, steps=list(scene.steps))
            for scene, world in zip(scenes, worlds, strict=True)
        ]
        try:
            outcomes = _run(folder, plans)
        finally:
            for world in worlds:
                world.close()
        return {
            scene.name: Played(outcomes[scene.name], tuple(recorder.sent), dict(recorder.tries))
            for scene, recorder in zip(scenes, recorders, strict=True)
        }


def _run(folder: Path, plans: Sequence[Plan]) -> dict[str, dict[str, str]]:
    command = [sys.executable, "-W", "ignore", "-m", "fake_server.drift", str(folder)]
    try:
        done = subprocess.run(
            command, input=json.dumps(plans), capture_output=True, text=True, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{folder.name}: expected it to end in {MOST_SECONDS:.0f} s, it did not") from None
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"{folder.name}: expected it to run, got {words!r}")
    told: dict[str, dict[str, str]] = json.loads(done.stdout.strip().splitlines()[-1])
    return told
