"""`fast_sdk()`: the SDK's own waits take a thousandth of their time, and nothing else does.

The SDK runs on one private event loop. Only that loop's timers of `asyncio.sleep` are shortened: timeouts,
the machine's clock, `time.sleep` and everybody else's loops are left alone, and so are the sleeps of its
background tasks (heartbeats, refreshed settings and tokens), for which nobody waits.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

__all__ = ["FastSdk", "fast_sdk"]

HOLDER = "tinker.lib.internal_client_holder"
SINGLETON = "_internal_client_holder_thread_singleton"
"""Source: sdk 0.38.0 lib/internal_client_holder.py, the owner of the private loop."""
BACKGROUND = ("heartbeat", "refresh")
"""In names of its background tasks. Source: sdk 0.38.0 lib/internal_client_holder.py and lib/_jwt_auth.py."""


@dataclass(slots=True)
class FastSdk:
    """What was shortened, and what was not; in seconds, as the SDK asked."""

    sleeps: list[float] = field(default_factory=list)
    """Those that were shortened, oldest first."""
    background: list[float] = field(default_factory=list)
    """Those of background tasks, which were not."""


@contextmanager
def fast_sdk(factor: float = 1000.0) -> Iterator[FastSdk]:
    """Shorten the sleeps that the installed SDK begins until the end of the context.

    What it judges by the clock stays as it is: it gives up retrying after 300 s, and holds samples back for
    1 s after a 429, by real time.

    Args:
        factor: above 0; a sleep takes its time divided by it.

    Raises:
        ValueError: if `factor` is not above 0.
        LookupError: if no SDK is installed, or one that has no such loop.
    """
    if not factor > 0:
        raise ValueError(f"factor: expected more than 0, got {factor!r}")
    loop = _private_loop()
    usual, told = loop.call_later, FastSdk()

    def call_later(delay: float, callback: Callable[..., Any], *given: Any, **options: Any) -> Any:
        if _is_sleep(callback):
            background = _is_background(asyncio.current_task(loop))
            (told.background if background else told.sleeps).append(delay)
            delay = delay if background else delay / factor
        return usual(delay, callback, *given, **options)

    earlier = vars(loop).get("call_later")
    setattr(loop, "call_later", call_later)  # noqa: B010 # mypy: on the one loop, not on its class
    try:
        yield told
    finally:
        if earlier is None:
            delattr(loop, "call_later")
        else:
            setattr(loop, "call_later", earlier)  # noqa: B010


def _private_loop() -> asyncio.AbstractEventLoop:
    """The loop on which all clients of the SDK run, started if it is not yet."""
    try:
        loop: asyncio.AbstractEventLoop = getattr(import_module(HOLDER), SINGLETON).get_loop()
    except (ImportError, AttributeError) as error:
        raise LookupError(
            f"fast_sdk: expected a tinker SDK with a private event loop, as 0.38.0, got none: {error}; "
            "install tinker>=0.38, or test without"
        ) from None
    return loop


def _is_sleep(callback: Callable[..., Any]) -> bool:
    """Whether a timer is one of `asyncio.sleep`: by the function that it calls in Python 3.11 to 3.14."""
    return getattr(callback, "__name__", "") == "_set_result_unless_cancelled"


def _is_background(task: "asyncio.Task[Any] | None") -> bool:
    name = "" if task is None else getattr(task.get_coro(), "__qualname__", "")
    return any(word in name for word in BACKGROUND)
