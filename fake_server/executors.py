"""Where work is computed: on the spot, or on a thread that leaves the event loop free."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

__all__ = ["Executor", "Inline", "Worker"]


class Executor(Protocol):
    """Runs jobs in the order they come."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job`, now or later; it does not raise."""
        ...

    def close(self) -> None:
        """Let the jobs that were taken end, and take no more."""
        ...


class Inline:
    """Runs a job before `submit` returns. For backends that answer in microseconds."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` now."""
        job()

    def close(self) -> None:
        """Nothing to do."""


class Worker:
    """Runs jobs one after the other on a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tinkerproof-worker")

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` after those before it."""
        self._pool.submit(job)

    def close(self) -> None:
        """Drop jobs that have not begun, and wait for the running one."""
        self._pool.shutdown(wait=True, cancel_futures=True)
