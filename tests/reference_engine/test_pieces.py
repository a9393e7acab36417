"""Compiled element-wise parts compute what the plain ones do; where they cannot be had, that is said."""

import pytest
import torch
from torch._dynamo.utils import counters

from contract import BackendOptions
from reference_engine.deltas import NoDelta
from reference_engine.engine import Engine
from reference_engine.loading import load_weights, read_config
from reference_engine.model import Transformer
from reference_engine.pieces import Pieces, compiled_pieces
from tests.reference_engine.models import (
    FAST,
    decoded_logprobs,
    gradients_of,
    texts,
    trained_adapter,
    trained_logprobs,
    transformer,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten():
    """What was compiled before or is compiled here is nobody else's."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def traced():
    """Parts that go through torch.compile's tracer, and then run as they are: no compiler is needed."""
    return compiled_pieces(CPU, "aot_eager")


def test_compiled_parts_are_one_graph_each(traced):
    counters.clear()
    x = torch.randn(5, 2, 8)
    got = traced.rotate(x, x[:, :1], x[:, 1:])
    assert torch.allclose(got, Pieces().rotate(x, x[:, :1], x[:, 1:]))
    assert not counters["graph_break"]


@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe"])
def test_a_model_of_compiled_parts_trains_and_decodes_as_a_plain_one(saved, traced, name):
    folder = saved(name).folder
    config = read_config(folder)
    plain = transformer(folder, FAST)
    model = Transformer(config, load_weights(folder, config, torch.float32), FAST, traced)
    adapter = trained_adapter(config)
    for lengths in ((1,), (7, 12, 5)):
        examples = texts(lengths, config.vocab_size)
        slopes = [torch.ones(length) for length in lengths]
        for ours, theirs in zip(
            trained_logprobs(model, examples, adapter),
            trained_logprobs(plain, examples, adapter),
            strict=True,
        ):
            assert torch.allclose(ours, theirs, atol=1e-5)
        assert torch.allclose(
            gradients_of(model, examples, slopes, adapter),
            gradients_of(plain, examples, slopes, adapter),
            atol=1e-4,
        )
    prompts = [2, 4, 1]
    for ours, theirs in zip(
        decoded_logprobs(model, examples, prompts, NoDelta()),
        decoded_logprobs(plain, examples, prompts, NoDelta()),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_model_merged_with_an_adapter_keeps_its_parts(saved, traced):
    folder = saved("llama").folder
    config = read_config(folder)
    adapter = trained_adapter(config)
    model = Transformer(config, load_weights(folder, config, torch.float32), FAST, traced)
    assert model.merged(adapter.views, adapter.layout.scale)._pieces is traced


def test_a_compiler_that_does_not_work_is_told():
    def broken(graph, inputs):
        raise RuntimeError("no C compiler")

    with pytest.raises(
        ValueError, match=r"--compile: expected a compiler that works, got .*no C compiler; inst"
    ):
        compiled_pieces(CPU, broken)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "exact"}, "--compile: expected it with --mode fast, got --mode exact"),
        ({"device": "cpu"}, "--compile: expected it with --device cuda, got cpu"),
        ({"device": "cpu", "mode": "fast"}, "--compile: expected it with --device cuda, got cpu"),
    ],
)
def test_compiling_is_refused_where_it_would_break_a_promise(options, message):
    with pytest.raises(ValueError, match=message):
        Engine(BackendOptions(compile=True, **options))
