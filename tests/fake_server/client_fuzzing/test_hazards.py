"""What may go wrong in a case: answers that are rare, worlds that are others, the start of a client."""

import ssl
from collections.abc import Callable

import pytest
from hypothesis import Phase, find, settings

from contract import programs as p
from fake_server.client_fuzzing import Case, Hazards, cases
from fake_server.client_fuzzing.case import places_of
from fake_server.client_fuzzing.fates import Place
from fake_server.client_fuzzing.hazards import WORLDS
from fake_server.client_fuzzing.rewrites import REWRITES, rewrites
from fake_server.client_fuzzing.sdk_tls import one_tls
from fake_server.client_fuzzing.stage import Stage
from fake_server.client_fuzzing.tally import Tally
from fake_server.clock import VirtualClock
from fake_server.delivery import DeliveryRule
from fake_server.fake import Fake, FakeServer
from fake_server.fault_rewrites import Rewrite
from fake_server.faults import KINDS, Schedule
from fake_server.occasions import When
from tests.clients.player import MiniPlayer

PROGRAM = p.Program.of(p.CreateSession(), p.CreateModel(), p.ListCheckpoints(), p.FinishSession())
LATE = DeliveryRule(polls=2, times=1)


def rewrite(name: str) -> Rewrite:
    return Rewrite(when=When(), what=name, change=REWRITES[name])


@pytest.mark.parametrize(
    ("name", "rules", "changes"), [("a new queue_state", (LATE,), 2), ("a new queue_state", (), 0)]
)
def test_a_rewrite_counts_the_answers_that_it_has_changed(server: FakeServer, name, rules, changes) -> None:
    case = Case(PROGRAM, rules=rules, rewrites=(rewrite(name),))
    stage = Stage(Fake(server, f"rewritten-{changes}", clock=VirtualClock(auto=True)), MiniPlayer)
    run, tally = stage.run(case), Tally()
    tally.add(case, run)
    stage.close()

    assert [one.error for one in run.heard] == [None] * 4
    assert run.struck == (changes,)
    assert (tally.drawn[name], tally.struck[name]) == (1, bool(changes))


def test_rewrites_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rewrites: expected some of a new field, .*, got a new colour"):
        rewrites(["a new colour"])


@pytest.mark.parametrize(
    ("world", "operation", "fate"),
    [
        ("plain", "optim_step", "refuse"),
        ("tokens", "optim_step", "survive"),
        ("tokens", "auth_token", "refuse"),
    ],
)
def test_a_token_that_is_refused_once_is_renewed(world, operation, fate) -> None:
    fault = KINDS["invalid_token"].model_validate({"when": {"operation": operation, "times": 1}})

    assert Case(PROGRAM, Schedule(faults=(fault,)), world=world).fate == fate


def test_calls_at_a_clients_start_may_be_struck() -> None:
    assert places_of(PROGRAM, starts=True) == [
        Place("session_heartbeat"),
        Place("auth_token"),
        Place("client_config"),
        Place("create_session"),
        Place("create_model"),
        Place("retrieve_future", "create_model"),
        Place("list_checkpoints"),
        Place("finish_session"),
    ]


def test_hazards_are_drawn_where_they_are_asked_for() -> None:
    drawn = cases(
        frozenset({"optim_step", "finish_session"}),
        Hazards(rewrites=("gzip",), worlds=tuple(WORLDS), long=True),
    )

    def first(fits: Callable[[Case], bool]) -> Case:
        return find(drawn, fits, settings=settings(phases=(Phase.generate,), database=None))

    case = first(lambda one: bool(one.rewrites and one.rules) and one.world == "sizes")
    ended = first(lambda one: one.program.steps[-1].op == "finish_session")

    assert "\nin a world of sizes\nwhile this happens:\n" in str(case)
    assert "rewrite on *, what='gzip'\n  delivery {" in str(case)
    assert ended.program.steps[0].op == "create_session"


def test_clients_share_what_they_read_certificates_into() -> None:
    usual = ssl.create_default_context
    with one_tls():
        assert ssl.create_default_context() is ssl.create_default_context()

    assert ssl.create_default_context is usual
