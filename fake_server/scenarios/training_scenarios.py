"""Scenarios of training: backward passes and steps, as they are submitted."""

from fake_server.fake import Fake
from fake_server.fault_rewrites import Rewrite
from fake_server.occasions import When
from fake_server.scenarios.changes import bad_gateway
from fake_server.scenarios.scenario import ScenarioBook

__all__ = ["PASSES", "STEPS"]

PASSES = ScenarioBook("pass")
STEPS = ScenarioBook("step")
REPEATED = "sdk 0.38.0 _base_client.py: 408, 409, 429, 5xx and lost connections are repeated"
NUMBERED = "sdk 0.38.0 lib/public_interfaces/training_client.py: the same seq_id is the same operation"
SILENT = "gives it another number: gradients count twice, and the loss curve is silently another."


@PASSES.scenario(
    "SCN-13",
    "A backward pass is answered by 503, twice.",
    source=REPEATED,
    breaks="raises at the first 503: a run of days ends for a restart of seconds.",
)
def unavailable(fake: Fake) -> None:
    """503."""
    fake.faults.status("forward_backward", 503, times=2)


@PASSES.scenario(
    "SCN-14",
    "A backward pass is answered by 409, a conflict that passes, once.",
    source="sdk 0.38.0 _base_client.py: 409 is repeated",
    breaks="takes 409 for final: the pass is missing, and the step after it is one of fewer gradients.",
)
def conflict(fake: Fake) -> None:
    """409."""
    fake.faults.status("forward_backward", 409, nth=2)


@PASSES.scenario(
    "SCN-15",
    "A backward pass is refused by 429 once, with a time to come back.",
    source="RFC 9110, 10.2.3; sdk 0.38.0 _base_client.py: Retry-After up to 60 s is kept",
    breaks="comes back sooner, each time: the account is held back for longer.",
)
def rate_limit(fake: Fake) -> None:
    """429 with Retry-After."""
    fake.faults.rate_limit("forward_backward", retry_after=1, nth=2)


@PASSES.scenario(
    "SCN-16",
    "A backward pass is answered by 502 with a page of HTML.",
    source="ours: what a proxy before a service says while that is away",
    breaks="parses the page as JSON and dies of it, though the next attempt would have gone well.",
)
def gateway(fake: Fake) -> None:
    """502 from a proxy."""
    when = When(operation="forward_backward", nth=(2,))
    fake.faults.set(Rewrite(when=when, what="502 with HTML", change=bad_gateway))


@PASSES.scenario(
    "SCN-17",
    "The connection is closed in place of an answer to a backward pass, and no work is done.",
    source=REPEATED,
    breaks="believes it was done: the step after it has no gradients, and nobody is told.",
)
def dropped(fake: Fake) -> None:
    """The request is lost."""
    fake.faults.drop_request("forward_backward", nth=2)


@PASSES.scenario(
    "SCN-18",
    "A backward pass is taken on, and the answer to it is lost.",
    source=NUMBERED,
    breaks=SILENT,
)
def lost(fake: Fake) -> None:
    """The answer is lost."""
    fake.faults.lose_answer("forward_backward", nth=2)


@PASSES.scenario(
    "SCN-19",
    "The answer to a backward pass ends in the middle.",
    source=NUMBERED,
    breaks=SILENT,
)
def truncated(fake: Fake) -> None:
    """Half an answer."""
    fake.faults.truncate("forward_backward", nth=2)


@PASSES.scenario(
    "SCN-20",
    "The connection is reset once a backward pass is taken on.",
    source=NUMBERED,
    breaks=SILENT,
)
def reset(fake: Fake) -> None:
    """RST."""
    fake.faults.reset("forward_backward", nth=1)


@PASSES.scenario(
    "SCN-21",
    "A proxy delivers a backward pass twice.",
    source="RFC 9110, 9.2.2: proxies repeat by themselves; " + NUMBERED,
    breaks="sends no number, or one for all: the gradients of one batch count twice.",
)
def duplicated(fake: Fake) -> None:
    """Delivered twice."""
    fake.faults.duplicate("forward_backward", nth=2)


@PASSES.scenario(
    "SCN-22",
    "A backward pass reaches the service late, by two seconds.",
    source="sdk 0.38.0 _constants.py: the time limit is 60 s",
    breaks="has a time limit of a second: it repeats what is under way, and makes its own load.",
)
def late(fake: Fake) -> None:
    """Two seconds late."""
    fake.faults.latency("forward_backward", 2.0, nth=2)


@PASSES.scenario(
    "SCN-23",
    "A backward pass is refused by 422.",
    source="sdk 0.38.0 _client.py: UnprocessableEntityError at once",
    breaks="repeats it, or goes on without it: the step that follows moves weights on no gradients.",
    ends="badly",
    says=("datum 0 has no weights",),
)
def refused(fake: Fake) -> None:
    """422 for the second pass and all that follow."""
    fake.faults.status("forward_backward", 422, body={"detail": "datum 0 has no weights"}, after=1)


@PASSES.scenario(
    "SCN-24",
    "A backward pass fails, as its user's fault.",
    source="sdk 0.38.0 lib/api_future_impl.py: RequestFailedError with category user",
    breaks="takes the failure's JSON for a result, or logs it and goes on: the model learns from nothing.",
    ends="badly",
    says=("a target is not in the vocabulary",),
)
def fails_by_its_user(fake: Fake) -> None:
    """The future fails."""
    stub = fake.stubs.on("forward_backward").pass_through()
    stub.then.fails("user", "a target is not in the vocabulary")


@PASSES.scenario(
    "SCN-25",
    "A backward pass fails once, as the server's fault.",
    source="sdk 0.38.0 lib/api_future_impl.py: RequestFailedError with category server, not repeated",
    breaks="goes on as if it were done: one batch is missing, and nobody is told.",
    ends="either",
    says=("an engine was lost",),
)
def fails_by_the_server(fake: Fake) -> None:
    """The future fails; the next would not."""
    fake.stubs.on("forward_backward").fails("server", "an engine was lost").then.pass_through()


@STEPS.scenario(
    "SCN-26",
    "A step is answered by 503, twice.",
    source=REPEATED,
    breaks="raises at the first 503, or leaves the step out: gradients of two batches become one step.",
)
def step_unavailable(fake: Fake) -> None:
    """503."""
    fake.faults.status("optim_step", 503, times=2)


@STEPS.scenario(
    "SCN-27",
    "A step is answered by 408 once.",
    source="sdk 0.38.0 _base_client.py: 408 is repeated",
    breaks="takes 408 for the end, as it is one of the statuses of users' faults.",
)
def step_timeout(fake: Fake) -> None:
    """408."""
    fake.faults.status("optim_step", 408, nth=2)


@STEPS.scenario(
    "SCN-28",
    "A step is taken on, and the answer to it is lost.",
    source=NUMBERED,
    breaks="gives it another number: the optimizer steps twice on one batch, the second time on nothing.",
)
def step_lost(fake: Fake) -> None:
    """The answer is lost."""
    fake.faults.lose_answer("optim_step", nth=2)


@STEPS.scenario(
    "SCN-29",
    "The step is done, and the answer to it is 500.",
    source=NUMBERED,
    breaks="gives it another number: the optimizer steps twice on one batch, the second time on nothing.",
)
def step_done_and_500(fake: Fake) -> None:
    """500 once the work is done."""
    fake.faults.status("optim_step", 500, nth=1, work=True)


@STEPS.scenario(
    "SCN-30",
    "A proxy delivers a step twice.",
    source="RFC 9110, 9.2.2: proxies repeat by themselves; " + NUMBERED,
    breaks="sends no number: the optimizer steps twice on one batch.",
)
def step_duplicated(fake: Fake) -> None:
    """Delivered twice."""
    fake.faults.duplicate("optim_step", nth=2)


@STEPS.scenario(
    "SCN-31",
    "The connection is reset in the middle of the answer to a step.",
    source=NUMBERED,
    breaks="gives it another number: the optimizer steps twice on one batch, the second time on nothing.",
)
def step_reset(fake: Fake) -> None:
    """RST after half of the answer."""
    fake.faults.reset("optim_step", at=0.5, nth=2)


@STEPS.scenario(
    "SCN-32",
    "A step fails, as its user's fault.",
    source="sdk 0.38.0 lib/api_future_impl.py: RequestFailedError with category user",
    breaks="ignores what a step returns: it trains to the end, and the weights are those of the beginning.",
    ends="badly",
    says=("the learning rate is no number",),
)
def step_fails(fake: Fake) -> None:
    """The future fails."""
    fake.stubs.on("optim_step").pass_through().then.fails("user", "the learning rate is no number")


@STEPS.scenario(
    "SCN-33",
    "Billing is paused: a step is answered by 402 once.",
    source="sdk 0.38.0 lib/internal_client_holder.py: 5 s of pause, then the same again, for an hour",
    breaks="leaves the step out and goes on, or hides that it is about money.",
    ends="either",
    says=("402", "billing"),
)
def billing_pause(fake: Fake) -> None:
    """402."""
    fake.faults.billing_pause("optim_step", nth=2)
