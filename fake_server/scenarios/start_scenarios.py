"""Scenarios of the start: configuration, keys, sessions, models."""

from contract import ClientConfigResponse
from fake_server.fake import Fake
from fake_server.history import History
from fake_server.scenarios.scenario import ScenarioBook
from fake_server.settings import Settings

__all__ = ["START"]

START = ScenarioBook("start")
scenario = START.scenario
REPEATED = "sdk 0.38.0 _base_client.py: 408, 409, 429, 5xx and lost connections are repeated"
TOKENS = Settings(client_config=ClientConfigResponse(pjwt_auth_enabled=True))


def _exchanged_a_key(history: History) -> bool:
    return any(entry.operation == "auth_token" and entry.status == 200 for entry in history)


@scenario(
    "SCN-01",
    "Nothing goes wrong.",
    source="ours: what the other scenarios are compared with",
    breaks="leaves futures unread or steps without gradients: the run ends well, and has not done its work.",
)
def nothing(_fake: Fake) -> None:
    """All is as it should be."""


@scenario(
    "SCN-02",
    "The first request of all is answered by 503, twice.",
    source="sdk 0.38.0 lib/internal_client_holder.py: client/config is repeated for five minutes",
    breaks="starts before it can retry: the job dies in its first second, and loses its place.",
)
def config_is_late(fake: Fake) -> None:
    """503 for the configuration."""
    fake.faults.status("client_config", 503, times=2)


@scenario(
    "SCN-03",
    "The server has no dynamic configuration.",
    source="sdk 0.38.0 lib/internal_client_holder.py: 404 means the defaults",
    breaks="takes the optional endpoint for a required one: no client starts on an older server.",
)
def no_dynamic_config(fake: Fake) -> None:
    """404 for the dynamic configuration."""
    fake.faults.status("client_dynamic_config", 404)


@scenario(
    "SCN-04",
    "The session is opened at the second attempt; the first is answered by 500.",
    source=REPEATED,
    breaks="gives up at the first 500: a restart of the service ends every job that begins then.",
)
def session_is_late(fake: Fake) -> None:
    """500 for a session."""
    fake.faults.status("create_session", 500, times=1)


@scenario(
    "SCN-05",
    "The answer to the opening of the session is lost.",
    source=REPEATED,
    breaks="waits for the answer without a time limit, or mixes ids of two sessions: it trains nothing.",
)
def session_is_lost(fake: Fake) -> None:
    """The session is there, and nobody knows."""
    fake.faults.lose_answer("create_session", nth=1)


@scenario(
    "SCN-06",
    "The model is refused by 429 once, with a time to come back.",
    source="RFC 9110, 10.2.3; sdk 0.38.0 _base_client.py: Retry-After up to 60 s is kept",
    breaks="comes back at once: it is refused again, and with it all who share its account.",
)
def model_is_rate_limited(fake: Fake) -> None:
    """429 with Retry-After."""
    fake.faults.rate_limit("create_model", retry_after=1, times=1)


@scenario(
    "SCN-07",
    "The model is created, and the answer to it is lost.",
    source="sdk 0.38.0 types/create_model_request.py: model_seq_id makes the request itself",
    breaks="asks for another model: two are held and paid for, and one is trained by nobody.",
)
def model_is_lost(fake: Fake) -> None:
    """The model is there, and nobody knows."""
    fake.faults.lose_answer("create_model", nth=1)


@scenario(
    "SCN-08",
    "The model is refused by 400, since there is no such base model.",
    source="sdk 0.38.0 _client.py: BadRequestError at once",
    breaks="repeats what cannot succeed, or hides the reason: the user waits, and then does not know why.",
    ends="badly",
    says=("no base model of that name",),
)
def model_is_refused(fake: Fake) -> None:
    """400 for every model."""
    fake.faults.status("create_model", 400, body={"detail": "no base model of that name"})


@scenario(
    "SCN-09",
    "The creation of the model fails, as its user's fault.",
    source="sdk 0.38.0 lib/api_future_impl.py: RequestFailedError with category user",
    breaks="takes the failure's JSON for a model: the run ends later, at a None that nobody understands.",
    ends="badly",
    says=("rank 8 is not offered here",),
)
def model_fails(fake: Fake) -> None:
    """The future of the model fails."""
    fake.stubs.on("create_model").fails("user", "rank 8 is not offered here")


@scenario(
    "SCN-10",
    "The key is refused by every operation.",
    source="sdk 0.38.0 _client.py: AuthenticationError at once",
    breaks="repeats 401 for minutes: a typing error in the key looks like a service that is down.",
    ends="badly",
    says=("401", "authenti", "unauthor", "the key is not known"),
)
def key_is_refused(fake: Fake) -> None:
    """401 for everybody."""
    fake.faults.status("*", 401, body={"detail": "the key is not known"})


@scenario(
    "SCN-11",
    "Keys are exchanged for tokens, and a token is refused in the middle of training.",
    source="sdk 0.38.0 lib/_jwt_auth.py: invalid_token is answered by a new exchange and one replay",
    breaks="takes the 401 for the end: long runs die once an hour, whenever a token does.",
    settings=TOKENS,
)
def token_expires(fake: Fake) -> None:
    """401 that says the token is not valid."""
    fake.faults.invalid_token("optim_step", nth=2)


@scenario(
    "SCN-12",
    "Keys are exchanged for tokens, and the exchange is answered by 503 once.",
    source="sdk 0.38.0 lib/_jwt_auth.py: the exchange is a request like others, and repeated",
    breaks="sends its key in place of the token it did not get: 401, and the run is over.",
    settings=TOKENS,
    happened=_exchanged_a_key,
)
def exchange_is_late(fake: Fake) -> None:
    """503 for a token."""
    fake.faults.status("auth_token", 503, times=1)
