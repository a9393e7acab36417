"""What clients leave, and how two of it are compared."""

from dataclasses import replace

import numpy as np
import pytest

from contract import LoraConfig
from fake_server.fake import Fake
from fake_server.scenarios.remains import Learned, Remains, remains_of
from fake_server.scripted_weights import Moments, Pairs, fresh_weights
from tests.scenarios.small_client import connected

FRESH = fresh_weights(0, "tinkerproof/pico", LoraConfig(rank=8))


def learned(*deltas, steps=1, passes=0, keys=None):
    numbers = np.array(deltas, dtype=float)
    pairs = Pairs(np.arange(len(deltas)) if keys is None else np.array(keys), numbers)
    return Learned(replace(FRESH, pairs=pairs, moments=Moments(numbers, numbers, steps)), passes)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (learned(0.1, 0.2), True),
        (learned(0.1, 0.2 + 1e-12), True),
        (learned(0.1, 0.3), False),
        (learned(0.1, 0.2, steps=2), False),
        (learned(0.1, 0.2, passes=1), False),
        (learned(0.1, 0.2, keys=[0, 7]), False),
        (Learned(learned(0.1, 0.2).weights.without_optimizer()), False),
    ],
)
def test_weights_are_the_same_where_all_of_it_is(other, same):
    assert learned(0.1, 0.2).equals(other) is same


def test_weights_without_an_optimizer_are_compared_by_their_numbers():
    one = Learned(learned(0.1).weights.without_optimizer())

    assert one.equals(Learned(learned(0.1).weights.without_optimizer()))
    assert str(one) == "weights without an optimizer, of 1 numbers"


CLEAN = Remains({"optim_step": 2, "asample": 1}, (learned(0.1),), (("training", learned(0.1)),))


def test_what_is_the_same_has_no_difference():
    assert CLEAN.difference(CLEAN) == ""
    assert replace(CLEAN, operations={"optim_step": 2, "asample": 3}).difference(CLEAN) == ""


def test_operations_that_were_done_too_often_or_not_at_all_are_told():
    told = replace(CLEAN, operations={"optim_step": 3}).difference(CLEAN)

    assert "asample: expected at least 1 that are done, as where nothing goes wrong, got 0" in told
    assert "optim_step: expected 2 that are done, as where nothing goes wrong, got 3" in told


def test_other_weights_are_told():
    told = replace(CLEAN, models=(learned(0.1, steps=2, passes=1),)).difference(CLEAN)

    assert told == (
        "model: expected weights after 1 steps, of 1 numbers, as where nothing goes wrong, got "
        "weights after 2 steps and 1 passes that wait for one, of 1 numbers"
    )
    assert "with other numbers" in replace(CLEAN, models=(learned(0.2),)).difference(CLEAN)
    assert replace(CLEAN, models=(learned(0.2),)).difference(CLEAN, weights=False) == ""


def test_a_model_or_checkpoint_more_or_less_is_told():
    more = replace(CLEAN, models=(learned(0.1), learned(0.5)))
    less = replace(CLEAN, checkpoints=())

    assert "model: expected no other model" in more.difference(CLEAN)
    assert "training checkpoint: expected weights after 1 steps" in less.difference(CLEAN)
    assert "got none of that kind" in less.difference(CLEAN)


def test_what_was_done_more_often_than_it_should_is_an_excess():
    assert replace(CLEAN, operations={"optim_step": 1, "asample": 9}).excess(CLEAN) == ""
    assert "optim_step: expected at most 2 that are done, got 3" in replace(
        CLEAN, operations={"optim_step": 3}
    ).excess(CLEAN)


def test_what_is_left_of_a_run_counts_replays_once_and_failures_never(trials):
    fake = Fake(trials, "remains")
    fake.faults.lose_answer("forward_backward", nth=1)
    client = connected(fake.env())
    client.sleep = lambda _: None
    client.step([1, 2, 3])
    fake.stubs.on("optim_step").fails("user", "no")
    with pytest.raises(Exception, match="no"):
        client.step([1, 2, 3])
    client.submit("save_weights", path="kept")
    datum = {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": [1]}]},
        "loss_fn_inputs": {"target_tokens": {"data": [2], "dtype": "int64", "shape": [1]}},
    }
    given = {"data": [datum], "loss_fn": "cross_entropy"}
    client.submit("forward_backward", forward_backward_input=given, forward_only=True)
    left = remains_of(fake, fake.journal.history())

    done = {"create_model": 1, "forward": 1, "forward_backward": 2, "optim_step": 1, "save_weights": 1}
    assert left.operations == done
    assert [str(one) for one in left.models] == [
        "weights after 1 steps and 1 passes that wait for one, of 2 numbers"
    ]
    assert [kind for kind, _ in left.checkpoints] == ["training"]
    fake.close()


def test_a_model_that_was_unloaded_is_remembered(trials):
    fake = Fake(trials, "unloaded")
    client = connected(fake.env())
    client.step([1, 2, 3])
    client.result(client.request("unload_model", {"model_id": client.model_id}))
    left = remains_of(fake, fake.journal.history())

    assert fake.service.backend.state().models == {}
    assert len(left.models) == 1
    fake.close()
