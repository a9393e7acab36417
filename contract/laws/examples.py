"""Examples that laws train on, where `Subject.datum` does not do."""

from collections.abc import Sequence

import numpy as np

from contract.inputs import Datum, ModelInput

__all__ = ["policy_datum", "wide_datum"]


def wide_datum(targets: Sequence[Sequence[int]], weights: Sequence[Sequence[float]]) -> Datum:
    """Tokens from 5 on, with K targets each, `[N, K]` as the weights."""
    return Datum(
        model_input=ModelInput.from_ints(list(range(5, 5 + len(targets)))),
        loss_fn_inputs={"target_tokens": np.array(targets), "weights": np.array(weights)},
    )


def policy_datum(tokens: Sequence[int], sampler: Sequence[float], advantages: Sequence[float]) -> Datum:
    """What the losses of reinforcement learning read; the last token's target is token 9.

    Args:
        tokens: The input, `[N]`.
        sampler: The sampler's logprobs of the targets, `[N]`.
        advantages: Of the targets, `[N]`.
    """
    given = {
        "target_tokens": [*tokens[1:], 9],
        "logprobs": list(sampler),
        "advantages": list(advantages),
    }
    return Datum(model_input=ModelInput.from_ints(list(tokens)), loss_fn_inputs=given)
