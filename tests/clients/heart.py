"""`Heart`: beats for a client's sessions from a thread of its own, while the client waits for results."""

import threading
from types import TracebackType
from typing import Self

from tests.clients.caller import Caller
from tests.clients.transport import Transport

__all__ = ["Heart"]


class Heart:
    """A context manager; the sessions that are open beat as long as it lasts.

    Only who runs in real time needs one: without it, sessions beat between requests and in pauses.

    Args:
        client: whose sessions; it must not send its beats itself meanwhile.
        transport: another connection than the client's own.
    """

    def __init__(self, client: Caller, transport: Transport) -> None:
        self._client, self._transport = client, transport
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def _run(self) -> None:
        while not self._over.wait(self._client.patience.beat_seconds):
            for session_id in list(self._client.beats):
                self._client.heartbeat(session_id, self._transport)

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._client.beats_apart = True
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; returns once the thread has ended."""
        self._over.set()
        self._thread.join()
        self._client.beats_apart = False
        self._transport.close()
