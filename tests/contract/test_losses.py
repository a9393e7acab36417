import numpy as np
import pytest

from contract.errors import RequestErrorCategory, RequestFailure
from contract.inputs import Datum, ImageChunk, ModelInput, SampledProvenanceSpan
from contract.losses import LOSSES, check_data, loss_settings

ONES = np.ones(2, np.float32)
TARGETS = np.array([1, 2])
RATIO = {"target_tokens": TARGETS, "logprobs": -ONES, "advantages": ONES}
SPANS = [SampledProvenanceSpan(sequence_id="a", length=2)]


def datum(inputs, **fields):
    return Datum(model_input=ModelInput.from_ints([5, 6]), loss_fn_inputs=inputs, **fields)


def fails(message):
    return pytest.raises(RequestFailure, match=message)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_takes_its_required_inputs(name):
    inputs = {key: RATIO[key] for key in LOSSES[name].required}
    check_data(name, [datum(inputs, model_input_spans=SPANS, loss_fn_input_spans=SPANS)])


@pytest.mark.parametrize("name", LOSSES)
def test_every_row_names_its_sources(name):
    loss = LOSSES[name]
    assert loss.name == name
    assert all([loss.source, *(setting.source for setting in loss.settings.values())])


def test_settings_are_the_defaults_overridden():
    assert loss_settings("ppo", None) == {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
    assert loss_settings("ppo", {"clip_low_threshold": 0})["clip_low_threshold"] == 0
    assert loss_settings("custom", {"loss_id": "loss-1"}) == {"loss_id": "loss-1"}


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("mse", {}, "loss_fn: expected one of cross_entropy, importance_sampling, .*custom, got 'mse'"),
        ("dro", {"gamma": 1}, r"loss_fn_config\['gamma'\]: expected a setting of dro \(beta\), got 1"),
        ("cross_entropy", {"x": 1}, r"expected a setting of cross_entropy \(it has none\), got 1"),
        ("dro", {"beta": float("nan")}, r"loss_fn_config\['beta'\]: expected a finite number, got nan"),
        ("custom", {}, r"loss_fn_config\['loss_id'\]: expected a value, got none for loss custom"),
    ],
)
def test_settings_that_do_not_fit_fail_the_request(name, config, message):
    with fails(message) as caught:
        loss_settings(name, config)
    assert caught.value.category is RequestErrorCategory.User


def test_cross_entropy_takes_several_targets_a_position():
    inputs = {"target_tokens": np.ones((2, 3), int), "weights": np.ones((2, 3))}
    check_data("cross_entropy", [datum(inputs)])


def test_a_custom_loss_takes_any_further_input():
    check_data("custom", [datum({"target_tokens": TARGETS, "rewards": np.full(7, np.nan)})])


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("ppo", {"target_tokens": TARGETS}, "got no logprobs and no advantages"),
        ("cross_entropy", RATIO, "for cross_entropy, got 'advantages', 'logprobs'"),
        (
            "cross_entropy",
            {"target_tokens": ONES},
            r"expected int64 of shape \[N\] or \[N, K\], got float32 \[2\]",
        ),
        (
            "ppo",
            RATIO | {"target_tokens": np.ones((2, 1), int)},
            r"expected int64 of shape \[N\], got int64 \[2, 1\]",
        ),
        (
            "cross_entropy",
            {"target_tokens": np.ones(3, int)},
            "expected 2 values, one per input token, got 3",
        ),
        ("ppo", RATIO | {"advantages": ONES[:1]}, "expected 2 values, one per target token, got 1"),
        (
            "ppo",
            RATIO | {"logprobs": np.ones((2, 1))},
            r"expected \[2\] values, one per target token, got \[2, 1\]",
        ),
        ("ppo", RATIO | {"logprobs": ONES * np.nan}, "expected finite numbers, got 2 that are not"),
        (
            "stable_reinforce",
            RATIO,
            "model_input_spans: expected provenance spans for stable_reinforce, got none",
        ),
    ],
)
def test_a_datum_that_does_not_fit_is_named_by_its_number(name, inputs, message):
    spanned = datum(
        {key: RATIO[key] for key in LOSSES[name].required}, model_input_spans=SPANS, loss_fn_input_spans=SPANS
    )
    with fails(rf"{message} \(datum 2 of 2\)$"):
        check_data(name, [spanned, datum(inputs)])


def test_a_batch_has_a_datum():
    with fails("data: expected at least one datum, got none"):
        check_data("cross_entropy", [])


def test_an_image_that_advises_no_tokens_cannot_be_counted():
    prompt = ModelInput(chunks=[ImageChunk(data=b"", format="png")])
    lengthless = Datum(model_input=prompt, loss_fn_inputs={"target_tokens": TARGETS})
    with fails(r"model_input: image chunk: expected expected_tokens to be set, got none \(datum 1 of 1\)"):
        check_data("cross_entropy", [lengthless])
