"""The published cookbook in an environment of its own, and its recipes run against a tenant."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fake_server.fake import Fake
from fake_server.traffic import Exchange
from tests.sdk.environments import TORCH, environment, plain_environment

COOKBOOK = "tinker-cookbook==0.6.1"
REQUIREMENTS = [
    TORCH,
    "aiohttp",
    "anyio",
    "blobfile",
    "chz",
    "cloudpickle",
    "datasets",
    "huggingface-hub",
    "numpy",
    "pillow",
    "pydantic",
    "pyrage",
    "rich",
    "safetensors",
    "termcolor",
    "tiktoken",
    "tinker==0.38.0",
    "tml-renderers==0.2.1",
    "tqdm",
    "transformers>=4.57.6,!=5.3.0,!=5.4.*,!=5.5.0,!=5.5.1,!=5.5.2,!=5.5.3,!=5.6.*",
    "math-verify",
    "pylatexenc",
]
"""What the cookbook requires, and the two of its extra `math-rl`. Source: METADATA of 0.6.1. But it asks for
a tml-renderers that the index does not have, so it comes bare, beside the newest one that there is."""
TIMEOUT_SECONDS = 400
"""Ours: most recipes take a quarter of a minute, much of it imports."""


def python() -> Path:
    """The interpreter of the cookbook's environment."""
    return environment("cookbook-0.6.1", REQUIREMENTS, bare=(COOKBOOK,))


@dataclass(frozen=True)
class Run:
    """What a recipe logged, and what of it the server saw."""

    rows: list[dict[str, float]]
    """Its `metrics.jsonl`."""
    asked: Counter[str]
    """Requests that the server accepted while it ran, by operation."""

    def all(self, name: str) -> list[float]:
        """A metric's values, in the order of the rows that have it."""
        return [row[name] for row in self.rows if name in row]

    def by_step(self, name: str) -> dict[float, float]:
        """A metric's values by step; of a step that was repeated, the last."""
        return {row["step"]: row[name] for row in self.rows if name in row}

    def assert_trained(self, steps: int) -> None:
        """That each step computed gradients and used them: a recipe exits well without, too."""
        assert self.asked["optim_step"] == steps
        assert self.asked["forward_backward"] >= steps


class Recipes:
    """Runs recipes in the hub's folder, against one tenant."""

    def __init__(self, fake: Fake, hub: Path, folder: Path) -> None:
        self.python = python()
        self.hub = hub
        self.folder = folder
        """Logs and checkpoint lists of each run are in a folder of its name."""
        self.asked: Counter[str] = Counter()
        self.env = fake.env() | {
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "HF_HOME": str(folder / "huggingface"),
            "OMP_NUM_THREADS": "1",
            "TINKER_COOKBOOK_RUNS_DIR": str(folder),
            "TOKENIZERS_PARALLELISM": "false",
        }
        fake.service.traffic.observers.append(self._count)

    def _count(self, exchange: Exchange) -> None:
        if exchange.status == 200:
            self.asked[exchange.operation] += 1

    def run(self, name: str, recipe: str, **settings: object) -> Run:
        """Run a recipe with a log folder of a name; a second run with that name finds the first one's log."""
        before = self.asked.copy()
        log = self.folder / name
        flags = [f"{key}={value}" for key, value in settings.items()]
        module = f"tinker_cookbook.recipes.{recipe}"
        done = subprocess.run(
            [str(self.python), "-m", module, *flags, f"log_path={log}"],
            cwd=self.hub,
            env=plain_environment() | self.env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        told = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == 0, f"{recipe} exited with {done.returncode}:\n{told}"
        rows = [json.loads(line) for line in (log / "metrics.jsonl").read_text().splitlines()]
        return Run(rows, self.asked - before)
