"""Scenarios of sampling."""

from fake_server.fake import Fake
from fake_server.scenarios.scenario import ScenarioBook

__all__ = ["SAMPLING"]

SAMPLING = ScenarioBook("sample")
scenario = SAMPLING.scenario
AGAIN = "sdk 0.38.0 lib/retry_handler.py: a sample is tried again as a whole, without end"
BACKPRESSURE = "sdk 0.38.0 lib/public_interfaces/sampling_client.py: 429 is backpressure, not an error"


@scenario(
    "SCN-69",
    "Samples are refused by 429, twice.",
    source=BACKPRESSURE,
    breaks="fails the sample: a round of a thousand has holes, and its mean reward is of the rest.",
)
def backpressure(fake: Fake) -> None:
    """429."""
    fake.faults.rate_limit("asample", times=2)


@scenario(
    "SCN-70",
    "A sample is refused by 429, with a time to come back.",
    source="RFC 9110, 10.2.3",
    breaks="comes back sooner: the server that asked for a rest gets none.",
)
def backpressure_with_a_time(fake: Fake) -> None:
    """429 with Retry-After."""
    fake.faults.rate_limit("asample", retry_after=3, times=1)


@scenario(
    "SCN-71",
    "A sample is answered by 503 once.",
    source=AGAIN,
    breaks="fails the sample, and with it the round.",
)
def sample_unavailable(fake: Fake) -> None:
    """503."""
    fake.faults.status("asample", 503, times=1)


@scenario(
    "SCN-72",
    "A sample is taken on, and the answer to it is lost.",
    source=AGAIN,
    breaks="waits for it for ever, or fails the round.",
)
def sample_lost(fake: Fake) -> None:
    """The answer is lost."""
    fake.faults.lose_answer("asample", nth=1)


@scenario(
    "SCN-73",
    "The result of a sample is gone: its poll is answered by 410.",
    source="sdk 0.38.0 lib/api_future_impl.py: 410 is a RetryableException, and the sample is sent anew",
    breaks="polls for ever: the round never ends.",
    ends="either",
    says=("410", "gone", "expired", "broken"),
)
def sample_expired(fake: Fake) -> None:
    """410, once."""
    fake.faults.status(
        "retrieve_future", 410, future="asample", times=1, body={"detail": "the result is gone"}
    )


@scenario(
    "SCN-74",
    "A sample is refused by 400: its prompt is too long.",
    source="sdk 0.38.0 _client.py: BadRequestError at once",
    breaks="tries it again for ever, or returns a sample of nothing.",
    ends="badly",
    says=("the prompt is too long",),
)
def sample_refused(fake: Fake) -> None:
    """400."""
    fake.faults.status("asample", 400, body={"detail": "the prompt is too long"})


@scenario(
    "SCN-75",
    "A sample fails, as the server's fault.",
    source="sdk 0.38.0 lib/retry_handler.py: RequestFailedError is not tried again",
    breaks="returns a sample of nothing: its reward is that of silence.",
    ends="either",
    says=("the engine was lost in the middle",),
)
def sample_fails(fake: Fake) -> None:
    """The future fails; the next would not."""
    fake.stubs.on("asample").fails("server", "the engine was lost in the middle").then.pass_through()


@scenario(
    "SCN-76",
    "The sampling session is opened at the second attempt; the first is answered by 500.",
    source="sdk 0.38.0 _base_client.py: 5xx is repeated",
    breaks="gives up, or opens one for each sample.",
)
def sampler_unavailable(fake: Fake) -> None:
    """500."""
    fake.faults.status("create_sampling_session", 500, times=1)


@scenario(
    "SCN-77",
    "Two samples wait for each other, and come in the reverse of their order.",
    source="ours: servers sample side by side; nothing says which sample ends first",
    breaks="gives results to prompts by the order in which they come.",
)
def samples_cross(fake: Fake) -> None:
    """The first is served last."""
    fake.faults.reorder("asample", window=2, patience=0.5, times=2)
