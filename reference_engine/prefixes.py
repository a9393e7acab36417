"""Prompts that were read lately, so that the next one with the same beginning need not read it again."""

import weakref
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from reference_engine.batching import Ints
from reference_engine.cache import KeyValueCache, Stored
from reference_engine.lora import Adapter

__all__ = ["PrefixStore"]

SHORTEST_PREFIX = 16
"""Ours: reading fewer tokens again costs less than looking."""
KEPT_BYTES = 64 << 20
MOST_ENTRIES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One prompt under one adapter."""

    bucket: tuple[int, bytes]
    adapter: "weakref.ref[Adapter] | None"
    """It may go while its prompts are here: what keeps adapters is not this store."""
    tokens: Ints
    stored: Stored

    def is_for(self, adapter: Adapter | None) -> bool:
        """Whether it was read under this adapter, and not under one that had its address before."""
        return (None if self.adapter is None else self.adapter()) is adapter

    @property
    def size_bytes(self) -> int:
        """What its keys and values take."""
        return sum(k.nbytes + v.nbytes for k, v in self.stored)


class PrefixStore:
    """The latest prompts; the least used go first."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._buckets: dict[tuple[int, bytes], list[int]] = {}
        """The entries of one adapter that begin alike."""
        self._kept_bytes = kept_bytes
        self._size = self._next = 0

    def find(self, adapter: Adapter | None, tokens: Ints) -> tuple[int, Stored]:
        """The longest known beginning of a prompt, all but its last token at most; 0 where there is none."""
        best, found = SHORTEST_PREFIX - 1, None
        for number in self._buckets.get(_bucket(adapter, tokens), ()):
            entry = self._entries[number]
            common = _common(entry.tokens, tokens) if entry.is_for(adapter) else 0
            if common > best:
                best, found = common, number
        if found is None:
            return 0, []
        self._entries.move_to_end(found)
        return best, self._entries[found].stored

    def add(self, adapter: Adapter | None, tokens: Ints, cache: KeyValueCache, slot: int) -> None:
        """Keep a prompt that a slot has read."""
        if len(tokens) <= SHORTEST_PREFIX or self.find(adapter, tokens)[0] == len(tokens) - 1:
            return
        bucket = _bucket(adapter, tokens)
        seen_by = None if adapter is None else weakref.ref(adapter)
        entry = Entry(bucket, seen_by, tokens, cache.stored(slot, len(tokens)))
        if entry.size_bytes > self._kept_bytes:
            return
        self._entries[self._next] = entry
        self._buckets.setdefault(bucket, []).append(self._next)
        self._next += 1
        self._size += entry.size_bytes
        while self._size > self._kept_bytes or len(self._entries) > MOST_ENTRIES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        number, entry = self._entries.popitem(last=False)
        self._size -= entry.size_bytes
        self._buckets[entry.bucket].remove(number)
        if not self._buckets[entry.bucket]:
            del self._buckets[entry.bucket]


def _bucket(adapter: Adapter | None, tokens: Ints) -> tuple[int, bytes]:
    return id(adapter), tokens[:SHORTEST_PREFIX].tobytes()


def _common(known: Ints, tokens: Ints) -> int:
    """How many first tokens are the same, the prompt's last one not counted."""
    length = min(len(known), len(tokens) - 1)
    different = np.flatnonzero(known[:length] != tokens[:length])
    return int(different[0]) if len(different) else length
