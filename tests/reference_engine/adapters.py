"""Adapters with random numbers on the small models, and what the engine computes with them."""

from dataclasses import replace

import torch

from contract import LoraConfig
from reference_engine.attention import CausalAttention, Span
from reference_engine.checkpoints import AdapterWeights, Origin
from reference_engine.deltas import OneDelta
from reference_engine.linear import Rows
from reference_engine.loading import LoadedModel, load_model
from reference_engine.lora import Adapter, AdapterLayout
from reference_engine.model import Transformer
from reference_engine.optimizer import Moments

NAME, HASH = "org/small", "ab" * 32


def loaded(folder) -> LoadedModel:
    """The model of a folder, as the engine reads it."""
    return load_model(folder, torch.float32)


def weights_on(config, *, rank=4, moments=True, **parts) -> AdapterWeights:
    """An adapter whose B is not zero, as if it were trained."""
    layout = AdapterLayout.of(config, LoraConfig(rank=rank, **parts))
    generator = torch.Generator().manual_seed(3)
    flat = layout.fresh(3)
    drawn = torch.randn(layout.size, generator=generator) * 0.1
    flat = torch.where(flat == 0, drawn, flat)
    state = Moments(drawn * 0.1, drawn.square(), 7) if moments else None
    return AdapterWeights(NAME, HASH, Adapter(layout, flat), state, seed=3)


def origin_of(config, content_hash=HASH):
    """A lookup that knows one base model."""
    return {NAME: Origin(config, content_hash)}.__getitem__


def adapter_logits(model: LoadedModel, weights: AdapterWeights, tokens: torch.Tensor) -> torch.Tensor:
    """The scores `[T, V]` of tokens `[T]` under an adapter."""
    rows = Rows(exact=True)
    transformer = Transformer(model.config, model.weights, rows)
    count = len(tokens)
    attention = CausalAttention(model.config, [Span(0, (count,))], rows)
    delta = OneDelta(weights.layout.views(weights.flat[None]), weights.layout.scale, rows)
    with torch.inference_mode():
        hidden, _ = transformer.forward(tokens, torch.arange(count), attention, delta)
        scores, _ = transformer.logits(hidden, delta)
    return scores


def without_adapter(weights: AdapterWeights) -> AdapterWeights:
    """The same layout, adding nothing."""
    return replace(weights, adapter=Adapter(weights.layout, torch.zeros_like(weights.flat)))
