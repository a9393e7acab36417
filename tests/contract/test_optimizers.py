import pytest

from contract import AdamParams, DimuonParams, RequestFailure, adam_params


def test_parameters_of_adamw_are_taken_at_the_ends_of_their_ranges():
    ends = AdamParams(learning_rate=0.0, beta1=0.0, beta2=0.0, eps=0.0, weight_decay=0.0)
    assert adam_params(ends) is ends


def test_parameters_of_another_family_are_refused_by_its_name():
    with pytest.raises(RequestFailure, match=r"expected `adam_params`.*\(adamw\).*type 'dimuon'"):
        adam_params(DimuonParams(learning_rate=0.1))


@pytest.mark.parametrize("field", AdamParams.model_fields)
@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf")])
def test_a_number_out_of_range_is_refused_by_its_field(field, value):
    with pytest.raises(RequestFailure, match=rf"adam_params\.{field}: expected a .*, got {value}"):
        adam_params(AdamParams(**{field: value}))


@pytest.mark.parametrize("field", ["beta1", "beta2"])
def test_a_decay_is_below_one(field):
    with pytest.raises(RequestFailure, match=rf"{field}: expected a number from 0 to below 1, got 1.0"):
        adam_params(AdamParams(**{field: 1.0}))
