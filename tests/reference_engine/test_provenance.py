import pytest

from contract import (
    Datum,
    ModelInput,
    PromptProvenanceSpan,
    ProvenanceSpan,
    RequestFailure,
    SampledProvenanceSpan,
)
from reference_engine.losses import check_batch
from reference_engine.provenance import check_spans, sampled_targets
from tests.reference_engine.loss_batches import batch, datum, floats


def prompt(length: int, offset: int = 0, name: str = "a") -> ProvenanceSpan:
    return PromptProvenanceSpan(sequence_id=name, offset=offset, length=length)


def sampled(length: int, offset: int = 0, name: str = "a") -> ProvenanceSpan:
    return SampledProvenanceSpan(sequence_id=name, offset=offset, length=length)


def spanned(inputs: list[ProvenanceSpan], targets: list[ProvenanceSpan]) -> Datum:
    length = sum(span.length for span in targets)
    return Datum(
        model_input=ModelInput.from_ints([1] * length),
        loss_fn_inputs={"target_tokens": [1] * length},
        model_input_spans=inputs,
        loss_fn_input_spans=targets,
    )


TWO_TURNS = spanned(
    [prompt(2), sampled(3), prompt(2, offset=5, name="b"), sampled(1, name="b")],
    [prompt(1, offset=1), sampled(3), prompt(2, offset=5, name="b"), sampled(2, name="b")],
)


def test_the_spans_of_a_conversation_fit():
    check_spans(TWO_TURNS, "(datum 1 of 1)")
    assert sampled_targets([TWO_TURNS]).tolist() == [False, True, True, True, False, False, True, True]


def test_empty_spans_claim_nothing():
    check_spans(spanned([prompt(1), sampled(0)], [prompt(0, offset=1), sampled(1)]), "")
    check_spans(spanned([sampled(1), sampled(0, offset=1)], [sampled(0), sampled(1, offset=1)]), "")


def test_a_sequence_in_two_pieces_fits():
    check_spans(
        spanned([prompt(1), sampled(2), sampled(1, offset=4)], [sampled(2), sampled(2, offset=4)]), ""
    )


@pytest.mark.parametrize(
    ("inputs", "targets", "words"),
    [
        (
            [prompt(1), sampled(2)],
            [sampled(2), sampled(1, offset=1)],
            r"loss_fn_input_spans: expected every sampled token once, got token 1 of sequence 'a' more than",
        ),
        (
            [sampled(2, offset=1), sampled(2)],
            [sampled(4)],
            r"model_input_spans: expected every sampled token once, got token 1 of sequence 'a'",
        ),
        (
            [prompt(2)],
            [prompt(2, offset=1)],
            r"loss_fn_input_spans: expected a span of sampled tokens, got none",
        ),
        (
            [prompt(1), sampled(2)],
            [prompt(1), sampled(2)],
            r"expected the claims of model_input_spans one position later, got others for 2 of 2 targets, "
            r"the first of them 0",
        ),
        (
            [prompt(1), sampled(2)],
            [sampled(1), sampled(2, name="b")],
            r"got others for 1 of 2 targets, the first of them 1 ",
        ),
    ],
)
def test_claims_that_cannot_be_true_are_refused(inputs, targets, words):
    with pytest.raises(RequestFailure, match=rf"{words}.*\(datum 3 of 4\)"):
        check_spans(spanned(inputs, targets), "(datum 3 of 4)")


def test_a_batch_is_checked_datum_by_datum():
    ratio = {"logprobs": floats(-1, -1), "advantages": floats(1, 1)}
    fine = datum(2, **ratio)
    broken = fine.model_copy(update={"model_input_spans": [prompt(2)]})
    with pytest.raises(RequestFailure, match=r"for 1 of 1 targets, the first of them 0 \(datum 2 of 2\)"):
        check_batch(batch(fine, broken, loss="stable_reinforce"))
    check_batch(batch(fine, broken, loss="importance_sampling"))


def test_a_batch_without_spans_is_refused_by_the_contract():
    bare = datum(1, logprobs=floats(-1), advantages=floats(1))
    bare = bare.model_copy(update={"model_input_spans": None, "loss_fn_input_spans": None})
    with pytest.raises(RequestFailure, match="expected provenance spans for stable_reinforce, got none"):
        check_batch(batch(bare, loss="stable_reinforce"))
