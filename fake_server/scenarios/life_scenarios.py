"""Scenarios of a client's whole life: heartbeats, restarts, telemetry, the end."""

from dataclasses import replace

from contract import ClientConfigResponse, SessionCancelled
from fake_server.fake import Fake
from fake_server.fault_rewrites import Interlude
from fake_server.history import History
from fake_server.occasions import When
from fake_server.scenarios.scenario import ScenarioBook
from fake_server.service import Service
from fake_server.settings import Settings

__all__ = ["LIFE"]

LIFE = ScenarioBook("life")
scenario = LIFE.scenario
BEATS = "sdk 0.38.0 lib/internal_client_holder.py: a beat each 10 s, whatever the last one was answered"


def _sent_chunks(history: History) -> bool:
    promised = [promises[0].operation for promises in history.promises.values()]
    return promised.count("forward_backward") > promised.count("optim_step")


def _polled_in_rounds(history: History) -> bool:
    return any(entry.operation == "retrieve_futures" for entry in history)


@scenario(
    "SCN-78",
    "A beat is answered by 503 while a step takes 27 s; the server ends sessions after 24 s of silence.",
    source=BEATS,
    breaks="lets the exception end its loop of beats, or the run: sessions end in the middle of work.",
    settings=Settings(heartbeat_timeout_seconds=24),
    slow=True,
)
def beats_fail(fake: Fake) -> None:
    """503 for the first beat; the second comes in time."""
    fake.faults.status("session_heartbeat", 503, times=1)
    fake.delivery("optim_step", times=1).after(27)


@scenario(
    "SCN-79",
    "A step takes 26 s, on a server that ends sessions after 20 s of silence.",
    source=BEATS,
    breaks="beats from the thread that waits for results, or not at all: long work ends its session.",
    settings=Settings(heartbeat_timeout_seconds=20),
    slow=True,
)
def beats_matter(fake: Fake) -> None:
    """Longer than a silent session lives."""
    fake.delivery("optim_step", times=1).after(26)


@scenario(
    "SCN-80",
    "The server is away for two seconds in the middle of training: connections are refused.",
    source="sdk 0.38.0 _base_client.py: connections that fail are tried again",
    breaks="ends at the first refused connection: each deployment of the service ends all runs.",
)
def restart(fake: Fake) -> None:
    """The door is shut."""
    fake.faults.refuse("forward_backward", nth=2, seconds=2.0)


@scenario(
    "SCN-81",
    "The session is cancelled in the middle of training.",
    source="sdk 0.38.0 _client.py: what is refused by 4xx is raised at once",
    breaks="opens another session and trains a fresh model, or waits for ever.",
    ends="badly",
    says=("has ended", "cancelled", "410", "404", "400"),
)
def cancelled(fake: Fake) -> None:
    """The session ends before the second step."""

    def end(service: Service) -> None:
        for session in list(service.store.sessions):
            ended = SessionCancelled(detail="cancelled by an administrator")
            service.store.sessions.put(session.session_id, replace(session, ended=ended))

    fake.faults.set(
        Interlude(when=When(operation="optim_step", nth=(2,)), what="the session is cancelled", act=end)
    )


@scenario(
    "SCN-82",
    "Telemetry is answered by 503.",
    source="sdk 0.38.0 lib/telemetry.py: batches that are refused are dropped",
    breaks="waits for its own reports: training stands still, for numbers that nobody reads.",
    environment={"TINKER_TELEMETRY": "1"},
    slow=True,
)
def telemetry_fails(fake: Fake) -> None:
    """503 for reports."""
    fake.faults.status("telemetry", 503)


@scenario(
    "SCN-83",
    "The end of the session is answered by 503 once.",
    source="sdk 0.38.0 lib/internal_client_holder.py: finish is repeated as others are",
    breaks="reports a failure of a run that went well.",
)
def end_is_late(fake: Fake) -> None:
    """503 for the end."""
    fake.faults.status("finish_session", 503, times=1)


@scenario(
    "SCN-84",
    "The server asks for batches of one datum.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: chunks, the first of which is sent last",
    breaks="numbers chunks in the order in which it sends them, or steps before all of them are there.",
    settings=Settings(client_config=ClientConfigResponse(fwdbwd_max_chunk_len=1)),
    same_operations=False,
    happened=_sent_chunks,
)
def small_chunks(_fake: Fake) -> None:
    """By the settings."""


@scenario(
    "SCN-85",
    "The server asks for compressed bodies, batched polls and one chunk after the other.",
    source="sdk 0.38.0 types/client_config_response.py: flags that servers turn on and off",
    breaks="has tried none of the ways that a flag of the server turns on.",
    settings=Settings(
        client_config=ClientConfigResponse(
            proto_compress_fwdbwd=True, sample_use_retrieve_futures=True, parallel_fwdbwd_chunks=False
        )
    ),
    happened=_polled_in_rounds,
)
def flags(_fake: Fake) -> None:
    """By the settings."""


@scenario(
    "SCN-86",
    "Everything is late, by up to a fifth of a second.",
    source="ours: what a real network does",
    breaks="has an order of things that only a fast network keeps.",
    slow=True,
)
def all_late(fake: Fake) -> None:
    """Latency with jitter for all."""
    fake.faults.latency("*", 0.05, jitter=0.15, seed=7)


@scenario(
    "SCN-87",
    "One request in eight is answered by 503, whichever it is.",
    source="sdk 0.38.0 _base_client.py: 5xx is repeated",
    breaks="repeats some operations and forgets others.",
    slow=True,
)
def often_unavailable(fake: Fake) -> None:
    """503 by a die with a seed."""
    fake.faults.status("*", 503, probability=0.125, seed=3)
