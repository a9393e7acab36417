"""Every loss answers the bytes that it always answered: of batches whose datums differ in all they can."""

from hashlib import blake2b

import numpy as np
import pytest

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    Datum,
    EncodedTextChunk,
    ForwardBackwardInput,
    ImageChunk,
    LoraConfig,
    ModelInput,
    PromptProvenanceSpan,
    SampledProvenanceSpan,
    TensorData,
)
from contract.codec import PROTOBUF, encode
from fake_server.scripted import ScriptedBackend

LENGTHS = (5, 1, 40)
DIGESTS = {
    "cross_entropy": "405be60d0cebdaf28d89d44267c84692",
    "importance_sampling": "9843e0996c636caa469c03d917252b09",
    "ppo": "709dc879c030663faf7fd1091c221d73",
    "cispo": "e19dbfcd92d2b67eacb611f35e6902d1",
    "dro": "e2a206838787cfe86ba197faa9a5c816",
    "gspo": "0aca4b988c011a40ac42e7d8de660535",
    "stable_reinforce": "793031c62542db734c62e7c15a80c694",
}
"""Of two steps with each loss: a change of one is a change of what all users' runs answer."""


def floats(*numbers: float, length: int) -> TensorData:
    return TensorData.from_numpy(np.resize(np.array(numbers, np.float32), length))


def text(length: int) -> tuple[ModelInput, TensorData]:
    tokens = [72, *((7 * n * n + length) % 256 for n in range(length))]
    return ModelInput.from_ints(tokens[:-1]), TensorData(data=tokens[1:], dtype="int64")


def weighed() -> list[Datum]:
    """Without weights, with weights, several targets a position, sparse targets, an image in the text."""
    data = [
        Datum(model_input=given, loss_fn_inputs={"target_tokens": targets})
        for given, targets in map(text, LENGTHS)
    ]
    given, targets = text(6)
    weights = floats(1, 0, -0.5, length=6)
    data.append(Datum(model_input=given, loss_fn_inputs={"target_tokens": targets, "weights": weights}))
    several = TensorData(data=[*targets.data, *targets.data], dtype="int64", shape=[6, 2])
    data.append(Datum(model_input=given, loss_fn_inputs={"target_tokens": several}))
    listed = TensorData(
        data=[1, 2, 3],
        dtype="int64",
        shape=[6, 3],
        sparse_crow_indices=[0, 1, 1, 2, 2, 2, 3],
        sparse_col_indices=[0, 2, 1],
    )
    data.append(Datum(model_input=given, loss_fn_inputs={"target_tokens": listed}))
    image = ImageChunk(data=b"pixels", format="png", expected_tokens=2)
    mixed = ModelInput(chunks=[EncodedTextChunk(tokens=[72, 105]), image, EncodedTextChunk(tokens=[33, 10])])
    data.append(Datum(model_input=mixed, loss_fn_inputs={"target_tokens": targets}))
    return data


def compared(loss: str) -> list[Datum]:
    """With and without the tensors that a loss may have."""
    data = []
    for number, length in enumerate(LENGTHS):
        given, targets = text(length)
        inputs = {
            "target_tokens": targets,
            "logprobs": floats(-1, -3, -6.5, length=length),
            "advantages": floats(1.5, -0.5, length=length),
        }
        if number:
            inputs["weights"] = floats(0.5, 2, length=length)
        if number == 2 and loss in ("ppo", "cispo", "gspo", "stable_reinforce"):
            inputs["clip_low_threshold"] = floats(0.5, 0.9, length=length)
            inputs["clip_high_threshold"] = floats(1.1, 2, length=length)
        if number == 2 and loss in ("gspo", "stable_reinforce"):
            inputs["sequence_ratio_mask"] = floats(1, 1, 0, length=length)
        spans = [
            PromptProvenanceSpan(sequence_id="a", length=length // 2),
            SampledProvenanceSpan(sequence_id="a", length=length - length // 2),
        ]
        data.append(
            Datum(
                model_input=given, loss_fn_inputs=inputs, model_input_spans=spans, loss_fn_input_spans=spans
            )
        )
    return data


@pytest.mark.parametrize("loss", DIGESTS)
def test_a_loss_gives_the_same_bytes(loss: str) -> None:
    data = weighed() if loss == "cross_entropy" else compared(loss)
    batch = ForwardBackwardInput(data=data, loss_fn=loss)
    made = ScriptedBackend(BackendOptions(seed=1))
    made.create_model("m", "tinkerproof/pico", LoraConfig(rank=8, seed=2), AdamOptimizerConfig())
    digest = blake2b(digest_size=16)
    for _ in range(2):
        digest.update(encode(made.forward_backward("m", batch), PROTOBUF))
        made.optim_step("m", AdamParams(learning_rate=0.01, grad_clip_norm=5.0, weight_decay=0.1))
    for name, content in sorted(made.save_weights("m", optimizer=True).files().items()):
        digest.update(name.encode() + content)
    assert digest.hexdigest() == DIGESTS[loss]
