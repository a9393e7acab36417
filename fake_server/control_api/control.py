"""A row of the table of controls: its JSON face, and where its other faces are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from contract import Operation, WireModel
from fake_server.bindings import Binding, bind
from fake_server.controls import Controls
from fake_server.service import Call
from fake_server.wire import Answer

__all__ = ["Control", "control", "controls_of"]

Q = TypeVar("Q", bound=WireModel)
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Control:
    """One control with its three faces."""

    binding: Binding
    python: str
    """What it is on the fixture `tinker_fake`."""
    command: str
    """The subcommand of `tinkerproof`; empty where none makes sense."""


def control(
    row: Operation[Q, A],
    handler: Callable[[Call, Q], A | Answer | Awaitable[A | Answer]],
    *,
    python: str,
    command: str = "",
) -> Control:
    """A control, from the row of its JSON face."""
    return Control(bind(row, handler), python, command)


def controls_of(call: Call) -> Controls:
    """The controls of the tenant that a request is for."""
    controls = call.service.controls
    assert controls is not None  # the app routes to controls only where they are on
    return controls
