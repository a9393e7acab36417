"""Polling: one future, many, and taking one back."""

from functools import partial
from math import inf

from contract import (
    BadRequest,
    CancelFutureRequest,
    FutureFailed,
    FutureFinished,
    FutureMetadata,
    FutureRetrieveRequest,
    FuturesRetrieveRequest,
    FuturesRetrieveResponse,
    Gone,
    TryAgainResponse,
    Unprocessable,
)
from contract.codec import JSON, PROTOBUF
from fake_server.futures import Completions, Future
from fake_server.service import Call, Service
from fake_server.wire import Answer, result_media_type


async def retrieve_future(
    call: Call, request: FutureRetrieveRequest
) -> Answer | TryAgainResponse | FutureMetadata:
    """The outcome, or after the long poll that it is still to come."""
    service = call.service
    end = service.clock.now() + service.settings.long_poll_seconds
    with service.lock:
        future = service.futures.get(request.request_id)
        if service.futures.ask(future):
            return _not_yet(future)
    while not (future := _find(service, request.request_id)).released:
        if service.clock.now() >= end or service.traffic.ended:
            return _not_yet(future)
        event = min(future.shows_after(service.clock.now()), service.lanes.deadline(future.owner) or inf)
        shows = partial(_shows, future)
        await service.traffic.wait(call.exchange, min(end, event), future.waiters, shows, idle=event == inf)
    return _outcome(call, future, metadata_only=request.allow_metadata_only)


def _not_yet(future: Future) -> TryAgainResponse:
    return TryAgainResponse(
        request_id=future.request_id,
        queue_state=future.queue_state,
        queue_state_reason=future.queue_state_reason,
    )


def _shows(future: Future) -> bool:
    return future.released


def _find(service: Service, request_id: str) -> Future:
    with service.lock:
        future = service.futures.get(request_id)
        service.lanes.tick(future.owner)
        service.futures.tick(future)
        return future


def _outcome(call: Call, future: Future, *, metadata_only: bool) -> Answer | FutureMetadata:
    payload, media_type = _payload(call.service, future, call.accept)
    call.exchange.answer = future.outcome
    future.read = True
    if metadata_only and len(payload) > call.service.settings.inline_result_bytes:
        return FutureMetadata(response_payload_size=len(payload))
    return Answer(200, payload, media_type)


def _payload(service: Service, future: Future, accept: str) -> tuple[bytes, str]:
    """An outcome as bytes, and their type.

    One that cannot be written becomes a failure: clients would poll again at once after 500, for ever.
    """
    assert future.outcome is not None
    media_type = result_media_type(future.outcome, accept)
    try:
        return future.payload(media_type), media_type
    except Exception:
        service.futures.spoil(future)
        return future.payload(JSON), JSON


async def retrieve_futures(call: Call, request: FuturesRetrieveRequest) -> FuturesRetrieveResponse:
    """What was completed for one client of a sampling session since its cursor.

    The cursor acknowledges: what it covers is forgotten, and the named results are dropped.
    """
    service, target = call.service, request.target
    numbers = {"prev_cursor": request.prev_cursor, "cloned_sampler_id": target.cloned_sampler_id}
    for name, number in numbers.items():
        if number < 0:
            raise Unprocessable(f"{name}: expected 0 or more, got {number}")
    with service.lock:
        service.store.samplers.get(target.sampling_session_id)
        service.futures.forget(target.sampling_session_id, request.retrieved_request_ids)
        completions = service.futures.completions(target.sampling_session_id, target.cloned_sampler_id)
        while completions.events and next(iter(completions.events)) <= request.prev_cursor:
            completions.events.popitem(last=False)
    patience = service.settings.long_poll_seconds
    if request.timeout is not None:
        patience = min(patience, _checked(request.timeout))
    end = service.clock.now() + patience
    asked = patience > 0 and _asked(service, completions)
    while not (asked or _came(service, completions) or service.clock.now() >= end or service.traffic.ended):
        now, pending = service.clock.now(), list(completions.pending.values())
        event = min((future.shows_after(now) for future in pending), default=inf)
        await service.traffic.wait(
            call.exchange, min(end, event), completions.waiters, lambda: completions.events, idle=event == inf
        )
    with service.lock:
        events = list(completions.events.items())
    cursor = events[-1][0] if events else max(completions.cursor, request.prev_cursor)
    completed = [_completion(service, future) for _, future in events]
    return FuturesRetrieveResponse(completions=completed, cursor=cursor)


def _asked(service: Service, completions: Completions) -> bool:
    """A round asks for all that do not show; returns whether some of them are to be answered with nothing."""
    with service.lock:
        return sum(service.futures.ask(future) for future in completions.pending.values()) > 0


def _came(service: Service, completions: Completions) -> bool:
    """Whether there is something to tell, those included whose time has come."""
    with service.lock:
        for future in list(completions.pending.values()):
            service.futures.tick(future)
        return bool(completions.events)


def _checked(timeout: float) -> float:
    if not timeout >= 0:
        raise Unprocessable(f"timeout: expected 0 seconds or more, got {timeout}")
    return timeout


def _completion(service: Service, future: Future) -> FutureFinished | FutureFailed:
    payload, _ = _payload(service, future, PROTOBUF)
    if future.failed:
        return FutureFailed(request_id=future.request_id)
    return FutureFinished(request_id=future.request_id, response_payload_uncompressed_size=len(payload))


def cancel_future(call: Call, request: CancelFutureRequest) -> None:
    """Stop a sample; one that is done or gone is left as it is."""
    service = call.service
    try:
        future = service.futures.get(request.request_id)
    except Gone:
        return
    if future.operation != "asample":
        raise BadRequest(f"request_id: expected a sample, got {future.operation} {request.request_id!r}")
    service.futures.cancel(future)
