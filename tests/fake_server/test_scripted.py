"""The laws of the port, on the scripted backend."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract import (
    AdamOptimizerConfig,
    AdamParams,
    BackendOptions,
    CreateCustomLossRequest,
    CustomLossGraph,
    Datum,
    DimuonOptimizerConfig,
    DmelChunk,
    EncodedTextChunk,
    ForwardBackwardInput,
    ImageAssetPointerChunk,
    ImageChunk,
    LoraConfig,
    ModelInput,
    ModelInputChunk,
    RequestFailure,
    SampleRequest,
    TensorData,
)
from contract.ids import LONGEST_CONTEXT
from fake_server.base_models import known_base_models
from fake_server.language import START
from fake_server.scripted import ScriptedBackend, open_scripted
from fake_server.scripted_tokens import tokens_of

PICO = "tinkerproof/pico"
TEXT = list(b"hello hello")


def backend(*names: str, seed: int = 0, base_model: str = PICO) -> ScriptedBackend:
    made = ScriptedBackend(BackendOptions(seed=seed, base_models=names))
    made.create_model("m", base_model, LoraConfig(rank=8), AdamOptimizerConfig())
    return made


def batch(tokens: list[int] = TEXT, **inputs: Any) -> ForwardBackwardInput:
    given = Datum(
        model_input=ModelInput.from_ints(tokens[:-1]), loss_fn_inputs={"target_tokens": tokens[1:], **inputs}
    )
    return ForwardBackwardInput(data=[given], loss_fn="cross_entropy")


def of_chunks(*chunks: ModelInputChunk, length: int = 0) -> ForwardBackwardInput:
    inputs = {"target_tokens": [65] * length}
    given = Datum(model_input=ModelInput(chunks=[*chunks]), loss_fn_inputs=inputs)
    return ForwardBackwardInput(data=[batch().data[0], given], loss_fn="cross_entropy")


def test_an_output_has_what_clients_read() -> None:
    output = backend().forward_backward(
        "m", ForwardBackwardInput(data=batch().data * 2, loss_fn="cross_entropy")
    )
    logprobs = [record["logprobs"] for record in output.loss_fn_outputs]
    assert [(tensor.dtype, tensor.shape) for tensor in logprobs] == [("float32", [10])] * 2
    assert output.loss_fn_output_type == "ArrayRecord"
    assert output.metrics.keys() == {"loss:sum", "tokens:sum"}
    assert output.metrics["loss:sum"] == pytest.approx(-sum(tensor.values.sum() for tensor in logprobs))
    assert output.metrics["tokens:sum"] == 20


def test_a_fresh_adapter_is_its_base_model() -> None:
    made = backend()
    output = made.forward_backward("m", batch())
    request = SampleRequest(prompt=ModelInput.from_ints(TEXT), sampling_params={}, prompt_logprobs=True)
    base = made.sample(PICO, None, request)
    assert (base.prompt_logprobs or [])[1:] == output.loss_fn_outputs[0]["logprobs"].data
    assert made.sample(PICO, made.save_weights("m", optimizer=False), request) == base


def test_trainer_and_sampler_agree_on_trained_weights() -> None:
    made = backend()
    made.forward_backward("m", batch())
    made.optim_step("m", AdamParams(learning_rate=0.01))
    output = made.forward_backward("m", batch(), forward_only=True)
    request = SampleRequest(prompt=ModelInput.from_ints(TEXT), sampling_params={}, prompt_logprobs=True)
    scores = made.sample(PICO, made.save_weights("m", optimizer=False), request).prompt_logprobs or []
    assert scores[1:] == output.loss_fn_outputs[0]["logprobs"].data


def test_forward_only_and_failures_leave_no_trace() -> None:
    made = backend()
    made.forward_backward("m", batch(), forward_only=True)
    with pytest.raises(RequestFailure, match="got 260"):
        made.forward_backward("m", batch([*TEXT, 260]))
    assert made.optim_step("m", AdamParams()).metrics == {"grad_norm": 0.0}
    assert (
        made.save_weights("m", optimizer=False).files()
        == backend().save_weights("m", optimizer=False).files()
    )


def test_models_do_not_touch_each_other() -> None:
    made = backend()
    made.create_model("other", PICO, LoraConfig(rank=8), AdamOptimizerConfig())
    made.forward_backward("m", batch())
    assert made.optim_step("other", AdamParams()).metrics == {"grad_norm": 0.0}


def test_several_targets_a_position_have_logprobs_of_their_shape() -> None:
    targets, made = np.stack([TEXT[1:], np.full(10, 65)], axis=1), backend()
    given = Datum(model_input=ModelInput.from_ints(TEXT[:-1]), loss_fn_inputs={"target_tokens": targets})
    output = made.forward_backward("m", ForwardBackwardInput(data=[given], loss_fn="cross_entropy"))
    found = output.loss_fn_outputs[0]["logprobs"]
    plain = made.forward_backward("m", batch()).loss_fn_outputs[0]["logprobs"]
    assert found.shape == [10, 2]
    assert found.to_numpy()[:, 0].tolist() == plain.data


def test_sparse_targets_weigh_what_they_list() -> None:
    sparse = TensorData(
        data=TEXT[1:],
        dtype="int64",
        shape=[10, 50],
        sparse_crow_indices=list(range(11)),
        sparse_col_indices=list(range(10)),
    )
    given = Datum(model_input=ModelInput.from_ints(TEXT[:-1]), loss_fn_inputs={"target_tokens": sparse})
    output = backend().forward_backward("m", ForwardBackwardInput(data=[given], loss_fn="cross_entropy"))
    assert output.metrics["loss:sum"] == backend().forward_backward("m", batch()).metrics["loss:sum"]
    assert output.loss_fn_outputs[0]["logprobs"].shape == [10, 50]


def test_images_and_audio_are_tokens_hashed_from_their_bytes() -> None:
    image = ImageChunk(data=b"png", format="png", expected_tokens=4)
    audio = DmelChunk(dmel=bytes([0, 2, 3, 80]))
    text = EncodedTextChunk(tokens=[72])
    other = image.model_copy(update={"data": b"another"})
    base = known_base_models(())[PICO]
    first, again, changed = (
        tokens_of(ModelInput(chunks=[text, chunk, audio, text]), base, "prompt").tolist()
        for chunk in (image, image, other)
    )
    assert first == again != changed
    assert first[5:] == changed[5:]
    assert len(first) == 9
    assert backend().forward_backward("m", of_chunks(text, image, audio, text, length=9)).loss_fn_outputs


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (of_chunks(EncodedTextChunk(tokens=[-1]), length=1), r"model_input: .* got -1 \(datum 2 of 2\)"),
        (of_chunks(EncodedTextChunk(tokens=[2**70])), rf"model_input: .* got {2**70} \(datum 2 of 2\)"),
        (of_chunks(ImageChunk(data=b"", format="png")), "cannot count image tokens, set expected_tokens"),
        (of_chunks(ImageAssetPointerChunk(location="x", format="png")), "fetches nothing, send the bytes"),
        (of_chunks(DmelChunk(dmel=b"\x99")), r"model_input: dmel: expected .*\(datum 2 of 2\)"),
        (of_chunks(ImageChunk(data=b"", format="png", expected_tokens=10**15)), "at most 4096 tokens"),
        (of_chunks(length=0), r"model_input: expected at least one token, got none \(datum 2 of 2\)"),
        (batch([*TEXT, 300]), r"'target_tokens'\]: expected .* 259, .*, got 300 \(datum 1 of 1\)"),
        (batch(weights=[1.0]), "'weights'.: expected 10 values, one per target token, got 1"),
        (ForwardBackwardInput(data=[], loss_fn="ppo"), "expected at least one datum"),
        (ForwardBackwardInput(data=batch().data, loss_fn="nll"), "loss_fn: expected one of cross_entropy"),
        (ForwardBackwardInput(data=batch().data, loss_fn="custom"), "does not run uploaded losses"),
    ],
)
def test_data_that_cannot_be_read_are_refused_in_words(given: ForwardBackwardInput, words: str) -> None:
    with pytest.raises(RequestFailure, match=words):
        backend().forward_backward("m", given)


def test_an_uploaded_loss_is_refused_under_any_name() -> None:
    loss = CreateCustomLossRequest(
        session_id="s", custom_loss_seq_id=0, name="mine", inputs=[], graph=CustomLossGraph(nodes=[])
    )
    with pytest.raises(RequestFailure, match="custom_loss_server_side off"):
        backend().forward_backward("m", batch(), custom_loss=loss)


@pytest.mark.parametrize(
    "lora", [{"rank": 0}, {"rank": 8, "train_unembed": 0, "train_mlp": 0, "train_attn": 0}]
)
def test_an_adapter_that_cannot_be_is_refused(lora: dict[str, int]) -> None:
    with pytest.raises(RequestFailure, match=r"lora_config.*: expected"):
        backend().create_model("n", PICO, LoraConfig(**lora), AdamOptimizerConfig())  # type: ignore[arg-type]


def test_an_optimizer_other_than_adamw_is_refused() -> None:
    with pytest.raises(RequestFailure, match="expected 'adamw', got 'dimuon'"):
        backend().create_model("n", PICO, LoraConfig(rank=8), DimuonOptimizerConfig())


def test_an_unloaded_model_is_gone() -> None:
    made = backend()
    made.unload_model("m")
    with pytest.raises(RequestFailure, match="no model 'm'"):
        made.unload_model("m")


def test_the_listed_base_models_fit_the_key_and_exist() -> None:
    models = open_scripted(BackendOptions()).base_models()
    assert models[0].name == PICO
    assert Path(models[0].tokenizer_id).name == "pico"
    assert "Qwen/Qwen3-8B" in {model.name for model in models}
    assert all(max(model.end_of_text_ids) < model.vocab_size < START for model in models)
    assert all(model.trainable and model.sampleable for model in models)


def test_options_name_the_models_to_serve_and_unknown_ones_have_defaults() -> None:
    made = backend("my/own", "Qwen/Qwen3-8B", base_model="my/own")
    own, qwen = made.base_models()
    assert (own.name, own.vocab_size, own.max_context_length, own.arch) == (
        "my/own",
        151936,
        32768,
        "unknown",
    )
    assert own.tokenizer_id == "my/own"
    assert qwen.arch == "qwen3"
    with pytest.raises(RequestFailure, match="expected one of my/own, Qwen/Qwen3-8B, got 'tinkerproof/pico'"):
        made.create_model("n", PICO, LoraConfig(rank=8), AdamOptimizerConfig())


@pytest.mark.parametrize("suffix", [":peft:", ":peft:x", ":peft:0", f":peft:{LONGEST_CONTEXT + 1}"])
def test_a_context_suffix_out_of_range_is_refused(suffix: str) -> None:
    with pytest.raises(RequestFailure, match="expected NAME:peft:LENGTH"):
        backend(base_model=PICO + suffix)


PROGRAM = f"""
import hashlib
from contract import *
from fake_server.scripted import ScriptedBackend
b = ScriptedBackend(BackendOptions(seed=3))
b.create_model("m", {PICO!r}, LoraConfig(rank=8, seed=5), AdamOptimizerConfig())
d = Datum(model_input=ModelInput.from_ints({TEXT[:-1]}), loss_fn_inputs={{"target_tokens": {TEXT[1:]}}})
for _ in range(3):
    b.forward_backward("m", ForwardBackwardInput(data=[d], loss_fn="cross_entropy"))
    b.optim_step("m", AdamParams(learning_rate=0.01, grad_clip_norm=1.0))
w = b.save_weights("m", optimizer=True)
p = SamplingParams(temperature=0.7)
r = SampleRequest(prompt=d.model_input, sampling_params=p, num_samples=3, topk_prompt_logprobs=5)
answer = b.sample({PICO!r}, w, r).model_dump_json().encode()
print(hashlib.sha256(b"".join(w.files().values()) + answer).hexdigest())
"""
BYTES = "6aafee919eea5a1c4e9303545a92ae222dc5790677ab6e9de12ca232594bae05"
"""Made on x86-64 with numpy 2.4.6: a change of it is a change of what all users' runs answer."""


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_every_process_and_machine_gives_the_same_bytes(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == BYTES


def test_a_fresh_backend_is_small() -> None:
    open_scripted(BackendOptions())
    tracemalloc.start()
    try:
        kept = [open_scripted(BackendOptions()) for _ in range(10)]
        assert tracemalloc.get_traced_memory()[0] / len(kept) < 20_000
    finally:
        tracemalloc.stop()
