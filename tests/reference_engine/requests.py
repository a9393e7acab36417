"""Batches and sample requests for the built-in model."""

import numpy as np

from contract import (
    AdamParams,
    Datum,
    EncodedTextChunk,
    ForwardBackwardInput,
    LoraConfig,
    ModelInput,
    SampleRequest,
    SamplingParams,
    TensorData,
)

PICO = "tinkerproof/pico"
STEP = AdamParams(learning_rate=1e-2)
LORA = LoraConfig(rank=4, seed=3)


def text(words):
    return ModelInput(chunks=[EncodedTextChunk(tokens=list(words.encode()))])


def tensor(values, dtype=np.float32):
    return TensorData.from_numpy(np.asarray(values, dtype=dtype))


def datum(words, **inputs):
    """A datum that predicts each next byte; weights 1 unless other inputs are given."""
    tokens = list(words.encode())
    inputs = inputs or {"weights": [1] * (len(tokens) - 1)}
    given = {name: tensor(values) for name, values in inputs.items()}
    return Datum(
        model_input=ModelInput(chunks=[EncodedTextChunk(tokens=tokens[:-1])]),
        loss_fn_inputs={"target_tokens": tensor(tokens[1:], np.int64), **given},
    )


def batch(*data, loss="cross_entropy", **config):
    return ForwardBackwardInput(data=list(data), loss_fn=loss, loss_fn_config=config or None)


def ask(words, seq_id=0, *, samples=1, session="s", **params):
    """A sample request; what is no sampling parameter goes to the request itself."""
    params.setdefault("max_tokens", 12)
    fields = {name: params.pop(name) for name in list(params) if name in SampleRequest.model_fields}
    return SampleRequest(
        num_samples=samples,
        prompt=text(words),
        sampling_params=SamplingParams(**params),
        sampling_session_id=session,
        seq_id=seq_id,
        **fields,
    )
