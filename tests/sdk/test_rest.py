"""`RestClient`: runs, checkpoints and files as resources."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import tinker
from safetensors.numpy import load

from fake_server.fake import Fake
from tests.sdk.data import PICO, train

pytestmark = pytest.mark.sdk


@pytest.fixture
def run(training: tinker.TrainingClient) -> str:
    """A training run with three checkpoints."""
    train(training, 1)
    training.save_state("a").result()
    training.save_weights_for_sampler("b").result()
    training.save_weights_external("c").result()
    return training.get_info().model_id


def fetch(url: str) -> bytes:
    with urlopen(url) as answer:
        return bytes(answer.read())


def test_checkpoints_of_a_run_are_listed_newest_first(rest: tinker.RestClient, run: str) -> None:
    listed = rest.list_checkpoints(run).result().checkpoints
    assert [c.checkpoint_id for c in listed] == ["external_weights/c", "sampler_weights/b", "weights/a"]
    assert [c.checkpoint_type for c in listed] == ["external", "sampler", "training"]
    assert all(c.size_bytes > 0 and not c.public for c in listed)


def test_checkpoints_of_all_runs_come_in_pages(rest: tinker.RestClient, run: str) -> None:
    first = rest.list_user_checkpoints(limit=2).result()
    second = rest.list_user_checkpoints(limit=2, offset=2).result()
    assert (len(first.checkpoints), len(second.checkpoints)) == (2, 1)
    assert (first.cursor.total_count, second.cursor.offset) == (3, 2)
    assert second.checkpoints[0].tinker_path == f"tinker://{run}/weights/a"


def test_a_checkpoint_is_deleted(rest: tinker.RestClient, run: str) -> None:
    rest.delete_checkpoint(run, "weights/a").result()
    rest.delete_checkpoint_from_tinker_path(f"tinker://{run}/sampler_weights/b").result()
    left = rest.list_checkpoints(run).result().checkpoints
    assert [c.checkpoint_id for c in left] == ["external_weights/c"]


def test_a_checkpoint_that_is_not_there_cannot_be_deleted(rest: tinker.RestClient, run: str) -> None:
    with pytest.raises(tinker.NotFoundError, match="no checkpoint"):
        rest.delete_checkpoint(run, "weights/z").result()


def test_a_checkpoint_is_published_and_taken_back(rest: tinker.RestClient, run: str) -> None:
    path = f"tinker://{run}/weights/a"

    def public() -> bool:
        return next(
            c.public for c in rest.list_checkpoints(run).result().checkpoints if c.tinker_path == path
        )

    rest.publish_checkpoint_from_tinker_path(path).result()
    assert public()
    rest.unpublish_checkpoint_from_tinker_path(path).result()
    assert not public()


def test_publishing_twice_is_refused_at_once(rest: tinker.RestClient, run: str) -> None:
    path = f"tinker://{run}/weights/a"
    rest.publish_checkpoint_from_tinker_path(path).result()
    with pytest.raises(tinker.BadRequestError, match="already public"):
        rest.publish_checkpoint_from_tinker_path(path).result()


def test_the_life_of_a_checkpoint_is_set_and_lifted(rest: tinker.RestClient, run: str) -> None:
    path = f"tinker://{run}/weights/a"
    rest.set_checkpoint_ttl_from_tinker_path(path, 7200).result()
    assert rest.list_checkpoints(run).result().checkpoints[-1].expires_at is not None
    rest.set_checkpoint_ttl_from_tinker_path(path, None).result()
    assert rest.list_checkpoints(run).result().checkpoints[-1].expires_at is None


def test_weights_tell_what_they_are(rest: tinker.RestClient, run: str) -> None:
    info = rest.get_weights_info_by_tinker_path(f"tinker://{run}/weights/a").result()
    assert (info.base_model, info.is_lora, info.lora_rank) == (PICO, True, 8)


def test_a_run_tells_its_last_checkpoints(rest: tinker.RestClient, run: str) -> None:
    record = rest.get_training_run(run).result()
    assert (record.base_model, record.lora_rank, record.is_lora) == (PICO, 8, True)
    assert record.last_checkpoint.checkpoint_id == "weights/a"
    assert record.last_sampler_checkpoint.checkpoint_id == "sampler_weights/b"
    assert rest.get_training_run_by_tinker_path(f"tinker://{run}/weights/a").result() == record


def test_runs_come_in_pages_and_by_project(rest: tinker.RestClient, tinker_fake: Fake, run: str) -> None:
    service = tinker_fake.service_client(project_id="p")
    other = service.create_lora_training_client(PICO, user_metadata={"k": "v"}).result().get_info().model_id
    page = rest.list_training_runs(limit=1).result()
    assert ([r.training_run_id for r in page.training_runs], page.cursor.total_count) == ([other], 2)
    (mine,) = rest.list_training_runs(project_id="p").result().training_runs
    assert mine.user_metadata == {"k": "v"}
    rest_of = rest.list_training_runs(limit=5, offset=1, access_scope="accessible").result()
    assert [r.training_run_id for r in rest_of.training_runs] == [run]


def test_samplers_tell_what_they_sample_from(
    rest: tinker.RestClient, service: tinker.ServiceClient, run: str
) -> None:
    path = f"tinker://{run}/sampler_weights/b"
    service.create_sampling_client(model_path=path).result()
    sampler = rest.get_sampler(f"{service.holder.get_session_id()}:sample:0").result()
    assert (sampler.base_model, sampler.model_path) == (PICO, path)


def test_weights_are_copied_to_a_run_of_their_own(
    rest: tinker.RestClient, service: tinker.ServiceClient, run: str
) -> None:
    path = f"tinker://{run}/weights/a"
    copy = rest.copy_weights(path, "elsewhere", ttl_seconds=3600, weights_access_token="secret").result()
    assert copy != path
    (there,) = rest.list_training_runs(project_id="elsewhere").result().training_runs
    assert there.training_run_id == copy.removeprefix("tinker://").partition("/")[0]
    rest.delete_checkpoint_from_tinker_path(path).result()
    again = service.create_training_client_from_state_with_optimizer(copy).result()
    assert again.get_info().lora_rank == 8


def test_a_service_client_copies_weights_into_its_project(tinker_fake: Fake, run: str) -> None:
    service = tinker_fake.service_client(project_id="mine")
    copy = service.copy_weights(f"tinker://{run}/sampler_weights/b").result()
    sampling = service.create_sampling_client(model_path=copy).result()
    assert sampling.get_base_model() == PICO


def test_external_weights_are_downloaded_and_loaded(rest: tinker.RestClient, run: str) -> None:
    answer = rest.get_external_weights_urls(f"tinker://{run}/external_weights/c").result()
    files = {name: fetch(url) for name, url in answer.urls.items()}
    assert json.loads(files["adapter_config.json"])["r"] == 8
    tensors = load(files["adapter_model.safetensors"])
    assert tensors
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


def test_external_weights_are_encrypted_for_their_recipients(
    rest: tinker.RestClient, training: tinker.TrainingClient
) -> None:
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    save = training.save_weights_external("e", age_encryption_recipients=[str(key.to_public())])
    path = save.result().path
    urls = rest.get_external_weights_urls(path).result().urls
    assert all(name.endswith(".age") for name in urls)
    config = pyrage.decrypt(fetch(urls["adapter_config.json.age"]), [key])
    assert json.loads(config)["base_model_name_or_path"] == PICO


def test_a_changed_url_is_refused(rest: tinker.RestClient, run: str) -> None:
    answer = rest.get_external_weights_urls(f"tinker://{run}/external_weights/c").result()
    url = answer.urls["adapter_config.json"].replace("expires=1", "expires=2")
    with pytest.raises(HTTPError, match="403") as caught:
        fetch(url)
    caught.value.close()


def test_only_external_weights_have_urls(rest: tinker.RestClient, run: str) -> None:
    with pytest.raises((tinker.BadRequestError, ValueError), match="external_weights"):
        rest.get_external_weights_urls(f"tinker://{run}/weights/a").result()
