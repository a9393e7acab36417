"""Provenance spans: where the tokens of a datum came from, checked, and read as a mask."""

import numpy as np
import numpy.typing as npt

from contract import Datum, ProvenanceSpan, RequestFailure, SampledProvenanceSpan

__all__ = ["check_spans", "sampled_targets"]


def check_spans(datum: Datum, where: str) -> None:
    """Check what the spans of a datum claim; `contract` has checked that both lists are there and tile.

    A sampled token stands at one place of a datum at most; target i is the token after input i, so the two
    lists claim the same for it; and some target was sampled.

    Args:
        datum: A datum with 1-D targets and both lists of spans.
        where: Which datum, for the words of a refusal.

    Raises:
        RequestFailure: naming the list, and the claim or the target that does not fit.
    """
    inputs, targets = datum.model_input_spans or [], datum.loss_fn_input_spans or []
    _check_overlaps("model_input_spans", inputs, where)
    _check_overlaps("loss_fn_input_spans", targets, where)
    if not any(isinstance(span, SampledProvenanceSpan) and span.length for span in targets):
        raise RequestFailure(
            f"loss_fn_input_spans: expected a span of sampled tokens, got none {where}; "
            "drop data whose targets were not sampled"
        )
    after, wanted = _claims(inputs)[1:], _claims(targets)[:-1]
    if after != wanted:
        differing = [place for place, claim in enumerate(wanted) if claim != after[place]]
        raise RequestFailure(
            "loss_fn_input_spans: expected the claims of model_input_spans one position later, got others "
            f"for {len(differing)} of {len(wanted)} targets, the first of them {differing[0]} {where}; "
            "target i is the token after input i"
        )


def _check_overlaps(field: str, spans: list[ProvenanceSpan], where: str) -> None:
    ends: dict[str, int] = {}
    sampled = [span for span in spans if isinstance(span, SampledProvenanceSpan) and span.length]
    for span in sorted(sampled, key=lambda span: span.offset):
        if span.offset < ends.get(span.sequence_id, 0):
            raise RequestFailure(
                f"{field}: expected every sampled token once, got token {span.offset} of sequence "
                f"{span.sequence_id!r} more than once {where}"
            )
        ends[span.sequence_id] = span.offset + span.length


def _claims(spans: list[ProvenanceSpan]) -> list[tuple[str, bool, int]]:
    """For each position its sequence, whether it was sampled, and its place there."""
    return [
        (span.sequence_id, isinstance(span, SampledProvenanceSpan), place)
        for span in spans
        for place in range(span.offset, span.offset + span.length)
    ]


def sampled_targets(data: list[Datum]) -> npt.NDArray[np.bool_]:
    """Whether each target was sampled, `[C]`, datum after datum."""
    spans = [span for datum in data for span in datum.loss_fn_input_spans or []]
    kinds = np.array([isinstance(span, SampledProvenanceSpan) for span in spans], dtype=np.bool_)
    return np.repeat(kinds, [span.length for span in spans])
