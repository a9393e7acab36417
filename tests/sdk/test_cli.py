"""The SDK's own command line, on a fake: every command but the one that uploads to a hub."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fake_server.fake import Fake
from fake_server.times import utc
from tests.sdk.conftest import Serve
from tests.sdk.data import PICO, without_torch

pytestmark = pytest.mark.sdk

Cli = Callable[..., str]


def cli_of(fake: Fake, home: Path) -> Cli:
    """A function that runs a command in a process of its own, and returns what it printed."""
    hidden = without_torch(home / "hidden")

    def run(*words: str, status: int = 0, typed: str = "", **variables: str) -> str:
        env = {**fake.env(), "HOME": str(home), "COLUMNS": "200", "PYTHONPATH": hidden, **variables}
        done = subprocess.run(
            [sys.executable, "-m", "tinker.cli", *words],
            env={name: value for name, value in env.items() if value},
            cwd=home,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        # now and then the SDK's background thread aborts a process that has done all its work
        assert done.returncode in (status, -signal.SIGABRT), done.stdout
        return done.stdout

    return run


@pytest.fixture
def cli(tinker_fake: Fake, tmp_path: Path, uncovered: None) -> Cli:
    return cli_of(tinker_fake, tmp_path)


@pytest.fixture
def saved(training: Any) -> str:
    return str(training.save_state("first").result().path)


def run_of(path: str) -> str:
    return path.split("/")[2]


def test_the_version_is_told(cli):
    assert "0.38.0" in cli("version")


def test_models_are_listed_and_filtered(cli):
    assert PICO in cli("model", "list")
    assert PICO not in cli("model", "list", "llama")


def test_a_key_is_accepted_or_not(cli):
    cli("auth", "status")

    assert "no" in cli("auth", "status", status=1, TINKER_API_KEY="nonsense")


def test_one_is_whom_the_token_says(serve: Serve, tmp_path):
    cli = cli_of(serve(pjwt_auth_enabled=True), tmp_path)

    assert "user@tinkerproof.invalid" in cli("auth", "whoami")


def test_one_logs_in_with_a_pasted_key_and_out_again(cli, tmp_path):
    kept = tmp_path / ".tinker" / "credentials.json"

    cli("auth", "login", typed="tml-pasted\n", TINKER_API_KEY="")
    assert "tml-pasted" in kept.read_text()
    cli("auth", "logout", TINKER_API_KEY="")

    assert not kept.exists() or "tml-pasted" not in kept.read_text()


def test_runs_are_listed_and_told(cli, saved):
    assert run_of(saved) in cli("run", "list")
    assert PICO in cli("run", "info", run_of(saved))


def test_checkpoints_are_listed_and_told(cli, saved):
    assert "weights/first" in cli("checkpoint", "list")
    assert "weights/first" in cli("checkpoint", "list", "--run-id", run_of(saved))
    assert "training" in cli("checkpoint", "info", saved).lower()


def test_a_checkpoint_is_published_and_taken_back(cli, saved, rest):
    cli("checkpoint", "publish", saved)
    assert rest.list_user_checkpoints().result().checkpoints[0].public
    cli("checkpoint", "unpublish", saved)
    assert not rest.list_user_checkpoints().result().checkpoints[0].public


def test_a_checkpoints_life_is_set_and_removed(cli, saved, rest):
    cli("checkpoint", "set-ttl", saved, "--ttl", "7200")
    assert rest.list_user_checkpoints().result().checkpoints[0].expires_at is not None
    cli("checkpoint", "set-ttl", saved, "--remove")
    assert rest.list_user_checkpoints().result().checkpoints[0].expires_at is None


def test_checkpoints_are_deleted(cli, saved, rest):
    cli("checkpoint", "delete", saved, "--yes")

    assert rest.list_user_checkpoints().result().checkpoints == []


def test_training_weights_are_downloaded_as_files(cli, saved, tmp_path, rest):
    cli("checkpoint", "download", saved, "--output", str(tmp_path / "models"))

    files = {path.name for path in (tmp_path / "models").rglob("*") if path.is_file()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= files
    kinds = [checkpoint.checkpoint_type for checkpoint in rest.list_user_checkpoints().result().checkpoints]
    assert kinds == ["training"]


def test_external_weights_are_downloaded_as_files(cli, training, tmp_path):
    path = training.save_weights_external("out").result().path

    cli("checkpoint", "download", path, "--output", str(tmp_path / "models"))

    assert list((tmp_path / "models").rglob("adapter_config.json"))


def test_sampler_weights_are_not_downloaded(cli, training):
    path = training.save_weights_for_sampler("s").result().path

    cli("checkpoint", "download", path, status=1)


def test_usage_and_storage_are_told(cli, saved, tinker_fake):
    hour = int(tinker_fake.service.clock.now()) // 3600 * 3600
    start, end = utc(hour).isoformat(), utc(hour + 3600).isoformat()
    assert "checkpoint" in cli("billing", "usage", start, end)
    assert "450" in cli("billing", "checkpoint-storage")


def test_a_trace_is_exported(cli, saved, tmp_path):
    session = run_of(saved).partition(":")[0]

    assert "http://127.0.0.1:" in cli("session", "export-trace", session, "--url-only")
    cli("session", "export-trace", session, "--output", str(tmp_path / "trace"))

    assert json.loads((tmp_path / "trace").read_text())["session_id"] == session
