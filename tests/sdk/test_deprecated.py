"""The `_async` names of `RestClient` and `AdminClient`: they warn, and answer as their successors do."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tinker

from fake_server.fake import Fake
from tests.sdk.data import PICO

pytestmark = pytest.mark.sdk

Call = Callable[[Any, str], Coroutine[Any, Any, Any]]
DAY = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOURS = (DAY - timedelta(hours=1), DAY + timedelta(hours=1))


def path(run: str, segment: str = "weights") -> str:
    return f"tinker://{run}/{segment}/a"


def session_of(run: str) -> str:
    return run.partition(":")[0]


READING: dict[str, Call] = {
    "list_sessions": lambda rest, run: rest.list_sessions_async(),
    "get_session": lambda rest, run: rest.get_session_async(session_of(run)),
    "list_training_runs": lambda rest, run: rest.list_training_runs_async(),
    "get_training_run": lambda rest, run: rest.get_training_run_async(run),
    "get_training_run_by_tinker_path": lambda rest, run: rest.get_training_run_by_tinker_path_async(
        path(run)
    ),
    "list_checkpoints": lambda rest, run: rest.list_checkpoints_async(run),
    "list_user_checkpoints": lambda rest, run: rest.list_user_checkpoints_async(),
    "get_sampler": lambda rest, run: rest.get_sampler_async(f"{session_of(run)}:sample:0"),
    "get_external_weights_urls": lambda rest, run: rest.get_external_weights_urls_async(
        path(run, "external_weights")
    ),
    "export_session_trace": lambda rest, run: rest.export_session_trace_async(session_of(run)),
    "copy_weights": lambda rest, run: rest.copy_weights_async(path(run), "elsewhere"),
    "get_audit_log": lambda rest, run: rest.get_audit_log_async(),
    "get_billing_usage": lambda rest, run: rest.get_billing_usage_async(*HOURS),
    "get_current_checkpoint_storage_usage": lambda rest, run: (
        rest.get_current_checkpoint_storage_usage_async()
    ),
    "get_audit_log of an admin": lambda admin, run: admin.get_audit_log_async(),
    "get_billing_usage of an admin": lambda admin, run: admin.get_billing_usage_async(*HOURS),
    "storage of an admin": lambda admin, run: admin.get_current_checkpoint_storage_usage_async(),
}

CHANGING: dict[str, Call] = {
    "assign_session_project": lambda rest, run: rest.assign_session_project_async(session_of(run), "p"),
    "set_checkpoint_ttl": lambda rest, run: rest.set_checkpoint_ttl_from_tinker_path_async(path(run), 3600),
    "publish": lambda rest, run: rest.publish_checkpoint_from_tinker_path_async(path(run)),
    "unpublish": lambda rest, run: rest.unpublish_checkpoint_from_tinker_path_async(path(run)),
    "delete_checkpoint": lambda rest, run: rest.delete_checkpoint_async(run, "sampler_weights/a"),
    "delete_by_path": lambda rest, run: rest.delete_checkpoint_from_tinker_path_async(path(run)),
}


def warned(coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """The answer of a call that warns."""

    async def run() -> Any:
        with pytest.warns(FutureWarning, match="DEPRECATED"):
            return await coroutine()

    return asyncio.run(run())


@pytest.fixture
def run(service: tinker.ServiceClient, training: tinker.TrainingClient) -> str:
    training.save_state("a").result()
    training.save_weights_for_sampler("a").result()
    training.save_weights_external("a").result()
    service.create_sampling_client(base_model=PICO).result()
    return str(training.get_info().model_id)


def test_reading_under_the_old_names_still_works(
    rest: tinker.RestClient, admin: tinker.AdminClient, run: str
) -> None:
    answers = {
        name: warned(lambda call=call, name=name: call(admin if "admin" in name else rest, run))
        for name, call in READING.items()
    }
    assert answers["list_checkpoints"] == rest.list_checkpoints(run).result()
    assert answers["get_session"] == rest.get_session(session_of(run)).result()
    assert answers["get_audit_log"].entries
    assert all(answers.values())


def test_changing_under_the_old_names_still_works(
    rest: tinker.RestClient, run: str, tinker_fake: Fake
) -> None:
    for call in CHANGING.values():
        assert warned(lambda call=call: call(rest, run)) is None
    left = [record.checkpoint_type for record in tinker_fake.service.store.checkpoints]
    assert left == ["external"]


def test_what_moved_to_the_admin_client_warns(
    rest: tinker.RestClient, admin: tinker.AdminClient, run: str
) -> None:
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        audit = rest.get_audit_log().result()
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        usage = rest.get_billing_usage(*HOURS).result()
    with pytest.warns(FutureWarning, match="DEPRECATED"):
        storage = rest.get_current_checkpoint_storage_usage().result()
    assert audit == admin.get_audit_log().result()
    assert usage == admin.get_billing_usage(*HOURS).result()
    assert storage == admin.get_current_checkpoint_storage_usage().result()
