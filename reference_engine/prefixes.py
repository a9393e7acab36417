"""Prompts that were read lately, so that the next one with the same beginning need not read it again."""

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

    adapter: Adapter | None
    tokens: Ints
    stored: Stored

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
            common = _common(self._entries[number].tokens, tokens)
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
        entry = Entry(adapter, tokens, cache.stored(slot, len(tokens)))
        if entry.size_bytes > self._kept_bytes:
            return
        self._entries[self._next] = entry
        self._buckets.setdefault(_bucket(adapter, tokens), []).append(self._next)
        self._next += 1
        self._size += entry.size_bytes
        while self._size > self._kept_bytes or len(self._entries) > MOST_ENTRIES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        number, entry = self._entries.popitem(last=False)
        self._size -= entry.size_bytes
        key = _bucket(entry.adapter, entry.tokens)
        self._buckets[key].remove(number)
        if not self._buckets[key]:
            del self._buckets[key]


def _bucket(adapter: Adapter | None, tokens: Ints) -> tuple[int, bytes]:
    return id(adapter), tokens[:SHORTEST_PREFIX].tobytes()


def _common(known: Ints, tokens: Ints) -> int:
    """How many first tokens are the same, the prompt's last one not counted."""
    length = min(len(known), len(tokens) - 1)
    different = np.flatnonzero(known[:length] != tokens[:length])
    return int(different[0]) if len(different) else length
