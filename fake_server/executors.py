"""Where work is computed: on the event loop, or on a thread that leaves it free."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from typing import Protocol

__all__ = ["Executor", "Inline", "Load", "Worker"]


def _nothing() -> None:
    pass


class Executor(Protocol):
    """Runs jobs in the order they come."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job`, now or later; it does not raise."""
        ...

    @property
    def idle(self) -> bool:
        """Whether all jobs that were taken are done."""
        ...

    def settle(self, seconds: float) -> None:
        """Wait until the jobs that were taken are done, at most so long. Not while holding a lock."""
        ...

    def close(self) -> None:
        """Let the jobs that were taken end, and take no more."""
        ...


class Load:
    """How much work is queued, running, or promised by a backend. Any thread may change it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0
        """Pieces that are not done."""
        self.begun = 0
        """Pieces so far."""
        self.on_rest: Callable[[], None] = _nothing
        """Called when the last piece is done."""

    def begin(self) -> None:
        """One piece more."""
        with self._lock:
            self.now += 1
            self.begun += 1

    def end(self) -> None:
        """One piece is done."""
        with self._lock:
            self.now -= 1
            rests = self.now == 0
        if rests:
            self.on_rest()


class Inline:
    """Runs jobs on the event loop, each as soon as the answer to its submission is on its way.

    For backends that take little time: while the client reads that answer, the work is done. Without a
    running loop a job runs at once. There may be several loops: whichever comes first runs what is there.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self._jobs: deque[Callable[[], None]] = deque()

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` after those before it, holding the lock."""
        self._jobs.append(job)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._run()
        else:
            loop.call_soon(self._run)

    def _run(self) -> None:
        with self._lock:
            while self._jobs:
                self._jobs.popleft()()

    @property
    def idle(self) -> bool:
        """Whether all jobs that were taken are done."""
        return not self._jobs

    def settle(self, seconds: float) -> None:  # noqa: ARG002 - they take no time
        """Do the jobs that were taken."""
        self._run()

    def close(self) -> None:
        """Nothing to do."""


class Worker:
    """Runs jobs one after the other on a thread of its own, which starts with the first."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"tinkerproof-{name}")
        self._last: Future[None] | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` after those before it; not at all once closed."""
        with suppress(RuntimeError):  # what a closed pool says: the tenant was dropped during a request
            self._last = self._pool.submit(job)

    @property
    def idle(self) -> bool:
        """Whether all jobs that were taken are done."""
        return self._last is None or self._last.done()

    def settle(self, seconds: float) -> None:
        """Wait until the jobs that were taken are done, at most so long."""
        if self._last is not None:
            wait([self._last], seconds)

    def close(self) -> None:
        """Drop jobs that have not begun, and wait for the running one."""
        self._pool.shutdown(wait=True, cancel_futures=True)
