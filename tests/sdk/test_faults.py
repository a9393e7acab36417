"""What the published SDK makes of each fault: it recovers from most, and nothing is applied twice."""

from typing import Any

import pytest
import tinker
from tinker import types

from fake_server.fake import Fake
from fake_server.faults import KINDS, Schedule
from fake_server.occasions import When
from tests.sdk.data import PICO, weighted

pytestmark = pytest.mark.sdk

STEP = types.AdamParams(learning_rate=0.1)
RECOVERED: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 0.05, "jitter": 0.05},
    "duplicate": {},
    "drip": {"chunk": 8, "every": 0.001},
    "reorder": {"patience": 0.05},
    "status": {"status": 503, "headers": {"retry-after-ms": "5"}},
    "rate_limit": {"retry_after_ms": 5},
    "empty_400": {},
    "lose_answer": {},
    "drop_request": {},
    "reset": {},
    "truncate": {},
    "bad_http": {},
}
"""Kinds after which a submission, and a poll, are repeated without a word to the user."""


def learned(fake: Fake) -> float:
    """The loss after two steps."""
    service = fake.service_client()
    training = service.create_lora_training_client(PICO, rank=8, seed=1).result()
    for _ in range(2):
        training.forward_backward([weighted()], "cross_entropy").result()
        training.optim_step(STEP).result()
    loss: float = training.forward([weighted()], "cross_entropy").result().metrics["loss:sum"]
    return loss


@pytest.fixture(scope="module")
def oracle(tinker_fake_server):
    return learned(tinker_fake_server.fresh())


@pytest.mark.parametrize("operation", ["optim_step", "retrieve_future"])
@pytest.mark.parametrize("kind", RECOVERED)
def test_the_sdk_recovers_and_trains_as_if_nothing_had_been(tinker_fake, oracle, kind, operation):
    future = {"future": "optim_step"} if operation == "retrieve_future" else {}
    when = When(operation=operation, nth=1, **future)
    fault = tinker_fake.faults.set(KINDS[kind](when=when, **RECOVERED[kind]))

    assert learned(tinker_fake) == oracle
    assert fault.fired == 1


FINAL: dict[str, tuple[dict[str, Any], type[BaseException], str]] = {
    "status": ({"status": 400, "body": {"detail": "no"}}, tinker.BadRequestError, "no"),
    "invalid_token": ({}, tinker.AuthenticationError, "the token is not valid"),
    "wrong_result": ({}, tinker.APIResponseValidationError, "invalid for expected schema"),
}
"""Kinds that reach the user of a submission at once: what is raised, and words of it."""


@pytest.mark.tinker_unread
@pytest.mark.parametrize("kind", FINAL)
def test_what_cannot_be_repeated_reaches_the_user(training, tinker_fake, kind):
    fields, error, words = FINAL[kind]
    tinker_fake.faults.set(KINDS[kind](when=When(operation="optim_step", nth=1), **fields))

    with pytest.raises(error, match=words):
        training.optim_step(STEP).result()

    assert len(tinker_fake.journal.calls("optim_step")) == 1


UNREADABLE = ("bad_json", "bad_protobuf", "wrong_content_type", "garbage")


@pytest.mark.tinker_unread
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_result_that_cannot_be_read_reaches_the_user(training, tinker_fake, kind):
    when = When(operation="retrieve_future", future="forward_backward")
    tinker_fake.faults.set(KINDS[kind](when=when))

    with pytest.raises(ValueError, match=r"Proto deserialization failed|unexpected end|UTF-8|line 1"):
        training.forward_backward([weighted()], "cross_entropy").result()


@pytest.mark.parametrize(
    ("kind", "metrics"), [("wrong_result", []), ("empty_body", []), ("nan", ["nan", "nan"])]
)
def test_the_sdk_takes_some_wrong_results_for_results(training, tinker_fake, kind, metrics):
    when = When(operation="retrieve_future", future="forward_backward")
    tinker_fake.faults.set(KINDS[kind](when=when))

    output = training.forward_backward([weighted()], "cross_entropy").result()

    assert [str(value) for value in output.metrics.values()] == metrics


@pytest.mark.parametrize("seed", range(3))
def test_a_rolled_schedule_is_survived(tinker_fake, oracle, seed):
    schedule = Schedule.random(seed, operation="optim_step", budget=3, calls=4)
    tinker_fake.faults.add(schedule + Schedule.random(seed, operation="retrieve_future", budget=2, calls=4))

    assert learned(tinker_fake) == oracle, f"Schedule.random({seed}, ...)"
    assert any(one.fired for one in tinker_fake.faults)
    tinker_fake.faults.clear()


def test_a_server_that_restarts_is_found_again(tinker_fake, oracle):
    gone = tinker_fake.faults.refuse("optim_step", nth=1, work=True, seconds=0.2)

    assert learned(tinker_fake) == oracle
    assert gone.fired == 1
