import json

import numpy as np
import pytest
import torch
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from contract import ForwardBackwardInput, RequestFailure, TensorData
from reference_engine.losses import batch_loss, check_batch
from tests.draws import draws
from tests.reference_engine.loss_batches import (
    RATIO_LOSSES,
    batch,
    datum,
    floats,
    parts,
    random_ratios,
    row,
)

# Properties


@examples(st.integers(0, 2**32 - 1), st.sampled_from(RATIO_LOSSES))
@settings(deadline=None, max_examples=draws(30, 200))
def test_a_batch_is_the_sum_of_its_datums_in_any_order(seed, loss):
    given, lp = random_ratios(seed, loss)
    whole = batch_loss(given, lp)
    alone = [
        batch_loss(batch(d, loss=loss), part) for d, part in zip(given.data, parts(given, lp), strict=True)
    ]
    assert whole.value == pytest.approx(sum(part.value for part in alone), rel=1e-9, abs=1e-9)
    torch.testing.assert_close(whole.slopes, torch.cat([part.slopes for part in alone]))
    turned = batch_loss(batch(*given.data[::-1], loss=loss), torch.cat(parts(given, lp)[::-1]))
    assert turned.value == pytest.approx(whole.value, rel=1e-9, abs=1e-9)


@examples(st.integers(0, 2**32 - 1), st.sampled_from(RATIO_LOSSES))
@settings(deadline=None, max_examples=draws(30, 200))
def test_means_stay_exact_when_a_client_combines_chunks(seed, loss):
    given, lp = random_ratios(seed, loss)
    whole = batch_loss(given, lp).metrics
    chunks = [
        batch_loss(batch(d, loss=loss), part).metrics
        for d, part in zip(given.data, parts(given, lp), strict=True)
    ]
    for key, value in whole.items():
        if key.endswith(":mean"):
            assert np.mean([chunk[key] for chunk in chunks]) == pytest.approx(value, abs=1e-12)
    assert set(chunks[0]) == set(whole)


def reweighted(given: ForwardBackwardInput, weights: list[np.ndarray]) -> ForwardBackwardInput:
    data = [
        d.model_copy(
            update={"loss_fn_inputs": {**d.loss_fn_inputs, "weights": TensorData.from_numpy(weight)}}
        )
        for d, weight in zip(given.data, weights, strict=True)
    ]
    return given.model_copy(update={"data": data})


@pytest.mark.parametrize("loss", RATIO_LOSSES)
def test_twice_the_weights_give_twice_the_loss(loss):
    given, lp = random_ratios(7, loss)
    doubled = reweighted(given, [2 * d.loss_fn_inputs["weights"].values for d in given.data])
    once, twice = batch_loss(given, lp), batch_loss(doubled, lp)
    assert twice.value == pytest.approx(2 * once.value, rel=1e-12)
    torch.testing.assert_close(twice.slopes, 2 * once.slopes)


@pytest.mark.parametrize("loss", RATIO_LOSSES)
def test_a_token_of_weight_0_changes_nothing_whatever_its_placeholder(loss):
    inputs = {"advantages": floats(1, 1), "weights": floats(0, 1), "sequence_ratio_mask": floats(0, 1)}
    if loss not in ("gspo", "stable_reinforce"):
        del inputs["sequence_ratio_mask"]
    values = []
    for placeholder in (0, -1e30, -1000, 3e38):
        given = datum(2, logprobs=floats(placeholder, -1.1), **inputs)
        found = batch_loss(batch(given, loss=loss), row(-1, -1))
        assert found.slopes[0] == 0
        values.append((found.value, found.slopes[1].item(), found.metrics))
    assert values == [values[0]] * 4


@pytest.mark.parametrize("loss", ["importance_sampling", "ppo", "cispo", "gspo", "stable_reinforce"])
def test_a_token_of_advantage_0_cannot_overflow(loss):
    given = datum(2, sampled=1, logprobs=floats(-1e4, -1), advantages=floats(0, 1))
    marks = {"sequence_ratio_mask": floats(0, 1)} if loss == "gspo" else {}
    marked = given.model_copy(update={"loss_fn_inputs": {**given.loss_fn_inputs, **marks}})
    assert batch_loss(batch(marked, loss=loss), row(-1, -1)).slopes[0] == 0


@pytest.mark.parametrize("loss", RATIO_LOSSES)
def test_at_the_sampler_every_loss_is_the_policy_gradient(loss):
    q, advantages = floats(-1, -2, -0.5), floats(1, -2, 3)
    found = batch_loss(
        batch(datum(3, logprobs=q, advantages=advantages), loss=loss), torch.from_numpy(q.values.copy())
    )
    assert found.slopes.tolist() == [-1, 2, -3]
    assert found.metrics["ratio:mean"] == found.metrics["ratio:max"] == 1
    assert found.metrics["kl:mean"] == 0


def test_ppo_inside_its_thresholds_is_importance_sampling():
    inputs = {"logprobs": floats(-1, -2), "advantages": floats(2, -1)}
    lp = row(-1.1, -1.9)
    ppo, plain = (batch_loss(batch(datum(2, **inputs), loss=x), lp) for x in ("ppo", "importance_sampling"))
    assert ppo.value == plain.value
    assert torch.equal(ppo.slopes, plain.slopes)


# Metrics


def test_metrics_tell_how_far_the_learner_is_from_the_sampler():
    inputs = {"logprobs": floats(-1, -1, 0), "advantages": floats(1, 1, 0)}
    given = batch(datum(3, **inputs), datum(1, logprobs=floats(-8), advantages=floats(0)), loss="ppo")
    metrics = batch_loss(given, row(-0.5, -1.1, -9, -1)).metrics
    assert metrics["ratio:mean"] == pytest.approx(((np.exp(0.5) + np.exp(-0.1)) / 2 + 1) / 2)
    assert metrics["ratio:max"] == pytest.approx(np.exp(0.5))
    assert metrics["kl:mean"] == pytest.approx((-0.5 + 0.1) / 4)
    assert metrics["clip_fraction:mean"] == pytest.approx(0.25)
    assert metrics["tokens:sum"] == 4


def test_the_largest_ratio_is_that_of_a_token_that_counts():
    inputs = {"logprobs": floats(-1, -1), "advantages": floats(0, 1)}
    metrics = batch_loss(batch(datum(2, **inputs), loss="dro"), row(-0.1, -2)).metrics
    assert metrics["ratio:max"] == pytest.approx(np.exp(-1))
    assert "clip_fraction:mean" not in metrics


def test_metrics_stay_finite_where_a_ratio_is_not():
    given = batch(datum(1, logprobs=floats(-3e38), advantages=floats(1)), loss="cispo")
    metrics = batch_loss(given, row(-1)).metrics
    assert metrics["ratio:max"] == pytest.approx(np.exp(20))
    json.dumps(metrics, allow_nan=False)


# Refusals


@pytest.mark.parametrize("loss", ["importance_sampling", "ppo", "gspo"])
def test_a_ratio_that_overflows_fails_and_names_the_datum(loss):
    fine = datum(1, logprobs=floats(-1), advantages=floats(1))
    broken = datum(2, logprobs=floats(-1000, -1000), advantages=floats(-1, -1))
    words = rf"{loss}: expected finite loss terms, got 2 of 2 that are not \(datum 2 of 2\); check logprobs"
    with pytest.raises(RequestFailure, match=words) as failure:
        batch_loss(batch(fine, broken, loss=loss), row(-1, -1, -1))
    assert failure.value.category == "user"


def test_a_slope_that_overflows_fails():
    given = datum(1, logprobs=floats(0), advantages=floats(3e38), weights=floats(-3e38))
    with pytest.raises(RequestFailure, match="cispo: expected finite loss terms, got 1 of 1"):
        batch_loss(batch(given, loss="cispo"), row(0))


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("loss", ["cross_entropy", *RATIO_LOSSES])
def test_a_model_that_diverged_is_told_so(loss, value):
    ratio = {} if loss == "cross_entropy" else {"logprobs": floats(-1, -1), "advantages": floats(1, 1)}
    words = (
        rf"{loss}: expected finite logprobs of the targets, got 1 of 2 that are not; the model has diverged"
    )
    with pytest.raises(RequestFailure, match=words):
        batch_loss(batch(datum(2, **ratio), loss=loss), row(-1, value))


def test_a_sum_beyond_double_precision_fails():
    given = batch(datum(4, weights=floats(1, 1, 1, 1)))
    with pytest.raises(
        RequestFailure, match="cross_entropy: expected a finite sum, got one beyond the range"
    ):
        batch_loss(given, row(*[-1e308] * 4, dtype=torch.float64))


def test_thresholds_that_cross_are_refused_before_the_forward_pass():
    inputs = {"logprobs": floats(-1, -1), "advantages": floats(1, 1)}
    words = r"clip_low_threshold: expected at most clip_high_threshold, got more for {} of 2 tokens \(datum 1"
    with pytest.raises(RequestFailure, match=words.format(1)):
        check_batch(batch(datum(2, clip_low_threshold=floats(2, 1), **inputs), loss="ppo"))
    with pytest.raises(RequestFailure, match=words.format(2)):
        check_batch(batch(datum(2, **inputs), loss="cispo", clip_high_threshold=-1.0))


def test_a_strict_server_refuses_the_loss_without_a_published_formula():
    given = batch(datum(1, logprobs=floats(-1), advantages=floats(1)), loss="stable_reinforce")
    check_batch(given)
    with pytest.raises(RequestFailure, match=r"published formula, got 'stable_reinforce'.*--strict-losses"):
        check_batch(given, strict=True)


def test_a_batch_that_the_contract_refuses_is_refused():
    with pytest.raises(RequestFailure, match=r"loss_fn_inputs\['weights'\]: expected 2 values.*got 1"):
        check_batch(batch(datum(2, weights=floats(1))))
