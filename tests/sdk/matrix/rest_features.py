"""Runs, checkpoints, sessions and the account as resources; the service itself."""

import io
import tarfile
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

from tinker import types

from tests.sdk.matrix import offers
from tests.sdk.matrix.feature import feature
from tests.sdk.matrix.world import PICO, World

__all__: list[str] = []

R = "REST"


def scoped(client: str) -> dict[str, str]:
    return {"access_scope": "accessible"} if "access_scope" in offers.signature_of(client) else {}


@feature("service", "capabilities", "ServiceClient.get_server_capabilities")
def capabilities(world: World) -> None:
    told = world.call(world.service, "get_server_capabilities").supported_models
    assert PICO in [model.model_name for model in told]


@feature("service", "capabilities by REST", "RestClient.get_server_capabilities")
def rest_capabilities(world: World) -> None:
    told = world.call(world.rest, "get_server_capabilities").supported_models
    assert PICO in [model.model_name for model in told]


@feature("service", "console", "ServiceClient.get_console_url", "TrainingClient.get_console_url")
def console(world: World) -> None:
    session = world.session()
    assert session in world.service.get_console_url()
    assert session in world.training.get_console_url()


@feature("service", "telemetry", "ServiceClient.get_telemetry", once=True)
def telemetry(world: World) -> None:
    clients = [world.service, world.training, world.sampling, world.rest]
    assert all(client.get_telemetry() is not None for client in clients)
    told = world.service.get_telemetry()
    assert told.log_exception_sync(ValueError("of a life"))
    assert told._wait_until_drained_sync()  # by itself it is sent after 10 s, and a life may be shorter


@feature(R, "training runs", "RestClient.list_training_runs")
def runs(world: World) -> None:
    run = world.run_of()
    page = world.call(world.rest, "list_training_runs", limit=200, offset=0)
    assert run in [found.training_run_id for found in page.training_runs]
    options = scoped("RestClient.get_training_run")
    record = world.call(world.rest, "get_training_run", run, **options)
    path = world.saved()
    same = world.call(world.rest, "get_training_run_by_tinker_path", path, **options)
    assert record.training_run_id == same.training_run_id == run
    if options:
        assert world.call(world.rest, "list_training_runs", **options).training_runs


@feature(R, "checkpoints of a run", "RestClient.list_checkpoints", "RestClient.delete_checkpoint")
def checkpoints(world: World) -> None:
    training = world.new_training()
    run = world.run_of(training)
    world.call(training, "save_state", "a")
    world.call(training, "save_state", "b")
    world.call(training, "save_weights_for_sampler", "c")
    world.call(world.rest, "delete_checkpoint", run, "weights/a")
    world.call(world.rest, "delete_checkpoint_from_tinker_path", f"tinker://{run}/weights/b")
    left = world.call(world.rest, "list_checkpoints", run).checkpoints
    assert [found.checkpoint_id for found in left] == ["sampler_weights/c"]


@feature(R, "all checkpoints", "RestClient.list_user_checkpoints")
def user_checkpoints(world: World) -> None:
    path = world.saved()
    page = world.call(world.rest, "list_user_checkpoints", limit=2, offset=0)
    assert len(page.checkpoints) <= 2
    assert path in [found.tinker_path for found in page.checkpoints]


@feature(R, "publish", "RestClient.publish_checkpoint_from_tinker_path")
def publish(world: World) -> None:
    path = world.saved()

    def public() -> bool:
        listed = world.call(world.rest, "list_user_checkpoints", limit=1).checkpoints
        return next(bool(found.public) for found in listed if found.tinker_path == path)

    world.call(world.rest, "publish_checkpoint_from_tinker_path", path)
    assert public()
    world.call(world.rest, "unpublish_checkpoint_from_tinker_path", path)
    assert not public()


@feature(R, "a checkpoint's life", "RestClient.set_checkpoint_ttl_from_tinker_path")
def set_ttl(world: World) -> None:
    path = world.saved()
    for seconds in (7200, None):
        world.call(world.rest, "set_checkpoint_ttl_from_tinker_path", path, seconds)
        (newest,) = world.call(world.rest, "list_user_checkpoints", limit=1).checkpoints
        assert (newest.tinker_path, newest.expires_at is not None) == (path, seconds is not None)


@feature(R, "about weights", "RestClient.get_weights_info_by_tinker_path")
def weights_info(world: World) -> None:
    told = world.call(world.rest, "get_weights_info_by_tinker_path", world.saved())
    assert (told.base_model, told.is_lora, told.lora_rank) == (PICO, True, 8)


def names_of(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return [name.rpartition("/")[2] for name in files.getnames()]


@feature(R, "archive as bytes", "RestClient.download_checkpoint_archive")
def archive_bytes(world: World) -> None:
    path = world.sampled_from()
    run, _, checkpoint = path.removeprefix("tinker://").partition("/")
    one = world.call(world.rest, "download_checkpoint_archive", run, checkpoint)
    same = world.call(world.rest, "download_checkpoint_archive_from_tinker_path", path)
    assert sorted(names_of(one)) == sorted(names_of(same))
    assert "adapter_model.safetensors" in names_of(one)


@feature(R, "archive as a URL", "RestClient.get_checkpoint_archive_url")
def archive_url(world: World) -> None:
    path = world.sampled_from()
    run, _, checkpoint = path.removeprefix("tinker://").partition("/")
    one = world.call(world.rest, "get_checkpoint_archive_url", run, checkpoint)
    same = world.call(world.rest, "get_checkpoint_archive_url_from_tinker_path", path)
    for answer in (one, same):
        with urlopen(answer.url) as archive:
            assert "adapter_model.safetensors" in names_of(archive.read())


@feature(R, "samplers", "RestClient.get_sampler")
def sampler(world: World) -> None:
    assert world.sample()
    told = world.call(world.rest, "get_sampler", f"{world.session()}:sample:0")
    assert told.base_model == PICO


@feature(R, "sessions", "RestClient.list_sessions", "RestClient.get_session")
def sessions(world: World) -> None:
    options = scoped("RestClient.list_sessions")
    session = world.session()
    assert session in world.call(world.rest, "list_sessions", limit=50, offset=0, **options).sessions
    told = world.call(world.rest, "get_session", session, **options)
    assert world.run_of() in told.training_run_ids


@feature(R, "projects of sessions", "RestClient.assign_session_project")
def project(world: World) -> None:
    world.call(world.rest, "assign_session_project", world.session(), "project-7")
    page = world.call(world.rest, "list_training_runs", project_id="project-7").training_runs
    assert page


@feature(R, "trace", "RestClient.export_session_trace")
def trace(world: World) -> None:
    with urlopen(world.call(world.rest, "export_session_trace", world.session())) as answer:
        assert world.session().encode() in answer.read()


@feature(R, "search", "RestClient.search_sessions")
def search(world: World) -> None:
    found = world.call(world.rest, "search_sessions", types.SessionSearchRequest(limit=50)).sessions
    assert world.session() in [session.session_id for session in found]


HOUR = timedelta(hours=1)


def hours() -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return now - HOUR, now + HOUR


@feature(R, "audit", "RestClient.get_audit_log")
def audit(world: World) -> None:
    world.saved()
    assert world.call(world.rest, "get_audit_log", "checkpoints", day=datetime.now(UTC).date()).entries


@feature(R, "billing", "RestClient.get_billing_usage")
def billing(world: World) -> None:
    assert world.call(world.rest, "get_billing_usage", *hours()).data


@feature(R, "storage", "RestClient.get_current_checkpoint_storage_usage")
def storage(world: World) -> None:
    assert world.call(world.rest, "get_current_checkpoint_storage_usage").data
    assert world.call(world.rest, "get_current_checkpoint_storage_usage", "nobody's").data == []


@feature(R, "admin client", "AdminClient.get_audit_log")
def admin(world: World) -> None:
    client = world.recorded(offers.CLIENTS["AdminClient"]())
    assert world.call(client, "get_billing_usage", *hours()).data
    world.call(client, "get_current_checkpoint_storage_usage", "project-1")
    assert client.get_telemetry() is not None
    assert world.call(client, "get_audit_log", "all", day=datetime.now(UTC).date()).entries
