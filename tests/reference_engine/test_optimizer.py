"""AdamW against torch.optim's, and what a step must never do."""

from dataclasses import replace

import pytest
import torch

from contract import AdamParams, DimuonParams, RequestFailure
from reference_engine.optimizer import Moments, adamw_step

SIZE = 20_001


def numbers(seed, size=SIZE):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def flat():
    return numbers(0)


@pytest.fixture
def moments(flat):
    return Moments(0.1 * numbers(1), 0.01 * numbers(2).square(), 3)


def theirs(flat, programme):
    """The weights after each step of torch.optim.AdamW, whose norm is clipped by torch too."""
    weight = torch.nn.Parameter(flat.clone())
    optimizer = torch.optim.AdamW([weight], foreach=False)
    for gradients, params in programme:
        weight.grad = gradients.clone()
        if params.grad_clip_norm:
            torch.nn.utils.clip_grad_norm_([weight], params.grad_clip_norm)
        optimizer.param_groups[0] |= {
            "lr": params.learning_rate,
            "betas": (params.beta1, params.beta2),
            "eps": params.eps,
            "weight_decay": params.weight_decay,
        }
        optimizer.step()
        yield weight.detach().clone()


PROGRAMMES = {
    "defaults": [AdamParams()] * 5,
    "usual": [AdamParams(learning_rate=1e-3, eps=1e-8)] * 5,
    "decay": [AdamParams(learning_rate=1e-2, weight_decay=0.3)] * 5,
    "clip": [AdamParams(learning_rate=1e-2, grad_clip_norm=norm) for norm in (0.5, 1e9, 3.0, 0.0)],
    "changing": [
        AdamParams(learning_rate=1e-2, beta1=0.5, eps=1e-3),
        AdamParams(learning_rate=1e-4, beta2=0.999, weight_decay=0.1),
        AdamParams(learning_rate=0.0),
        AdamParams(learning_rate=1e-3, beta1=0.0, beta2=0.0, grad_clip_norm=2.0),
    ],
}


@pytest.mark.parametrize("params", PROGRAMMES.values(), ids=PROGRAMMES)
def test_steps_are_those_of_torch(flat, params):
    programme = [(numbers(seed) * 10.0 ** (seed - 2), one) for seed, one in enumerate(params)]
    moments = Moments.fresh(flat)
    for (gradients, one), expected in zip(programme, theirs(flat, programme), strict=True):
        flat, moments, _ = adamw_step(flat, gradients, moments, one)
        torch.testing.assert_close(flat, expected, rtol=1e-6, atol=1e-6)
    assert moments.steps == len(programme)


def test_the_norm_is_that_before_clipping(flat):
    gradients = numbers(5)
    params = AdamParams(grad_clip_norm=0.5, beta1=0.0)
    _, moments, metrics = adamw_step(flat, gradients, Moments.fresh(flat), params)

    assert metrics == {"grad_norm": pytest.approx(float(gradients.double().norm()), rel=1e-6)}
    assert float(moments.means.norm()) == pytest.approx(0.5)


def test_a_norm_at_the_limit_is_not_clipped(flat):
    gradients = torch.zeros_like(flat)
    gradients[-1] = 2.0
    _, moments, _ = adamw_step(
        flat, gradients, Moments.fresh(flat), AdamParams(grad_clip_norm=2.0, beta1=0.0)
    )
    assert torch.equal(moments.means, gradients)


def test_nothing_given_is_changed(flat, moments):
    gradients = numbers(5)
    before = [x.clone() for x in (flat, gradients, moments.means, moments.squares)]
    adamw_step(flat, gradients, moments, AdamParams(grad_clip_norm=0.1, weight_decay=0.1))

    after = [flat, gradients, moments.means, moments.squares]
    assert all(map(torch.equal, before, after))
    assert moments.steps == 3


def test_a_learning_rate_of_zero_leaves_the_weights_and_advances_the_moments(flat, moments):
    params = AdamParams(learning_rate=0.0, weight_decay=0.5, eps=0.0)
    same, advanced, _ = adamw_step(flat, numbers(5), moments, params)

    assert torch.equal(same, flat)
    assert advanced.steps == 4
    assert not torch.equal(advanced.means, moments.means)


def test_no_gradients_are_gradients_of_zero(flat, moments):
    params = AdamParams(learning_rate=0.1, weight_decay=0.1)
    moved, advanced, metrics = adamw_step(flat, None, moments, params)
    expected, _, _ = adamw_step(flat, torch.zeros_like(flat), moments, params)

    assert torch.equal(moved, expected)
    assert not torch.equal(moved, flat)
    torch.testing.assert_close(advanced.means, moments.means * 0.9)
    assert metrics == {"grad_norm": 0.0}


@pytest.mark.parametrize("eps", [1e-12, 0.0, 1e-60])
def test_numbers_without_a_gradient_stay_to_the_bit(flat, eps):
    gradients = numbers(5)
    gradients[::3] = 0.0
    moments, moved = Moments.fresh(flat), flat
    for _ in range(3):
        moved, moments, _ = adamw_step(moved, gradients, moments, AdamParams(learning_rate=0.1, eps=eps))
    assert torch.equal(moved[::3], flat[::3])
    assert (moved[1::3] != flat[1::3]).all()


def test_numbers_without_a_gradient_decay_where_there_is_no_eps(flat):
    params = AdamParams(learning_rate=0.1, eps=0.0, weight_decay=0.5)
    moved, _, _ = adamw_step(flat, torch.zeros_like(flat), Moments.fresh(flat), params)
    torch.testing.assert_close(moved, flat * 0.95, rtol=1e-6, atol=0)


def test_the_first_step_moves_each_number_by_the_learning_rate(flat):
    gradients = numbers(5)
    moved, _, _ = adamw_step(flat, gradients, Moments.fresh(flat), AdamParams(learning_rate=0.25))
    torch.testing.assert_close(moved, flat - 0.25 * gradients.sign())


@pytest.mark.parametrize("size", [1, 8191, 8192, SIZE, 300_001])
def test_the_bits_do_not_depend_on_the_number_of_threads(size):
    outcomes = []
    usual = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        flat, moments = numbers(0, size), Moments.fresh(numbers(0, size))
        for seed in (1, 2):
            params = AdamParams(learning_rate=0.1, grad_clip_norm=0.5, weight_decay=0.1)
            flat, moments, metrics = adamw_step(flat, numbers(seed, size), moments, params)
        outcomes.append([flat.numpy().tobytes(), moments.squares.numpy().tobytes(), metrics])
    torch.set_num_threads(usual)
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_step_works_on_tensors_of_inference_mode(flat, moments):
    expected, _, _ = adamw_step(flat, numbers(5), moments, AdamParams())
    with torch.inference_mode():
        moved, _, _ = adamw_step(flat.clone(), numbers(5), moments, AdamParams())
    assert torch.equal(adamw_step(moved, None, moments, AdamParams(learning_rate=0))[0], expected)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (float("nan"), "2 of 20001 that are not"),
        (float("-inf"), "2 of 20001 that are not"),
        (1e30, "some as large as 1e\\+30, whose squares are not"),
    ],
)
def test_gradients_that_are_not_finite_are_refused(flat, moments, value, got):
    gradients = numbers(5)
    gradients[[7, 20_000]] = value
    with pytest.raises(
        RequestFailure, match=f"optim_step: expected finite gradients, got {got}; nothing was"
    ):
        adamw_step(flat, gradients, moments, AdamParams(grad_clip_norm=1.0))


@pytest.mark.parametrize("rate", [1e39, 1e300])
def test_a_step_out_of_range_is_refused(flat, moments, rate):
    with pytest.raises(RequestFailure, match=r"expected finite weights, got others with learning_rate 1e\+3"):
        adamw_step(flat, numbers(5), moments, AdamParams(learning_rate=rate))


def test_parameters_are_checked(flat, moments):
    with pytest.raises(RequestFailure, match=r"adam_params\.beta1: expected a number from 0 to below 1"):
        adamw_step(flat, None, moments, AdamParams(beta1=1.0))
    with pytest.raises(RequestFailure, match=r"expected `adam_params`.*type 'dimuon'"):
        adamw_step(flat, None, moments, DimuonParams(learning_rate=1.0))


def test_state_that_was_kept_goes_on_as_if_it_had_not_been(flat, moments):
    params = AdamParams(learning_rate=0.1)
    kept = replace(moments, means=moments.means.clone(), squares=moments.squares.clone())
    on, after, _ = adamw_step(flat, numbers(5), moments, params)
    again, afterwards, _ = adamw_step(flat.clone(), numbers(5), kept, params)
    assert torch.equal(on, again)
    assert torch.equal(after.squares, afterwards.squares)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_on_a_gpu_is_that_on_the_cpu(flat, moments):
    params = AdamParams(learning_rate=0.1, grad_clip_norm=1.0)
    expected, _, metrics = adamw_step(flat, numbers(5), moments, params)
    there = Moments(moments.means.cuda(), moments.squares.cuda(), moments.steps)
    moved, _, measured = adamw_step(flat.cuda(), numbers(5).cuda(), there, params)
    torch.testing.assert_close(moved.cpu(), expected, rtol=1e-5, atol=1e-5)
    assert measured == pytest.approx(metrics, rel=1e-5)
