"""What adapters add to the outputs of the base model's matrices: one adapter in training, many in sampling.

Both go through `torch.bmm` with row counts that are filled up, and add with a plain addition, so that a row
gets the same bits in either. The scale is applied to the narrow product before the last factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import torch

from reference_engine.linear import Rows
from reference_engine.lora import Adapter, ExpertsPart, Part, Views

__all__ = ["Delta", "Group", "ManyDeltas", "NoDelta", "OneDelta", "SplitDelta", "joined", "part_of"]

MOST_ZEROS = 1 << 14
"""Up to so many for each adapter, projections are joined.

Source: ours: they cost about as much time as a call or two.
"""


def part_of(views: Views, layer: int, name: str) -> Part | None:
    """The adapted projections `name` of a layer; layer -1 is the head."""
    if layer < 0:
        return views.head
    part: Part | None = getattr(views.layers[layer], name)
    return part


def joined(views: Views) -> Views:
    """The same adapters, with projections of one input as one: fewer and larger products."""
    layers = tuple(
        replace(layer, qkv=_joined(layer.qkv), gate_up=_joined(layer.gate_up)) for layer in views.layers
    )
    return replace(views, layers=layers)


def _joined(part: Part | None) -> Part | None:
    """With one B `[S, outs, k * rank]`, zero between one's ranks and another's outputs, if zeros are few."""
    if part is None:
        return None
    rank, outs = part.b[0].shape[2], sum(b.shape[1] for b in part.b)
    if (len(part.b) - 1) * rank * outs > MOST_ZEROS:
        return part
    wide = part.a.new_zeros(part.a.shape[0], len(part.b) * rank, outs)
    start = 0
    for i, b in enumerate(part.b):
        end = start + b.shape[1]
        wide[:, i * rank : (i + 1) * rank, start:end] = b.transpose(1, 2)
        start = end
    return Part(part.a, (wide.transpose(1, 2),))


class Delta(Protocol):
    """Adds adapters' deltas."""

    def add(self, y: torch.Tensor, x: torch.Tensor, layer: int, name: str) -> torch.Tensor | None:
        """Add to `y` `[M, out]`, in place, what the adapters make of `x` `[M, in]`.

        Returns:
            The scaled narrow product `[M, k * rank]` for the backward pass, where there is one adapter.
        """
        ...

    def experts(self, layer: int) -> "list[tuple[ExpertsPart, float, torch.Tensor | None]]":
        """The experts' factors of a layer with their scale, and the rows that they are for; None is all."""
        ...


class NoDelta:
    """The base model alone."""

    def add(self, _y: torch.Tensor, _x: torch.Tensor, _layer: int, _name: str) -> None:
        """Nothing to add."""

    def experts(self, _layer: int) -> list[tuple[ExpertsPart, float, torch.Tensor | None]]:
        """None."""
        return []


def _product(
    x: torch.Tensor, part: Part, scale: float, rows: Rows
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """From `x` `[S, R, in]`: the scaled narrow product `[S, R, k * rank]`, and each delta `[S, R, out]`."""
    count, rank = x.shape[1], part.b[0].shape[-1]
    x = rows.fill(x, rank * min(x.shape[2], *(b.shape[1] for b in part.b)))
    narrow = torch.bmm(x, part.a.transpose(1, 2)).mul_(scale)
    pieces = [
        torch.bmm(narrow[..., i * rank : (i + 1) * rank], b.transpose(1, 2))[:, :count]
        for i, b in enumerate(part.b)
    ]
    return narrow[:, :count], pieces


class OneDelta:
    """One adapter for all rows, with gradients."""

    def __init__(self, views: Views, scale: float, rows: Rows, gradients: Views | None = None) -> None:
        self.views = views
        self.scale = scale
        self._rows = rows
        self.gradients = gradients
        """Where gradients are added, float32; the shapes of `views`."""

    def add(self, y: torch.Tensor, x: torch.Tensor, layer: int, name: str) -> torch.Tensor | None:
        """Add the adapter's delta."""
        part = part_of(self.views, layer, name)
        if part is None:
            return None
        narrow, pieces = _product(x.unsqueeze(0), part, self.scale, self._rows)
        start = 0
        for piece in pieces:
            y[:, start : start + piece.shape[2]].add_(piece[0])
            start += piece.shape[2]
        return narrow[0]

    def backward(
        self,
        dx: torch.Tensor | None,
        dy: torch.Tensor,
        x: torch.Tensor,
        narrow: torch.Tensor | None,
        layer: int,
        name: str,
    ) -> None:
        """Add the gradients of the factors, and to `dx` `[M, in]`, in place, that of `x`, unless None."""
        part = part_of(self.views, layer, name)
        if part is None:
            return
        assert narrow is not None
        assert self.gradients is not None
        into = part_of(self.gradients, layer, name)
        assert into is not None
        rank, start, slopes = part.b[0].shape[-1], 0, []
        for i, (b, db) in enumerate(zip(part.b, into.b, strict=True)):
            piece = dy[:, start : start + b.shape[1]]
            add_product(db[0], piece.t(), narrow[:, i * rank : (i + 1) * rank])
            slopes.append(piece @ b[0])
            start += b.shape[1]
        slope = (slopes[0] if len(slopes) == 1 else torch.cat(slopes, -1)).mul_(self.scale)
        add_product(into.a[0], slope.t(), x)
        if dx is not None:
            dx.addmm_(slope, part.a[0])

    def experts(self, layer: int) -> list[tuple[ExpertsPart, float, torch.Tensor | None]]:
        """The adapter's experts, for all rows."""
        part = self.views.layers[layer].experts
        return [] if part is None else [(part, self.scale, None)]


def add_product(into: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """`into += left @ right`, where `into` may be of a wider type."""
    if into.dtype == left.dtype:
        into.addmm_(left, right)
    else:
        into.add_(left @ right)


class SplitDelta:
    """Several adapters, each for a range of rows: prompts one after the other."""

    def __init__(self, parts: Sequence[tuple[Delta, int, int]]) -> None:
        self._parts = parts
        """What is added to each range, its first row and the row after its last."""

    @staticmethod
    def of(deltas: Sequence[Delta], counts: Sequence[int]) -> Delta:
        """Each delta for so many rows; neighbours that are the same object are one range."""
        parts: list[tuple[Delta, int, int]] = []
        end = 0
        for delta, group in groupby(zip(deltas, counts, strict=True), key=lambda pair: pair[0]):
            start, end = end, end + sum(count for _, count in group)
            parts.append((delta, start, end))
        return parts[0][0] if len(parts) == 1 else SplitDelta(parts)

    def add(self, y: torch.Tensor, x: torch.Tensor, layer: int, name: str) -> None:
        """Add each range's delta."""
        for part, start, end in self._parts:
            part.add(y[start:end], x[start:end], layer, name)

    def experts(self, layer: int) -> list[tuple[ExpertsPart, float, torch.Tensor | None]]:
        """Each range's experts with its rows."""
        return [
            (experts, scale, torch.arange(start, end, device=experts.gate_b.device))
            for part, start, end in self._parts
            for experts, scale, _ in part.experts(layer)
        ]


@dataclass(frozen=True, slots=True)
class Group:
    """Adapters of one layout, stacked, and the rows of a batch that they are for."""

    adapters: tuple[Adapter, ...]
    views: Views
    scale: float
    gather: torch.Tensor | None
    """`[S * R]`: the batch row of each padded row; None where they are the batch's rows as they are."""
    back: torch.Tensor
    """`[m]`: the padded row of each row of the group."""
    rows: torch.Tensor | None
    """`[m]`: the batch rows of the group; None where it is the whole batch in order."""
    per_slot: tuple[torch.Tensor, ...]
    """Each adapter's batch rows."""

    @classmethod
    def of(
        cls,
        adapters: Sequence[Adapter],
        members: Sequence[Sequence[int]],
        total: int,
        views: Views,
        rows: Rows,
    ) -> "Group":
        """A group of `adapters`, each with its `members` among the batch's `total` rows."""
        width = rows.padded(max(map(len, members)))
        gather: list[int] = []
        back: list[int] = []
        order: list[int] = []
        for slot, mine in enumerate(members):
            gather += [*mine, *([mine[0]] * (width - len(mine)))]
            back += range(slot * width, slot * width + len(mine))
            order += mine
        device = adapters[0].flat.device
        inverse = sorted(range(len(order)), key=order.__getitem__)
        whole = len(order) == total
        if whole:
            back, order = [back[i] for i in inverse], [order[i] for i in inverse]
        plain = gather == list(range(total))
        return cls(
            tuple(adapters),
            views,
            adapters[0].layout.scale,
            None if plain else torch.tensor(gather, device=device),
            torch.tensor(back, device=device),
            None if whole else torch.tensor(order, device=device),
            tuple(torch.tensor(list(mine), device=device) for mine in members),
        )


class ManyDeltas:
    """Several adapters, each for rows of its own; rows of none keep the base model's output."""

    def __init__(self, groups: Sequence[Group], rows: Rows) -> None:
        self._groups = groups
        self._rows = rows

    def add(self, y: torch.Tensor, x: torch.Tensor, layer: int, name: str) -> None:
        """Add each row's delta."""
        for group in self._groups:
            part = part_of(group.views, layer, name)
            if part is None:
                continue
            if group.gather is None and len(part.b) == 1 and not self._rows.exact:
                slots = len(group.adapters)
                narrow = torch.bmm(x.view(slots, -1, x.shape[1]), part.a.transpose(1, 2))
                into = y.view(slots, -1, y.shape[1])
                into.baddbmm_(narrow, part.b[0].transpose(1, 2), alpha=group.scale)
                continue
            stack = x if group.gather is None else x.index_select(0, group.gather)
            shaped = stack.view(len(group.adapters), -1, x.shape[1])
            start = 0
            for piece in _product(shaped, part, group.scale, self._rows)[1]:
                end = start + piece.shape[2]
                flat = piece.reshape(-1, piece.shape[2])
                delta = flat if group.gather is None else flat.index_select(0, group.back)
                if group.rows is None:
                    y[:, start:end].add_(delta)
                else:
                    y[group.rows, start:end] = y[group.rows, start:end] + delta
                start = end

    def experts(self, layer: int) -> list[tuple[ExpertsPart, float, torch.Tensor | None]]:
        """Each adapter's experts with its rows."""
        found: list[tuple[ExpertsPart, float, torch.Tensor | None]] = []
        for group in self._groups:
            part = group.views.layers[layer].experts
            if part is not None:
                found += [(_slot(part, slot), group.scale, rows) for slot, rows in enumerate(group.per_slot)]
        return found


def _slot(part: ExpertsPart, slot: int) -> ExpertsPart:
    one = slice(slot, slot + 1)
    return ExpertsPart(
        part.gate_up_a[one], part.gate_b[one], part.up_b[one], part.down_a[one], part.down_b[one]
    )
