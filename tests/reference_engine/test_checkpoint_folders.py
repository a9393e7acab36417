"""Checkpoints on disk: whole or not there."""

import pytest
import torch

from reference_engine.checkpoint_folders import read_folder, write_folder
from reference_engine.loading import read_config
from tests.reference_engine.adapters import origin_of, weights_on


@pytest.fixture
def config(saved):
    return read_config(saved("qwen3").folder)


def test_a_checkpoint_comes_back_from_its_folder(config, tmp_path):
    weights, folder = weights_on(config), tmp_path / "run" / "0001"
    write_folder(weights, folder)

    assert torch.equal(read_folder(folder, origin_of(config)).flat, weights.flat)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == weights.files()
    assert [path.name for path in folder.parent.iterdir()] == ["0001"]


def test_what_else_is_in_the_folder_is_left_alone(config, tmp_path):
    weights, folder = weights_on(config), tmp_path / "0001"
    write_folder(weights, folder)
    (folder / "README.md").write_text("mine")
    (folder / "more").mkdir()

    assert read_folder(folder, origin_of(config)).files() == weights.files()


def test_a_folder_that_is_there_is_not_overwritten(config, tmp_path):
    weights = weights_on(config)
    write_folder(weights, tmp_path / "0001")
    with pytest.raises(FileExistsError, match="0001: expected a new folder, got one that is there"):
        write_folder(weights.without_optimizer(), tmp_path / "0001")
    assert read_folder(tmp_path / "0001", origin_of(config)).moments is not None


class Failing:
    """Weights whose second file cannot be written."""

    size_bytes = 0

    def files(self):
        return {"first": b"1", "no/such/folder": b"2"}


def test_what_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_folder(Failing(), tmp_path / "0001")
    assert not list(tmp_path.iterdir())
