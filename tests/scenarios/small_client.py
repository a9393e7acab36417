"""A small right client as a function and as a command, and a few that are not."""

import os
import sys
import threading
from collections.abc import Mapping
from http.client import HTTPException
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

__all__ = ["Hangs", "NumbersAnew", "Small", "TakesEverything", "connected", "train"]

PATH = Path(__file__).parents[2] / "examples" / "training_loop" / "client.py"
spec = spec_from_file_location("small_client_of_the_examples", PATH)
assert spec is not None
assert spec.loader is not None
module = module_from_spec(spec)
spec.loader.exec_module(module)
Small = module.Client


def connected(environment: Mapping[str, str], kind: type[Any] = Small) -> Any:
    """A client of the server that the variables name."""
    return kind(environment["TINKER_BASE_URL"], environment["TINKER_API_KEY"])


def train(environment: Mapping[str, str], kind: type[Any] = Small) -> None:
    """Three steps."""
    client = connected(environment, kind)
    for first in (1, 11, 21):
        client.step([first, first + 1, first + 2])


class NumbersAnew(Small):
    """Sends what was lost again, under another number."""

    def deliver(self, path, body):
        return self.send(path, body)

    def submit(self, operation, **fields):
        try:
            return super().submit(operation, **fields)
        except (OSError, HTTPException):
            return super().submit(operation, **fields)


class Hangs(Small):
    """Waits where it was refused for good, until somebody sets it free."""

    free = threading.Event()

    def request(self, path, body):
        try:
            return super().request(path, body)
        except module.Refused:
            self.free.wait()
            raise


class TakesEverything(Small):
    """Takes a failure for a result."""

    def result(self, promise):
        outcome = self.request("retrieve_future", {"request_id": promise["request_id"]})
        return outcome if "error" not in outcome else {"metrics": {"loss:sum": 0.0}, "model_id": ""}


if __name__ == "__main__":
    train(os.environ)
    sys.exit(0)
