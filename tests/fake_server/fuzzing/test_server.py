from dataclasses import replace

import pytest
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from contract.laws.driver import Driver
from contract.laws.law import Broken
from fake_server.app import create_app
from fake_server.fuzzing import Profile, fuzz_server, run
from fake_server.fuzzing.finding import read_requests, write_requests
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.run import fuzz
from fake_server.fuzzing.server import bench_of, chosen
from fake_server.fuzzing.text import as_json, as_text
from fake_server.fuzzing.variants import VARIANTS
from fake_server.running import LiveServer, find_backend
from fake_server.settings import Settings
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving_app

SOON = Settings(long_poll_seconds=0.2)
SMALL = Profile(examples=6, flows=2, steps=6, patience=5)
SOME = ["forward_backward", "asample", "load_weights", "unpublish_checkpoint"]


def own(backend="scripted"):
    return create_app(find_backend(backend), SOON)


def test_a_slice_of_all_operations_finds_nothing_in_our_own_server():
    report = fuzz_server(own(), profile=replace(SMALL, examples=2), seed=20)
    text = as_text(report, [])
    assert not report.findings, text
    assert report.tried["sequences"] >= 2
    assert set(VARIANTS) <= set(report.reached)
    assert sum(report.reached.values()) > 200


def test_a_slice_finds_nothing_in_the_engine():
    report = fuzz_server(own("torch"), profile=SMALL, seed=1, operations=SOME)
    assert not report.findings, as_text(report, [])


@pytest.mark.filterwarnings("ignore::fake_server.wire.UnknownFieldWarning")
def test_a_url_is_tried_by_what_it_tells_of_itself():
    with LiveServer(own()) as server:
        report = fuzz_server(server.url, profile=SMALL, operations=["get_info", "delete_api_key"], seed=3)
    assert report.passed
    assert report.left_out == {"delete_api_key": "it would take the run's own key away"}


def test_the_same_seed_sends_the_same():
    one, other = (fuzz_server(own(), profile=SMALL, seed=7, operations=["optim_step"]) for _ in range(2))
    assert one.reached == other.reached


def test_sequences_end_and_begin_anew():
    with bench_of(own(), "tml-x", None, 5) as bench:
        report = fuzz(bench, Profile(examples=1, flows=6, steps=10, patience=5), 2, [])
    assert not report.findings, as_text(report, [])
    assert {"create_session", "create_model", "retrieve_future"} <= set(report.reached)


@pytest.mark.parametrize(
    ("mutant", "operation", "law"),
    [
        ("empty-400", "get_info", None),
        ("replay-refused", "optim_step", "FUT-03"),
        ("no-sequence-ids", "asample", "SMP-14"),
        ("heartbeat-of-anybody", "session_heartbeat", "SES-04"),
        ("read-once", "optim_step", None),
        ("sampler-weights-loaded", "load_weights", "WGT-10"),
        ("session-id-as-number", "get_session", "OpenAPI"),
    ],
)
def test_a_broken_server_is_found_and_the_finding_repeats_it(mutant, operation, law, tmp_path):
    with serving_app(MUTANTS[mutant].breaks) as app, LiveServer(app) as server:
        profile = Profile(examples=40, flows=0, steps=2, patience=2)
        report = fuzz_server(server.url, profile=profile, seed=1, operations=[operation], most_findings=1)
        assert report.findings, f"{mutant}: nothing found"
        finding = report.findings[0]
        assert law is None or finding.law == law
        again = read_requests(write_requests(tmp_path, finding))
        assert list(again) == list(finding.requests)
        report.findings = [finding]
        assert "curl -X" in as_text(report, ["again"])
        assert '"passed": false' in as_json(report)


def test_a_server_without_an_operation_says_so():
    async def capable(_):
        old = {"model_name": "old", "trainable": False}
        return JSONResponse({"supported_models": [old, {"model_name": "m"}]})

    app = Starlette(routes=[Route("/api/v1/get_server_capabilities", capable)])
    report = fuzz_server(app, profile=SMALL, operations=["get_info"])
    assert report.left_out == {"get_info": "the server does not have it: 404"}
    assert report.vacuous == ["nothing was tried: expected at least one operation that the server has"]
    assert not report.passed


@pytest.mark.parametrize(
    ("status", "told", "match"),
    [(401, {}, "expected one that"), (200, {"supported_models": []}, "expected a base model")],
)
def test_a_server_that_cannot_be_tried_is_told(status, told, match):
    async def answer(_):
        return JSONResponse(told, status)

    app = Starlette(routes=[Route("/api/v1/get_server_capabilities", answer)])
    with pytest.raises(ValueError, match=match):
        fuzz_server(app)


def test_a_server_that_is_not_there_is_told():
    with pytest.raises(Broken, match="expected an answer"):
        fuzz_server("http://127.0.0.1:9")


def test_patterns_choose_operations():
    assert chosen(["*api_key"]) == ["get_api_key", "delete_api_key"]
    with pytest.raises(LookupError, match="expected a name or a pattern"):
        chosen(["nothing*"])


def none(begin):
    return st.integers().map(lambda _: begin()).filter(lambda _: False)


def half(begin):
    drawn = st.integers(0, 99).map(lambda number: (begin(), number)[1])
    return drawn.filter(lambda number: number % 2).map(lambda _: plain("healthz"))


@pytest.mark.parametrize(
    ("strategy", "told"), [(none, "healthz: "), (half, "of the examples to be rejected")]
)
def test_examples_that_are_rejected_and_none_at_all_are_told(monkeypatch, strategy, told):
    monkeypatch.setattr(run, "requests_of", lambda _, begin: strategy(begin))
    report = fuzz_server(own(), profile=replace(SMALL, examples=10), seed=1, operations=["healthz"])
    assert told in report.vacuous[0]


class Deaf(Driver):
    """A driver that one operation does not answer."""

    __slots__ = ()

    def send(self, method, path, *given, **named):
        if path.endswith("/get_info"):
            raise Broken(f"{method} {path}: expected an answer, got none")
        return super().send(method, path, *given, **named)


def test_an_operation_that_does_not_answer_is_a_finding():
    with bench_of(own(), "tml-x", None, 5) as bench:
        bench.driver = Deaf(bench.driver.url, "tml-x", "0.38.0")
        report = fuzz(bench, SMALL, 1, ["get_info"], flows=False)
    assert [finding.law for finding in report.findings] == ["WIRE-17"]
