"""`Example`: a training example as a program writes it down."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from contract.inputs import Datum, ModelInput
from contract.losses import LOSSES

__all__ = ["LAST_TARGET", "Example"]

LAST_TARGET = 9
"""What the last token of an example predicts, where it does not say."""
FILLED: Mapping[str, float] = {"weights": 1.0, "logprobs": -1.0, "advantages": 1.0}
"""What each token has of an input that is not given."""


class Example(BaseModel):
    """Tokens, and what the loss reads beside them; what is absent is filled as the loss needs it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: tuple[int, ...] = (5, 6, 7, 8)
    """What the model reads, N tokens."""
    targets: tuple[int, ...] | None = None
    """What it shall predict, N tokens; each next one where absent, and at last token 9."""
    weights: tuple[float, ...] | None = None
    """Of each token."""
    logprobs: tuple[float, ...] | None = None
    """Of the sampler, for losses that compare with it."""
    advantages: tuple[float, ...] | None = None
    """Of each token, for the same losses."""

    def datum(self, loss: str) -> Datum:
        """The example as the API has it, with the inputs that the loss requires."""
        known = LOSSES.get(loss)
        required = known.required if known is not None else ()
        targets = (
            (*self.tokens[1:], LAST_TARGET)[: len(self.tokens)] if self.targets is None else self.targets
        )
        inputs: dict[str, Any] = {"target_tokens": list(targets)}
        for name, value in FILLED.items():
            given = getattr(self, name)
            if given is not None:
                inputs[name] = list(given)
            elif name in required or (name == "weights" and required == ("target_tokens",)):
                inputs[name] = [value] * len(targets)
        return Datum(model_input=ModelInput.from_ints(list(self.tokens)), loss_fn_inputs=inputs)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        shown = {name: getattr(self, name) for name in type(self).model_fields}
        return [
            (name, value) for name, value in shown.items() if value != type(self).model_fields[name].default
        ]
