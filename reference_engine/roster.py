"""`Roster`: what runs a batch's rows, whichever adapters they have.

Where the fast mode finds one adapter on all rows, it adds it to a copy of the weights: that costs as much as
a few tokens, and from then on the adapter costs nothing. Rows of several adapters go through the base model
together, with the adapters' narrow products beside it. The exact mode always does that: adding rounds.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

import torch

from reference_engine.deltas import Delta, Group, ManyDeltas, NoDelta, OneDelta, joined
from reference_engine.lora import Adapter, Views
from reference_engine.model import Transformer

__all__ = ["Roster"]

Owner = Adapter | None
"""A row's adapter; None is the base model alone."""


class Roster:
    """One base model with the adapters of its rows; the last merged copy and the last stack are kept."""

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._can_merge = (
            not model.rows.exact and model.config.experts is None and model.dtype == torch.float32
        )
        self._merged: tuple[Adapter, Transformer] | None = None
        self._stack: tuple[tuple[Adapter, ...], Views] | None = None

    def prompts(self, owners: Sequence[Owner], beside: Iterable[Owner]) -> tuple[Transformer, list[Delta]]:
        """The model, and what is added to each of some prompts, the same object for the same adapter.

        Args:
            owners: Each prompt's adapter.
            beside: The adapters of what runs already: a copy made for the prompts must serve it too.
        """
        known = {id(owner): owner for owner in owners}
        if len({*known, *map(id, beside)}) == 1:
            model, delta = self._alone(owners[0])
            return model, [delta] * len(owners)
        deltas = {key: self._aside(owner) for key, owner in known.items()}
        return self._model, [deltas[id(owner)] for owner in owners]

    def rows(self, owners: Sequence[Owner], total: int) -> tuple[Transformer, Delta]:
        """What runs a row of each owner, filled up to `total` rows."""
        members: dict[int, list[int]] = {}
        for row, owner in enumerate(owners):
            members.setdefault(id(owner), []).append(row)
        if len(members) == 1:
            return self._alone(owners[0])
        adapters = [owners[mine[0]] for mine in members.values()]
        by_layout = sorted((a for a in adapters if a is not None), key=lambda a: a.layout.key)
        groups = []
        for _, same in groupby(by_layout, key=lambda a: a.layout.key):
            group = list(same)  # by their first rows: in the batch's own order, rows need not be gathered
            mine = [members[id(adapter)] for adapter in group]
            groups.append(Group.of(group, mine, total, self._stacked(tuple(group)), self._model.rows))
        return self._model, ManyDeltas(groups, self._model.rows)

    def _alone(self, owner: Owner) -> tuple[Transformer, Delta]:
        """What runs rows that all have one owner."""
        if owner is None or not self._can_merge:
            return self._model, self._aside(owner)
        if self._merged is None or self._merged[0] is not owner:
            views = owner.views_as(self._model.dtype)
            self._merged = (owner, self._model.merged(views, owner.layout.scale))
        return self._merged[1], NoDelta()

    def _aside(self, owner: Owner) -> Delta:
        """What an adapter adds to the base model."""
        if owner is None:
            return NoDelta()
        return OneDelta(owner.views_as(self._model.dtype), owner.layout.scale, self._model.rows)

    def _stacked(self, adapters: tuple[Adapter, ...]) -> Views:
        """The adapters as one stack."""
        if self._stack is None or self._stack[0] != adapters:
            numbers = torch.stack([adapter.flat for adapter in adapters])
            views = adapters[0].layout.views(numbers.to(self._model.dtype))
            self._stack = (adapters, views if self._model.rows.exact else joined(views))
        return self._stack[1]
