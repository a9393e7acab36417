"""A model in training, between two operations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from reference_engine.lora import Adapter
from reference_engine.optimizer import Moments

__all__ = ["TrainedModel"]

NUMBERS_EACH = 4
"""An adapter, two moments, and between a pass and a step, gradients."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A model between two operations; its tensors are never changed."""

    base_model: str
    adapter: Adapter
    moments: Moments
    seed: int | None
    gradients: torch.Tensor | None = None
    """Accumulated since the last step, `[P]`; None where there are none."""

    @property
    def held_bytes(self) -> int:
        """What it may take, whether there are gradients or not."""
        return NUMBERS_EACH * self.adapter.flat.nbytes

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All its numbers, by name."""
        found = {"flat": self.adapter.flat, "means": self.moments.means, "squares": self.moments.squares}
        return found if self.gradients is None else found | {"gradients": self.gradients}

    def with_tensors(self, tensors: Mapping[str, torch.Tensor]) -> "TrainedModel":
        """The same model with other tensors in the places of `tensors`."""
        return replace(
            self,
            adapter=Adapter(self.adapter.layout, tensors["flat"]),
            moments=Moments(tensors["means"], tensors["squares"], self.moments.steps),
            gradients=tensors.get("gradients"),
        )
