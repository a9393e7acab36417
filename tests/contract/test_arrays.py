import copy
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from contract import EncodedTextChunk, ForwardBackwardOutput, TensorData
from contract.arrays import frozen

LISTED = TensorData(data=[1.5, -2.0], dtype="float32", shape=[2])


def made() -> TensorData:
    """The same tensor, its numbers known as an array only."""
    return TensorData.of_values(np.array([1.5, -2.0], np.float32), "float32", [2])


def chunk() -> EncodedTextChunk:
    return EncodedTextChunk.of_checked({"ids": frozen(np.array([7, 8])), "type": "encoded_text"})


def test_numbers_are_listed_when_they_are_asked_for():
    tensor = made()
    assert "data" not in vars(tensor)
    assert tensor.data == [1.5, -2.0]
    assert tensor.data is tensor.data
    assert (chunk().tokens, chunk().length) == ([7, 8], 2)


def test_a_value_made_of_an_array_is_the_value_made_of_a_list():
    assert made() == LISTED
    assert repr(made()) == repr(LISTED)
    assert dict(made()) == dict(LISTED)
    assert made().model_fields_set >= LISTED.model_fields_set
    assert chunk() == EncodedTextChunk(tokens=[7, 8]) != EncodedTextChunk(tokens=[7])


def test_a_list_made_for_json_is_not_kept():
    tensor = made()
    tensor.model_dump_json()
    assert "data" not in vars(tensor)


def test_both_have_the_same_json():
    assert made().model_dump_json() == LISTED.model_dump_json()
    for left_out in ({"shape"}, {"data"}):
        assert made().model_dump(exclude=left_out) == LISTED.model_dump(exclude=left_out)
    outputs = [
        ForwardBackwardOutput(loss_fn_output_type="A", loss_fn_outputs=[{"logprobs": tensor}])
        for tensor in (made(), LISTED)
    ]
    assert outputs[0].model_dump_json() == outputs[1].model_dump_json()
    assert chunk().model_dump_json() == '{"tokens":[7,8],"type":"encoded_text"}'


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, TensorData.model_copy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_a_copy_is_equal(copied):
    assert copied(made()) == LISTED


def test_what_a_value_does_not_have_is_missed():
    with pytest.raises(AttributeError, match="nothing"):
        _ = made().nothing
    with pytest.raises(AttributeError, match="data"):
        _ = TensorData.of_checked({"dtype": "int64"}).data


def test_a_value_made_of_an_array_is_as_immutable():
    with pytest.raises(ValidationError, match="frozen"):
        made().data = [1.0]
    with pytest.raises(ValueError, match="read-only"):
        made().values[0] = 1
