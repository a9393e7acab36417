"""Older releases of the SDK, each in an environment of its own, live a whole life on every backend."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_server.app import create_app
from fake_server.fake import Fake
from fake_server.running import LiveServer, find_backend
from tests.sdk.environments import environment, requirements_of, run_script

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

LIFE = Path(__file__).parent / "life.py"


@pytest.fixture(scope="module", params=["scripted", "torch"])
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    with LiveServer(create_app(find_backend(request.param))) as running:
        yield running


@pytest.mark.parametrize("version", ["0.6.1", "0.18.2", "0.24.1", "0.25.0"])
def test_an_older_release_trains_saves_resumes_and_samples(server, version):
    fake = Fake(server, version)
    python = environment(version, requirements_of(version))

    told = run_script(python, LIFE, fake.env())
    fake.close()

    losses = told["losses"]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] > told["next"] == told["resumed"]
    assert (told["forward"], len(told["sampled"])) == (1, 2)
    assert told["logprobs"][0] is None
    assert sorted(told["kept"]) == ["sampler_weights/weights", "weights/state"]
    assert told["left"] == ["sampler_weights/weights"]
