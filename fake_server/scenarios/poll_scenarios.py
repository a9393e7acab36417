"""Scenarios of futures: how long results take, and what polls are answered meanwhile."""

from fake_server.fake import Fake
from fake_server.fault_rewrites import Rewrite
from fake_server.history import History
from fake_server.occasions import When
from fake_server.scenarios.changes import closed_after, of_category, paused_anew, repeated_with_200
from fake_server.scenarios.scenario import ScenarioBook
from fake_server.settings import Settings

__all__ = ["POLLS"]

POLLS = ScenarioBook("poll")
scenario = POLLS.scenario
ENDLESS = "sdk 0.38.0 lib/api_future_impl.py: 408 and 5xx are polled again, without end"
BACKOFF = "sdk 0.38.0 lib/api_future_impl.py: 1, 2, 4 … 30 s of backoff, without end"
FETCHED_AGAIN = "sdk 0.38.0 lib/api_future_impl.py: a result stays until it was read; polls are repeated"
POLL = "retrieve_future"


def _polls_of(operation: str) -> When:
    return When(operation=POLL, future=operation)


def _heard_of_sizes(history: History) -> bool:
    return any(
        entry.operation == POLL and entry.answered("status") == "complete_metadata" for entry in history
    )


@scenario(
    "SCN-34",
    "Three polls are answered by 408 before there is a result.",
    source=ENDLESS,
    breaks="gives up after a few polls: what takes long is what matters, and it is lost.",
)
def not_yet(fake: Fake) -> None:
    """408, three times."""
    fake.delivery("forward_backward", times=1).after_polls(3)


@scenario(
    "SCN-35",
    "Polls are answered by try_again with status 200.",
    source="sdk 0.38.0 types/future_retrieve_response.py: TryAgainResponse; older servers send it with 200",
    breaks="takes whatever comes with 200 for the result: an optimizer step that has no metrics, and no end.",
)
def not_yet_with_200(fake: Fake) -> None:
    """try_again, twice."""
    fake.delivery("optim_step", times=1).after_polls(2)
    when = _polls_of("optim_step")
    fake.faults.set(Rewrite(when=when, what="200 for 408", change=repeated_with_200))


@scenario(
    "SCN-36",
    "Two polls are answered by 503.",
    source=ENDLESS,
    breaks="fails the operation, though it is done: users resubmit it, and it is done twice.",
)
def poll_unavailable(fake: Fake) -> None:
    """503."""
    fake.faults.status(POLL, 503, future="forward_backward", times=2)


@scenario(
    "SCN-37",
    "A poll is refused by 429, with a time to come back.",
    source=BACKOFF,
    breaks="polls again at once, for ever, or fails what is done.",
)
def poll_rate_limit(fake: Fake) -> None:
    """429 with Retry-After."""
    fake.faults.rate_limit(POLL, retry_after=1, future="optim_step", times=1)


@scenario(
    "SCN-38",
    "The answer that has a result is lost.",
    source=FETCHED_AGAIN,
    breaks="submits the operation again in place of the poll: gradients count twice.",
)
def result_lost(fake: Fake) -> None:
    """The result is lost."""
    fake.faults.lose_answer(POLL, future="forward_backward", nth=2)


@scenario(
    "SCN-39",
    "The answer that has a result ends in the middle.",
    source=FETCHED_AGAIN,
    breaks="decodes the half that it has: a batch has half of its logprobs.",
)
def result_truncated(fake: Fake) -> None:
    """Half a result."""
    fake.faults.truncate(POLL, future="forward_backward", nth=2)


@scenario(
    "SCN-40",
    "The connection is reset in place of a result.",
    source=FETCHED_AGAIN,
    breaks="submits the operation again in place of the poll: the optimizer steps twice.",
)
def result_reset(fake: Fake) -> None:
    """RST."""
    fake.faults.reset(POLL, future="optim_step", nth=1)


@scenario(
    "SCN-41",
    "A result comes slowly, a few bytes at a time.",
    source="RFC 9110, 6: a body is over when its length is there, not when a read returns",
    breaks="takes what the first read returns for all of it.",
)
def result_drips(fake: Fake) -> None:
    """Sixteen bytes every 20 ms."""
    fake.faults.drip(POLL, future="forward_backward", chunk=16, every=0.02, times=2)


@scenario(
    "SCN-42",
    "A poll is answered by bytes that are no HTTP.",
    source=FETCHED_AGAIN,
    breaks="lets an exception of its HTTP library end the run, though the result is there.",
)
def poll_noise(fake: Fake) -> None:
    """Noise."""
    fake.faults.bad_http(POLL, future="forward_backward", nth=1)


@scenario(
    "SCN-43",
    "Connections are closed after each answer of a poll, without a word.",
    source="RFC 9112, 9.3: either side may close an idle connection",
    breaks="sends the next request into a closed connection and gives up.",
)
def idle_connections_close(fake: Fake) -> None:
    """The connection ends after the answer."""
    fake.faults.set(Rewrite(when=When(operation=POLL), what="closed after it", change=closed_after))


@scenario(
    "SCN-44",
    "The queue is paused for want of capacity, and says so.",
    source="sdk 0.38.0 types/future_retrieve_response.py: queue_state and its reason",
    breaks="takes the pause for a failure, or submits more: it waits behind itself.",
)
def paused_for_capacity(fake: Fake) -> None:
    """paused_capacity for three polls."""
    fake.delivery("forward_backward", times=1).paused("paused_capacity", "all engines are busy", polls=3)


@scenario(
    "SCN-45",
    "The queue is paused by a rate limit, and says so.",
    source="sdk 0.38.0 types/future_retrieve_response.py: queue_state and its reason",
    breaks="takes the pause for a failure, or submits more: the limit lasts longer.",
)
def paused_by_rate_limit(fake: Fake) -> None:
    """paused_rate_limit for three polls."""
    fake.delivery("optim_step", times=1).paused("paused_rate_limit", "too many clients train", polls=3)


@scenario(
    "SCN-46",
    "The queue is in a state of which this client has never heard.",
    source="sdk 0.38.0 lib/api_future_impl.py: what is not known is told as UNKNOWN",
    breaks="looks the state up in an enum and dies of it: a new word of the server ends old clients.",
)
def paused_anew_(fake: Fake) -> None:
    """A new queue_state for two polls."""
    fake.delivery("optim_step", times=1).paused("paused_capacity", polls=2)
    when = _polls_of("optim_step")
    fake.faults.set(Rewrite(when=when, what="a new queue_state", change=paused_anew))


@scenario(
    "SCN-47",
    "A result takes an hour.",
    source="sdk 0.38.0 lib/api_future_impl.py: there is no limit to polls",
    breaks="has a limit of its own for a result: work that was done is thrown away.",
)
def an_hour(fake: Fake) -> None:
    """An hour, on a clock that skips it."""
    fake.clock.virtual(auto=True)
    fake.delivery("optim_step", times=1).after(3600)


@scenario(
    "SCN-48",
    "The result of a step is gone: its poll is answered by 410.",
    source="sdk 0.38.0 lib/api_future_impl.py: RetryableException, which training hands to its user",
    breaks="polls for ever, or steps again: nobody can tell whether the first step was done.",
    ends="badly",
    says=("410", "gone", "expired", "broken"),
)
def step_expired(fake: Fake) -> None:
    """410 from the second step on."""
    fake.faults.status(POLL, 410, future="optim_step", after=1, body={"detail": "the result is gone"})


@scenario(
    "SCN-49",
    "Nobody knows the future of a pass: its poll is answered by 404.",
    source="sdk 0.38.0 lib/api_future_impl.py: ValueError at once",
    breaks="polls for ever: the job hangs, and costs what a job costs.",
    ends="badly",
    says=("404", "not found", "no such future"),
)
def pass_unknown(fake: Fake) -> None:
    """404 from the second pass on."""
    fake.faults.status(POLL, 404, future="forward_backward", after=1, body={"detail": "no such future"})


@scenario(
    "SCN-50",
    "A pass fails once, in a category of which this client has never heard.",
    source="sdk 0.38.0 types/request_error_category.py: what is not known is Unknown",
    breaks="looks the category up in an enum: the user reads of a KeyError, not of what went wrong.",
    ends="either",
    says=("the stars were wrong",),
)
def new_category(fake: Fake) -> None:
    """A failure of category haunted."""
    fake.stubs.on("forward_backward").fails("server", "the stars were wrong").then.pass_through()
    change = of_category("haunted")
    fake.faults.set(Rewrite(when=_polls_of("forward_backward"), what="a new category", change=change))


@scenario(
    "SCN-51",
    "Results are told by their size first.",
    source="sdk 0.38.0 lib/api_future_impl.py: complete_metadata, then a poll without allow_metadata_only",
    breaks="takes the size for the result, or asks for the size again for ever.",
    settings=Settings(inline_result_bytes=16),
    happened=_heard_of_sizes,
)
def sizes_first(_fake: Fake) -> None:
    """By the settings."""
