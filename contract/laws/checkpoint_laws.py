"""Laws of checkpoints and training runs as resources: listed, kept, shared, deleted, copied, downloaded."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from contract.ids import model_id_of
from contract.laws.checkpoints import done, entry, listed, place
from contract.laws.driver import Driver
from contract.laws.expect import expect, expect_close, expect_equal, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import Model
from contract.laws.refusal import refusal_of
from contract.laws.subject import Subject
from contract.weights import (
    Checkpoint,
    CheckpointsListResponse,
    SaveWeightsExternalResponseInternal,
    TrainingRunsResponse,
)

__all__ = ["CHECKPOINT_LAWS"]

CHECKPOINT_LAWS = Lawbook()
law = CHECKPOINT_LAWS.law
HOUR = 3600


def external(s: Subject, model: Model) -> str:
    """Save files for others; the path."""
    body = {"model_id": model.id, "seq_id": model.next(), "path": "files"}
    promise = s.promise("save_weights_external", body)
    return s.result(promise, SaveWeightsExternalResponseInternal).path or ""


@law(
    "WGT-21",
    "The list of a run has each checkpoint: its id <segment>/<name>, its type, its path and its time.",
    source="sdk 0.38.0 types/checkpoint.py",
    breaks="lists folders: validation of the whole list fails in the client.",
    needs=("checkpoints",),
)
def checkpoints_of_a_run(s: Subject) -> None:
    model = s.model()
    paths = [model.save("a"), model.save_for_sampler("b")]
    expect_equal(set(listed(s, model.id)), set(paths), "paths in the list")
    found = [entry(s, path) for path in paths]
    expect_equal([each.checkpoint_id for each in found], ["weights/a", "sampler_weights/b"], "ids")
    expect_equal([each.checkpoint_type for each in found], ["training", "sampler"], "types")
    expect(all(each.time.tzinfo for each in found), f"time: expected a zone, got {found}")


@law(
    "WGT-22",
    "The checkpoints of a run that is not there are refused for good.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="answers 500, which is repeated for minutes, or an empty list for a misspelt id.",
    needs=("checkpoints",),
)
def checkpoints_of_nobody(s: Subject) -> None:
    for operation in ("list_checkpoints", "get_training_run"):
        refusal_of(s, s.driver.call(operation, {"training_run_id": "nobody:0"}), f"{operation} of no run")


@law(
    "WGT-23",
    "Ids stand in URLs as they are: with ':' not escaped, and with the checkpoint's slash.",
    source="wire as observed: no SDK escapes them",
    breaks="routes one segment only, or expects %3A: each call of RestClient is a 404.",
    needs=("checkpoints", "deletion"),
)
def ids_in_urls(s: Subject) -> None:
    model = s.model()
    path = f"/api/v1/training_runs/{model.id}/checkpoints"
    model.save("a.b-c_1")
    expect_status(s.driver.send("GET", path), 200, what=f"GET {path}")
    expect_status(
        s.driver.send("DELETE", f"{path}/weights/a.b-c_1"), 200, 202, 204, what="DELETE of its state"
    )
    expect_equal(len(listed(s, model.id)), 0, "checkpoints after the delete")


@law(
    "WGT-24",
    "A checkpoint that is deleted is gone from the list, and can be neither loaded nor deleted again.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="deletes the row and keeps the files, or the other way round.",
    needs=("deletion",),
)
def deleted(s: Subject) -> None:
    model = s.model()
    path, kept = model.save("a"), model.save("b")
    done(s, "delete_checkpoint", path)
    expect_equal(list(listed(s, model.id)), [kept], "checkpoints after one was deleted")
    refusal_of(s, model.send_load(path, optimizer=False), "the load of a deleted checkpoint")
    refusal_of(s, s.driver.call("delete_checkpoint", place(path)), "its second delete")


@law(
    "WGT-25",
    "A name can be used again after its checkpoint was deleted.",
    source="ours: what is gone takes no name",
    breaks="keeps the row, and a run that cleans up after itself cannot save.",
    needs=("deletion",),
)
def name_is_free_again(s: Subject) -> None:
    model = s.learned()
    done(s, "delete_checkpoint", model.save("x"))
    model.train([s.datum()])
    path, expected, other = model.save("x"), model.logprobs(), s.model()
    other.load(path)
    expect_close(other.logprobs(), expected, "logprobs of the new checkpoint", tolerance=s.tolerance)


@law(
    "WGT-26",
    "A checkpoint is private until it is published, and again after it was taken back.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="takes the DELETE of publish for one of the checkpoint.",
    needs=("publishing",),
    since="0.4.1",
)
def published(s: Subject) -> None:
    path = s.model().save_for_sampler("x")
    states = [entry(s, path).public]
    for operation in ("publish_checkpoint", "unpublish_checkpoint"):
        done(s, operation, path)
        states.append(entry(s, path).public)
    expect_equal(states, [False, True, False], "public before, between and after")


@law(
    "WGT-27",
    "What is done to a checkpoint that is not there is refused for good.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="answers 200, and the user believes that it is deleted, public or kept.",
    needs=("deletion", "publishing"),
    since="0.4.1",
)
def nothing_to_do_it_to(s: Subject) -> None:
    where = {"training_run_id": s.model().id, "segment": "weights", "name": "nothing"}
    for operation in ("delete_checkpoint", "publish_checkpoint", "unpublish_checkpoint"):
        refusal_of(s, s.driver.call(operation, where), f"{operation} of what is not there")


@law(
    "WGT-28",
    "A checkpoint that is saved with ttl_seconds expires so long after its time; one without, never.",
    source="sdk 0.38.0 types/save_weights_request.py",
    breaks="ignores it: storage is paid for years; or applies a default: a run is lost.",
    needs=("lifetimes",),
    since="0.9.0",
)
def life(s: Subject) -> None:
    model = s.model()
    path, kept = model.save("a", ttl_seconds=2 * HOUR), model.save("b")
    expect_equal(entry(s, kept).expires_at, None, "expires_at without ttl_seconds")
    expect_close(life_of(entry(s, path)), 2 * HOUR, "seconds from time to expires_at", tolerance=0.02)


def life_of(checkpoint: Checkpoint) -> float:
    """Seconds from its time to its end; 0 where it has none."""
    return ((checkpoint.expires_at or checkpoint.time) - checkpoint.time) / timedelta(seconds=1)


@law(
    "WGT-29",
    "A checkpoint's life can be changed, and null makes it last.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="takes null for a missing field: what should be kept goes away.",
    needs=("lifetimes",),
    since="0.13.1",
)
def changed_life(s: Subject) -> None:
    path = s.model().save("a", ttl_seconds=HOUR)
    done(s, "set_checkpoint_ttl", path, ttl_seconds=30 * HOUR)
    expect_close(life_of(entry(s, path)), 30 * HOUR, "seconds to expires_at", tolerance=0.02)
    done(s, "set_checkpoint_ttl", path, ttl_seconds=None)
    expect_equal(entry(s, path).expires_at, None, "expires_at after ttl_seconds null")


@law(
    "WGT-30",
    "A life that is not above 0 is refused for good, and nothing is saved.",
    source="sdk 0.38.0 types/save_weights_request.py: one hour at least",
    breaks="saves what is gone at once.",
    needs=("lifetimes",),
    since="0.9.0",
)
def no_life(s: Subject) -> None:
    model = s.model()
    for seconds in (0, -HOUR):
        body = {"model_id": model.id, "seq_id": model.next(), "path": "x", "ttl_seconds": seconds}
        refusal_of(s, s.driver.call("save_weights", body), f"save_weights with ttl_seconds {seconds}")
    expect_equal(len(listed(s, model.id)), 0, "checkpoints after saves that were refused")


@law(
    "WGT-31",
    "What a user keeps with a checkpoint is in the list.",
    source="sdk 0.38.0 types/save_weights_request.py",
    breaks="drops user_metadata: the step that a state belongs to is lost.",
    needs=("checkpoints",),
    since="0.28.0",
)
def metadata(s: Subject) -> None:
    path = s.model().save("a", user_metadata={"step": "7"})
    expect_equal(entry(s, path).user_metadata, {"step": "7"}, "user_metadata")


@law(
    "WGT-32",
    "A model is a training run with its base model and its rank, and its newest checkpoints.",
    source="sdk 0.38.0 types/training_run.py",
    breaks="leaves out what the client's type demands: validation of the whole answer fails.",
    needs=("training run",),
)
def training_run(s: Subject) -> None:
    model = s.model(rank=4)
    paths = model.save("a"), model.save("b"), model.save_for_sampler("c")
    run = s.answer("get_training_run", {"training_run_id": model.id})
    found = [run.get(name) for name in ("training_run_id", "base_model", "is_lora", "lora_rank")]
    expect_equal(found, [model.id, s.base_model, True, 4], "id, base_model, is_lora and lora_rank")
    newest = [run.get(name) or {} for name in ("last_checkpoint", "last_sampler_checkpoint")]
    expect_equal([each.get("tinker_path") for each in newest], list(paths[1:]), "newest checkpoints")


@law(
    "WGT-33",
    "The pages of training runs follow each other, and the cursor says where a page is.",
    source="sdk 0.38.0 types/cursor.py",
    breaks="ignores offset: the client that reads all pages reads the first one for ever.",
    needs=("training runs",),
)
def pages_of_runs(s: Subject) -> None:
    runs = {s.model().id for _ in range(2)}
    asked = [{"limit": 1, "offset": offset} for offset in (0, 1)]
    pages = [s.typed("list_training_runs", fields, TrainingRunsResponse) for fields in asked]
    found = {run.training_run_id for page in pages for run in page.training_runs}
    expect_equal(found, runs, "runs on the first two pages of one run each")
    cursor = pages[1].cursor
    expect_equal((cursor.offset, cursor.limit), (1, 1), "offset and limit of the second page")
    expect(cursor.total_count >= 2, f"total_count: expected 2 or more, got {cursor.total_count}")


@law(
    "WGT-34",
    "A page behind the last one is empty.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py: clients read until a page is short",
    breaks="answers the last page again, or an error.",
    needs=("training runs", "user checkpoints"),
    since="0.4.1",
)
def page_behind_the_last(s: Subject) -> None:
    far = {"limit": 10, "offset": 10_000_000}
    runs = s.typed("list_training_runs", far, TrainingRunsResponse).training_runs
    checkpoints = s.typed("list_user_checkpoints", far, CheckpointsListResponse).checkpoints
    expect_equal((list(runs), list(checkpoints)), ([], []), "runs and checkpoints from 10,000,000 on")


@law(
    "WGT-35",
    "The list of all checkpoints has the newest first, in pages.",
    source="sdk 0.38.0 lib/public_interfaces/rest_client.py",
    breaks="sorts by name: the state of an hour ago is on page 20.",
    needs=("user checkpoints",),
    since="0.4.1",
)
def all_checkpoints(s: Subject) -> None:
    paths = [s.model().save("a"), s.model().save_for_sampler("b")]
    asked = [{"limit": 1, "offset": offset} for offset in (0, 1)]
    pages = [s.typed("list_user_checkpoints", fields, CheckpointsListResponse) for fields in asked]
    found = [each.tinker_path for page in pages for each in page.checkpoints]
    expect_equal(found, paths[::-1], "checkpoints on the first two pages of one each")


@law(
    "WGT-36",
    "A checkpoint outlives its model.",
    source="sdk 0.38.0 types/unload_model_request.py",
    breaks="drops the folder with the model: the weights of a finished run are lost.",
    needs=("unloading",),
)
def survives_its_model(s: Subject) -> None:
    model, other = s.learned(), s.model()
    expected, path = model.logprobs(), model.save("x")
    s.poll(s.promise("unload_model", {"model_id": model.id}))
    expect(path in listed(s, model.id), f"checkpoints after unload_model: expected {path} among them")
    other.load(path)
    expect_close(other.logprobs(), expected, "logprobs of the checkpoint", tolerance=s.tolerance)


@law(
    "WGT-37",
    "A checkpoint outlives its session.",
    source="sdk 0.38.0 lib/public_interfaces/service_client.py",
    breaks="cleans up with the session: training cannot be resumed the next day.",
    needs=("session end",),
    since="0.27.2",
)
def survives_its_session(s: Subject) -> None:
    session, other = s.session(), s.model()
    path = s.model(session).save("x")
    ended = {"session_id": session, "reason": {"type": "success"}, "detail": None}
    expect_status(s.driver.call("finish_session", ended), 200, 204, what="finish_session")
    other.load(path)


@law(
    "WGT-38",
    "A copy of weights has a path of its own, and stays when the first is deleted.",
    source="sdk 0.38.0 types/copy_weights_response.py",
    breaks="answers a link: the copy is gone with what it was made of.",
    needs=("copies", "deletion"),
    since="0.26.2",
)
def copied(s: Subject) -> None:
    model, other, session = s.learned(), s.model(), s.session()
    expected, path = model.logprobs(), model.save("x")
    body = {"source_path": path, "session_id": session, "model_seq_id": 0}
    copy = s.answer("copy_weights", body)["tinker_path"]
    expect_equal(place(copy)["training_run_id"], model_id_of(session, 0), "the run of the copy")
    done(s, "delete_checkpoint", path)
    other.load(copy)
    expect_close(other.logprobs(), expected, "logprobs of the copy", tolerance=s.tolerance)


@law(
    "WGT-39",
    "External weights are files: URLs that need no key, by relative paths that leave no folder.",
    source="sdk 0.38.0 types/external_weights_urls_response.py",
    breaks="wants the key at the URL, which the CLI does not send.",
    needs=("external weights",),
    since="0.28.0",
)
def files_of_weights(s: Subject) -> None:
    answer = s.answer("get_external_weights_urls", place(external(s, s.model())))
    expect(datetime.fromisoformat(answer["expires"]).tzinfo, f"expires: expected a zone, got {answer}")
    expect(answer["urls"], "urls: expected at least one file, got none")
    for name, url in answer["urls"].items():
        expect(not name.startswith("/") and ".." not in name.split("/"), f"urls: {name!r} leaves its folder")
        expect(fetched(s, url), f"the file {name}: expected bytes, got none")


def fetched(s: Subject, url: str) -> bytes:
    """What is at a URL for one who has no key."""
    parts = urlsplit(url)
    stranger = Driver(f"{parts.scheme}://{parts.netloc}", "", s.driver.sdk_version, s.driver.trace)
    reply = stranger.send("GET", f"{parts.path}?{parts.query}")
    expect_status(reply, 200, what="GET of a signed URL")
    return reply.body


@law(
    "WGT-40",
    "Lists for clients before 0.28.0 have no external weights, and have the rest.",
    source="wire as observed: for them one unknown checkpoint_type fails the whole list",
    breaks="adds the new type to all lists: an old client cannot list at all.",
    needs=("external weights", "checkpoints"),
    since="0.28.0",
)
def lists_for_old_clients(s: Subject) -> None:
    model = s.model()
    path, new = model.save("a"), external(s, model)
    expect_equal(set(listed(s, model.id)), {path, new}, "checkpoints for a new client")
    with s.as_another(sdk_version="0.27.2"):
        expect_equal(set(listed(s, model.id)), {path}, "checkpoints for a client of 0.27.2")


@law(
    "WGT-41",
    "Clients up to 0.35.0 get a URL of a checkpoint's archive, and the archive there is a gzip file.",
    source="wire as observed: clients of 0.35.0",
    breaks="removes the route with the newest SDK: `tinker checkpoint download` of older ones fails.",
    needs=("archives",),
)
def archive(s: Subject) -> None:
    path = s.model().save_for_sampler("x")
    with s.as_another(sdk_version="0.35.0"):
        answer = s.answer("get_checkpoint_archive_url", place(path))
    expect(datetime.fromisoformat(answer["expires"]).tzinfo, f"expires: expected a zone, got {answer}")
    expect_equal(fetched(s, answer["url"])[:2], b"\x1f\x8b", "the first two bytes of the archive")
