"""What a pass answers is read, or breaks a law in words: never its function."""

import pytest

from contract.laws.checkpoints import entry
from contract.laws.law import Broken
from contract.laws.outputs import logprobs_of, loss_of, tensor_of
from contract.tensors import TensorData
from contract.training import ForwardBackwardOutput
from tests.laws.small_server import small_server


def an_output(*records, **metrics):
    return ForwardBackwardOutput(loss_fn_output_type="ArrayRecord", loss_fn_outputs=records, metrics=metrics)


def logprobs(*values):
    return {"logprobs": TensorData(data=list(values), dtype="float32", shape=[len(values)])}


def test_logprobs_are_read_datum_by_datum():
    output = an_output(logprobs(-1.0), logprobs(-2.0, -3.0))

    assert logprobs_of(output) == [-1.0]
    assert logprobs_of(output, 1, 2) == [-2.0, -3.0]
    assert tensor_of(output, 1).dimensions == (2,)


def test_a_record_that_is_not_there_breaks():
    with pytest.raises(Broken, match="expected a record for datum 1, got 1 records"):
        logprobs_of(an_output(logprobs(-1.0)), 1)


def test_a_record_without_logprobs_breaks():
    with pytest.raises(Broken, match="expected logprobs for datum 0, got nothing"):
        logprobs_of(an_output({}))


def test_another_number_of_logprobs_breaks():
    with pytest.raises(Broken, match="logprobs of datum 0: expected 4, one per target, got 1"):
        logprobs_of(an_output(logprobs(-1.0)), 0, 4)


def test_the_loss_is_read_and_a_missing_one_breaks():
    assert loss_of(an_output(**{"loss:sum": 2.5})) == 2.5
    with pytest.raises(Broken, match="metrics: expected loss:sum, got spread:mean"):
        loss_of(an_output(**{"spread:mean": 1.0}))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"checkpoints": []}, "expected tinker://r/weights/x among them, got"),
        ({"checkpoints": [{"path": "x"}]}, "expected CheckpointsListResponse, got what does not fit"),
        ([], "expected CheckpointsListResponse, got what does not fit"),
    ],
)
def test_a_list_of_checkpoints_that_lacks_one_or_is_none_breaks(answer, told):
    answers = {"training_runs/r/checkpoints": (200, answer)}

    with small_server(answers) as subject, pytest.raises(Broken, match=told):
        entry(subject, "tinker://r/weights/x")
