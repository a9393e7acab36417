"""Scenarios of saving and loading."""

from fake_server.fake import Fake
from fake_server.scenarios.scenario import ScenarioBook

__all__ = ["WEIGHTS"]

WEIGHTS = ScenarioBook("weights")
scenario = WEIGHTS.scenario
REPEATED = "sdk 0.38.0 lib/internal_client_holder.py: saves are repeated for five minutes"
NUMBERED = "sdk 0.38.0 lib/public_interfaces/training_client.py: the same seq_id is the same save"


@scenario(
    "SCN-61",
    "A save is answered by 503 once.",
    source=REPEATED,
    breaks="goes on without a checkpoint: a crash hours later loses all of them.",
)
def save_unavailable(fake: Fake) -> None:
    """503."""
    fake.faults.status("save_weights", 503, times=1)


@scenario(
    "SCN-62",
    "A save is taken on, and the answer to it is lost.",
    source=NUMBERED,
    breaks="saves again under another number: the name is taken, and the run ends; or storage doubles.",
)
def save_lost(fake: Fake) -> None:
    """The answer is lost."""
    fake.faults.lose_answer("save_weights", nth=1)


@scenario(
    "SCN-63",
    "A save fails: there is no room.",
    source="sdk 0.38.0 lib/api_future_impl.py: RequestFailedError",
    breaks="does not look at what a save returns: there is no checkpoint, and nobody knows.",
    ends="badly",
    says=("the quota of storage is used up",),
)
def save_fails(fake: Fake) -> None:
    """The future fails."""
    fake.stubs.on("save_weights").fails("user", "the quota of storage is used up")


@scenario(
    "SCN-64",
    "Weights are saved for a sampler, and the answer to it is lost.",
    source=NUMBERED,
    breaks="saves again under another number: the sampler has weights of another moment.",
)
def sampler_save_lost(fake: Fake) -> None:
    """The answer is lost."""
    fake.faults.lose_answer("save_weights_for_sampler", nth=1)


@scenario(
    "SCN-65",
    "The save for a sampler is answered by 409 once.",
    source="sdk 0.38.0 _base_client.py: 409 is repeated",
    breaks="takes it for a name that is there, and samples from weights that are not.",
)
def sampler_save_conflict(fake: Fake) -> None:
    """409."""
    fake.faults.status("save_weights_for_sampler", 409, times=1)


@scenario(
    "SCN-66",
    "The loading of a checkpoint is answered by 500 once.",
    source="sdk 0.38.0 _base_client.py: 5xx is repeated",
    breaks="begins with a fresh model in its place: it trains from zero, and nobody is told.",
)
def load_unavailable(fake: Fake) -> None:
    """500."""
    fake.faults.status("load_weights", 500, times=1)


@scenario(
    "SCN-67",
    "A checkpoint is loaded, and the answer to it is lost.",
    source="sdk 0.38.0 types/load_weights_request.py: its number makes the request itself",
    breaks="loads it into another model: two are held, and one is trained by nobody.",
)
def load_lost(fake: Fake) -> None:
    """The answer is lost."""
    fake.faults.lose_answer("load_weights", nth=1)


@scenario(
    "SCN-68",
    "The checkpoint that is loaded has expired.",
    source="sdk 0.38.0 lib/api_future_impl.py: RequestFailedError",
    breaks="goes on with a fresh model: it trains from zero, and nobody is told.",
    ends="badly",
    says=("the checkpoint has expired",),
)
def load_fails(fake: Fake) -> None:
    """The future fails."""
    fake.stubs.on("load_weights").fails("user", "the checkpoint has expired")
