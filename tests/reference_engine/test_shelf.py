"""Adapters beyond the memory's limit wait on disk, to the bit, and leave nothing behind."""

import gc
import os
import tempfile
from pathlib import Path

import pytest
import torch

from contract import LoraConfig, RequestFailure
from reference_engine.optimizer import Moments
from reference_engine.shelf import Shelf, memory_limit
from reference_engine.trained_model import TrainedModel
from tests.reference_engine.models import trained_adapter
from tests.reference_engine.test_lora import CONFIG


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def model(seed, *, gradients=False):
    adapter = trained_adapter(CONFIG, seed=seed)
    moments = Moments(adapter.flat * 2, adapter.flat**2, steps=seed)
    return TrainedModel("base", adapter, moments, seed, adapter.flat * 3 if gradients else None)


SIZE = model(0).held_bytes


def test_the_least_used_are_read_back_as_they_were(folder):
    shelf = Shelf(2 * SIZE)
    kept = [model(key, gradients=key == 0) for key in range(4)]
    places = [shelf.place(one) for one in kept]
    assert len(files(folder)) == 2
    for key, (place, one) in enumerate(zip(places, kept, strict=True)):
        back = place.get()
        assert torch.equal(back.adapter.flat, one.adapter.flat)
        assert torch.equal(back.moments.squares, one.moments.squares)
        assert (back.moments.steps, back.seed) == (key, key)
        assert (back.gradients is None) == (one.gradients is None)


def test_what_is_read_back_starts_where_a_new_tensor_would():
    shelf = Shelf(SIZE)
    place, _other = shelf.place(model(0)), shelf.place(model(1))
    assert all(tensor.data_ptr() % 64 == 0 for tensor in place.get().tensors.values())


def test_what_is_used_stays_in_memory():
    shelf = Shelf(2 * SIZE)
    first = model(1)
    place, others = shelf.place(first), []
    for key in range(3):
        others.append(shelf.place(model(key)))
        assert place.get() is first


def test_no_more_is_held_than_the_limit():
    shelf, places = Shelf(3 * SIZE), []
    for key in range(8):
        places.append(shelf.place(model(key)))
        assert shelf.held_bytes == min(key + 1, 3) * SIZE
    places[0].put(model(9))
    assert shelf.held_bytes == 3 * SIZE


def test_what_did_not_change_is_written_once(folder):
    shelf = Shelf(SIZE)
    one, other = shelf.place(model(1)), shelf.place(model(2))
    one.get()
    before = [path.stat().st_mtime_ns for path in files(folder)]
    for place in (other, one, other):
        place.get()
    assert [path.stat().st_mtime_ns for path in files(folder)] == before
    one.put(model(3))
    assert torch.equal(one.get().adapter.flat, model(3).adapter.flat)


def test_what_nobody_refers_to_is_gone_wherever_it_was(folder):
    shelf = Shelf(SIZE)
    places = [shelf.place(model(1)), shelf.place(model(2))]
    assert (len(files(folder)), shelf.held_bytes) == (1, SIZE)
    places.clear()
    assert (os.listdir(folder), shelf.held_bytes) == ([], 0)


def test_what_is_dropped_cannot_be_read(folder):
    shelf = Shelf(SIZE)
    written, here = shelf.place(model(1)), shelf.place(model(2))
    for place in (written, here):
        place.drop()
        with pytest.raises(RequestFailure, match="got some it has dropped"):
            place.get()
    assert os.listdir(folder) == []


class Collecting(TrainedModel):
    """Lets the collector run while it is written."""

    @property
    def tensors(self):
        gc.collect()
        return super().tensors


def test_the_collector_may_find_a_forgotten_place_while_a_thread_is_at_the_shelf(folder):
    shelf = Shelf(2 * SIZE)
    oldest = shelf.place(Collecting("base", model(1).adapter, model(1).moments, 1))
    ring = [shelf.place(model(2))]
    ring.append(ring)
    del ring
    newest = shelf.place(model(3))
    assert (len(files(folder)), shelf.held_bytes) == (1, SIZE)
    assert (oldest.get().seed, newest.get().seed) == (1, 3)


def test_an_adapter_larger_than_the_limit_is_refused():
    shelf = Shelf(SIZE)
    place = shelf.place(model(0))
    wide = TrainedModel("base", trained_adapter(CONFIG, LoraConfig(rank=8)), model(0).moments, 1)
    message = "within 0 MB of memory, got one of 1 MB .* choose a lower rank"
    with pytest.raises(RequestFailure, match=message):
        shelf.place(wide)
    with pytest.raises(RequestFailure, match=message):
        place.put(wide)
    assert (shelf.held_bytes, place.get().seed) == (SIZE, 0)


def test_a_full_disk_is_told_and_nothing_is_lost(folder, monkeypatch):
    shelf = Shelf(SIZE)
    one = shelf.place(model(1))
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "not there"))
    with pytest.raises(
        RequestFailure, match=r"expected room in the server's temporary folder .* delete check"
    ):
        shelf.place(model(2))
    assert (one.get().seed, shelf.held_bytes) == (1, SIZE)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    other = shelf.place(model(2))
    assert (one.get().seed, other.get().seed) == (1, 2)


def test_a_folder_that_was_cleaned_is_told(folder):
    shelf = Shelf(SIZE)
    written, here = shelf.place(model(1)), shelf.place(model(2))
    files(folder)[0].unlink()
    with pytest.raises(RequestFailure, match=r"temporary folder, got .*; was it cleaned\?"):
        written.get()
    assert here.get().seed == 2


def test_the_limit_is_half_of_the_memory():
    assert memory_limit(torch.device("cpu")) > 1 << 28
