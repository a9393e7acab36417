"""One `forward_backward`: a batch through the model in parts, its loss, and the adapter's gradients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from contract import ForwardBackwardInput
from reference_engine.batching import Example, Packed, pack, parts_of
from reference_engine.custom_loss import CompiledLoss
from reference_engine.deltas import OneDelta
from reference_engine.lora import Adapter
from reference_engine.losses import BatchLoss, batch_loss
from reference_engine.model import Transformer
from reference_engine.passes import ForwardPass, backward, forward

__all__ = ["Pass", "run_pass"]


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass found."""

    logprobs: torch.Tensor
    """Of all target cells, datum after datum, `[C]`."""
    metrics: dict[str, float]
    gradients: torch.Tensor | None
    """Of the adapter's numbers, `[P]`; None where nothing was to be trained."""


@torch.inference_mode()
def run_pass(
    model: Transformer,
    adapter: Adapter,
    batch: ForwardBackwardInput,
    examples: Sequence[Example],
    custom: CompiledLoss | None,
    *,
    forward_only: bool,
) -> Pass:
    """Compute a batch's loss and, unless `forward_only`, the gradients of the adapter.

    Raises:
        RequestFailure: if a number is not finite.
    """
    work = _Work(model, adapter, batch, examples, custom)
    parts = [pack(examples, members, model.device) for members in parts_of(examples, model.config)]
    logprobs = torch.empty(work.ends[-1], device=model.device)
    if forward_only:
        for packed in parts:
            work.keep(logprobs, packed, work.forward(packed, tape=False))
        return Pass(logprobs, work.loss(logprobs).metrics, None)
    gradients = torch.zeros_like(adapter.flat)
    work.train_into(gradients)
    if len(parts) == 1:
        found = work.forward(parts[0], tape=True)
        work.keep(logprobs, parts[0], found)
        loss = work.loss(logprobs)
        work.backward(parts[0], found, loss.slopes)
        return Pass(logprobs, loss.metrics, gradients)
    for packed in parts:
        found = work.forward(packed, tape=True)
        work.keep(logprobs, packed, found)
        work.backward(packed, found, work.part_slopes(packed, logprobs))
    return Pass(logprobs, work.loss(logprobs).metrics, gradients)


class _Work:
    """A batch on its way through the model."""

    def __init__(
        self,
        model: Transformer,
        adapter: Adapter,
        batch: ForwardBackwardInput,
        examples: Sequence[Example],
        custom: CompiledLoss | None,
    ) -> None:
        self._model, self._batch, self._custom = model, batch, custom
        self._adapter = adapter
        self._delta = OneDelta(adapter.views_as(model.dtype), adapter.layout.scale, model.rows)
        self.ends: list[int] = np.cumsum([example.targets.size for example in examples]).tolist()
        self._sizes = [example.targets.size for example in examples]

    def train_into(self, gradients: torch.Tensor) -> None:
        """Add gradients to `[P]`."""
        views = self._adapter.layout.views(gradients.unsqueeze(0))
        self._delta = OneDelta(self._delta.views, self._delta.scale, self._model.rows, views)

    def forward(self, packed: Packed, *, tape: bool) -> ForwardPass:
        """The part's logprobs."""
        return forward(self._model, packed, self._delta, tape=tape)

    def keep(self, logprobs: torch.Tensor, packed: Packed, found: ForwardPass) -> None:
        """Put a part's logprobs into their places."""
        logprobs[self._places(packed.members)] = found.logprobs

    def _places(self, members: Sequence[int]) -> torch.Tensor:
        """Where some examples' cells lie among all, `[C]`."""
        ranges = [torch.arange(self.ends[i] - self._sizes[i], self.ends[i]) for i in members]
        return torch.cat(ranges).to(self._model.device)

    def loss(self, logprobs: torch.Tensor) -> BatchLoss:
        """The whole batch's loss."""
        return batch_loss(self._batch, logprobs.cpu(), custom=self._custom)

    def part_slopes(self, packed: Packed, logprobs: torch.Tensor) -> torch.Tensor:
        """The loss's slopes by a part's cells, in all places, `[C]`: its datums alone decide them."""
        order = sorted(packed.members)
        part = self._batch.model_copy(update={"data": [self._batch.data[index] for index in order]})
        places = self._places(order)
        slopes = batch_loss(part, logprobs[places].cpu(), custom=self._custom).slopes
        everywhere = torch.zeros_like(logprobs)
        everywhere[places] = slopes.to(self._model.device)
        return everywhere

    def backward(self, packed: Packed, found: ForwardPass, slopes: torch.Tensor) -> None:
        """Add the part's gradients; `slopes` `[C]` of all cells."""
        slopes = slopes.to(self._model.device)
        backward(self._model, packed, found, slopes[self._places(packed.members)], self._delta)
