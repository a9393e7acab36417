"""A model's weights put together from the tensors of its files, each checked against the config."""

from collections.abc import Iterator, Mapping

import torch

from reference_engine.config import ModelConfig
from reference_engine.shapes import HEAD, Shape, weight_shapes
from reference_engine.weight_files import WeightFiles

__all__ = ["assembled"]

Slot = tuple[int | slice, ...]
"""Where in a weight a tensor of the files goes."""
MOST_NAMED = 5
"""Tensors that an error names. Source: ours: enough to see what the files are."""
IGNORED = ".rotary_emb.inv_freq"
"""Old files carry the rotary frequencies, which follow from the config."""


def assembled(files: WeightFiles, config: ModelConfig, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The weights of `weight_shapes(config)`, by name, on the CPU, in memory of their own.

    One tensor at a time is read and copied, so that memory never holds the model twice.

    Raises:
        ValueError: if the files hold other tensors than the config asks for; naming them.
    """
    shapes = weight_shapes(config)
    recipe = {name: dict(_pieces(name, shape, files)) for name, shape in shapes.items()}
    _check(recipe, shapes, files, config)
    weights = {}
    for name, shape in shapes.items():
        weights[name] = torch.empty(shape, dtype=dtype)
        for source, slot in recipe[name].items():
            weights[name][slot].copy_(files.read(source))
    return weights


def _pieces(name: str, shape: Shape, files: WeightFiles) -> Iterator[tuple[str, Slot]]:
    """The tensors that make up a weight, and where in it each goes.

    All but the experts' are one tensor. A layer's experts are two tensors here and in the memory of
    transformers 5, three in GGUF files, and three per expert in the files of the hub.
    """
    before, _, what = name.rpartition(".mlp.experts.")
    if not before or name in files.shapes:
        yield name, ()
        return
    inner = shape[1] // 2
    rows = {"gate_proj": slice(0, inner), "up_proj": slice(inner, None)}
    if f"{before}.mlp.experts.gate_proj" in files.shapes:
        yield from ((f"{before}.mlp.experts.{part}", (slice(None), where)) for part, where in rows.items())
        return
    for expert in range(shape[0]):
        for part, where in rows.items() if what == "gate_up_proj" else [(what, slice(None))]:
            yield f"{before}.mlp.experts.{expert}.{part}.weight", (expert, where)


def _check(
    recipe: Mapping[str, Mapping[str, Slot]],
    shapes: Mapping[str, Shape],
    files: WeightFiles,
    config: ModelConfig,
) -> None:
    """Raise a `ValueError` that names the tensors that are missing, too many, or of another shape."""
    expected = {
        source: _shape_at(slot, shapes[name])
        for name, pieces in recipe.items()
        for source, slot in pieces.items()
    }
    surplus = {name for name in files.shapes if name not in expected and not name.endswith(IGNORED)}
    missing = [name for name in expected if name not in files.shapes]
    unlike = [
        f"{name} {list(files.shapes[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in files.shapes and files.shapes[name] != shape
    ]
    found = {
        "missing": missing,
        "unexpected": sorted(surplus - {HEAD} if config.tied_head else surplus),
        "of another shape": unlike,
    }
    if wrong := [f"{len(names)} {kind} ({_some(names)})" for kind, names in found.items() if names]:
        raise ValueError(
            f"{files.where}: expected the {len(expected)} tensors of a {config.arch} model with "
            f"{config.num_layers} layers, got {', '.join(wrong)}; are config and weights of the same model?"
        )


def _shape_at(slot: Slot, shape: Shape) -> Shape:
    """The shape of `weight[slot]` for a weight of a shape."""
    return tuple(torch.empty(shape, device="meta")[slot].shape)


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
