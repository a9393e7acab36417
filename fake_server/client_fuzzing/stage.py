"""`Stage`: a world with a client in it, where programs are played; `Run`: what one of them came to."""

from collections.abc import Callable
from dataclasses import dataclass

from fake_server.client_fuzzing.case import Case
from fake_server.client_fuzzing.player import Heard, Player
from fake_server.client_fuzzing.rewrites import Change
from fake_server.fake import Fake
from fake_server.fault import Blow
from fake_server.rules.rule import Finding as RuleFinding
from fake_server.scenarios.remains import Remains, names_in, remains_of
from fake_server.wire import Answer

__all__ = ["OpenPlayer", "Run", "Stage"]

OpenPlayer = Callable[[Fake], Player]
"""A client for a world."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a program."""

    heard: tuple[Heard, ...]
    """For each step."""
    remains: Remains
    """Operations that were done, and the models and checkpoints that it left."""
    rules: tuple[RuleFinding, ...] = ()
    """Rules of the verdict that the client broke, notes included."""
    struck: tuple[int, ...] = ()
    """How often each fault of the schedule struck, and how many answers each rewrite has changed."""
    late: tuple[int, ...] = ()
    """For how many outcomes each rule of delivery was."""


class _Counted:
    """A change of answers that counts those that it has changed."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self.count = 0

    def __call__(self, answer: Answer, blow: Blow) -> Answer:
        changed = self._change(answer, blow)
        self.count += changed is not answer
        return changed


class Stage:
    """A world and a player in it; programs are played one after the other."""

    def __init__(self, world: Fake, open_player: OpenPlayer) -> None:
        self._world = world
        self.player = open_player(world)
        self.played = 0

    def run(self, case: Case) -> Run:
        """Play a program while what the case says happens."""
        world, self.played = self._world, self.played + 1
        earlier = names_in(world)
        world.journal.clear()
        faults = world.faults.add(case.schedule)
        changes = [_Counted(rewrite.change) for rewrite in case.rewrites]
        for rewrite, change in zip(case.rewrites, changes, strict=True):
            world.faults.set(rewrite.model_copy(update={"change": change}))
        rules = [world.delivery.add(rule) for rule in case.rules]
        heard = tuple(self.player.play(case.program))
        struck = [*(one.fired for one in faults), *(change.count for change in changes)]
        late = [rule.fired for rule in rules]
        world.faults.clear()
        world.delivery.clear()
        broken = tuple(world.verdict.findings)
        return Run(
            heard, remains_of(world, world.journal.history(), earlier), broken, tuple(struck), tuple(late)
        )

    def close(self) -> None:
        """Let the player and its world go."""
        self.player.close()
        self._world.close()
