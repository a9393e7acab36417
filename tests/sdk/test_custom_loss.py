"""Losses of the user's own: computed at the client, or uploaded and refused by name."""

import sys
from pathlib import Path

import pytest

from tests.sdk.conftest import Serve
from tests.sdk.environments import run_script

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

SCRIPT = Path(__file__).parent / "custom_loss.py"
PYTHON = Path(sys.executable)


def test_a_loss_at_the_client_trains_the_model(tinker_fake):
    told = run_script(PYTHON, SCRIPT, tinker_fake.env(), "client")

    assert told["custom"]["loss:sum"] == pytest.approx(told["custom"]["mine"])
    assert told["step"]["grad_norm"] > 0
    assert told["again"]["mine"] < told["custom"]["mine"]


def test_an_uploaded_loss_is_kept_and_refused_when_used(serve: Serve):
    told = run_script(PYTHON, SCRIPT, serve(custom_loss_server_side=True).env(), "server")

    assert "the scripted backend does not run uploaded losses" in told["refused"]
