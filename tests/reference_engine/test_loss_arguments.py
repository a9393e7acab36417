import pytest
import torch

from reference_engine.loss_arguments import decoded, filled, references, weight


@pytest.mark.parametrize("value", [None, True, 3, -2.5, "sum", 2**63 - 1])
def test_scalars_and_texts_stand_for_themselves(value):
    assert decoded(value) is value


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ([1, [2.0, None]], [1, [2.0, None]]),
        ({"tuple": [1, {"tuple": []}]}, (1, ())),
        ({"slice": [0, None, 2]}, slice(0, None, 2)),
        ({"ellipsis": True}, ...),
        ({"float": "-inf"}, float("-inf")),
        ({"dtype": "bfloat16"}, torch.bfloat16),
        ({"device": "cpu"}, torch.device("cpu")),
        ({"layout": "strided"}, torch.strided),
        ({"memory_format": "contiguous_format"}, torch.contiguous_format),
    ],
)
def test_an_encoded_value_is_the_value(encoded, value):
    assert decoded(encoded) == value


def test_not_a_number_is_one_of_the_floats():
    assert str(decoded({"float": "nan"})) == "nan"


def test_references_are_filled_with_results_wherever_they_are():
    argument = decoded([{"tuple": [{"ref": "a"}, {"slice": [{"ref": "b"}, None, None]}]}, {"dict": {"k": 1}}])
    assert list(references(argument)) == ["a", "b"]
    assert filled(argument, {"a": 1, "b": 2}) == [(1, slice(2, None, None)), {"k": 1}]
    assert weight(argument) == 9


def test_a_reference_may_have_any_name():
    assert list(references(decoded([{"ref": ""}]))) == [""]


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        ({"dtype": "complex64"}, "expected as dtype one of float32, .*bool, got 'complex64'"),
        ({"device": "cuda:0"}, "expected as device one of cpu, got 'cuda:0'"),
        ("x" * 65, "expected text of at most 64 letters, got 65"),
        (2**63, "expected whole numbers of 63 bits, got 64"),
        ([0] * 257, "expected at most 256 values in a list, got 257"),
    ],
)
def test_what_cannot_be_an_argument_is_refused(encoded, words):
    with pytest.raises(ValueError, match=words):
        decoded(encoded)
