"""Datums whose inputs fit their loss, batches with settings, optimizer parameters: what servers must take."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from contract.inputs import Datum, ModelInput
from contract.losses import LOSSES, Loss
from contract.strategies.contract_overrides import spans
from contract.strategies.form import Tree
from contract.training import AdamParams, ForwardBackwardInput

__all__ = ["VOCABULARY", "adam_params", "batches", "datums"]

VOCABULARY = 256
"""Token ids that are drawn. Source: ours: the built-in models have at least as many."""
MOST_TOKENS, MOST_TARGETS, MOST_DATUMS = 6, 3, 3
LOGPROBS = st.floats(-20, 0, width=32)
ADVANTAGES = st.floats(-8, 8, width=32)
RATIOS = st.floats(0.125, 8, width=32)
NUMBERS: dict[str, SearchStrategy[float]] = {
    "weights": st.floats(0, 4, width=32),
    "logprobs": LOGPROBS,
    "advantages": ADVANTAGES,
    "clip_low_threshold": RATIOS,
    "clip_high_threshold": RATIOS,
    "sequence_ratio_mask": st.sampled_from([0.0, 1.0]),
}
"""What each input of a loss is made of; finite, and of a size that training knows."""
SETTINGS: dict[str, SearchStrategy[Any]] = {
    "clip_low_threshold": st.floats(0, 1, width=32),
    "clip_high_threshold": st.floats(1, 8, width=32),
    "beta": st.floats(0, 1, width=32),
    "kl_coeff": st.floats(0, 1, width=32),
}


def datums(
    loss_fn: str = "cross_entropy", *, vocab_size: int = VOCABULARY, most_tokens: int = MOST_TOKENS
) -> SearchStrategy[Datum]:
    """Datums that `check_data` takes for a loss.

    Args:
        loss_fn: a row of `LOSSES`.
        vocab_size: token ids are below it.
        most_tokens: the longest datum; each has at least one token.
    """
    loss = LOSSES[loss_fn]
    ids = st.integers(0, vocab_size - 1)
    tokens = st.lists(ids, min_size=1, max_size=most_tokens)
    widths = st.none() | st.integers(1, MOST_TARGETS) if loss_fn == "cross_entropy" else st.none()
    layouts = st.tuples(tokens, widths)
    return layouts.flatmap(lambda layout: _of_layout(loss, layout[0], layout[1], ids))


def _of_layout(
    loss: Loss, tokens: list[int], width: int | None, ids: SearchStrategy[int]
) -> SearchStrategy[Datum]:
    shape = [len(tokens)] if width is None else [len(tokens), width]
    size = len(tokens) * (width or 1)
    required = {key: _tensor(key, shape, size, ids) for key in loss.required}
    optional = {key: _tensor(key, shape, size, ids) for key in loss.optional}
    cuts = st.integers(0, len(tokens)) if loss.spans else st.none()
    inputs = st.fixed_dictionaries(required, optional=optional)
    return st.builds(_datum, st.just(tokens), inputs, cuts)


def _tensor(key: str, shape: list[int], size: int, ids: SearchStrategy[int]) -> SearchStrategy[Tree]:
    dtype = "int64" if key == "target_tokens" else "float32"
    numbers: SearchStrategy[Any] = ids if key == "target_tokens" else NUMBERS[key]
    listed = st.lists(numbers, min_size=size, max_size=size)
    return listed.map(lambda data: {"data": data, "dtype": dtype, "shape": shape})


def _datum(tokens: list[int], inputs: dict[str, Tree], cut: int | None) -> Datum:
    both = {} if cut is None else {name: spans(len(tokens), cut) for name in SPANS}
    model_input = ModelInput.from_ints(tokens)
    return Datum.model_validate({"model_input": model_input, "loss_fn_inputs": inputs, **both})


SPANS = ("model_input_spans", "loss_fn_input_spans")


def batches(
    loss_fn: str = "cross_entropy", *, loss_id: str | None = None, **sizes: int
) -> SearchStrategy[ForwardBackwardInput]:
    """Batches of one to three datums, with any of the loss's settings.

    Args:
        loss_fn: a row of `LOSSES`.
        loss_id: of an uploaded loss, for `custom`.
        sizes: as of `datums`.
    """
    optional = {key: SETTINGS[key] for key in LOSSES[loss_fn].settings if key in SETTINGS}
    settings = st.fixed_dictionaries({}, optional=optional)
    if loss_id is not None:
        settings = st.just({"loss_id": loss_id})
    return st.builds(
        lambda data, config: ForwardBackwardInput(data=data, loss_fn=loss_fn, loss_fn_config=config or None),
        st.lists(datums(loss_fn, **sizes), min_size=1, max_size=MOST_DATUMS),
        settings,
    )


def adam_params() -> SearchStrategy[AdamParams]:
    """Parameters of a step that leaves all weights finite."""
    decays = st.floats(0, 0.999)
    return st.builds(
        AdamParams,
        learning_rate=st.floats(0, 0.01),
        beta1=decays,
        beta2=decays,
        eps=st.floats(1e-12, 1e-3),
        weight_decay=st.floats(0, 0.1),
        grad_clip_norm=st.floats(0, 10),
    )
