import pytest
from pydantic import ValidationError

from contract.training import (
    AdamOptimizerConfig,
    AdamParams,
    CreateModelRequest,
    DimuonOptimizerConfig,
    DimuonParams,
    ForwardBackwardInput,
    OptimizerConfigBase,
    OptimParamsBase,
    OptimStepRequest,
)


@pytest.mark.parametrize(
    ("params", "key"),
    [
        (AdamParams(learning_rate=0.5), "adam_params"),
        (DimuonParams(learning_rate=0.5), "optimizer_params"),
        (OptimParamsBase(type="novel", momentum=0.5), "optimizer_params"),
    ],
)
def test_the_name_of_the_hyperparameters_says_whose_they_are(params, key):
    sent = OptimStepRequest(optim_params=params, model_id="m", seq_id=1).model_dump()
    assert sent.pop(key) == params.model_dump()
    assert sent == {"model_id": "m", "seq_id": 1, "type": "optim_step"}


@pytest.mark.sdk
@pytest.mark.parametrize("params", [{"beta1": 0.5}, {"type": "dimuon", "learning_rate": 0.5}])
def test_an_optimizer_step_of_the_sdk_is_read_and_written_unchanged(params):
    from tinker import types

    kind = types.DimuonParams if "type" in params else types.AdamParams
    sent = types.OptimStepRequest(optim_params=kind(**params), model_id="m", seq_id=1).model_dump()
    assert OptimStepRequest.model_validate(sent).model_dump() == sent


def test_what_is_left_out_of_a_step_stays_out():
    step = OptimStepRequest(optim_params=AdamParams(), model_id="m")
    assert step.model_dump(include={"model_id"}) == {"model_id": "m"}


@pytest.mark.parametrize("params", [{"learning_rate": -1}, {"learning_rate": float("nan")}, {"beta1": 1}])
def test_dimuon_refuses_numbers_out_of_range(params):
    with pytest.raises(ValidationError, match=next(iter(params))):
        DimuonParams(**{"learning_rate": 0.1, **params})


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"type": "adamw"}, AdamOptimizerConfig),
        ({"type": "dimuon", "version": 1}, DimuonOptimizerConfig),
        ({"type": "novel", "order": 2}, OptimizerConfigBase),
    ],
)
def test_a_family_of_optimizers_is_known_by_its_name_and_may_be_new(config, kind):
    body = {"session_id": "s", "model_seq_id": 0, "base_model": "b", "optimizer_config": config}
    request = CreateModelRequest.model_validate(body)
    assert type(request.optimizer_config) is kind
    assert request.model_dump()["optimizer_config"] == config


def test_any_name_of_a_loss_is_read_so_that_the_future_can_fail():
    assert ForwardBackwardInput(data=[], loss_fn="mse").loss_fn == "mse"
