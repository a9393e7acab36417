"""A folder that stands in for the hub: the models and data sets of the recipes, at the paths that they name.

A program that runs in this folder reads them from there: transformers and datasets prefer a folder that has
the name they are given to the hub's repository.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from random import Random

from tests.cookbook.hub_model import write_model
from tests.cookbook.hub_text import WORDS, repetition, sentence, small_sum
from tests.sdk.environments import ROOT

HUB = ROOT / ".cache" / "cookbook" / "hub"
MODELS = ("Qwen/Qwen3-8B", "Qwen/Qwen3.5-9B-Base")
"""The names that the recipes' tables know; all of them are one small model."""
SOURCES = [Path(__file__).with_name(name) for name in ("hub_model.py", "hub_text.py")]
FAVOURITES = WORDS[:2]
"""The only words in the data to fine-tune on, so that there is something to learn."""

Row = dict[str, object]


def hub() -> Path:
    """The folder; its model is trained if it is not there, or if what makes it has changed."""
    made_by = "".join(blake2b(source.read_bytes(), digest_size=8).hexdigest() for source in SOURCES)
    ready = HUB / "made_by"
    if not ready.exists() or ready.read_text() != made_by:
        start = time.monotonic()
        shutil.rmtree(HUB, ignore_errors=True)
        write_model(HUB / "small")
        for name in MODELS:
            (HUB / name).parent.mkdir(exist_ok=True)
            (HUB / name).symlink_to(HUB / "small", target_is_directory=True)
        ready.write_text(made_by)
        _tell(f"made the hub's model in {time.monotonic() - start:.0f} s")
    write_datasets(HUB)
    return HUB


def _tell(text: str) -> None:
    print(f"\n[cookbook] {text}", file=sys.__stderr__, flush=True)


def write_datasets(folder: Path) -> None:
    """The data sets of fine-tuning, of reinforcement learning and of preferences."""
    random = Random(0)
    _write(folder / "HuggingFaceH4/no_robots/data/train.jsonl", _instruction, random, 2048)
    _write(folder / "HuggingFaceH4/no_robots/data/test.jsonl", _instruction, random, 16)
    _write(folder / "openai/gsm8k/main/train.jsonl", _problem, random, 256)
    _write(folder / "openai/gsm8k/main/test.jsonl", _problem, random, 16)
    _write(folder / "Anthropic/hh-rlhf/train.jsonl", _comparison, random, 1024)
    _write(folder / "Anthropic/hh-rlhf/test.jsonl", _comparison, random, 32)
    (folder / "openai/gsm8k/README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n"
        "  - {split: train, path: main/train.jsonl}\n  - {split: test, path: main/test.jsonl}\n---\n"
    )


def _write(path: Path, row: Callable[[Random], Row], random: Random, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row(random)) + "\n" for _ in range(count)))


def _instruction(random: Random) -> Row:
    question, answer = repetition(random, 6, FAVOURITES)
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"prompt": question, "prompt_id": "0", "messages": messages, "category": "Chat"}


def _problem(random: Random) -> Row:
    a, b = small_sum(random)
    return {"question": f"What is {a} + {b}?", "answer": f"{a}+{b}={a + b}\n#### {a + b}"}


def _comparison(random: Random) -> Row:
    asked = sentence(random, 5)
    start = f"\n\nHuman: {asked}\n\nAssistant: "
    return {"chosen": f"{start}{asked} ok", "rejected": f"{start}no {sentence(random, 3)}"}


if __name__ == "__main__":
    print(hub())
