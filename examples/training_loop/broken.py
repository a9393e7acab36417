"""What goes wrong: clients and loops with one mistake each, and the test that finds it."""

from http.client import HTTPException
from typing import Any

import tinker
from client import Client
from loop import ADAM, Loop

__all__ = ["BROKEN"]


class ComesBackTooSoon(Client):
    """Tries again, but not when it was told to."""

    def pause(self, attempt: int, headers: dict[str, str]) -> float:
        """Wrong: the header `Retry-After` is not read."""
        return 2 ** (attempt - 1)


class NumbersAnew(Client):
    """Tries again from the top after a lost answer."""

    def deliver(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Leaves it to `submit` to try again."""
        return self.send(path, body)

    def submit(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Wrong: the second attempt has another number, so the service does the work twice."""
        try:
            return super().submit(operation, **fields)
        except (OSError, HTTPException):
            return super().submit(operation, **fields)


class KeepsItsToken(Client):
    """Fetches a token when it starts, and never again."""

    def expired(self, status: int, headers: dict[str, str]) -> bool:
        """Wrong: each 401 is taken for the last word."""
        return False


class LosesPatience(Loop):
    """Thinks that what is late is lost."""

    def update(self, model: tinker.TrainingClient) -> None:
        """Wrong: the first step is still in the queue, and will be made too."""
        try:
            model.optim_step(ADAM).result(timeout=0.02)  # minutes, in real life
        except TimeoutError:
            model.optim_step(ADAM).result()


class ForgetsTheOptimizer(Loop):
    """Goes on with the weights alone."""

    def resume(self, path: str) -> tinker.TrainingClient:
        """Wrong: the optimizer's moments begin at zero again."""
        return self.service.create_training_client_from_state(path).result()


class ShrugsItOff(Loop):
    """Takes a batch that failed for one that is done."""

    def step(self, model: tinker.TrainingClient, batch: list[tinker.Datum]) -> float:
        """Wrong: nobody hears of the failure, and the run ends as if all were well."""
        try:
            return super().step(model, batch)
        except tinker.RequestFailedError:
            return float("nan")


BROKEN = {
    "test_rate_limit": ComesBackTooSoon,
    "test_lost_answer": NumbersAnew,
    "test_expired_token": KeepsItsToken,
    "test_slow_queue": LosesPatience,
    "test_crash": ForgetsTheOptimizer,
    "test_failed_batch": ShrugsItOff,
}
"""By the test that turns red."""
