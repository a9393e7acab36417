import numpy as np
import pytest
import torch
from torch import Tensor

from contract import Datum, ForwardBackwardInput, ModelInput, TensorData, loss_settings
from fake_server.scripted_batch import Layout
from fake_server.scripted_loss import token_terms
from reference_engine.losses import batch_loss, check_batch
from tests.reference_engine.loss_batches import (
    RATIO_LOSSES,
    Analytic,
    batch,
    datum,
    floats,
    parts,
    random_ratios,
    row,
    surrogate_slopes,
)

SEEDS = range(12)


def column(given: ForwardBackwardInput, key: str, default: float) -> Tensor:
    parts = [d.loss_fn_inputs.get(key) for d in given.data]
    sizes = [d.model_input.length for d in given.data]
    filled = [
        np.full(n, default) if p is None else p.values.astype(float)
        for p, n in zip(parts, sizes, strict=True)
    ]
    return torch.from_numpy(np.concatenate(filled))


# Hand-computed examples


def test_cross_entropy_is_the_weighted_sum_of_negative_logprobs():
    given = batch(datum(2, weights=floats(1, -2)), datum(1))
    found = batch_loss(given, row(-1, -3, -0.5))
    assert found.value == pytest.approx(1 - 6 + 0.5)
    assert found.slopes.tolist() == [-1, 2, -1]
    assert found.metrics == {"loss:sum": found.value, "tokens:sum": 3}


def test_importance_sampling_weighs_the_advantage_by_the_ratio():
    q, a = floats(-2, -2), floats(3, -1)
    found = batch_loss(batch(datum(2, logprobs=q, advantages=a), loss="importance_sampling"), row(-1, -2))
    assert found.value == pytest.approx(-(np.e * 3 - 1))
    np.testing.assert_allclose(found.slopes, [-np.e * 3, 1], rtol=1e-6)


def test_ppo_stops_at_the_side_that_helps_it():
    lp = row(*np.log([1.5, 1.5, 0.5, 0.5, 1.1]))
    given = datum(5, logprobs=floats(0, 0, 0, 0, 0), advantages=floats(1, -1, 1, -1, 2))
    found = batch_loss(batch(given, loss="ppo"), lp)
    np.testing.assert_allclose(found.slopes, [0, 1.5, -0.5, 0, -2.2], rtol=1e-6)
    assert found.value == pytest.approx(-(1.2 - 1.5 + 0.5 - 0.8 + 2.2), rel=1e-6)
    assert found.metrics["clip_fraction:mean"] == pytest.approx(0.8)


def test_cispo_holds_the_clamped_ratio_constant():
    given = datum(2, logprobs=floats(-5, -1), advantages=floats(1, 2))
    found = batch_loss(batch(given, loss="cispo"), row(-1, -2))
    np.testing.assert_allclose(found.slopes, [-4, -2 / np.e], rtol=1e-6)
    assert found.value == pytest.approx(4 + 4 / np.e)


def test_dro_is_pulled_back_to_the_sampler():
    given = datum(1, logprobs=floats(-3), advantages=floats(2))
    found = batch_loss(batch(given, loss="dro", beta=0.5), row(-1))
    assert found.slopes.tolist() == [-1]
    assert found.value == pytest.approx(2 + 0.25 * 4)


def test_gspo_has_one_ratio_for_a_sequence():
    inputs = {"logprobs": floats(0, -2, -2), "advantages": floats(0, 1, -3)}
    given = datum(3, sequence_ratio_mask=floats(0, 1, 1), **inputs)
    found = batch_loss(
        batch(given, datum(1, logprobs=floats(-9), advantages=floats(0)), loss="gspo"),
        row(-7, -1.9, -1.9, -9),
    )
    ratio = np.exp(0.1)
    np.testing.assert_allclose(found.slopes, [0, -ratio, 3 * ratio, 0], rtol=1e-6)
    assert found.value == pytest.approx(2 * ratio)


def test_the_sequence_ratio_of_no_tokens_is_1():
    inputs = {"logprobs": floats(-5, -5), "advantages": floats(1, 2)}
    found = batch_loss(batch(datum(2, sequence_ratio_mask=floats(0, 0), **inputs), loss="gspo"), row(-1, -1))
    assert found.slopes.tolist() == [-1, -2]


def test_stable_reinforce_counts_sampled_and_marked_tokens_and_says_whose_it_is():
    inputs = {"logprobs": floats(-9, -1, -1, -4), "advantages": floats(1, 1, 1, 1)}
    given = datum(4, sampled=3, sequence_ratio_mask=floats(1, 0, 1, 1), **inputs)
    found = batch_loss(batch(given, loss="stable_reinforce", kl_coeff=0.1), row(-1, -1, -1, -2))
    np.testing.assert_allclose(found.slopes, [0, 0, -1, -(4 - 0.2)], rtol=1e-6)
    assert found.value == pytest.approx(1 + 8 + 0.05 * 4)
    assert found.metrics["stable_reinforce_is_ours:max"] == 1


# Sparse and several targets


def listed(values: list[float], columns: list[int], dtype: str) -> TensorData:
    """Two positions of three targets; the first `len(values) - 1` cells are listed at position 0."""
    return TensorData(
        data=values,
        dtype=dtype,
        shape=[2, 3],
        sparse_crow_indices=[0, len(values) - 1, len(values)],
        sparse_col_indices=columns,
    )


def several(**inputs: TensorData) -> ForwardBackwardInput:
    return batch(Datum(model_input=ModelInput.from_ints([1, 2]), loss_fn_inputs=inputs))


SPARSE, DENSE = listed([5, 6, 7], [0, 2, 1], "int64"), np.array([[5, 0, 6], [0, 7, 0]])
WEIGHTS = np.array([[0.5, 0, -1], [0, 2, 0]], np.float32)


@pytest.mark.parametrize("targets", [SPARSE, DENSE], ids=["sparse targets", "dense targets"])
@pytest.mark.parametrize(
    "weights", [listed([0.5, -1, 2], [0, 2, 1], "float32"), WEIGHTS], ids=["sparse", "dense"]
)
def test_weights_mean_the_same_dense_and_sparse(targets, weights):
    given = several(target_tokens=targets, weights=weights)
    check_batch(given)
    found = batch_loss(given, row(-1, -2, -3, -4, -5, -6))
    assert found.slopes.tolist() == (-WEIGHTS).ravel().tolist()
    assert found.value == pytest.approx(0.5 - 3 + 10)


def test_without_weights_every_listed_target_weighs_1():
    lp = row(-1, -2, -3, -4, -5, -6)
    assert batch_loss(several(target_tokens=SPARSE), lp).slopes.tolist() == [-1, 0, -1, 0, -1, 0]
    assert batch_loss(several(target_tokens=DENSE), lp).slopes.tolist() == [-1] * 6


# Against finite differences and against the scripted backend


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", ["importance_sampling", "ppo", "dro"])
def test_slopes_are_the_finite_differences_of_the_value(loss, seed):
    given, logprobs = random_ratios(seed, loss)
    assert torch.autograd.gradcheck(Analytic.apply, (logprobs.requires_grad_(), given), nondet_tol=0)


def test_slopes_of_cross_entropy_are_the_finite_differences_of_the_value():
    given = batch(datum(3, weights=floats(1, -2, 0)), datum(2))
    lp = row(-1, -2, -3, -0.1, -9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(Analytic.apply, (lp, given))


def cispo(given: ForwardBackwardInput, start: Tensor, lp: Tensor) -> Tensor:
    weights, advantages = column(given, "weights", 1), column(given, "advantages", 0)
    low, high = column(given, "clip_low_threshold", 0), column(given, "clip_high_threshold", 4)
    held = (start - column(given, "logprobs", 0)).exp().clamp(low, high)
    return -(weights * held * lp * advantages).sum()


def gspo(given: ForwardBackwardInput, start: Tensor, lp: Tensor) -> Tensor:
    marks = column(given, "sequence_ratio_mask", 1)
    gaps = zip(parts(given, start - column(given, "logprobs", 0)), parts(given, marks != 0), strict=True)
    means = [gap[mark].mean() if mark.any() else gap.new_zeros(()) for gap, mark in gaps]
    spread = [mean.expand(d.model_input.length) for mean, d in zip(means, given.data, strict=True)]
    ratio = (torch.cat(spread) + lp - start).exp()
    low, high = column(given, "clip_low_threshold", 0.8), column(given, "clip_high_threshold", 1.2)
    advantages = column(given, "advantages", 0)
    objective = torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages)
    return -(column(given, "weights", 1) * objective).sum()


def stable_reinforce(given: ForwardBackwardInput, start: Tensor, lp: Tensor) -> Tensor:
    held = (start - column(given, "logprobs", 0)).exp()
    held = held.clamp(column(given, "clip_low_threshold", 0), column(given, "clip_high_threshold", 4))
    sizes = [d.model_input.length for d in given.data]
    sampled = torch.cat([(torch.arange(n) >= n - (n + 1) // 2).double() for n in sizes])
    chosen = column(given, "weights", 1) * sampled * (column(given, "sequence_ratio_mask", 1) != 0)
    gap = lp - column(given, "logprobs", 0)
    return -(chosen * (held * lp * column(given, "advantages", 0) - 0.3 / 2 * gap**2)).sum()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("surrogate", [cispo, gspo, stable_reinforce], ids=lambda f: f.__name__)
def test_slopes_are_the_finite_differences_with_the_weight_held_constant(surrogate, seed):
    config = {"kl_coeff": 0.3} if surrogate is stable_reinforce else {}
    given, lp = random_ratios(seed, surrogate.__name__, **config)
    held = lambda moving: surrogate(given, lp, moving)  # noqa: E731
    assert torch.autograd.gradcheck(held, lp.clone().requires_grad_())
    found = batch_loss(given, lp)
    torch.testing.assert_close(found.slopes, surrogate_slopes(held, lp))
    assert found.value == pytest.approx(float(held(lp)), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", RATIO_LOSSES)
def test_the_scripted_backend_computes_the_same(loss, seed):
    given, lp = random_ratios(seed, loss)
    check_batch(given)
    layout = Layout.of([len(part) for part in parts(given, lp)])
    wanted = token_terms(loss, given.data, lp.numpy(), layout, loss_settings(loss, None))
    found = batch_loss(given, lp)
    assert found.value == pytest.approx(wanted.values.sum(), rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(found.slopes, wanted.slopes, rtol=1e-10)


@pytest.mark.parametrize("loss", RATIO_LOSSES)
def test_single_precision_is_close_to_double(loss):
    given, lp = random_ratios(5, loss, sizes=(40, 30))
    single, double = batch_loss(given, lp.float()), batch_loss(given, lp)
    assert single.value == pytest.approx(double.value, rel=1e-5)
    torch.testing.assert_close(single.slopes.double(), double.slopes, rtol=1e-5, atol=1e-5)
    assert single.slopes.dtype == torch.float32
