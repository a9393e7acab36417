"""Laws of the end of a session: what it ends, what it leaves alone, and what is refused after it."""

from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_close, expect_final, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.session_laws import CLIENT, NOBODY, beat, refused_for_good
from contract.laws.subject import Subject

__all__ = ["SESSION_END_LAWS"]

SESSION_END_LAWS = Lawbook()
law = SESSION_END_LAWS.law
END = ("session end",)
GLANCE_SECONDS = 2.0


def finish(s: Subject, session_id: str, reason: str = "success", detail: str | None = None) -> Reply:
    """Say that a session is over, as a client does."""
    fields = {"session_id": session_id, "reason": {"type": reason}, "detail": detail}
    return s.driver.call("finish_session", fields)


@law(
    "SES-17",
    "A session is ended by each reason, with words and without.",
    source=CLIENT,
    needs=END,
    since="0.27.2",
    breaks="wants words: `detail` is null where there are none.",
)
def ends(s: Subject) -> None:
    for reason, detail in (("success", "done"), ("errored", None), ("interrupted", "Ctrl-C")):
        expect_status(finish(s, s.session(), reason, detail), 200, 204, what=f"finish by {reason}")


@law(
    "SES-18",
    "A second end of a session is harmless.",
    source=f"{CLIENT}: the first end counts",
    needs=END,
    since="0.27.2",
    breaks="answers 409 or 5xx: the program hangs for minutes when it should end.",
)
def ends_twice(s: Subject) -> None:
    session = s.session()
    finish(s, session)
    for reason in ("success", "errored"):
        expect_final(finish(s, session, reason), "the second end of a session")


@law(
    "SES-19",
    "The end of a session that is not there is refused for good.",
    source=CLIENT,
    needs=END,
    since="0.27.2",
    breaks="answers 5xx or 409, which is repeated for minutes.",
)
def end_of_nothing(s: Subject) -> None:
    reply = finish(s, NOBODY)
    expect_status(reply, 400, 403, 404, 410, 422, what="finish of an unknown session")


@law(
    "SES-20",
    "A heartbeat of a session that has ended is refused by 410.",
    source="sdk 0.38.0 lib/internal_client_holder.py: 410 stops the heartbeats, nothing else does",
    needs=END,
    since="0.27.2",
    breaks="takes it, or answers 404: clients beat on, and warn of a session that they ended.",
)
def no_beat_after_the_end(s: Subject) -> None:
    session = s.session()
    finish(s, session)
    expect_status(beat(s, session), 410, what="heartbeat after the end")


@law(
    "SES-21",
    "No model is created in a session that has ended, and the refusal is for good.",
    source=f"{CLIENT}: after the end operations are rejected",
    needs=END,
    since="0.27.2",
    breaks="creates it: nobody ends it any more.",
)
def no_model_after_the_end(s: Subject) -> None:
    session = s.session()
    finish(s, session)
    body = {"session_id": session, "model_seq_id": 0, "base_model": s.base_model, "lora_config": {"rank": 8}}
    refused_for_good(s, s.driver.call("create_model", body), "create_model after the end")


@law(
    "SES-22",
    "Models of a session that has ended take no operation, and the refusal is for good.",
    source=f"{CLIENT}: after the end operations are rejected",
    needs=END,
    since="0.27.2",
    breaks="trains on, or answers 409 or 5xx: a thread that outlived its client repeats for minutes.",
)
def no_training_after_the_end(s: Subject) -> None:
    session = s.session()
    model = s.model(session)
    model.train([s.datum()])
    finish(s, session)
    for reply in (model.send_backward([s.datum()]), model.send_step()):
        refused_for_good(s, reply, "training after the end")


@law(
    "SES-23",
    "No sampler is opened in a session that has ended, and the refusal is for good.",
    source=f"{CLIENT}: after the end operations are rejected",
    needs=(*END, "sampling"),
    since="0.27.2",
    breaks="opens it, or answers 409 or 5xx.",
)
def no_sampler_after_the_end(s: Subject) -> None:
    session = s.session()
    finish(s, session)
    body = {"session_id": session, "sampling_session_seq_id": 0, "base_model": s.base_model}
    reply = s.driver.call("create_sampling_session", body)
    expect_status(reply, 400, 403, 404, 410, 422, what="create_sampling_session after the end")


@law(
    "SES-24",
    "A sampler of a session that has ended samples no more, and the refusal is for good.",
    source=f"{CLIENT}: after the end operations are rejected",
    needs=(*END, "sampling"),
    since="0.27.2",
    breaks="answers 429 or 5xx: a sample is repeated without a limit.",
)
def no_sample_after_the_end(s: Subject) -> None:
    session = s.session()
    sampler = s.sampler(session_id=session)
    sampler.sample()
    finish(s, session)
    refused_for_good(s, sampler.send(), "asample after the end")


@law(
    "SES-25",
    "The end of a session leaves other sessions as they are.",
    source="ours: programs of one account end when they are done",
    needs=END,
    since="0.27.2",
    breaks="unloads what it finds under the account, or under the base model.",
)
def others_go_on(s: Subject) -> None:
    ending, going = s.session(), s.session()
    s.model(ending), (model := s.model(going))
    model.train([s.datum()])
    before = model.logprobs()
    finish(s, ending)
    expect_close(model.logprobs(), before, "logprobs after another's end", tolerance=s.tolerance)
    expect_status(beat(s, going), 200, 204, what="heartbeat after another's end")


@law(
    "SES-26",
    "A checkpoint outlives its session.",
    source="ours: it is what a session is for",
    needs=END,
    since="0.27.2",
    breaks="deletes it with the session's models: the run is lost when it is done.",
)
def checkpoint_outlives(s: Subject) -> None:
    session, other = s.session(), s.model()
    model = s.model(session)
    model.train([s.datum()])
    expected, path = model.logprobs(), model.save("outlives")
    finish(s, session)
    other.load(path)
    expect_close(other.logprobs(), expected, "logprobs of the checkpoint", tolerance=s.tolerance)


@law(
    "SES-27",
    "A poll of what was done before the end is answered: by the outcome, or that it is over.",
    source="ours: a thread may still fetch what it asked for",
    needs=END,
    since="0.27.2",
    breaks="forgets the result and lets the poll wait: the program does not end.",
)
def poll_after_the_end(s: Subject) -> None:
    session = s.session()
    request_id = promised(s.model(session).send_step(), "optim_step")
    s.poll(request_id)
    finish(s, session)
    reply = s.glance(request_id, GLANCE_SECONDS)
    expect(reply is not None and not reply.pending, f"poll after the end: expected an outcome, got {reply}")


@law(
    "SES-28",
    "What still waits for its turn at the end of its session is never done.",
    source=f"{CLIENT}: after the end operations are rejected",
    needs=END,
    since="0.27.2",
    breaks="does it later, for nobody.",
)
def waiting_at_the_end(s: Subject) -> None:
    session = s.session()
    model = s.model(session)
    request_id = promised(model.send_step(seq_id=2), "optim_step")
    finish(s, session)
    refused_for_good(s, model.send_step(seq_id=1), "optim_step after the end")
    reply = s.glance(request_id, 0.5)
    done = reply is not None and reply.status == 200 and b"error" not in reply.body
    expect(not done or (reply is not None and reply.pending), f"expected no result, got {reply}")
