"""Every loss's derivative against finite differences of the loss that the backend reports."""

import numpy as np
import pytest

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    Datum,
    ForwardBackwardInput,
    LoraConfig,
    ModelInput,
    PromptProvenanceSpan,
    ProvenanceSpan,
    RequestFailure,
    SampledProvenanceSpan,
    TensorData,
)
from fake_server.safetensors_files import read_tensors, write_tensors
from fake_server.scripted import ScriptedBackend

MODEL, ADAPTER = "tinkerproof/pico", "adapter_model.safetensors"
TOKENS = [72, 101, 108, 108, 111, 72, 101, 108, 111]
N = len(TOKENS) - 1
SPANS: list[ProvenanceSpan] = [
    PromptProvenanceSpan(sequence_id="a", length=2),
    SampledProvenanceSpan(sequence_id="a", length=N - 2),
]


def backend() -> ScriptedBackend:
    made = ScriptedBackend(BackendOptions())
    made.create_model("m", MODEL, LoraConfig(rank=8), AdamOptimizerConfig())
    return made


def floats(*values: float) -> TensorData:
    return TensorData.from_numpy(np.resize(np.array(values, np.float32), N))


def datum(**inputs: TensorData) -> Datum:
    targets = TensorData(data=TOKENS[1:], dtype="int64")
    return Datum(
        model_input=ModelInput.from_ints(TOKENS[:-1]),
        loss_fn_inputs={"target_tokens": targets, **inputs},
        model_input_spans=SPANS,
        loss_fn_input_spans=SPANS,
    )


def ratio(gap: float = 0.1, **inputs: TensorData) -> Datum:
    """Sampler logprobs near the learner's, some gaps larger and of either sign."""
    start = backend().forward_backward("m", batch(datum()), forward_only=True)
    lp = start.loss_fn_outputs[0]["logprobs"].values
    gaps = gap * np.resize([1, -1, 5, -5, 0.5, 3, -3], N)
    defaults = {"logprobs": floats(*(lp - gaps)), "advantages": floats(1.5, -1, 0.7, 2, -0.4)}
    return datum(**{**defaults, **inputs})


def batch(*data: Datum, loss: str = "cross_entropy", **config: float) -> ForwardBackwardInput:
    return ForwardBackwardInput(data=list(data), loss_fn=loss, loss_fn_config=config or None)


def gradients(
    given: ForwardBackwardInput, first: ForwardBackwardInput | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Analytic gradients, read off Adam's means, and finite differences of `loss:sum`."""
    made = backend()
    made.forward_backward("m", first or batch(datum()))
    made.optim_step("m", AdamParams(learning_rate=1e-3))
    files = dict(made.save_weights("m", optimizer=False).files())
    made.load_weights("m", made.read_weights(files), optimizer=False)
    made.forward_backward("m", given)
    made.optim_step("m", AdamParams(learning_rate=0, beta1=0))
    stepped = made.save_weights("m", optimizer=True).files()
    means = read_tensors(stepped["optimizer.safetensors"], {"means": "F64", "squares": "F64"})["means"]
    tensors = read_tensors(files[ADAPTER], {"deltas": "F64", "keys": "I64"})

    def loss_at(place: int, shift: float) -> float:
        moved = tensors["deltas"].copy()
        moved[place] += shift
        files[ADAPTER] = write_tensors({**tensors, "deltas": moved})
        made.load_weights("m", made.read_weights(files), optimizer=False)
        return made.forward_backward("m", given, forward_only=True).metrics["loss:sum"]

    step = 1e-6
    differences = [(loss_at(n, step) - loss_at(n, -step)) / (2 * step) for n in range(len(means))]
    return means, np.array(differences)


CASES = {
    "cross_entropy": lambda: batch(datum(weights=floats(1, -2, 0, 0.5))),
    "importance_sampling": lambda: batch(ratio(weights=floats(1, 2)), loss="importance_sampling"),
    "ppo": lambda: batch(ratio(), loss="ppo", clip_low_threshold=0.7),
    "ppo, clips per token": lambda: batch(
        ratio(clip_low_threshold=floats(0.9, 0.1), clip_high_threshold=floats(1.05, 2)), loss="ppo"
    ),
    "cispo, truncated everywhere": lambda: batch(
        ratio(), loss="cispo", clip_low_threshold=0.5, clip_high_threshold=0.5
    ),
    "dro": lambda: batch(ratio(), loss="dro", beta=0.3),
    "gspo, one advantage": lambda: batch(
        ratio(advantages=floats(0, 2, 2, 2), sequence_ratio_mask=floats(0, 1, 0.5, -1)), loss="gspo"
    ),
    "gspo, clipped": lambda: batch(ratio(gap=-0.9, advantages=floats(-1)), loss="gspo"),
    "stable_reinforce": lambda: batch(
        ratio(clip_low_threshold=floats(2), clip_high_threshold=floats(2)),
        loss="stable_reinforce",
        kl_coeff=0.2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_reported_loss(case: str) -> None:
    analytic, numeric = gradients(CASES[case]())
    np.testing.assert_allclose(analytic, numeric, rtol=2e-5, atol=2e-5)


def test_gradients_of_several_targets_a_position_are_those_of_the_reported_loss() -> None:
    targets = TensorData.from_numpy(np.stack([TOKENS[1:], np.arange(97, 97 + N)], axis=1))

    def both(low: float) -> ForwardBackwardInput:
        weights = TensorData.from_numpy(np.linspace(low, 1, 2 * N).reshape(N, 2))
        inputs = {"target_tokens": targets, "weights": weights}
        return batch(Datum(model_input=ModelInput.from_ints(TOKENS[:-1]), loss_fn_inputs=inputs))

    analytic, numeric = gradients(both(-1), first=both(0.5))
    assert len(analytic) == 2 * N - 1
    np.testing.assert_allclose(analytic, numeric, rtol=2e-5, atol=2e-5)


def test_gspo_gives_each_token_the_gradient_of_its_own_logprob() -> None:
    start = backend().forward_backward("m", batch(datum()), forward_only=True)
    same_gap = ratio(logprobs=floats(*(start.loss_fn_outputs[0]["logprobs"].values - 0.05)))

    def means(loss: str) -> np.ndarray:
        made = backend()
        made.forward_backward("m", batch(same_gap, loss=loss))
        made.optim_step("m", AdamParams(learning_rate=0, beta1=0))
        stepped = made.save_weights("m", optimizer=True).files()
        return read_tensors(stepped["optimizer.safetensors"], {"means": "F64", "squares": "F64"})["means"]

    np.testing.assert_allclose(means("gspo"), means("importance_sampling"), rtol=1e-5)


def test_the_sequence_ratio_of_no_tokens_is_1() -> None:
    given = batch(ratio(advantages=floats(1.5), sequence_ratio_mask=floats(0)), loss="gspo")
    assert backend().forward_backward("m", given).metrics["loss:sum"] == pytest.approx(-1.5 * N)


def test_weights_multiply_the_terms_of_a_ratio_loss() -> None:
    for loss in ("importance_sampling", "ppo", "cispo", "dro", "gspo", "stable_reinforce"):
        once = backend().forward_backward("m", batch(ratio(), loss=loss)).metrics
        twice = backend().forward_backward("m", batch(ratio(weights=floats(2)), loss=loss)).metrics
        assert twice["loss:sum"] == pytest.approx(2 * once["loss:sum"])


def test_stable_reinforce_counts_sampled_tokens_only() -> None:
    prompt_only = floats(1, 1, *[0.0] * (N - 2))
    given = batch(ratio(advantages=prompt_only), loss="stable_reinforce")
    assert backend().forward_backward("m", given).metrics["loss:sum"] == 0


def test_a_truncated_ratio_is_held_constant() -> None:
    given = ratio(logprobs=floats(-1), advantages=floats(1))
    made = backend()
    start = made.forward_backward("m", batch(given, loss="cispo"), forward_only=True)
    lp = start.loss_fn_outputs[0]["logprobs"].values.astype(float)
    expected = -(np.minimum(np.exp(lp + 1), 4) * lp).sum()
    assert start.metrics["loss:sum"] == pytest.approx(expected, rel=1e-6)


def test_a_ratio_that_overflows_fails_and_names_the_datum() -> None:
    broken = ratio(logprobs=floats(-1000))
    for loss in ("importance_sampling", "ppo", "gspo"):
        with pytest.raises(RequestFailure, match=rf"{loss}: expected finite .*\(datum 2 of 2\)") as failure:
            backend().forward_backward("m", batch(ratio(), broken, loss=loss))
        assert failure.value.category == "user"


def test_a_sum_that_overflows_fails() -> None:
    start = backend().forward_backward("m", batch(datum()), forward_only=True)
    lp = start.loss_fn_outputs[0]["logprobs"].values
    given = ratio(logprobs=floats(*(lp - 709.5)), advantages=floats(1))
    with pytest.raises(RequestFailure, match="loss: expected a finite sum"):
        backend().forward_backward("m", batch(given, loss="importance_sampling"))


@pytest.mark.parametrize(
    ("inputs", "config", "words"),
    [
        ({"clip_low_threshold": floats(2)}, {}, r"clip_low_threshold: expected at most .* 8 of 8"),
        (
            {},
            {"clip_high_threshold": "high"},
            r"loss_fn_config\['clip_high_threshold'\]: expected a finite number",
        ),
        ({}, {"clip_high": 1.0}, "expected a setting of ppo"),
    ],
)
def test_settings_that_make_no_sense_are_refused(inputs: dict, config: dict, words: str) -> None:
    given = ForwardBackwardInput(data=[ratio(**inputs)], loss_fn="ppo", loss_fn_config=config)
    with pytest.raises(RequestFailure, match=words):
        backend().forward_backward("m", given)
