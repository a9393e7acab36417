"""AdamW against a few independent lines, and what accumulation does not depend on."""

import numpy as np
import pytest

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    Datum,
    DimuonParams,
    ForwardBackwardInput,
    LoraConfig,
    ModelInput,
    OptimParamsBase,
    RequestFailure,
)
from fake_server.safetensors_files import read_tensors
from fake_server.scripted import ScriptedBackend

MODEL = "Qwen/Qwen3-8B"


def backend(**lora: int) -> ScriptedBackend:
    made = ScriptedBackend(BackendOptions())
    made.create_model("m", MODEL, LoraConfig(rank=8, **lora), AdamOptimizerConfig())
    return made


def datum(*tokens: int, weight: float = 1.0) -> Datum:
    inputs = {"target_tokens": [*tokens[1:]], "weights": [weight] * (len(tokens) - 1)}
    return Datum(model_input=ModelInput.from_ints([*tokens[:-1]]), loss_fn_inputs=inputs)


def batch(*data: Datum) -> ForwardBackwardInput:
    return ForwardBackwardInput(data=list(data), loss_fn="cross_entropy")


def state(made: ScriptedBackend) -> dict[str, np.ndarray]:
    files = made.save_weights("m", optimizer=True).files()
    adapter = read_tensors(files["adapter_model.safetensors"], {"deltas": "F64", "keys": "I64"})
    return {**adapter, **read_tensors(files["optimizer.safetensors"], {"means": "F64", "squares": "F64"})}


DATA = [datum(1, 2, 3, 4), datum(1, 2, 9, 4, 1, 2, 3), datum(7, 8, weight=-2.0)]


def norm(*batches: ForwardBackwardInput) -> float:
    made = backend()
    for given in batches:
        made.forward_backward("m", given)
    return (made.optim_step("m", AdamParams()).metrics or {})["grad_norm"]


def test_steps_are_adamw_as_numpy_says_it() -> None:
    made = backend()
    theta = m = v = np.zeros(0)
    hyper = AdamParams(learning_rate=0.01, beta1=0.8, eps=1e-8, weight_decay=0.1, grad_clip_norm=50.0)
    for step in range(1, 5):
        probe = backend()
        probe.load_weights("m", made.save_weights("m", optimizer=True), optimizer=True)
        for one in (made, probe):
            one.forward_backward("m", batch(*DATA))
        probe.load_weights("m", made.save_weights("m", optimizer=False), optimizer=False)
        probe.forward_backward("m", batch(*DATA))
        gradient_norm = probe.optim_step("m", AdamParams(beta1=0, beta2=0)).metrics["grad_norm"]
        g = state(probe)["means"] * min(1, 50 / gradient_norm)
        theta, m, v = (np.resize(x, g.shape) if x.size else np.zeros_like(g) for x in (theta, m, v))
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        theta = theta - 0.01 * 0.1 * theta
        theta = theta - 0.01 * (m / (1 - 0.8**step)) / (np.sqrt(v / (1 - 0.95**step)) + 1e-8)
        assert made.optim_step("m", hyper).metrics == {"grad_norm": gradient_norm}
        np.testing.assert_allclose(state(made)["deltas"], theta, rtol=1e-9)


def test_the_order_and_the_splitting_of_calls_changes_no_bit() -> None:
    calls = [[batch(*DATA)], [batch(*DATA[::-1])], [batch(one) for one in DATA[::-1]]]
    outcomes = []
    for batches in calls:
        made = backend()
        for _ in range(3):
            for given in batches:
                made.forward_backward("m", given)
            made.optim_step("m", AdamParams(learning_rate=0.01))
        outcomes.append(made.save_weights("m", optimizer=True).files())
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_gradients_add_up() -> None:
    once = norm(batch(DATA[0]))
    assert norm(batch(DATA[0]), batch(DATA[0])) == pytest.approx(2 * once)
    assert norm(batch(DATA[0], DATA[0])) == pytest.approx(2 * once)
    assert norm(batch(datum(1, 2, 3, 4, weight=2.0))) == pytest.approx(2 * once)
    assert norm(batch(datum(1, 2, 3, 4, weight=0.0))) == 0


def test_a_step_clears_the_gradients_and_later_steps_coast() -> None:
    made = backend()
    made.forward_backward("m", batch(*DATA))
    made.optim_step("m", AdamParams())
    before = state(made)["deltas"]
    assert made.optim_step("m", AdamParams()).metrics == {"grad_norm": 0.0}
    assert (state(made)["deltas"] != before).all()


def test_a_step_without_gradients_leaves_a_fresh_adapter_as_it_is() -> None:
    made = backend()
    assert made.optim_step("m", AdamParams(learning_rate=1.0, eps=0.0)).metrics == {"grad_norm": 0.0}
    assert not len(state(made)["keys"])


def test_a_learning_rate_of_zero_changes_no_answer() -> None:
    made = backend()
    for rate in (0.01, 0.0):
        made.forward_backward("m", batch(*DATA))
        made.optim_step("m", AdamParams(learning_rate=rate))
    made.forward_backward("m", batch(datum(5, 6, 7)))
    before = made.forward_backward("m", batch(datum(5, 6, 7), *DATA), forward_only=True).model_dump()
    made.optim_step("m", AdamParams(learning_rate=0.0))
    coasted = state(made)["deltas"]
    after = made.forward_backward("m", batch(datum(5, 6, 7), *DATA), forward_only=True).model_dump()
    assert after == before
    made.optim_step("m", AdamParams(learning_rate=0.0))
    assert (state(made)["deltas"] == coasted).all()


def test_clipping_makes_the_norm_the_limit_and_reports_it_unclipped() -> None:
    made = backend()
    made.forward_backward("m", batch(*DATA))
    metrics = made.optim_step("m", AdamParams(grad_clip_norm=0.5, beta1=0.0)).metrics
    assert metrics == {"grad_norm": norm(batch(*DATA))}
    assert np.linalg.norm(state(made)["means"]) == pytest.approx(0.5)


def test_other_seeds_ranks_and_parts_learn_at_other_speeds() -> None:
    speeds = set()
    for lora in ({}, {"seed": 1}, {"seed": 2}, {"train_mlp": False}, {"seed": 0}):
        made = backend(**lora)
        for _ in range(2):
            output = made.forward_backward("m", batch(*DATA))
            made.optim_step("m", AdamParams(learning_rate=0.01))
        speeds.add(output.metrics["loss:sum"])
    assert len(speeds) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", -1.0),
        ("learning_rate", float("nan")),
        ("eps", -1e-8),
        ("weight_decay", float("inf")),
        ("grad_clip_norm", -1.0),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("beta2", float("nan")),
    ],
)
def test_hyperparameters_out_of_range_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(RequestFailure, match=rf"adam_params\.{field}: expected a .*number .*, got {value}"):
        backend().optim_step("m", AdamParams(**{field: value}))


@pytest.mark.parametrize("params", [DimuonParams(learning_rate=0.1), OptimParamsBase(type="lion")])
def test_parameters_of_another_family_are_refused(params: OptimParamsBase) -> None:
    with pytest.raises(RequestFailure, match=f"expected `adam_params`.*of the type '{params.type}'"):
        backend().optim_step("m", params)


def test_a_step_out_of_range_is_refused_and_changes_nothing() -> None:
    made = backend()
    made.forward_backward("m", batch(*DATA))
    before = made.save_weights("m", optimizer=True).files()
    with pytest.raises(RequestFailure, match=r"expected finite weights.*nothing was changed"):
        made.optim_step("m", AdamParams(learning_rate=1e300))
    assert made.save_weights("m", optimizer=True).files() == before
    assert made.optim_step("m", AdamParams()).metrics != {"grad_norm": 0.0}


def test_training_makes_the_targets_likelier_at_usual_learning_rates() -> None:
    made = backend()
    losses = []
    for _ in range(20):
        losses.append(made.forward_backward("m", batch(DATA[0])).metrics["loss:sum"])
        made.optim_step("m", AdamParams(learning_rate=1e-2))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.1 * losses[0]
