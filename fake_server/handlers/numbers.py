"""Operations that have a number in their model's order."""

from collections.abc import Callable
from typing import TypeVar

from contract import FutureResult, Unprocessable
from fake_server.service import Call, Submission

R = TypeVar("R", bound=FutureResult)


def numbered_of(call: Call, model_id: str, seq_id: int | None, work: Callable[[], R]) -> Submission[R]:
    """An operation of a model.

    Clients before 0.3.0 send no numbers: the order of arrival counts, and a repeat is known by its
    `X-Idempotency-Key`.

    Raises:
        Unprocessable: if the number is below 1.
    """
    if seq_id is None:
        number = call.service.lanes.next_seq_id(model_id)
        request_id = f"{model_id}:key:{call.idempotency_key or f'arrival-{number}'}"
        return Submission(request_id, model_id, number, work, ordered=True)
    if seq_id < 1:
        raise Unprocessable(f"seq_id: expected 1 or more, got {seq_id}")
    return Submission(f"{model_id}:{seq_id}", model_id, seq_id, work, ordered=True)
