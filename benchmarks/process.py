"""Servers in processes of their own, and what they weigh."""

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SERVE", "TINKERPROOF", "Served", "allow_open_files", "resident_mb", "serving"]

TINKERPROOF = (str(Path(sys.executable).with_name("tinkerproof")),)
"""The installed command."""
SERVE = (*TINKERPROOF, "serve")


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    url: str
    pid: int


@contextmanager
def serving(command: Sequence[str]) -> Iterator[Served]:
    """Run a command that prints its URL once it answers; stop it at the end.

    Raises:
        RuntimeError: if it prints none.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"{' '.join(command)}: expected a URL on stdout, got nothing; run it by hand")
        yield Served(url, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (1,000,000 bytes)."""
    kib = subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)], text=True)
    return int(kib) * 1024 / 1e6


def allow_open_files(count: int) -> None:
    """Let this process, and those it starts, hold `count` files open at once.

    Raises:
        ValueError: if the machine's limit is lower; `ulimit -Hn` shows it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
