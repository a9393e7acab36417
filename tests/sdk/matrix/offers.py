"""What a release offers, by looking at it: methods of the clients, their parameters, commands, types."""

import importlib
import importlib.util
import inspect
import re
from typing import Any, get_args

from tinker import types

__all__ = ["CLIENTS", "commands", "has", "losses", "offered", "signature_of"]

INTERFACES = "tinker.lib.public_interfaces"


def _client(name: str, module: str) -> Any:
    try:
        return getattr(importlib.import_module(f"{INTERFACES}.{module}"), name)
    except (ImportError, AttributeError):
        return None


CLIENTS: dict[str, Any] = {
    name: client
    for name, module in {
        "ServiceClient": "service_client",
        "TrainingClient": "training_client",
        "SamplingClient": "sampling_client",
        "RestClient": "rest_client",
        "AdminClient": "admin_client",
    }.items()
    if (client := _client(name, module)) is not None
}


def offered() -> set[str]:
    """Public methods as `Client.method`."""
    return {
        f"{name}.{method}"
        for name, client in CLIENTS.items()
        for method, _ in inspect.getmembers(client, callable)
        if not method.startswith("_")
    }


def signature_of(method: str) -> set[str]:
    """Names of the parameters of `Client.method`; none if it is not there."""
    client, _, name = method.partition(".")
    found = getattr(CLIENTS.get(client), name, None)
    return set(inspect.signature(found).parameters) - {"self"} if found else set()


def root_command() -> Any:
    """The whole command line; None in releases without one."""
    try:
        return importlib.import_module("tinker.cli.__main__").main_cli
    except ModuleNotFoundError:
        return None


def commands(group: Any = None, words: tuple[str, ...] = ()) -> set[str]:
    """Commands as `cli run list`."""
    group = group or root_command()
    if group is None:
        return set()
    import click

    context, found = click.Context(group), set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        path = (*words, name)
        found |= commands(command, path) if isinstance(command, click.Group) else {f"cli {' '.join(path)}"}
    return found


def losses() -> tuple[str, ...]:
    """Names of the losses that a release knows."""
    return get_args(types.LossFnType)


NEED = re.compile(r"(?P<method>\w+\.\w+)(\((?P<parameter>\w+)\))?$")
ALL_COMMANDS = commands()


def has(need: str) -> bool:
    """Whether a release has a need.

    Args:
        need: `Client.method`, `Client.method(parameter)`, `types.Name`, `types.Name(field)`, `loss name`,
            `cli words` or `module name`.
    """
    if need.startswith("module "):
        return importlib.util.find_spec(need.removeprefix("module ")) is not None
    if need.startswith("cli "):
        return need in ALL_COMMANDS
    if need.startswith("loss "):
        return need.removeprefix("loss ") in losses()
    found = NEED.match(need)
    assert found, f"need: expected one such as 'RestClient.get_sampler', got {need!r}"
    method, parameter = found["method"], found["parameter"]
    if method.startswith("types."):
        kind = getattr(types, method.removeprefix("types."), None)
        return kind is not None and (parameter is None or parameter in kind.model_fields)
    if "._" in method:
        client, _, name = method.partition(".")
        return name in vars(CLIENTS[client])
    return method in offered() and (parameter is None or parameter in signature_of(method))
