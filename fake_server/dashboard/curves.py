"""Loss curves: what the training passes of each model gave, as clients fetched it."""

from contract import ForwardBackwardOutput, FutureRetrieveRequest
from fake_server.futures import FutureStore
from fake_server.traffic import Exchange

__all__ = ["Curves"]

MOST_POINTS = 1000
"""Ours: of a model, the newest; a page is not wider."""
LOSS = "loss:sum"


class Curves:
    """The losses of each model, an observer of its tenant's traffic."""

    def __init__(self, futures: FutureStore) -> None:
        self._futures = futures
        self._points: dict[str, dict[int, float]] = {}
        """By model and number of the operation."""

    def add(self, exchange: Exchange) -> None:
        """Take the loss of a pass whose outcome was fetched."""
        answer, request = exchange.answer, exchange.request
        if not isinstance(answer, ForwardBackwardOutput) or not isinstance(request, FutureRetrieveRequest):
            return
        future = self._futures.find(request.request_id)
        loss = answer.metrics.get(LOSS)
        if future is not None and future.seq_id is not None and loss is not None:
            points = self._points.setdefault(future.owner, {})
            points[future.seq_id] = loss
            if len(points) > MOST_POINTS:
                del points[min(points)]

    def of(self, model_id: str) -> list[tuple[int, float]]:
        """Number of the operation and sum of the loss, of each pass, in the order of the operations."""
        return sorted(self._points.get(model_id, {}).items())
