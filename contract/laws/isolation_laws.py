"""Laws of isolation: what is of one account is not there for another one."""

from contract.laws.expect import expect, expect_equal, expect_refusal, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import Model, promised
from contract.laws.subject import Subject
from contract.training import CreateModelResponse

__all__ = ["ISOLATION_LAWS"]

ISOLATION_LAWS = Lawbook()
law = ISOLATION_LAWS.law

SOURCE = "sdk 0.38.0 lib/public_interfaces/rest_client.py: 403 without access, 404 where there is nothing"
APART = ("accounts apart",)


def owned(model: Model, path: str) -> dict[str, str]:
    """The fields that name a checkpoint in a URL."""
    segment, name = path.rsplit("/", 2)[1:]
    return {"training_run_id": model.id, "segment": segment, "name": name}


@law(
    "ACC-41",
    "A session is not there for another account.",
    source=SOURCE,
    breaks="finds sessions by id alone: what somebody trains is told to who guesses it.",
    needs=(*APART, "sessions list"),
)
def session_is_hidden(s: Subject) -> None:
    session = s.session()
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("get_session", {"session_id": session}), "another's session")
        listed = s.answer("list_sessions")["sessions"]
    expect(session not in listed, f"sessions: expected {session} not to be in another's list")


@law(
    "ACC-42",
    "A session is neither kept alive nor ended by another account.",
    source="sdk 0.38.0 lib/public_interfaces/service_client.py: the first end counts",
    breaks="checks the owner where it reads and not where it writes.",
    needs=APART,
)
def session_goes_on(s: Subject) -> None:
    session = s.session()
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("session_heartbeat", {"session_id": session}), "another's heartbeat")
        end = {"session_id": session, "reason": {"type": "success"}, "detail": None}
        expect_refusal(s.driver.call("finish_session", end), "the end by another")
    s.model(session)


@law(
    "ACC-43",
    "Nobody else makes models or samplers in a session.",
    source=SOURCE,
    breaks="bills one account for another's models.",
    needs=APART,
)
def session_takes_no_others(s: Subject) -> None:
    session = s.session()
    body = {"session_id": session, "base_model": s.base_model}
    with s.as_another(api_key=s.another_key):
        model = {**body, "model_seq_id": 0, "lora_config": {"rank": 8}}
        s.refused(s.driver.call("create_model", model))
        sampler = {**body, "sampling_session_seq_id": 0}
        expect_refusal(s.driver.call("create_sampling_session", sampler), "another's sampler")
    s.result(s.submit_model(session), CreateModelResponse)


@law(
    "ACC-44",
    "A model is not described to another account.",
    source="sdk 0.38.0 resources/models.py",
    breaks="answers get_info by id alone.",
    needs=APART,
)
def model_is_hidden(s: Subject) -> None:
    model = s.model()
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("get_info", {"model_id": model.id}), "get_info of another's model")
        run = {"training_run_id": model.id}
        expect_refusal(s.driver.call("get_training_run", run), "another's training run")
        expect_refusal(s.driver.call("list_checkpoints", run), "another's checkpoints")


@law(
    "ACC-45",
    "A model is neither trained nor held up by another account.",
    source=SOURCE,
    breaks="takes the number of a step that it refuses from the owner, whose own step fails.",
    needs=APART,
)
def model_is_not_trained(s: Subject) -> None:
    model, twin, data = s.model(), s.model(), [s.datum()]
    with s.as_another(api_key=s.another_key):
        s.refused(model.send_backward(data, seq_id=1))
        s.refused(model.send_step(0.5, seq_id=2))
    model.train(data)
    twin.train(data)
    expect_equal(model.logprobs(), twin.logprobs(), "logprobs after another account tried to train")


@law(
    "ACC-46",
    "A model is neither saved nor loaded into by another account.",
    source=SOURCE,
    breaks="checks passes and steps only.",
    needs=APART,
)
def model_is_not_saved(s: Subject) -> None:
    model = s.model()
    path, before = model.save("own"), model.logprobs()
    with s.as_another(api_key=s.another_key):
        for operation in ("save_weights", "save_weights_for_sampler"):
            body = {"model_id": model.id, "seq_id": 3, "path": "taken"}
            s.refused(s.driver.call(operation, body))
        load = {"model_id": model.id, "seq_id": 3, "path": path, "optimizer": False}
        s.refused(s.driver.call("load_weights", load))
    expect_equal(model.logprobs(), before, "logprobs after another account tried to load")


@law(
    "ACC-47",
    "A sampler is neither described to another account, nor samples for it.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py",
    breaks="samples for whoever knows its id: the weights are as good as public.",
    needs=(*APART, "sampling"),
)
def sampler_is_hidden(s: Subject) -> None:
    sampler = s.sampler()
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("get_sampler", {"sampling_session_id": sampler.id}), "another's sampler")
        s.refused(sampler.send(seq_id=0))
        joined = s.driver.call("join_sampling_session", {"sampling_session_id": sampler.id})
        expect_refusal(joined, "join_sampling_session of another's sampler")
    sampler.sample(seq_id=0)


@law(
    "ACC-48",
    "A future is not delivered to another account, and stays for its own.",
    source="sdk 0.38.0 lib/api_future_impl.py: 403 and 404 are fatal",
    breaks="looks results up by request_id alone, which can be guessed where it counts.",
    needs=APART,
)
def future_is_hidden(s: Subject) -> None:
    request_id = promised(s.model().send_backward([s.datum()]), "forward_backward")
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("retrieve_future", {"request_id": request_id}), "a poll by another")
    expect_status(s.poll(request_id), 200, what="the poll of the owner")


@law(
    "ACC-49",
    "A future is not cancelled by another account.",
    source="sdk 0.38.0 resources/futures.py: cancel_future",
    breaks="cancels by id alone: one account ends another's samples.",
    needs=(*APART, "sampling"),
    since="0.26.0",
)
def future_goes_on(s: Subject) -> None:
    request_id = promised(s.sampler().send(), "asample")
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("cancel_future", {"request_id": request_id}), "the cancel by another")
    reply = s.poll(request_id)
    expect(b'"error"' not in reply.body, f"a sample that another cancelled: got {reply.body[:200]!r}")


@law(
    "ACC-50",
    "A sampler's completions are not told to another account.",
    source="sdk 0.38.0 lib/session_futures_poller.py",
    breaks="checks the single poll and forgets the batched one.",
    needs=(*APART, "sampling"),
    since="0.26.2",
)
def completions_are_hidden(s: Subject) -> None:
    sampler = s.sampler()
    sampler.sample()
    target = {"type": "sampling_session", "sampling_session_id": sampler.id, "cloned_sampler_id": 0}
    with s.as_another(api_key=s.another_key):
        body = {"target": target, "prev_cursor": 0, "timeout": 0.0}
        expect_refusal(s.driver.call("retrieve_futures", body), "another's completions")


@law(
    "ACC-51",
    "A checkpoint is not loaded, sampled from or described by another account.",
    source="sdk 0.38.0 types/weights_access_token: a path alone gives no access",
    breaks="takes any path that is there: weights of one account train in another.",
    needs=APART,
)
def checkpoint_is_hidden(s: Subject) -> None:
    model = s.model()
    path, sampled = model.save("hidden"), model.save_for_sampler("hidden-sampler")
    with s.as_another(api_key=s.another_key):
        expect_refusal(s.driver.call("weights_info", {"tinker_path": path}), "weights_info by another")
        s.refused(s.model().send_load(path, optimizer=True))
        body = {"session_id": s.session(), "sampling_session_seq_id": 0, "model_path": sampled}
        expect_refusal(s.driver.call("create_sampling_session", body), "a sampler of another's weights")


@law(
    "ACC-52",
    "A checkpoint is neither deleted, published nor given another life by another account.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="checks the owner on GET only: one account deletes another's work.",
    needs=APART,
)
def checkpoint_stays(s: Subject) -> None:
    model = s.model()
    path = model.save("stays")
    fields = owned(model, path)
    with s.as_another(api_key=s.another_key):
        for operation in ("delete_checkpoint", "publish_checkpoint"):
            expect_refusal(s.driver.call(operation, fields), f"{operation} by another")
        life = {**fields, "ttl_seconds": 3600}
        expect_refusal(s.driver.call("set_checkpoint_ttl", life), "set_checkpoint_ttl by another")
    model.load(path)


@law(
    "ACC-53",
    "A checkpoint is not copied by another account that has no token for it.",
    source="sdk 0.38.0 resources/weights.py: header X-Tinker-Weights-Access-Token",
    breaks="copies whatever path it is given.",
    needs=APART,
    since="0.26.2",
)
def checkpoint_is_not_copied(s: Subject) -> None:
    path = s.model().save("not-copied")
    with s.as_another(api_key=s.another_key):
        body = {"source_path": path, "destination_project_id": "mine"}
        expect_refusal(s.driver.call("copy_weights", body), "copy_weights by another")


@law(
    "ACC-54",
    "Training runs and checkpoints are listed for their own account only.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py: access_scope=owned",
    breaks="lists everybody's, or counts them in total_count.",
    needs=(*APART, "training runs", "user checkpoints"),
)
def lists_are_apart(s: Subject) -> None:
    with s.as_another(api_key=s.another_key):
        total = s.answer("list_training_runs")["cursor"]["total_count"]
    model = s.model()
    path = model.save("listed")
    with s.as_another(api_key=s.another_key):
        runs, saved = s.answer("list_training_runs"), s.answer("list_user_checkpoints")["checkpoints"]
    expect_equal(runs["cursor"]["total_count"], total, "training runs of another account")
    ids = [run["training_run_id"] for run in runs["training_runs"]]
    expect(model.id not in ids, f"training_runs: expected {model.id} not to be in another's list")
    paths = [checkpoint["tinker_path"] for checkpoint in saved]
    expect(path not in paths, f"checkpoints: expected {path} not to be in another's list")


@law(
    "ACC-55",
    "The audit log of an account has nothing of another one's.",
    source="sdk 0.38.0 types/audit_log_response.py",
    breaks="keeps one log for all.",
    needs=(*APART, "audit"),
    since="0.20.0",
)
def audit_is_apart(s: Subject) -> None:
    path = s.model().save("audited-apart")
    with s.as_another(api_key=s.another_key):
        reply = s.driver.call("get_audit_log", {"event_type": "all"})
    expect(path.encode() not in reply.body, f"audit: expected {path} not to be in another's log")


@law(
    "ACC-56",
    "Usage and storage of an account have nothing of another one's.",
    source="sdk 0.38.0 types/billing_usage_response.py",
    breaks="sums over all accounts: one is billed for the other.",
    needs=(*APART, "storage usage"),
    since="0.32.0",
)
def usage_is_apart(s: Subject) -> None:
    with s.as_another(api_key=s.another_key):
        before = s.answer("get_current_checkpoint_storage_usage")
    s.model().save("stored-apart")
    with s.as_another(api_key=s.another_key):
        after = s.answer("get_current_checkpoint_storage_usage")
    expect_equal(after["data"], before["data"], "storage of one account after another one saved")
