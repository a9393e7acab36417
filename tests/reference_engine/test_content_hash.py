import re
import shutil

import pytest

from reference_engine.content_hash import WHOLE_BELOW, content_hash

LARGE = WHOLE_BELOW + 1000


@pytest.fixture
def large(tmp_path):
    """A folder with a large file of zeros that takes no room on the disk; gives a way to change a byte."""
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write((64).to_bytes(8, "little"))
        file.truncate(LARGE)

    def change(offset):
        with (tmp_path / "model.safetensors").open("r+b") as file:
            file.seek(offset)
            file.write(b"\1")
        return content_hash(tmp_path)

    return change


def test_a_hash_is_the_same_wherever_the_folder_is(saved, tmp_path):
    folder = saved("llama").folder
    copy = shutil.copytree(folder, tmp_path / "copy")

    assert re.fullmatch("[0-9a-f]{64}", content_hash(folder))
    assert content_hash(copy) == content_hash(folder)


def test_a_hash_does_not_follow_config_or_tokenizer(saved, tmp_path):
    copy = shutil.copytree(saved("llama").folder, tmp_path / "copy")
    (copy / "config.json").write_text("{}")

    assert content_hash(copy) == content_hash(saved("llama").folder)


def test_one_changed_byte_of_a_small_file_changes_the_hash(saved, tmp_path):
    copy = shutil.copytree(saved("llama").folder, tmp_path / "copy")
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")

    assert content_hash(copy) != content_hash(saved("llama").folder)


def test_models_of_several_files_and_of_other_kinds_have_hashes(saved, tmp_path):
    saved("qwen3").model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    (tmp_path / "one.gguf").write_bytes(b"GGUF")
    (tmp_path / "two.gguf").write_bytes(b"GGUF")
    paths = (tmp_path / "shards", tmp_path / "one.gguf", tmp_path / "two.gguf", saved("qwen3").folder)

    assert len({content_hash(path) for path in paths}) == 4


@pytest.mark.parametrize(
    "offset", [8, 71, LARGE // 63 + 1, LARGE - 1], ids=["header", "end", "sample", "last"]
)
def test_of_a_large_file_the_header_and_samples_count(large, tmp_path, offset):
    before = content_hash(tmp_path)

    assert large(offset) != before


def test_of_a_large_gguf_file_the_metadata_counts(tmp_path):
    hashes = set()
    for offset in (4, 900_000):
        with (tmp_path / "model.gguf").open("wb") as file:
            file.write(b"GGUF")
            file.seek(offset)
            file.write(b"\1")
            file.truncate(LARGE)
        hashes.add(content_hash(tmp_path))

    assert len(hashes) == 2


def test_a_folder_without_weights_has_no_hash(tmp_path):
    with pytest.raises(FileNotFoundError):
        content_hash(tmp_path)
