"""A server in a process of its own, and what the SDK reads from the environment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["prepare_environment", "running_server"]


def prepare_environment() -> None:
    """Any key will do; nothing is sent or fetched, and no proxy stands in between."""
    os.environ.update(TINKER_API_KEY="tml-demo", TINKER_TELEMETRY="0")
    os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")


@contextmanager
def running_server(backend: str) -> Iterator[str]:
    """A server on a free loopback port; gives its URL.

    Raises:
        RuntimeError: if it does not start; it names the command that tells why.
    """
    command = [sys.executable, "-m", "fake_server.cli", "serve", "--backend", backend]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"server: expected a URL, got none; run {' '.join(command)} to see why")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
