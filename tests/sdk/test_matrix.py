"""A slice of the matrix of releases: both ends, and each side of the changes of the wire."""

from collections.abc import Iterator

import pytest

from tests.sdk.matrix.known import unreached
from tests.sdk.matrix.measurements import read_measurements, short
from tests.sdk.matrix.releases import SLICE
from tests.sdk.matrix.runs import Run, Servers, judged, servers, unasked, unused

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def backends() -> Iterator[Servers]:
    with servers() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("version", SLICE)
def test_a_release_lives_a_whole_life_as_it_was_measured(backends, version):
    outcomes = Run(version).outcomes(backends)

    failed = [found for own in outcomes.values() for found in own.values() if found["state"] == "failed"]
    kept = read_measurements()["releases"].get(version, {})
    assert failed == []
    for name, own in outcomes.items() if kept else ():
        assert {key: short(found) for key, found in own.items()} == kept[name]


def test_a_method_or_parameter_that_a_life_does_not_use_is_told():
    offered = {"RestClient.new": ["limit"], "SamplingClient.sample": ["prompt", "top", "retry_config"]}

    left = unused(offered, {"SamplingClient.sample": ["prompt"]}, {"retry_config"})

    assert left == ["RestClient.new", "SamplingClient.sample(top)"]


def test_parameters_of_a_broken_feature_need_not_be_used_where_it_is_broken():
    assert unreached("0.18.2") == {"weights_access_token"}
    assert unreached("0.19.0") == set()


def test_an_endpoint_that_a_life_does_not_ask_for_is_told():
    assert "export_trace" in unasked("0.24.0", set())
    assert "export_trace" not in unasked("0.23.4", set())
    assert "export_trace" not in unasked("0.24.0", {"export_trace"})


def test_what_is_said_to_be_broken_and_works_has_failed():
    broken = judged("REST: audit", {"state": "failed", "text": "an assertion"}, "0.25.0")
    stale = judged("REST: audit", {"state": "ok"}, "0.25.0")

    assert (broken["state"], stale["state"]) == ("broken", "failed")
    assert judged("REST: audit", {"state": "failed", "text": "x"}, "0.19.0")["state"] == "failed"
