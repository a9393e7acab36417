"""Whatever the SDK offers is called by some test here, or excused with a reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import tinker

pytestmark = pytest.mark.sdk

FOLDER = Path(__file__).parent
CLIENTS = {
    "service": tinker.ServiceClient,
    "training": tinker.TrainingClient,
    "sampling": tinker.SamplingClient,
    "rest": tinker.RestClient,
    "admin": tinker.AdminClient,
}
"""By the names that the tests give to them."""
EXCUSED = {
    "sampling.create": "the constructor behind ServiceClient.create_sampling_client",
    "sampling.on_queue_state_change": "called by the SDK's own futures; test_errors.py sees its log",
}
EXCUSED_COMMANDS = {"checkpoint push-hf": "uploads to the hub; its download is that of `checkpoint download`"}


def offered() -> set[str]:
    """Public methods of the clients, as the tests call them."""
    return {
        f"{receiver}.{name}"
        for receiver, client in CLIENTS.items()
        for name in dir(client)
        if not name.startswith("_")
    }


def called() -> set[str]:
    """What the sources of the tests call on clients."""
    calls = re.compile(rf"\b({'|'.join(CLIENTS)})\.([a-z]\w*)")
    return {
        ".".join(found)
        for file in FOLDER.glob("*.py")
        if file != Path(__file__)
        for found in calls.findall(file.read_text())
    }


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[str]:
    """The commands below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


def test_every_public_method_is_called_or_excused() -> None:
    assert offered() - called() - set(EXCUSED) == set()


def test_every_excused_method_is_there_and_has_no_test() -> None:
    assert set(EXCUSED) <= offered() - called()


def test_every_command_is_run_or_excused() -> None:
    from tinker.cli.__main__ import main_cli

    there = set(commands(main_cli))
    source = (FOLDER / "test_cli.py").read_text()
    run = {" ".join(re.findall(r'"([a-z-]+)"', words)) for words in re.findall(r"\bcli\(([^)\n]*)", source)}
    missing = {name for name in there if not any(f"{words} ".startswith(f"{name} ") for words in run)}
    assert missing == set(EXCUSED_COMMANDS)
