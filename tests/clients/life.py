"""`live_in`: one life of a client, as environment variables point it at a server."""

from collections.abc import Mapping
from typing import Any

from tests.clients.heart import Heart
from tests.clients.mini import MiniClient
from tests.clients.training_loop import run
from tests.clients.transport import HttpTransport

__all__ = ["live_in"]


def live_in(environment: Mapping[str, str], kind: type[MiniClient] = MiniClient) -> dict[str, Any]:
    """Run the training loop in real time, its heart beating apart; its report.

    Raises:
        KeyError: without `TINKER_BASE_URL` and `TINKER_API_KEY`.
    """
    url, key = environment["TINKER_BASE_URL"], environment["TINKER_API_KEY"]
    with kind(url, key) as client, Heart(client, HttpTransport(url)):
        return run(client)
