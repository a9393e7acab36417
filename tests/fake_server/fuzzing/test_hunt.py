from dataclasses import replace

import pytest
from hypothesis import strategies as st

from contract.laws.driver import Driver
from fake_server.fuzzing import Profile
from fake_server.fuzzing.hunt import hunt_flows, hunt_requests
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.run import fuzz
from fake_server.fuzzing.server import bench_of
from fake_server.fuzzing.trial import Trial
from fake_server.running import LiveServer
from tests.fake_server.fuzzing.test_server import own
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving_app

FEW = {"examples": 5, "steps": 3, "number": 1}
PROMISES = ("session-id-as-number", ("create_session", "OpenAPI"))


class Moody(Driver):
    """A driver whose second answer is an error, and no other."""

    __slots__ = ("count",)

    def send(self, *given, **named):
        self.count = getattr(self, "count", 0) + 1
        reply = super().send(*given, **named)
        return replace(reply, status=500) if self.count == 2 else reply


@pytest.fixture
def broken():
    """A bench of a server that takes heartbeats of nobody's session, and names sessions by numbers."""
    with (
        serving_app(MUTANTS[PROMISES[0]].breaks) as app,
        LiveServer(app) as server,
        bench_of(server.url, "tml-x", "tinkerproof/pico", 2) as bench,
    ):
        yield bench


def test_a_server_that_answers_by_chance_is_told():
    with bench_of(own(), "tml-x", None, 5) as bench:
        bench.driver = Moody(bench.driver.url, "tml-x", "0.38.0")
        hunt = hunt_requests(
            bench,
            lambda begin: st.builds(plain, st.just("healthz")),
            set(),
            first=[plain("healthz")],
            examples=10,
            number=1,
        )
    assert "does not do the same each time" in hunt.trouble


def test_a_sequence_finds_what_breaks_in_it(broken):
    hunt = hunt_flows(broken, set(), **FEW)
    assert (hunt.finding.operation, hunt.finding.law) == PROMISES[1]


def test_a_sequence_goes_on_where_the_fault_is_known(broken):
    hunt = hunt_flows(broken, {PROMISES[1]}, **FEW)
    assert hunt.finding is None
    assert hunt.tried >= 5


def test_enough_findings_end_the_run_before_the_sequences(broken):
    profile = Profile(examples=2, flows=2, steps=2, patience=2)
    report = fuzz(broken, profile, 1, ["create_session", "get_session"], most_findings=1)
    assert list(report.tried) == ["create_session"]


def test_ids_of_earlier_answers_are_names_in_what_is_repeated():
    with bench_of(own(), "tml-x", None, 5) as bench:
        trial = Trial(bench)
        made = trial.run(plain("create_session")).reply.json["session_id"]
        trial.run(replace(plain("get_session"), fields={"session_id": made}))
        told = [request.fields.get("session_id") for request in trial.asked]
        assert told == [None, "«0.session_id»"]
        again = Trial(bench)
        replies = [again.run(request).reply for request in trial.asked]
    assert replies[1].status == 200
