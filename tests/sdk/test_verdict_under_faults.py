"""The verdict under faults that really strike: the SDK stays clean, and a careless client is caught."""

from http.client import HTTPException

import pytest
import tinker
from tinker import types

from tests.sdk.data import PICO, post, weighted

BATCH = {
    "data": [
        {
            "model_input": {"chunks": [{"tokens": [1, 2], "type": "encoded_text"}]},
            "loss_fn_inputs": {
                "target_tokens": {"data": [2, 3], "dtype": "int64", "shape": [2]},
                "weights": {"data": [1.0, 1.0], "dtype": "float32", "shape": [2]},
            },
        }
    ],
    "loss_fn": "cross_entropy",
}


@pytest.mark.sdk
@pytest.mark.parametrize("kind", ["lose_answer", "truncate", "drop_request"])
def test_the_sdk_after_a_lost_answer_is_clean(tinker_fake, kind):
    fault = getattr(tinker_fake.faults, kind)("forward_backward", nth=1)
    training = tinker_fake.service_client().create_lora_training_client(PICO, rank=8).result()
    training.forward_backward([weighted()], "cross_entropy").result()
    training.optim_step(types.AdamParams(learning_rate=1e-3)).result()

    assert fault.fired == 1
    tinker_fake.verdict.assert_clean()


@pytest.mark.sdk
def test_the_sdk_waits_as_it_is_told(tinker_fake):
    tinker_fake.faults.status("optim_step", 503, headers={"retry-after-ms": "300"}, times=2)
    training = tinker_fake.service_client().create_lora_training_client(PICO, rank=8).result()
    training.forward_backward([weighted()], "cross_entropy").result()
    training.optim_step(types.AdamParams(learning_rate=1e-3)).result()

    assert len(tinker_fake.journal.calls("optim_step").where(status=503)) == 2
    tinker_fake.verdict.assert_clean()


@pytest.mark.sdk
@pytest.mark.tinker_unread
def test_a_client_that_gives_the_same_batch_a_new_number_is_caught(tinker_fake):
    service: tinker.ServiceClient = tinker_fake.service_client()
    model = service.create_lora_training_client(PICO, rank=8).result().model_id
    tinker_fake.faults.lose_answer("forward_backward", nth=1)
    body = {"model_id": model, "forward_backward_input": BATCH}
    with pytest.raises((OSError, HTTPException)):
        post(tinker_fake, "/api/v1/forward_backward", {**body, "seq_id": 1})
    post(tinker_fake, "/api/v1/forward_backward", {**body, "seq_id": 2})

    with pytest.raises(AssertionError, match="CLI-01 error: double apply after a lost answer"):
        tinker_fake.verdict.assert_clean()
