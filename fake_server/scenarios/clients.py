"""A client under trial, as something that is called: a command, or a function of this process."""

import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import killpg
from tempfile import TemporaryFile
from typing import IO, Protocol

__all__ = ["Client", "Ending", "command_client", "function_client"]

MOST_OUTPUT = 4000
"""Ours: bytes of the end of each output that are kept."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run of a client ended."""

    status: int | None
    """Its exit status, negative for a signal; None where its time was over."""
    output: str = ""
    """The end of its standard output."""
    errors: str = ""
    """The end of its standard error."""
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """What became of it, in words."""
        if self.status is None:
            return f"no end within {self.seconds:.0f} s"
        if self.status >= 0:
            return f"exit status {self.status}"
        with suppress(ValueError):
            return f"an end by {signal.Signals(-self.status).name}"
        return f"an end by signal {-self.status}"


class Client(Protocol):
    """Runs a client once."""

    def __call__(self, environment: Mapping[str, str], seconds: float, /) -> Ending:
        """Run it with these variables, for so long at most."""
        ...

    def end(self) -> None:
        """End what runs: somebody had enough of it."""
        ...


def command_client(command: Sequence[str], environment: Mapping[str, str]) -> Client:
    """A client that is a command of any language.

    Its process group is ended with it, or once its time is over.

    Args:
        command: the program and its arguments.
        environment: variables that it has beside those of the scenario.
    """
    return _Command(command, environment)


class _Command:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self._running: set[int] = set()

    def __call__(self, environment: Mapping[str, str], seconds: float, /) -> Ending:
        """Run it.

        Raises:
            OSError: if it cannot be started.
        """
        with TemporaryFile() as output, TemporaryFile() as errors:
            start = time.monotonic()
            process = subprocess.Popen(
                self._command,
                env={**self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            self._running.add(process.pid)
            try:
                status: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                self._running.discard(process.pid)
                _end_group(process.pid)
                process.wait()
            return Ending(status, _tail(output), _tail(errors), time.monotonic() - start)

    def end(self) -> None:
        """End all process groups that run."""
        for group in list(self._running):
            _end_group(group)


def _end_group(group: int) -> None:
    with suppress(ProcessLookupError):
        killpg(group, signal.SIGKILL)


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, 2)
    file.seek(max(0, size - MOST_OUTPUT))
    return file.read().decode(errors="replace")


def function_client(call: Callable[[Mapping[str, str]], object]) -> Client:
    """A client that is a function of the variables; an exception that it raises is its failure.

    It runs on a thread of its own. One whose time is over cannot be ended, and is left behind.
    """
    return _Function(call)


class _Function:
    def __init__(self, call: Callable[[Mapping[str, str]], object]) -> None:
        self._call = call

    def __call__(self, environment: Mapping[str, str], seconds: float, /) -> Ending:
        """Call it."""
        start, told = time.monotonic(), [""]
        status: list[int] = []

        def guarded() -> None:
            try:
                self._call(environment)
                status.append(0)
            except BaseException as error:
                told[0] = "".join(traceback.format_exception(error))[-MOST_OUTPUT:]
                status.append(_status_of(error))

        thread = threading.Thread(target=guarded, name="client under trial", daemon=True)
        thread.start()
        thread.join(seconds)
        return Ending(next(iter(status), None), "", told[0], time.monotonic() - start)

    def end(self) -> None:
        """Nothing: a thread cannot be ended."""


def _status_of(error: BaseException) -> int:
    """What the interpreter would end with."""
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return int(error.code or 0)
    return 1
