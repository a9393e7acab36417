"""`try_law` tries a law on a server and says what came of it; it never raises."""

import pytest

from contract.laws import Broken, Law, Skipped
from contract.laws.expect import expect_equal
from contract.laws.trial import MOST_TRACES, try_law, try_laws
from tests.laws.small_server import small_server


@pytest.fixture(scope="module")
def subject():
    with small_server({"healthz": (200, {"status": "ok"})}) as subject:
        yield subject


def law_of(check, **fields):
    return Law("FUT-99", "It is so.", "ours: a test", "no.", check, **fields)


def raises(error):
    def check(_):
        raise error

    return check


def test_a_law_holds_whose_check_raises_nothing(subject):
    outcome = try_law(law_of(lambda s: s.driver.call("healthz")), subject)

    assert (outcome.verdict, outcome.text, outcome.trace) == ("holds", "", ())


@pytest.mark.parametrize(
    ("error", "verdict", "text"),
    [
        (Broken("expected 1, got 2"), "broken", "expected 1, got 2"),
        (Skipped("there is none"), "skipped", "there is none"),
        (KeyError("path"), "error", "KeyError: 'path'"),
    ],
)
def test_what_a_check_raises_is_the_verdict(subject, error, verdict, text):
    outcome = try_law(law_of(raises(error)), subject)

    assert (outcome.verdict, outcome.text) == (verdict, text)


def test_a_broken_law_has_its_own_requests(subject):
    subject.driver.call("healthz")

    def check(s):
        expect_equal(s.driver.call("get_server_capabilities").status, 200, "status")

    outcome = try_law(law_of(check), subject)

    assert outcome.text == "status: expected 200, got 404"
    assert [(t.method, t.path, t.status) for t in outcome.trace] == [
        ("GET", "/api/v1/get_server_capabilities", 404)
    ]


def test_of_many_requests_the_newest_are_kept(subject):
    def check(s):
        for _ in range(MOST_TRACES + 5):
            s.driver.call("healthz")
        s.driver.call("list_sessions")
        raise Broken("no")

    trace = try_law(law_of(check), subject).trace

    assert (len(trace), trace[-1].path) == (MOST_TRACES, "/api/v1/sessions")


def test_a_feature_that_lacks_skips_the_law_before_its_check(subject):
    outcome = try_law(law_of(raises(AssertionError()), needs=("capabilities",)), subject)

    assert outcome.verdict == "skipped"
    assert outcome.text == "capabilities: get_server_capabilities is answered by 404"


def test_a_feature_that_nobody_knows_is_an_error_of_the_suite(subject):
    outcome = try_law(law_of(lambda _: None, needs=("telepathy",)), subject)

    assert outcome.verdict == "error"
    assert "feature: expected one of " in outcome.text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"since": "0.39.0"}, "holds for clients from 0.39.0 on; the profile is 0.38.0"),
        ({"until": "0.24.1"}, "holds for clients up to 0.24.1; the profile is 0.38.0"),
    ],
)
def test_a_law_of_other_clients_is_skipped(subject, fields, text):
    outcome = try_law(law_of(raises(AssertionError()), **fields), subject)

    assert (outcome.verdict, outcome.text) == ("skipped", text)


def test_a_law_holds_for_the_last_of_its_clients(subject):
    assert try_law(law_of(lambda _: None, since="0.38.0", until="0.38.0"), subject).verdict == "holds"


def test_the_seconds_are_those_of_the_clock(subject):
    times = iter((10.0, 12.5))

    assert try_law(law_of(lambda _: None), subject, lambda: next(times)).seconds == 2.5


def test_laws_are_tried_one_after_the_other(subject):
    tried = []
    laws = [law_of(lambda _, n=n: tried.append(n)) for n in range(3)]

    outcomes = try_laws(laws, subject)

    assert next(outcomes).law is laws[0]
    assert tried == [0]
    assert [outcome.law for outcome in outcomes] == laws[1:]
    assert tried == [0, 1, 2]
