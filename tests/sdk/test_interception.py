"""The published SDK where respx stands in the place of the network."""

from collections.abc import Iterator

import httpx
import pytest
import tinker

from contract import ClientConfigResponse
from fake_server.fake import Fake
from fake_server.interception import Intercepted, interception
from fake_server.interception.drawn_answers import DrawnAnswers
from fake_server.settings import Settings
from tests.sdk.data import weighted

PICO = "tinkerproof/pico"
HTTPX = Settings(client_config=ClientConfigResponse(use_pyqwest_transport=False))

pytestmark = pytest.mark.sdk


@pytest.fixture
def intercepted(tinker_fake: Fake) -> Iterator[Intercepted]:
    with interception(tinker_fake) as found:
        yield found


@pytest.mark.parametrize("tinker_settings", [HTTPX], ids=["httpx"])
def test_a_life_without_a_socket(intercepted: Intercepted, tinker_fake: Fake) -> None:
    client = tinker.ServiceClient(base_url=intercepted.base_url, api_key="tml-k")
    training = client.create_lora_training_client(PICO, rank=4).result()

    step = training.forward_backward([weighted()], "cross_entropy")
    training.optim_step(tinker.AdamParams(learning_rate=1e-3)).result()
    path = training.save_state("s").result().path
    run = path.removeprefix("tinker://").split("/")[0]
    where = f"{intercepted.base_url}/api/v1/training_runs/{run}/checkpoints/weights/s/archive"
    url = httpx.get(where, headers={"x-api-key": "tml-k"}).json()["url"]
    archive = httpx.get(url)
    client.close("success").result()

    assert step.result().metrics["loss:sum"] > 0
    assert url.startswith(intercepted.base_url)
    assert archive.content[:2] == b"\x1f\x8b"
    assert intercepted.router["optim_step"].call_count == 1
    tinker_fake.journal.assert_called_once("optim_step")


def test_the_sdk_takes_what_is_drawn_without_a_world() -> None:
    """Of the operations whose numbers it does not reckon with."""
    with interception(answers=DrawnAnswers(3)) as found:
        client = tinker.ServiceClient(base_url=found.base_url, api_key="tml-k")
        rest = tinker.RestClient(base_url=found.base_url, api_key="tml-k")
        runs = [rest.list_training_runs().result() for _ in range(3)]
        deleted = rest.delete_checkpoint("run", "weights/a").result()
        training = client.create_lora_training_client(PICO, rank=4).result()
        metrics = training.optim_step(tinker.AdamParams(learning_rate=1e-3)).result().metrics
        client.close("success").result()

    assert [type(page).__name__ for page in runs] == ["TrainingRunsResponse"] * 3
    assert deleted is None
    assert metrics is None or all(isinstance(value, float) for value in metrics.values())
    assert found.base_url == "https://tinkerproof.test"


def test_a_flag_that_leads_round_respx_is_named(intercepted: Intercepted) -> None:
    with pytest.raises(tinker.BadRequestError, match="use_pyqwest_transport: expected false"):
        tinker.ServiceClient(base_url=intercepted.base_url, api_key="tml-k").create_lora_training_client(
            PICO
        ).result()
