"""Where adapters are kept that nobody computes with now: in memory up to a limit, the least used on disk.

Models in training and saved weights share one limit, however many base models and tenants there are. What
is on disk is in a temporary folder, which is there as long as anything is in it.
"""

import os
import tempfile
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from contract import RequestFailure

__all__ = ["Place", "Shelf", "Shelved", "memory_limit"]

SHARE_OF_MEMORY = 0.5
"""Ours: the rest is for base models, activations and whatever else runs."""


class Shelved(Protocol):
    """A value that is never changed, nearly all of it tensors."""

    @property
    def held_bytes(self) -> int:
        """Memory to reckon with."""
        ...

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Its tensors, all on one device, none sharing memory with another, by name."""
        ...

    def with_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Self:
        """The same value with other tensors in their places."""
        ...


Item = TypeVar("Item", bound=Shelved)


@dataclass(frozen=True, slots=True)
class Written:
    """A value on disk."""

    file: Path
    shell: Shelved
    """The value with tensors that have a shape and no numbers."""
    device: torch.device
    """Where its tensors belong."""


def memory_limit(device: torch.device) -> int:
    """Bytes for what is on a shelf: half of the memory of the machine, or of the CUDA device."""
    if device.type == "cuda":
        total = int(torch.cuda.get_device_properties(device).total_memory)
    else:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(total * SHARE_OF_MEMORY)


class Place(Generic[Item]):
    """A place on a shelf; what is there is forgotten when nobody refers to the place any more."""

    def __init__(self, shelf: "Shelf", key: int) -> None:
        self._shelf = shelf
        self._key = key
        self._end = weakref.finalize(self, shelf.forget, key)
        self._end.atexit = False

    def get(self) -> Item:
        """What is there, read back if it is on disk.

        Raises:
            RequestFailure: if it was dropped, its file is gone, or there is no room for it.
        """
        return cast("Item", self._shelf.get(self._key))

    def put(self, item: Item) -> None:
        """Replace what is there.

        Raises:
            RequestFailure: as `Shelf.place` does; nothing is changed.
        """
        self._shelf.put(self._key, item)

    def drop(self) -> None:
        """Forget what is there."""
        self._end()


class Shelf:
    """Values on places. Any thread may use it."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._here: OrderedDict[int, Shelved] = OrderedDict()
        self._written: dict[int, Written] = {}
        """What is on disk; it may be in memory, too, and is then not written again."""
        self._held_bytes = 0
        self._keys = count()
        self._gone: deque[int] = deque()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """What is in memory takes as much, as its values reckon it."""
        return self._held_bytes

    def place(self, item: Item) -> Place[Item]:
        """Keep a value in a new place.

        Raises:
            RequestFailure: if it alone is larger than the limit, or others cannot be written to disk.
        """
        key = next(self._keys)
        self.put(key, item)
        return Place(self, key)

    def get(self, key: int) -> Shelved:
        """As `Place.get`."""
        with self._locked():
            if key in self._here:
                self._here.move_to_end(key)
                return self._here[key]
            if key not in self._written:
                raise RequestFailure("weights: expected those of a server that runs, got some it has dropped")
            written = self._written[key]
            self._make_room(written.shell.held_bytes, key)
            item = _read(written)
            self._hold(key, item)
            return item

    def put(self, key: int, item: Shelved) -> None:
        """As `Place.put`."""
        size = item.held_bytes
        if size > self._limit_bytes:
            raise RequestFailure(
                f"lora_config: expected an adapter within {self._limit_bytes >> 20} MB of memory, "
                f"got one of {-(-size >> 20)} MB with its optimizer's state; choose a lower rank"
            )
        with self._locked():
            self._make_room(size, key)
            self._forget(key)
            self._hold(key, item)

    def forget(self, key: int) -> None:
        """Forget a value, now or when the thread that is at the shelf is done.

        The collector calls it, at any time and on any thread, also on one that holds the lock.
        """
        self._gone.append(key)
        self._sweep()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        finally:
            self._sweep()

    def _sweep(self) -> None:
        while self._gone and self._lock.acquire(blocking=False):
            try:
                while self._gone:
                    self._forget(self._gone.popleft())
            finally:
                self._lock.release()

    def _hold(self, key: int, item: Shelved) -> None:
        self._here[key] = item
        self._held_bytes += item.held_bytes

    def _make_room(self, size: int, key: int) -> None:
        """Write others to disk until `size` bytes fit in the place of what `key` has in memory."""
        own = self._here[key].held_bytes if key in self._here else 0
        while self._held_bytes - own + size > self._limit_bytes:
            oldest = next(other for other in self._here if other != key)
            if oldest not in self._written:
                self._written[oldest] = self._write(oldest)
            self._leave_memory(oldest)

    def _leave_memory(self, key: int) -> None:
        item = self._here.pop(key, None)
        if item is not None:
            self._held_bytes -= item.held_bytes

    def _forget(self, key: int) -> None:
        self._leave_memory(key)
        written = self._written.pop(key, None)
        if written is not None:
            written.file.unlink(missing_ok=True)
        if self._folder is not None and not self._written:
            self._folder.cleanup()
            self._folder = None

    def _write(self, key: int) -> Written:
        """Bring a value to disk; its file appears whole or not at all."""
        item = self._here[key]
        tensors = item.tensors
        try:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="tinkerproof-")
            file = Path(self._folder.name, f"{key}.safetensors")
            partial = file.with_suffix(".partial")
            save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, partial)
            partial.replace(file)
        except (OSError, SafetensorError) as error:
            raise RequestFailure(
                f"memory: expected room in the server's temporary folder for what {self._limit_bytes >> 20} "
                f"MB of memory do not hold, got {error}; free some, unload models or delete checkpoints"
            ) from None
        shell = item.with_tensors({name: tensor.to("meta") for name, tensor in tensors.items()})
        return Written(file, shell, next(iter(tensors.values())).device)


def _read(written: Written) -> Shelved:
    """A value from disk, in memory of its own: products of tensors that start elsewhere may round otherwise.

    Raises:
        RequestFailure: if its file is gone.
    """
    try:
        tensors = load_file(written.file)
    except (OSError, SafetensorError) as error:
        raise RequestFailure(
            f"memory: expected the weights that were written to the server's temporary folder, got {error}; "
            "was it cleaned? go on from a checkpoint that was downloaded"
        ) from None
    return written.shell.with_tensors(
        {name: tensor.to(written.device, copy=True) for name, tensor in tensors.items()}
    )
