"""`ClientFuzz` and `hunt` on the mini client and on broken ones."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from contract import programs as p
from fake_server.client_fuzzing import Case, ClientFuzz, Finding, Found, Hazards, Heard, batches, hunt
from fake_server.client_fuzzing.player import Pending, Player
from fake_server.client_fuzzing.stage import OpenPlayer
from fake_server.client_fuzzing.tally import ENOUGH, Tally
from fake_server.clock import VirtualClock
from fake_server.delivery import DeliveryRule
from fake_server.fake import Fake, FakeServer
from fake_server.faults import KINDS, Schedule
from tests.clients.mini import MiniClient
from tests.clients.mutants import MUTANTS
from tests.clients.player import BEGIN, KINDS_OF_STEPS, MiniPlayer

TRAIN = p.Program.of(p.CreateSession(), p.CreateModel(), p.ForwardBackward(), p.OptimStep())


def playing(kind: type[MiniClient]) -> OpenPlayer:
    return lambda world: MiniPlayer(world, kind)


SOUND = playing(MiniClient)


def fuzz_of(server: FakeServer, kind: type[MiniClient] = MiniClient, **named: Any) -> ClientFuzz:
    return ClientFuzz(server, playing(kind), SOUND, clocks=lambda: VirtualClock(auto=True), **named)


def test_nothing_is_found_on_a_sound_client(server: FakeServer) -> None:
    with fuzz_of(server, cases_per_world=3) as fuzz:
        hunted = hunt(fuzz, batches(KINDS_OF_STEPS), examples=25, seed_number=4)

    assert hunted.found is None
    assert hunted.empty == ()
    assert "with a fault that struck" in str(hunted.tally)


def test_a_broken_client_is_found_and_the_case_shrinks(server: FakeServer) -> None:
    with fuzz_of(server, MUTANTS["new-number-on-retry"].client) as fuzz:
        drawn = batches(frozenset({"optim_step"}), Hazards(faults=("lose_answer",)), trials=2, max_steps=5)
        hunted = hunt(fuzz, drawn, examples=60, seed_number=1)

    assert hunted.found is not None
    assert len(hunted.found.case.program.steps) <= 5
    assert len(hunted.found.case.schedule.faults) + len(hunted.found.case.rules) <= 2


def test_what_was_found_is_tried_first_the_next_time(server: FakeServer, tmp_path: Path) -> None:
    drawn = batches(frozenset({"optim_step"}), Hazards(faults=("lose_answer",)), trials=1, max_steps=2)
    tried = []
    for examples in (40, 1):
        with fuzz_of(server, MUTANTS["second-step"].client) as fuzz:
            hunted = hunt(
                fuzz, drawn, examples=examples, seed_number=1, simple_values=False, database=tmp_path
            )
        tried.append(hunted.found is not None)

    assert tried == [True, True]


def struck(kind: str, operation: str, **fields: Any) -> Case:
    when = {"operation": operation, "nth": 1}
    return Case(TRAIN, Schedule(faults=(KINDS[kind].model_validate({"when": when, **fields}),)))


LOST = struck("lose_answer", "optim_step")
FAILED = Case(TRAIN, rules=(DeliveryRule(operation="optim_step", error="it failed", times=1),))


@pytest.mark.parametrize(
    ("name", "case", "kind"),
    [
        ("second-step", LOST, "done twice"),
        ("gives-up-at-503", struck("status", "optim_step", status=503), "gave up"),
        ("failure-is-a-result", FAILED, "wrong number"),
        ("metrics-dropped", Case(TRAIN), "wrong number"),
        ("no-number", LOST, "done twice"),
    ],
)
def test_what_a_broken_client_does_is_named(server: FakeServer, name: str, case: Case, kind: str) -> None:
    with fuzz_of(server, MUTANTS[name].client) as fuzz:
        assert kind in [finding.kind for finding in fuzz.try_case(case)]


def test_what_is_known_is_counted_and_does_not_fail(server: FakeServer) -> None:
    kind = MUTANTS["metrics-dropped"].client
    with fuzz_of(server, kind, known=lambda _case, finding: finding.kind == "wrong number") as fuzz:
        assert fuzz.try_case(Case(TRAIN)) == []
        assert fuzz.tally.findings["known: wrong number"] == 1
    with fuzz_of(server, kind) as fuzz, pytest.raises(Found, match="wrong number: step 2, ForwardBackward"):
        fuzz.check(Case(TRAIN))


def test_clean_runs_are_kept_for_a_while(server: FakeServer) -> None:
    programs = [p.Program.of(p.CreateSession(), p.CreateModel(rank=rank)) for rank in range(1, 4)]
    with fuzz_of(server, kept=2) as fuzz:
        for program in [*programs, programs[-1], programs[0]]:
            assert fuzz.try_case(Case(program)) == []


def test_what_was_found_travels_between_processes() -> None:
    found = Found(Case(TRAIN), [Finding("hang", "for ever")])

    again = pickle.loads(pickle.dumps(found))

    assert (again.case, again.findings, str(again)) == (found.case, found.findings, str(found))


class Moody(Player):
    """Fails once."""

    moods = iter(())

    def begin(self, step: Any) -> Pending:
        if next(self.moods, False):
            raise KeyError("mood")
        return lambda: 1.0


def test_what_is_not_found_again_is_told_as_such(server: FakeServer) -> None:
    drawn = st.just([Case(p.Program.of(p.ListSessions()))])
    Moody.moods = iter([False, True])  # the first is the clean run
    with ClientFuzz(server, lambda _world: Moody()) as fuzz:
        hunted = hunt(fuzz, drawn, examples=3, seed_number=0)

    assert hunted.flaky
    assert hunted.found is not None


def test_steps_that_need_what_failed_are_skipped(server: FakeServer) -> None:
    class Failing(MiniPlayer):
        def _no_model(self, step: Any) -> Pending:
            raise KeyError("no model")

        def begin(self, step: Any) -> Pending:
            begin: Callable[[Any, Any], Pending] = BEGIN[type(step)]
            return self._no_model(step) if step.op == "create_model" else begin(self, step)

    world = Fake(server, "failing")
    player = Failing(world)
    heard = player.play(p.Program.of(p.CreateSession(), p.CreateModel(), p.OptimStep(), p.OptimStep(model=3)))
    player.close()
    world.close()

    assert [one.skipped for one in heard] == [False, False, True, True]


class Plain(Player):
    """Has no way of its own to close."""

    def begin(self, step: Any) -> Pending:
        return lambda: 1.0


def test_steps_that_make_something_are_told_by_what_they_make() -> None:
    player = Plain()
    player.close()

    assert player.play(p.Program.of(p.CreateSession(), p.ListSessions())) == [Heard("session"), Heard(1.0)]


def counted(**counts: Any) -> Tally:
    tally = Tally(cases=ENOUGH, effective=ENOUGH)
    for name, value in counts.items():
        setattr(tally, name, value) if isinstance(value, int) else getattr(tally, name).update(value)
    return tally


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (counted(effective=0), "expected some in which a fault struck, got none of 20"),
        (counted(effective=5), "expected a fault to strike in half of them, got 5 of 20"),
        (counted(drawn={"nan": ENOUGH}), "fault nan: expected it to strike, got nothing in 20 cases"),
        (counted(unfit=2), "programs: expected at most 5 % that fail by themselves, got 2 of 20"),
        (counted(), "step sample: expected it to succeed once, got nothing in 20 cases"),
    ],
)
def test_a_run_that_proves_less_than_it_says_is_told(tally: Tally, words: str) -> None:
    (reason,) = tally.emptiness(["sample"] if "sample" in words else [])

    assert words in reason


def test_tallies_add_up() -> None:
    tally = counted(steps={"sample": 1})
    tally += counted(steps={"sample": 2}, findings={"hang": 1})

    assert (tally.cases, tally.steps["sample"]) == (2 * ENOUGH, 3)
    assert "findings: hang 1" in str(tally)
