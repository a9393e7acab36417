"""The store of prompts that were read lately."""

import weakref

import numpy as np
import torch

from reference_engine.cache import KeyValueCache
from reference_engine.lora import Adapter
from reference_engine.prefixes import SHORTEST_PREFIX, PrefixStore
from tests.reference_engine.models import trained_adapter
from tests.reference_engine.test_lora import CONFIG


def cache():
    made = KeyValueCache(CONFIG, torch.device("cpu"), torch.float32)
    made.reserve(1, 64)
    return made


def prompt(*tail):
    return np.array([*range(SHORTEST_PREFIX + 4), *tail])


def test_the_longest_known_beginning_is_found_but_never_the_whole_prompt():
    store = PrefixStore()
    store.add(None, prompt(7, 8), cache(), 0)
    store.add(None, prompt(7, 9), cache(), 0)
    assert store.find(None, prompt(7, 8, 1))[0] == SHORTEST_PREFIX + 6
    assert store.find(None, prompt(7, 8))[0] == SHORTEST_PREFIX + 5
    assert store.find(None, prompt(3))[0] == SHORTEST_PREFIX + 4
    assert store.find(None, np.arange(100, 130)) == (0, [])


def test_the_least_used_prompts_go_first():
    size = 2 * CONFIG.num_layers * CONFIG.num_kv_heads * CONFIG.head_dim * 4 * (SHORTEST_PREFIX + 5)
    store = PrefixStore(kept_bytes=2 * size)
    starts = [np.arange(base, base + SHORTEST_PREFIX + 5) for base in (0, 30, 60)]
    for tokens in starts[:2]:
        store.add(None, tokens, cache(), 0)
    assert store.find(None, starts[0])[0] > 0
    store.add(None, starts[2], cache(), 0)
    assert [store.find(None, tokens)[0] > 0 for tokens in starts] == [True, False, True]


def test_what_is_too_short_or_too_large_is_not_kept():
    store = PrefixStore(kept_bytes=10)
    store.add(None, prompt(1), cache(), 0)
    assert store.find(None, prompt(1))[0] == 0
    store = PrefixStore()
    store.add(None, np.arange(SHORTEST_PREFIX), cache(), 0)
    assert store.find(None, np.arange(SHORTEST_PREFIX + 1))[0] == 0


def test_what_an_adapter_read_goes_with_it_and_is_not_found_for_another():
    store, adapter = PrefixStore(), trained_adapter(CONFIG)
    store.add(adapter, prompt(7, 8), cache(), 0)
    assert store.find(adapter, prompt(7, 8, 1))[0] == SHORTEST_PREFIX + 6
    assert store.find(None, prompt(7, 8, 1))[0] == 0
    layout, flat, address, seen = adapter.layout, adapter.flat, id(adapter), weakref.ref(adapter)
    del adapter
    assert seen() is None
    others = [Adapter(layout, flat) for _ in range(1000)]
    assert address in map(id, others)
    assert {store.find(other, prompt(7, 8, 1))[0] for other in others} == {0}
