"""The cache of keys and values: what a slot has, another can be given."""

import torch

from reference_engine.cache import ROOM_STEP, KeyValueCache
from reference_engine.catalog import PICO
from reference_engine.loading import read_config


def test_a_slot_that_is_full_to_its_room_is_copied():
    config = read_config(PICO)
    cache = KeyValueCache(config, torch.device("cpu"), torch.float32)
    cache.reserve(4, ROOM_STEP)
    shape = (config.num_kv_heads, ROOM_STEP, config.head_dim)
    kept = [(torch.rand(shape), torch.rand(shape)) for _ in range(config.num_layers)]
    cache.restore(1, kept, ROOM_STEP)

    cache.copy(1, [0, 2], ROOM_STEP)

    for slot in (0, 2):
        for (keys, values), (k, v) in zip(kept, cache.stored(slot, ROOM_STEP), strict=True):
            assert torch.equal(keys, k)
            assert torch.equal(values, v)
