"""When a fault strikes: names of operations, counted calls, rolls of a seed, fields, versions."""

import re

import pytest

from contract import CreateModelRequest, GetInfoRequest
from contract.versions import SdkVersion
from fake_server.occasions import When, operations_of, roll
from fake_server.traffic import Exchange


def exchange(operation="optim_step", version="0.38.0", request=None):
    return Exchange(1, 0.0, operation, SdkVersion.parse(version), request=request)


def struck(when, calls=10, key=""):
    """The numbers of the calls that are struck."""
    numbers = []
    for call in range(1, calls + 1):
        if when.strikes(call, len(numbers), key):
            numbers.append(call)
    return numbers


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("optim_step", {"optim_step"}),
        ("sample", {"asample"}),
        ("retrieve_future?", {"retrieve_futures"}),
        ("save_state", {"save_weights"}),
        ("*_checkpoint", {"delete_checkpoint", "publish_checkpoint", "unpublish_checkpoint"}),
    ],
)
def test_operations_have_the_names_of_the_contract_and_of_the_sdk(pattern, names):
    assert operations_of(pattern) == names


def test_every_operation_is_meant_by_a_star():
    assert len(operations_of("*")) > 40


@pytest.mark.parametrize(
    ("pattern", "near"),
    [
        ("optm_step", "optim_step"),
        ("forward_back", "forward_backward"),
        ("xyzzy", "`tinkerproof operations`"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused_with_what_is_near(pattern, near):
    with pytest.raises(ValueError, match=rf"got '{pattern}'; near: .*{near}"):
        When(operation=pattern)
    with pytest.raises(ValueError, match=f"got '{pattern}'"):
        When(future=pattern)


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ({"nth": 3}, [3]),
        ({"nth": (1, 4)}, [1, 4]),
        ({"every": 3}, [3, 6, 9]),
        ({"after": 7}, [8, 9, 10]),
        ({"after": 4, "nth": 2}, [6]),
        ({"times": 2}, [1, 2]),
        ({"every": 4, "times": 1}, [4]),
        ({"probability": 0}, []),
    ],
)
def test_calls_are_counted(fields, calls):
    assert struck(When(**fields)) == calls


@pytest.mark.parametrize(
    "fields", [{"nth": 0}, {"every": 0}, {"times": 0}, {"after": -1}, {"probability": 1.1}, {"colour": 1}]
)
def test_numbers_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        When(**fields)


def test_chances_are_pure_in_seed_and_call():
    one, other = When(probability=0.5, seed=1), When(probability=0.5, seed=2)

    assert struck(one, 200) == struck(one, 200)
    assert struck(one, 200) != struck(other, 200)
    assert struck(one, 200) != struck(one, 200, key="reset")
    assert 60 < len(struck(one, 200)) < 140


def test_a_roll_is_the_same_on_every_machine():
    assert roll(7, "status", 3) == 0.07584829361958301


def test_rolls_are_spread_evenly():
    rolls = sorted(roll(0, number) for number in range(1000))

    assert all(abs(value - number / 1000) < 0.05 for number, value in enumerate(rolls))


def test_an_operation_matches_by_name_alone():
    assert When(operation="optim_step", future=None, sdk=None).matches(exchange(), None)
    assert When(operation="optim_*").matches(exchange(), None)
    assert not When(operation="asample").matches(exchange(), None)


@pytest.mark.parametrize(
    ("sdk", "version", "fits"),
    [
        (">=0.20", "0.20.0", True),
        (">=0.20,<0.30", "0.30.0", False),
        ("<=0.20", "0.20.5", True),
        (">0.20", "0.20.5", False),
        ("0.38", "0.38.4", True),
        ("==0.38.0", "0.38.4", False),
    ],
)
def test_a_range_of_sdk_versions(sdk, version, fits):
    assert When(sdk=sdk).matches(exchange(version=version), None) is fits


def test_a_range_that_is_none_is_refused():
    with pytest.raises(ValueError, match=re.escape("sdk: expected a range as '>=0.20,<0.30'")):
        When(sdk="newest")


def test_fields_are_compared_by_dotted_name():
    request = CreateModelRequest(session_id="s", model_seq_id=0, base_model="m", lora_config={"rank": 8})
    when = When(operation="create_model", fields={"session_id": "s", "lora_config.rank": 8})

    assert when.needs_request
    assert when.matches(exchange("create_model", request=request), None)
    assert not when.matches(
        exchange("create_model", request=request.model_copy(update={"session_id": "t"})), None
    )
    assert not when.matches(exchange("create_model", request=None), None)


def test_a_key_of_a_mapping_is_a_name_too():
    when = When(operation="create_session", fields={"user_metadata.run": "a"})
    has = type("Request", (), {"user_metadata": {"run": "a"}})()

    assert when.matches(exchange("create_session", request=has), None)


def test_a_field_that_no_request_has_is_refused():
    with pytest.raises(
        ValueError, match=r"fields: expected fields of a request of 'optim_step', got 'modelid'"
    ):
        When(operation="optim_step", fields={"modelid": "m"})
    with pytest.raises(ValueError, match="near: "):
        When(operation="optim_step", fields={"xyzzy": 1})


def test_polls_are_told_apart_by_what_they_poll():
    when = When(operation="retrieve_future", future="optim*")

    assert when.matches(exchange("retrieve_future"), "optim_step")
    assert not when.matches(exchange("retrieve_future"), "asample")
    assert not when.matches(exchange("retrieve_future"), None)


def test_a_predicate_has_the_last_word():
    when = When(predicate=lambda one: isinstance(one.request, GetInfoRequest))

    assert when.needs_request
    assert not when.matches(exchange(), None)
    assert when.matches(exchange(request=GetInfoRequest(model_id="m")), None)
