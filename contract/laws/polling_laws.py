"""Laws of polls of one future: waiting, giving up, results by their size, and taking a future back."""

from concurrent.futures import ThreadPoolExecutor

from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_equal, expect_final, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import Model, promised
from contract.laws.subject import Subject
from contract.sampling import SampleResponse

__all__ = ["POLLING_LAWS"]

POLLING_LAWS = Lawbook()
law = POLLING_LAWS.law
POLLS = "sdk 0.38.0 lib/api_future_impl.py"
CANCELS = "sdk 0.38.0 lib/public_interfaces/sampling_client.py"
HELD_SECONDS = 0.2
"""Ours: long for an answer on a loopback; servers hold polls for 10 to 300 seconds."""
PATIENCE_SECONDS = 0.5
WOKEN_SECONDS = 5.0
"""Ours: a server that looks again at times instead of waking who waits may take a part of it."""


def held(s: Subject) -> tuple[Model, str]:
    """A model, and a future of it that stays pending until the model's first operation comes."""
    model = s.model()
    return model, promised(model.send_step(seq_id=2), "optim_step")


def let_go(s: Subject, model: Model) -> None:
    """Send what a held future waits for."""
    promised(model.send_backward([s.datum()], seq_id=1), "forward_backward")


def outcomes_of_waiting_polls(s: Subject, number: int) -> int:
    """How many different outcomes a future has for polls that wait for it, and for one more.

    Raises:
        Broken: if a poll still waits when the outcome was told to another.
    """
    model, request_id = held(s)
    with ThreadPoolExecutor(number) as threads:
        waiting = [threads.submit(s.glance, request_id, WOKEN_SECONDS) for _ in range(number)]
        let_go(s, model)
        told = {s.poll(request_id).body}
        replies = [poll.result() for poll in waiting]
    for reply in replies:
        expect(
            reply,
            f"a poll that waits: expected the outcome once it is there, got none in {WOKEN_SECONDS} s",
        )
    return len(told | {reply.body for reply in replies if reply and not reply.pending})


def poll_once(s: Subject, request_id: str, **fields: object) -> Reply:
    """One poll, as a client sends it."""
    return s.driver.call("retrieve_future", {"request_id": request_id, **fields})


@law(
    "FUT-40",
    "A poll of what is not done waits for it, and is not answered at once that there is nothing.",
    source=f"{POLLS}: 408 and try_again are polled again without a delay",
    breaks="answers 408 at once: each waiting client sends hundreds of requests in a second.",
)
def polls_wait(s: Subject) -> None:
    reply = s.glance(held(s)[1], HELD_SECONDS)
    expect(reply is None or not reply.pending, f"poll of a pending future: expected it to wait, got {reply}")


@law(
    "FUT-41",
    "A poll that ends without an outcome says so by 408, or by 200 and try_again.",
    source=POLLS,
    breaks="answers 204, 202 or null: SDKs take it for the result, and fail on it.",
)
def not_yet_form(s: Subject) -> None:
    reply = s.glance(held(s)[1], PATIENCE_SECONDS)
    expect(reply is None or reply.pending, f"poll of a pending future: expected 'not yet', got {reply}")


@law(
    "FUT-42",
    "A poll that its client gave up harms neither the operation nor the polls after it.",
    source="ours: proxies close idle connections, and clients have timeouts",
    breaks="cancels the operation with the connection, or delivers its result to the dead one.",
)
def abandoned_poll(s: Subject) -> None:
    model, request_id = held(s)
    for _ in range(3):
        s.glance(request_id, 0.05)
    let_go(s, model)
    expect_status(s.poll(request_id), 200, what="the poll after three that were given up")


@law(
    "FUT-43",
    "A poll that waits is answered by the outcome once it is there.",
    source=POLLS,
    breaks="looks once, sleeps its whole time and answers 408: every operation lasts half a minute.",
)
def waiting_poll_is_woken(s: Subject) -> None:
    expect_equal(outcomes_of_waiting_polls(s, 1), 1, "outcomes of a poll and of one that waited before it")


@law(
    "FUT-44",
    "Several polls may wait for one future, and each is answered by its outcome.",
    source="ours: a client that timed out polls again while its first poll still waits",
    breaks="has one waiter per future: the newer poll hangs, or the older one's answer is lost with it.",
)
def several_polls_wait(s: Subject) -> None:
    expect_equal(outcomes_of_waiting_polls(s, 4), 1, "outcomes of a poll and of four that waited before it")


@law(
    "FUT-45",
    "A poll that allows metadata gets the result, or its size and the result by the next poll.",
    source=POLLS,
    since="0.14.0",
    breaks="answers the size again and again, or a size of 0.",
)
def metadata_where_allowed(s: Subject) -> None:
    request_id = promised(s.model().send_step(), "optim_step")
    s.poll(request_id)
    reply = poll_once(s, request_id, allow_metadata_only=True)
    expect_status(reply, 200, what="the poll that allows metadata")
    size = reply.json.get("response_payload_size", 1)
    expect(isinstance(size, int) and size > 0, f"response_payload_size: expected bytes, got {size!r}")
    told = poll_once(s, request_id, allow_metadata_only=False).json
    expect("metrics" in told or not told, f"the poll for the result: expected metrics, got {told}")


@law(
    "FUT-46",
    "A poll that does not allow metadata gets the result itself.",
    source=POLLS,
    breaks="answers by the size: SDKs before 0.14 take it for the result, newer ones stop with an assertion.",
)
def no_metadata_where_not_allowed(s: Subject) -> None:
    request_id = promised(s.model().send_backward([s.datum()] * 64, forward_only=True), "forward")
    s.poll(request_id)
    expect_equal(len(s.passed(request_id).loss_fn_outputs), 64, "outputs of a pass over 64 examples")
    for fields in ({}, {"allow_metadata_only": False}):
        reply = poll_once(s, request_id, **fields)
        expect(b"complete_metadata" not in reply.body, f"the poll: expected the result, got {reply.body!r}")


@law(
    "FUT-47",
    "A result stays where it is while others are fetched.",
    source="ours: a client fetches in the order in which it needs them",
    breaks="keeps the newest few: long pipelines lose their first results.",
)
def results_stay(s: Subject) -> None:
    model = s.model()
    first = promised(model.send_backward([s.datum()]), "forward_backward")
    told = s.poll(first).body
    for _ in range(40):
        s.poll(promised(model.send_step(0.0), "optim_step"))
    expect_equal(s.poll(first).body, told, "the first result, after forty others were fetched")


@law(
    "FUT-48",
    "Many polls at once are each answered by their own future's outcome.",
    source="wire as observed: up to 2,000 samples wait at once, each by a poll of its own",
    needs=("sampling",),
    breaks="limits connections, or answers one poll by another's result.",
)
def many_polls(s: Subject) -> None:
    sampler, numbers = s.sampler(), [1 + n % 4 for n in range(24)]
    ids = [promised(sampler.send(num_samples=n, max_tokens=2), "asample") for n in numbers]
    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(lambda request_id: s.result(request_id, SampleResponse), ids))
    expect_equal([len(result.sequences) for result in results], numbers, "sequences of 24 samples")


@law(
    "FUT-49",
    "What a client says of its polls changes no answer: how often it asked, what it asked for.",
    source=f"{POLLS}: x-tinker-request-type, x-tinker-request-iteration",
    breaks="counts polls, and drops the result after the first that it was told of.",
)
def hints_change_nothing(s: Subject) -> None:
    request_id = promised(s.model().send_backward([s.datum()]), "forward_backward")
    plain = s.poll(request_id).body
    for iteration in ("0", "1", "77"):
        hints = {"x-tinker-request-type": "ForwardBackward", "x-tinker-request-iteration": iteration}
        expect_equal(s.poll(request_id, hints).body, plain, f"the result, poll {iteration}")


def cancel(s: Subject, request_id: str) -> Reply:
    """Take a sample back."""
    return s.driver.call("cancel_future", {"request_id": request_id})


@law(
    "FUT-70",
    "A sample that is done and is cancelled then keeps its result, or is gone; it is not another one.",
    source=CANCELS,
    needs=("sampling", "cancelling"),
    since="0.26.0",
    breaks="answers 5xx or 409 because it is too late: SDKs repeat that for five minutes.",
)
def cancelled_late(s: Subject) -> None:
    request_id = promised(s.sampler().send(), "asample")
    told = s.poll(request_id).body
    expect_final(cancel(s, request_id), "cancel_future of a sample that is done")
    reply = s.poll(request_id)
    expect(reply.body == told or reply.status == 410, f"the result: expected it, or 410, got {reply}")


@law(
    "FUT-71",
    "A cancel of a future that nobody asked for is refused for good, or does nothing.",
    source=CANCELS,
    needs=("sampling", "cancelling"),
    since="0.26.0",
    breaks="answers 5xx: SDKs repeat it for five minutes, while the user waits for the program to end.",
)
def cancel_of_nothing(s: Subject) -> None:
    expect_final(cancel(s, "nobody:sample:0:1"), "cancel_future of a future that is not there")


@law(
    "FUT-72",
    "A sample that is cancelled comes to an end: it is done all the same, has failed, or is gone.",
    source=CANCELS,
    needs=("sampling", "cancelling"),
    since="0.26.0",
    breaks="forgets it and leaves its poll waiting.",
)
def cancelled_comes_to_an_end(s: Subject) -> None:
    request_id = promised(s.sampler().send(max_tokens=64), "asample")
    expect_final(cancel(s, request_id), "cancel_future")
    expect_status(s.poll(request_id), 200, 404, 410, what="the poll of a cancelled sample")


@law(
    "FUT-73",
    "A cancel that is sent again does no harm.",
    source="ours: its answer may be lost as any other",
    needs=("sampling", "cancelling"),
    since="0.26.0",
    breaks="answers 5xx to the second.",
)
def cancelled_twice(s: Subject) -> None:
    request_id = promised(s.sampler().send(max_tokens=64), "asample")
    for _ in range(3):
        expect_final(cancel(s, request_id), "cancel_future, sent again")


@law(
    "FUT-74",
    "A cancel takes back its own sample only.",
    source=CANCELS,
    needs=("sampling", "cancelling"),
    since="0.26.0",
    breaks="stops the batch that the sample was computed in.",
)
def cancel_takes_one(s: Subject) -> None:
    sampler = s.sampler()
    ids = [promised(sampler.send(max_tokens=16), "asample") for _ in range(5)]
    expect_final(cancel(s, ids[2]), "cancel_future")
    kept = [s.result(i, SampleResponse) for i in ids[:2] + ids[3:]]
    expect_equal([len(result.sequences) for result in kept], [1] * 4, "sequences beside a cancelled sample")
