"""Losses of the user's own: computed at the client, or uploaded and refused by name."""

from pathlib import Path

import pytest

from contract.versions import NEWEST
from tests.sdk.conftest import Serve
from tests.sdk.environments import TORCH, environment, run_script

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

SCRIPT = Path(__file__).parent / "custom_loss.py"


@pytest.fixture(scope="module")
def python() -> Path:
    return environment(f"{NEWEST}-torch", [f"tinker=={NEWEST}", TORCH])


def test_a_loss_at_the_client_trains_the_model(tinker_fake, python):
    told = run_script(python, SCRIPT, tinker_fake.env(), "client")

    assert told["custom"]["loss:sum"] == pytest.approx(told["custom"]["mine"])
    assert told["step"]["grad_norm"] > 0
    assert told["again"]["mine"] < told["custom"]["mine"]


def test_an_uploaded_loss_is_kept_and_refused_when_used(serve: Serve, python):
    told = run_script(python, SCRIPT, serve(custom_loss_server_side=True).env(), "server")

    assert "the scripted backend does not run uploaded losses" in told["refused"]
