"""Numbers: of operations in their model's order, of models in their session, of tokens in an input."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from contract import BadRequest, FutureResult, ModelInput, Unprocessable
from fake_server.service import Call, Service, Submission

R = TypeVar("R", bound=FutureResult)
SEQ_ID_LIMIT = 2**63
"""Clones count up to 1e18. Source: sdk 0.38.0 lib/public_interfaces/sampling_client.py."""


def numbered_of(call: Call, model_id: str, seq_id: int | None, work: Callable[[], R]) -> Submission[R]:
    """An operation of a loaded model whose session is open; a replay needs neither.

    Clients before 0.3.0 send no numbers: the order of arrival counts, and a repeat is known by its
    `X-Idempotency-Key`.

    Raises:
        NotFound: if there never was such a model.
        Unprocessable: if the number is out of range.
    """
    call.service.store.models.get(model_id)
    admit = partial(call.service.model, model_id)
    if seq_id is None:
        number = call.service.lanes.next_seq_id(model_id)
        request_id = f"{model_id}:key:{call.idempotency_key or f'arrival-{number}'}"
        return Submission(request_id, model_id, number, work, admit, ordered=True)
    if not 1 <= seq_id < SEQ_ID_LIMIT:
        raise Unprocessable(f"seq_id: expected 1 to 2**63 - 1, got {seq_id}")
    return Submission(f"{model_id}:{seq_id}", model_id, seq_id, work, admit, ordered=True)


def is_taken(service: Service, model_id: str) -> bool:
    """Whether there is a model of that id, or will be."""
    return model_id in service.store.creating or service.store.models.find(model_id) is not None


def check_free(service: Service, model_id: str) -> None:
    """Refuse a number of a session that one of its models has, or will have.

    Raises:
        BadRequest: if it is taken.
    """
    if is_taken(service, model_id):
        raise BadRequest(f"model_seq_id: expected a new number, got that of {model_id}, which already exists")


def claim(service: Service, model_id: str) -> None:
    """Take a session's number for a model that is about to be made; `claimed` gives it back.

    Raises:
        BadRequest: if it is taken.
    """
    check_free(service, model_id)
    service.store.creating.add(model_id)


@contextmanager
def claimed(service: Service, model_id: str) -> Iterator[None]:
    """While a model is made: its number stays taken, and afterwards if there is a model of it."""
    try:
        yield
    finally:
        with service.lock:
            service.store.creating.discard(model_id)


def known_length(model_input: ModelInput) -> int:
    """Tokens of all chunks but those that do not tell: images need not say how many they are."""
    known = 0
    for chunk in model_input.chunks:
        with suppress(ValueError):
            known += chunk.length
    return known
