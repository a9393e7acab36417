import pytest
from pydantic import TypeAdapter, ValidationError

from contract.errors import RequestErrorCategory
from contract.futures import (
    FutureFailed,
    FutureFinished,
    FuturesRetrieveRequest,
    FuturesRetrieveResponse,
    QueueState,
    RequestFailedResponse,
    TryAgainResponse,
    UntypedAPIFuture,
)


def test_a_failure_says_whose_fault_it_was_in_lower_case():
    failed = RequestFailedResponse(error="e", category=RequestErrorCategory.User)
    assert failed.model_dump(mode="json") == {"error": "e", "category": "user"}


def test_a_pending_future_names_itself_and_why_it_waits():
    pending = TryAgainResponse(request_id="r", queue_state="active")
    sent = {"type": "try_again", "request_id": "r", "queue_state": "active"}
    assert pending.model_dump(exclude_none=True) == sent
    with pytest.raises(ValidationError, match="'paused_capacity'"):
        TypeAdapter(QueueState).validate_python("asleep")


def test_completions_are_known_by_their_state():
    completions = [{"state": "finished", "request_id": "a"}, {"state": "failed", "request_id": "b"}]
    response = FuturesRetrieveResponse.model_validate({"completions": completions, "cursor": 2})
    assert response.completions == [FutureFinished(request_id="a"), FutureFailed(request_id="b")]


def test_a_batch_starts_from_the_beginning_for_the_original_client():
    request = FuturesRetrieveRequest.model_validate({"target": {"sampling_session_id": "s"}})
    assert (request.target.cloned_sampler_id, request.prev_cursor, request.timeout) == (0, 0, None)


@pytest.mark.sdk
def test_a_client_reads_our_promise():
    from tinker.types import UntypedAPIFuture as Theirs

    promise = UntypedAPIFuture(request_id="r", model_id="m", sample_sequence_ids=["a", "b"])
    assert Theirs(**promise.model_dump()).model_dump() == promise.model_dump()
