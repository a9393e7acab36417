"""Small models ready to run, adapters that say something, and a stand-in for a training batch."""

from functools import cache

import numpy as np
import torch

from contract import LoraConfig
from reference_engine.attention import CausalAttention
from reference_engine.batching import Example, pack, parts_of
from reference_engine.cache import DecodeAttention, KeyValueCache, PrefillAttention
from reference_engine.deltas import Delta, NoDelta, OneDelta
from reference_engine.linear import Rows
from reference_engine.loading import load_weights, read_config
from reference_engine.lora import Adapter, AdapterLayout
from reference_engine.model import Transformer
from reference_engine.passes import backward, forward, logprobs_of

FULL = LoraConfig(rank=4)
EXACT, FAST = Rows(exact=True), Rows(exact=False)


@cache
def transformer(folder, rows=EXACT, dtype=torch.float32):
    """The model of a folder, ready to run."""
    config = read_config(folder)
    return Transformer(config, load_weights(folder, config, dtype), rows)


def trained_adapter(config, lora=FULL, seed=0):
    """An adapter whose B is not zero, as after training."""
    layout = AdapterLayout.of(config, lora)
    generator = torch.Generator().manual_seed(seed)
    flat = layout.fresh(seed)
    noise = torch.randn(layout.size, generator=generator) * 0.1
    return Adapter(layout, torch.where(flat == 0, noise, flat))


def texts(lengths, vocab_size, seed=0):
    """Random texts with random targets."""
    numbers = np.random.default_rng(seed)
    return [Example(numbers.integers(0, vocab_size, n), numbers.integers(0, vocab_size, n)) for n in lengths]


def delta_of(model, adapter, gradients=None):
    """What an adapter adds, with a place for gradients."""
    if adapter is None:
        return NoDelta()
    views = None if gradients is None else adapter.layout.views(gradients.unsqueeze(0))
    return OneDelta(adapter.views_as(model.dtype), adapter.layout.scale, model.rows, views)


@torch.inference_mode()
def trained_logprobs(model, examples, adapter=None):
    """The targets' logprobs as a training pass has them, a tensor for each example."""
    found = {}
    for members in parts_of(examples, model.config):
        packed = pack(examples, members, model.device)
        logprobs = forward(model, packed, delta_of(model, adapter), tape=False).logprobs
        sizes = [examples[index].targets.size for index in packed.members]
        found.update(zip(packed.members, logprobs.split(sizes), strict=True))
    return [found[index] for index in range(len(examples))]


@torch.inference_mode()
def gradients_of(model, examples, slopes, adapter):
    """The adapter's gradients from the slope of each target's logprob."""
    gradients = torch.zeros_like(adapter.flat)
    delta = delta_of(model, adapter, gradients)
    for members in parts_of(examples, model.config):
        packed = pack(examples, members, model.device)
        found = forward(model, packed, delta, tape=True)
        backward(model, packed, found, torch.cat([slopes[index] for index in packed.members]), delta)
    return gradients


@torch.inference_mode()
def decoded_logprobs(model, examples, prompts, delta: Delta, one=None):
    """The targets' logprobs as sampling has them: prompts read at once, then token by token, side by side.

    `delta` is for a row of each example; `one` gives that of a prompt, `delta` for all where absent.
    """
    cache, count = KeyValueCache(model.config, model.device, model.dtype), len(examples)
    total = model.rows.padded(count)
    cache.reserve(total, max(len(example.tokens) for example in examples))
    found = []
    for slot, (example, length) in enumerate(zip(examples, prompts, strict=True)):
        packed = pack([Example(example.tokens[:length], example.targets[:length])], [0], model.device)
        places = cache.places(torch.full_like(packed.positions, slot), packed.positions)
        attention = PrefillAttention(CausalAttention(model.config, packed.spans, model.rows), cache, places)
        own = one(slot) if one else delta
        hidden, _ = model.forward(packed.tokens, packed.positions, attention, own)
        logprobs, _ = logprobs_of(model, hidden, own)
        found.append(logprobs.gather(1, packed.cells.tokens.unsqueeze(1)).squeeze(1).tolist())
    for step in range(max(len(e.tokens) - n for e, n in zip(examples, prompts, strict=True))):
        where = [min(n + step, len(e.tokens) - 1) for e, n in zip(examples, prompts, strict=True)]
        tokens = [int(e.tokens[at]) for e, at in zip(examples, where, strict=True)] + [0] * (total - count)
        positions = torch.tensor(where + [0] * (total - count), device=model.device)
        attention = DecodeAttention(cache, positions, max(where) + 1, model.rows)
        rows = torch.tensor(tokens, device=model.device)
        hidden, _ = model.forward(rows, positions, attention, delta)
        logprobs, _ = logprobs_of(model, hidden, delta)
        for slot, (example, at) in enumerate(zip(examples, where, strict=True)):
            if len(found[slot]) == at:
                found[slot].append(float(logprobs[slot, int(example.targets[at])]))
    return [torch.tensor(logprobs) for logprobs in found]
