"""`RestClient` and `AdminClient`: sessions, the audit log, the bill."""

import json
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest
import tinker
from tinker import types

from fake_server.fake import Fake
from tests.sdk.data import PICO, prompt, train

pytestmark = pytest.mark.sdk


def hours() -> tuple[datetime, datetime]:
    """Whole hours around now."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return now - timedelta(hours=1), now + timedelta(hours=2)


def open_session(fake: Fake, name: str, **options: object) -> str:
    """A new session with a sampler."""
    service = fake.service_client(display_name=name, **options)
    service.create_sampling_client(base_model=PICO).result()
    return service.holder.get_session_id()


def test_sessions_are_listed_newest_first(rest: tinker.RestClient, tinker_fake: Fake) -> None:
    ids = [open_session(tinker_fake, f"run {number}") for number in range(3)]
    assert rest.list_sessions().result().sessions == ids[::-1]
    assert rest.list_sessions(limit=1, offset=2, access_scope="accessible").result().sessions == ids[:1]


def test_a_session_tells_its_runs_and_samplers(
    rest: tinker.RestClient, service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    service.create_sampling_client(base_model=PICO).result()
    session = rest.get_session(service.holder.get_session_id()).result()
    assert session.training_run_ids == [training.get_info().model_id]
    assert session.sampler_ids == [f"{service.holder.get_session_id()}:sample:0"]


def test_a_session_that_is_not_there_is_not_found(rest: tinker.RestClient) -> None:
    with pytest.raises(tinker.NotFoundError, match="no session 'nobody'"):
        rest.get_session("nobody").result()


def test_a_session_moves_to_a_project(rest: tinker.RestClient, tinker_fake: Fake) -> None:
    session = open_session(tinker_fake, "a run")
    rest.assign_session_project(session, "project-9").result()
    assert tinker_fake.service.store.sessions.get(session).project_id == "project-9"


def test_sessions_are_searched_page_by_page(rest: tinker.RestClient, tinker_fake: Fake) -> None:
    ids = [open_session(tinker_fake, f"nightly {number}") for number in range(3)]
    open_session(tinker_fake, "daily")
    request = types.SessionSearchRequest(display_name="NIGHT", limit=2)
    with pytest.warns(tinker.ExperimentalWarning):
        first = rest.search_sessions(request).result()
    request = request.model_copy(update={"cursor": first.next_cursor})
    with pytest.warns(tinker.ExperimentalWarning):
        second = rest.search_sessions(request).result()
    assert [s.session_id for s in (*first.sessions, *second.sessions)] == ids[::-1]
    assert second.next_cursor is None


@pytest.mark.parametrize(
    ("request_fields", "found"),
    [
        ({"user_metadata": {"team": "red"}}, ["red"]),
        ({"project_ids": ["p"]}, ["blue"]),
        ({"statuses": [{"type": "active"}]}, ["blue"]),
        ({"statuses": [{"type": "client_finished", "reasons": ["success"]}]}, ["red"]),
        ({"owner": {"type": "user", "owner_urns": ["tml:user:somebody"]}}, []),
        ({"owner": {"type": "accessible"}}, ["blue", "red"]),
    ],
    ids=["metadata", "project", "active", "finished", "owner", "accessible"],
)
def test_sessions_are_searched_by(
    rest: tinker.RestClient, tinker_fake: Fake, request_fields: dict[str, object], found: list[str]
) -> None:
    red = tinker_fake.service_client(display_name="red", user_metadata={"team": "red"})
    red.create_sampling_client(base_model=PICO).result()
    red.close("success").result()
    open_session(tinker_fake, "blue", project_id="p")
    with pytest.warns(tinker.ExperimentalWarning):
        answer = rest.search_sessions(types.SessionSearchRequest(**request_fields)).result()
    assert [session.display_name for session in answer.sessions] == found


def test_the_trace_of_a_session_is_downloaded(
    rest: tinker.RestClient, service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    train(training, 1)
    with urlopen(rest.export_session_trace(service.holder.get_session_id()).result()) as answer:
        trace = json.load(answer)
    names = [operation["operation"] for operation in trace["operations"]]
    assert names == ["create_model", "forward_backward", "optim_step"]


def test_the_audit_log_tells_what_happened_to_checkpoints(
    admin: tinker.AdminClient, rest: tinker.RestClient, training: tinker.TrainingClient
) -> None:
    path = training.save_state("a").result().path
    rest.delete_checkpoint_from_tinker_path(path).result()
    entries = admin.get_audit_log("checkpoints").result().entries
    assert [entry.event for entry in entries] == ["checkpoint_create", "checkpoint_delete"]
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert admin.get_audit_log(day=yesterday).result().entries == []


def test_usage_is_counted_in_tokens(
    admin: tinker.AdminClient, service: tinker.ServiceClient, training: tinker.TrainingClient
) -> None:
    train(training, 2)
    sampling = service.create_sampling_client(base_model=PICO).result()
    sampling.sample(prompt(), 1, types.SamplingParams(max_tokens=4, stop=[])).result()
    usage = admin.get_billing_usage(*hours()).result()
    counts = {event.event_info.type: event.event_info.token_count for event in usage.data}
    assert counts == {"training": 6, "sampling_prefill": 5, "sampling_sample": 4}
    assert list(usage.sessions) == [service.holder.get_session_id()]


def test_usage_of_a_broken_hour_is_refused(admin: tinker.AdminClient) -> None:
    start, end = hours()
    with pytest.raises(tinker.BadRequestError, match="whole hour"):
        admin.get_billing_usage(start + timedelta(minutes=5), end).result()


def test_storage_is_counted_by_project(
    admin: tinker.AdminClient, training: tinker.TrainingClient, tinker_fake: Fake
) -> None:
    training.save_state("a").result()
    training.save_weights_for_sampler("b").result()
    (item,) = admin.get_current_checkpoint_storage_usage().result().data
    sizes = [record.weights.size_bytes for record in tinker_fake.service.store.checkpoints]
    assert (item.checkpoint_count, item.size_bytes) == (2, sum(sizes))
    assert admin.get_current_checkpoint_storage_usage(project_id="other").result().data == []
