"""Laws of sessions: opening them, their heartbeats, and what belongs to them."""

from typing import Any

from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_close, expect_equal, expect_final, expect_status
from contract.laws.law import Lawbook
from contract.laws.subject import Subject
from contract.sessions import GetSessionResponse
from contract.weights import LoadWeightsResponse

__all__ = ["SESSION_LAWS"]

SESSION_LAWS = Lawbook()
law = SESSION_LAWS.law
HOLDER = "sdk 0.38.0 lib/internal_client_holder.py"
CLIENT = "sdk 0.38.0 lib/public_interfaces/service_client.py"
NOBODY = "00000000-dead-4000-8000-000000000000"


def beat(s: Subject, session_id: str) -> Reply:
    """A sign of life."""
    return s.driver.call("session_heartbeat", {"session_id": session_id, "type": "session_heartbeat"})


def get(s: Subject, session_id: str) -> GetSessionResponse:
    """What belongs to a session."""
    return s.typed("get_session", {"session_id": session_id}, GetSessionResponse)


def refused_for_good(s: Subject, reply: Reply, what: str) -> None:
    """A refusal that no SDK repeats, at once or by a future that fails."""
    expect_final(reply, what)
    s.refused(reply)


@law(
    "SES-01",
    "create_session answers a session_id at once, and the session can be used.",
    source=HOLDER,
    since="0.3.0",
    breaks="answers a promise, or opens it later: the first operation finds no session.",
)
def opens(s: Subject) -> None:
    session = s.session()
    expect(session.strip(), "session_id: expected an id, got none")
    expect_status(beat(s, session), 200, 204, what="the first heartbeat")


@law(
    "SES-02",
    "Sessions that are asked for in the same words are different ones.",
    source="ours: two programs may start in the same second with the same tags",
    since="0.3.0",
    breaks="has one session for all, or one per body: one program's end stops another.",
)
def ids_differ(s: Subject) -> None:
    expect_equal(len({s.session() for _ in range(20)}), 20, "different ids of 20 sessions")


@law(
    "SES-03",
    "Heartbeats are taken as often as they come.",
    source=f"{HOLDER}: every copy of a client beats for its session",
    since="0.3.0",
    breaks="limits them to one client: copies of a client are taken for a replay, or for an attack.",
)
def many_beats(s: Subject) -> None:
    session = s.session()
    for _ in range(10):
        expect_status(beat(s, session), 200, 204, what="a heartbeat")


@law(
    "SES-04",
    "A heartbeat of a session that is not there is refused.",
    source=f"{HOLDER}: clients warn of a session whose heartbeats fail",
    since="0.3.0",
    breaks="says yes to all: after a restart of the server its clients go on for nothing.",
)
def beat_of_nothing(s: Subject) -> None:
    expect_status(beat(s, NOBODY), 400, 401, 403, 404, 410, 422, what="heartbeat of an unknown session")


@law(
    "SES-05",
    "A session takes tags, none of them, and the same one twice.",
    source=f"{HOLDER}: tags come from an environment variable, cut at commas",
    since="0.3.0",
    breaks="has them in a table with a unique key.",
)
def tags(s: Subject) -> None:
    for given in ([], ["sweep"], ["a", "a", ""], ["Grüße", "模型", "x" * 300]):
        expect_status(beat(s, s.session(tags=given)), 200, 204, what=f"session with {len(given)} tags")


@law(
    "SES-06",
    "A session's metadata come back as they were given.",
    source="sdk 0.38.0 types/get_session_response.py",
    needs=("session",),
    since="0.30.0",
    breaks="drops them, or has them in another alphabet.",
)
def metadata_come_back(s: Subject) -> None:
    given = {"run": "7", "note": 'Grüße, 模型, "quoted"\n', "empty": "", "long": "x" * 1000}
    expect_equal(get(s, s.session(user_metadata=given)).user_metadata, given, "user_metadata")


@law(
    "SES-07",
    "A session's name comes back, and two sessions may have the same.",
    source="sdk 0.38.0 types/get_session_response.py",
    needs=("session",),
    since="0.34.0",
    breaks="takes the name for a key: the second run of a script does not start.",
)
def name_comes_back(s: Subject) -> None:
    for session in [s.session(display_name="ablation, größer") for _ in range(2)]:
        expect_equal(get(s, session).display_name, "ablation, größer", "display_name")


@law(
    "SES-08",
    "Metadata of one session are not those of another.",
    source="ours: a default that is shared and changed is the usual reason",
    needs=("session",),
    since="0.30.0",
    breaks="adds all metadata to one dictionary.",
)
def metadata_apart(s: Subject) -> None:
    one, other, plain = s.session(user_metadata={"a": "1"}), s.session(user_metadata={"b": "2"}), s.session()
    told = [get(s, session).user_metadata or {} for session in (one, other, plain)]
    expect_equal(told, [{"a": "1"}, {"b": "2"}, {}], "user_metadata of three sessions")


@law(
    "SES-09",
    "A session lists its models, and no others.",
    source="sdk 0.38.0 types/get_session_response.py",
    needs=("session",),
    since="0.5.0",
    breaks="lists all models of the account, or none.",
)
def lists_models(s: Subject) -> None:
    session, other = s.session(), s.session()
    ids = [str(s.model(session, number).id) for number in (0, 1)]
    s.model(other)
    expect_equal(sorted(get(s, session).training_run_ids), sorted(ids), "training_run_ids")


@law(
    "SES-10",
    "A session lists its samplers, and no others.",
    source="sdk 0.38.0 types/get_session_response.py",
    needs=("session", "sampling"),
    since="0.5.0",
    breaks="lists none: a sampler cannot be found by who lost its id.",
)
def lists_samplers(s: Subject) -> None:
    session, other = s.session(), s.session()
    ids = [s.sampler(session_id=session, number=number).id for number in (0, 1)]
    s.sampler(session_id=other)
    expect_equal(sorted(get(s, session).sampler_ids), sorted(ids), "sampler_ids")


@law(
    "SES-11",
    "A session that is not there is refused for good, not answered as an empty one.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    needs=("session",),
    since="0.5.0",
    breaks="answers empty lists, or 5xx, which is repeated for minutes.",
)
def get_of_nothing(s: Subject) -> None:
    reply = s.driver.call("get_session", {"session_id": NOBODY})
    expect_status(reply, 400, 403, 404, 410, 422, what="get_session of an unknown session")


@law(
    "SES-12",
    "A model in a session that is not there is refused for good.",
    source="ours: after a restart clients come with sessions of before",
    since="0.3.0",
    breaks="opens the session by itself, and nobody owns or ends it; or answers 5xx.",
)
def model_without_session(s: Subject) -> None:
    body = {"session_id": NOBODY, "model_seq_id": 0, "base_model": s.base_model, "lora_config": {"rank": 8}}
    refused_for_good(s, s.driver.call("create_model", body), "create_model in an unknown session")


@law(
    "SES-13",
    "A sampler in a session that is not there is refused for good.",
    source="ours: after a restart clients come with sessions of before",
    needs=("sampling",),
    since="0.3.0",
    breaks="opens the session by itself; or answers 5xx.",
)
def sampler_without_session(s: Subject) -> None:
    body = {"session_id": NOBODY, "sampling_session_seq_id": 0, "base_model": s.base_model}
    reply = s.driver.call("create_sampling_session", body)
    expect_status(reply, 400, 403, 404, 410, 422, what="create_sampling_session in an unknown session")


@law(
    "SES-14",
    "The models of a session are told apart by their numbers, and those of two sessions by their sessions.",
    source="sdk 0.38.0 types/create_model_request.py: model_seq_id",
    since="0.3.0",
    breaks="knows a model by its number, or by its base model: two runs train one adapter.",
)
def models_apart(s: Subject) -> None:
    sessions = s.session(), s.session()
    ids = {str(s.model(session, number).id) for session in sessions for number in (0, 1, 2)}
    expect_equal(len(ids), 6, "different ids of 6 models")


@law(
    "SES-15",
    "A create_sampling_session that is sent again has the first one's id; another number has another.",
    source="sdk 0.38.0 _base_client.py: a lost answer is followed by the same request",
    needs=("sampling",),
    since="0.3.0",
    breaks="opens one more for each lost answer.",
)
def sampler_replay(s: Subject) -> None:
    session = s.session()
    first, again, other = (s.sampler(session_id=session, number=n).id for n in (0, 0, 1))
    expect_equal(again, first, "id of the replay")
    expect(other != first, f"id of the next number: expected a new one, got {other!r}")


@law(
    "SES-16",
    "A model that a session loads is known by the id that the client computes.",
    source=f"{CLIENT}: '<session_id>:train:<model_seq_id>'",
    since="0.38.0",
    breaks="chooses an id of its own form: resuming from a checkpoint fails with 404.",
)
def computed_id(s: Subject) -> None:
    session, path = s.session(), s.model().save("to-be-resumed")
    body: dict[str, Any] = {"session_id": session, "model_seq_id": 3, "path": path, "optimizer": False}
    s.result(s.promise("load_weights", body), LoadWeightsResponse)
    told = s.answer("get_info", {"model_id": f"{session}:train:3"})
    expect_equal(told.get("model_id"), f"{session}:train:3", "model_id of get_info")


@law(
    "SES-29",
    "A number that a model has is no other model's: the request is refused, and the model stays as it was.",
    source="ours: two threads of a program may count alike",
    since="0.3.0",
    breaks="makes the new model in the old one's place: what was trained is gone, without a word.",
)
def number_is_taken(s: Subject) -> None:
    session = s.session()
    first, model = s.submit_model(session), s.model(session)
    model.train([s.datum()])
    before = model.logprobs()
    body = {"session_id": session, "model_seq_id": 0, "base_model": s.base_model, "lora_config": {"rank": 4}}
    s.refused_or_replayed(s.driver.call("create_model", body), first)
    expect_close(model.logprobs(), before, "logprobs after another model's request", tolerance=s.tolerance)
