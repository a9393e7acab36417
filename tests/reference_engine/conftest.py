"""Folders of small random models, written once by transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract import BackendOptions
from reference_engine.engine import Engine
from tests.reference_engine.families import VARIANT


@dataclass(frozen=True)
class Saved:
    """A model of transformers and the folder it was saved to."""

    model: Any
    folder: Path


@pytest.fixture(scope="session")
def engine():
    """One engine with the built-in model."""
    engine = Engine(BackendOptions(threads=1))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The saved model of a variant, by name, each made once."""
    made: dict[str, Saved] = {}

    def one(name: str) -> Saved:
        if name not in made:
            folder = tmp_path_factory.mktemp("model")
            model = VARIANT[name].build()
            model.save_pretrained(folder)
            made[name] = Saved(model, folder)
        return made[name]

    return one
