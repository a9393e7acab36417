"""The SDK's own command line, inside this process."""

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.sdk.matrix import offers
from tests.sdk.matrix.feature import feature
from tests.sdk.matrix.world import PICO, World

__all__ = ["RUN"]

C = "command line"
RUN: set[str] = set()
"""Commands that were run."""


def cli(*words: str, status: int = 0, typed: str | None = None, **variables: str) -> str:
    """What a command prints."""
    from click.testing import CliRunner

    RUN.update(name for name in offers.ALL_COMMANDS if f"cli {' '.join(words)} ".startswith(f"{name} "))
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "COLUMNS": "240", **variables}
        told = CliRunner().invoke(offers.root_command(), list(words), input=typed, env=env)
    said = f"{told.output}{told.exception!r}"
    assert told.exit_code == status, f"{' '.join(words)}: exit status {told.exit_code}: {said[-600:]}"
    return said


@feature(C, "version", "cli version", once=True)
def version(world: World) -> None:
    assert "0." in cli("version")


@feature(C, "run", "cli run list", "cli run info", once=True)
def run(world: World) -> None:
    assert world.run_of()[:12] in cli("run", "list", "--limit", "0")
    assert PICO in cli("run", "info", world.run_of())


@feature(C, "checkpoint list, info", "cli checkpoint list", "cli checkpoint info", once=True)
def checkpoints(world: World) -> None:
    path = world.saved()
    name = path.rpartition("/")[2]
    assert name in cli("checkpoint", "list", "--run-id", world.run_of())
    assert name in cli("checkpoint", "list", "--limit", "0")
    assert "training" in cli("checkpoint", "info", path).lower()


@feature(C, "checkpoint publish", "cli checkpoint publish", "cli checkpoint unpublish", once=True)
def publish(world: World) -> None:
    path = world.saved()
    cli("checkpoint", "publish", path)
    cli("checkpoint", "unpublish", path)


@feature(C, "checkpoint set-ttl", "cli checkpoint set-ttl", once=True)
def set_ttl(world: World) -> None:
    path = world.saved()
    cli("checkpoint", "set-ttl", path, "--ttl", "7200")
    cli("checkpoint", "set-ttl", path, "--remove")


@feature(C, "checkpoint delete", "cli checkpoint delete", once=True)
def delete(world: World) -> None:
    path = world.saved()
    cli("checkpoint", "delete", path, "--yes")
    assert path not in [
        c.tinker_path for c in world.rest.list_checkpoints(world.run_of()).result().checkpoints
    ]


@feature(C, "checkpoint download", "cli checkpoint download", once=True)
def download(world: World) -> None:
    path = world.saved() if hasattr(world.training.client, "save_weights_external") else world.sampled_from()
    with tempfile.TemporaryDirectory() as folder:
        cli("checkpoint", "download", path, "--output", folder)
        assert list(Path(folder).rglob("adapter_model.safetensors")), list(Path(folder).rglob("*"))


@feature(C, "model list", "cli model list", once=True)
def models(world: World) -> None:
    assert PICO in cli("model", "list")


@feature(C, "billing usage", "cli billing usage", once=True)
def usage(world: World) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start, end = (hour + timedelta(hours=step) for step in (-1, 1))
    cli("billing", "usage", start.isoformat(), end.isoformat())


@feature(C, "billing checkpoint-storage", "cli billing checkpoint-storage", once=True)
def storage(world: World) -> None:
    cli("billing", "checkpoint-storage")


@feature(C, "session export-trace", "cli session export-trace", once=True)
def export(world: World) -> None:
    assert "http://127.0.0.1:" in cli("session", "export-trace", world.session(), "--url-only")


@feature(C, "auth status", "cli auth status", once=True)
def status(world: World) -> None:
    cli("auth", "status")


@feature(C, "auth whoami", "cli auth whoami", once=True)
def whoami(world: World) -> None:
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tinker.cli",
        "auth",
        "whoami",
    ]  # this process knows another server
    env = {**os.environ, "TINKER_BASE_URL": world.flags_url}
    RUN.add("cli auth whoami")
    told = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600)
    assert "@" in told.stdout, told.stderr


@feature(C, "auth login, logout", "cli auth login", "cli auth logout", once=True)
def login(world: World) -> None:
    with tempfile.TemporaryDirectory() as home:
        cli("auth", "login", *login_words(), typed="tml-pasted\n", TINKER_API_KEY="", HOME=home)
        kept = Path(home) / ".tinker" / "credentials.json"
        assert "tml-pasted" in kept.read_text()
        cli("auth", "logout", TINKER_API_KEY="", HOME=home)
        assert not kept.exists() or "tml-pasted" not in kept.read_text()


def login_words() -> tuple[str, ...]:
    """A few releases open a browser unless they are given a key."""
    group = offers.root_command()
    for word in ("auth", "login"):
        group = group.get_command(None, word)
    return next((("--api-key",) for option in group.params if option.name == "api_key"), ())
