"""The parts of `make demo`."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import tinker
from rich.console import Console
from safetensors.numpy import load_file

from examples.demo.__main__ import judge, live
from examples.demo.exporting import NEEDED, downloaded, exported
from examples.demo.rewards import GROUP, PROMPTS, Learning, Sample, datum_of, learn, reward
from examples.demo.screen import Screen
from examples.demo.serving import running_server
from fake_server.app import create_app
from fake_server.fake import Fake
from fake_server.running import LiveServer, find_backend
from tests.sdk.data import PICO


@pytest.fixture
def screen() -> Screen:
    return Screen(Console(file=io.StringIO(), width=80))


@pytest.fixture(scope="module")
def computed() -> Iterator[Fake]:
    """A world that the torch engine computes."""
    with LiveServer(create_app(find_backend("torch"))) as server:
        fake = Fake(server, "demo")
        yield fake
        fake.close()


def shown(screen: Screen) -> str:
    assert isinstance(screen.console.file, io.StringIO)
    return screen.console.file.getvalue()


def test_the_whole_life_holds_on_the_scripted_backend(tinker_fake, screen, monkeypatch):
    monkeypatch.setenv("TINKER_API_KEY", tinker_fake.api_key)
    live(tinker_fake.url, "scripted", screen)
    assert screen.summary(1.0), shown(screen)
    assert "the same bits as going on" in shown(screen)
    assert max(len(line) for line in shown(screen).splitlines() if "tinker://" not in line) <= 80


def test_the_torch_engine_is_trained_on_the_logprobs_that_it_sampled(computed, screen):
    client = computed.service_client().create_lora_training_client(PICO, rank=4, seed=1).result()
    with screen.progress("mean reward") as bar:
        learning = learn(client, client.get_tokenizer(), 1, bar)
    assert learning.furthest == 0
    assert 0 <= learning.rewards[0] <= 1
    assert [text.startswith(prompt) for text, prompt in zip(learning.first, PROMPTS, strict=True)] == [
        True
    ] * 4


def test_an_adapter_is_exported_as_files_that_peft_reads(computed: Fake, tmp_path: Path):
    client = computed.service_client().create_lora_training_client(PICO, rank=4, seed=1).result()
    rest = tinker.RestClient(base_url=computed.url, api_key=computed.api_key)
    sizes = exported(downloaded(client, rest, tmp_path / "service"), tmp_path / "peft")
    rest.holder.close()
    assert sizes.keys() >= NEEDED
    assert sizes == {path.name: path.stat().st_size for path in (tmp_path / "peft").iterdir()}
    names = load_file(tmp_path / "peft" / "adapter_model.safetensors")
    assert any(".lm_head." in name for name in names)


@pytest.mark.parametrize(
    ("reply", "worth"),
    [
        ("sang some sad songs.", 1.0),
        ("sang some sad songs", 0.0),  # no sentence
        ("sang sang sang sang.", 0.25),  # each word counts once
        ("Sang.", 0.25),  # too few words
        ("s ss so some.", 0.25),  # too short ones
        ("looks at the sea and sings.", 1 / 3),
        ("", 0.0),
    ],
)
def test_words_that_begin_with_s_are_rewarded(reply, worth):
    assert reward(reply) == pytest.approx(worth)


def test_nothing_is_learned_on_a_prompt():
    datum = datum_of(Sample([1, 2, 3], [4, 5], [-0.5, -0.25], "", 2.0))
    assert datum.model_input == tinker.ModelInput.from_ints([1, 2, 3, 4])
    given = {name: tensor.to_numpy().tolist() for name, tensor in datum.loss_fn_inputs.items()}
    assert given["target_tokens"] == [2, 3, 4, 5]
    assert given["logprobs"] == [0, 0, -0.5, -0.25]
    assert given["advantages"] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("rewards", "furthest", "held"),
    [([0.1] * 3 + [0.6] * 3, 0.0, True), ([0.3] * 6, 0.0, False), ([0.1] * 3 + [0.6] * 3, 1e-6, False)],
)
def test_a_stage_that_does_not_hold_is_told(screen, rewards, furthest, held):
    judge(Learning(rewards, furthest, [], []), screen)
    assert screen.summary(1.0) is held
    assert ("✗" in shown(screen)) is not held
    assert f"groups of {GROUP} samples" in shown(screen)


def test_a_terminal_does_not_obey_what_a_model_says(screen):
    screen.side_by_side(("before", "after"), [("\x1b[31mred", "[bold]loud")])
    assert "·[31mred" in shown(screen)
    assert "[bold]loud" in shown(screen)


def test_a_server_that_does_not_start_is_no_riddle():
    with pytest.raises(RuntimeError, match="serve --backend none to see why"), running_server("none"):
        pass
