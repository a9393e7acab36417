"""The engine on a CUDA device, against the same engine on the CPU. Without a device every test here skips."""

import tempfile

import pytest
import torch

from contract import AdamOptimizerConfig, AdamParams, BackendOptions
from reference_engine.backend import TorchBackend
from reference_engine.engine import BaseModel, Engine
from reference_engine.loading import read_config
from reference_engine.lora import Adapter
from reference_engine.optimizer import Moments, adamw_step
from reference_engine.pieces import Pieces, compiled_pieces
from reference_engine.ranking import likeliest, ranked, topk_of
from reference_engine.shelf import memory_limit
from tests.reference_engine.families import VARIANT
from tests.reference_engine.loss_graphs import LOGPROBS, call, graph, output
from tests.reference_engine.models import (
    FAST,
    decoded_logprobs,
    delta_of,
    gradients_of,
    texts,
    trained_adapter,
    trained_logprobs,
)
from tests.reference_engine.requests import LORA, PICO, STEP, ask, batch, datum

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

CPU, CUDA = "cpu", "cuda"
FAMILIES = ["llama", "llama3", "qwen2", "qwen3", "qwen3 tied", "qwen3_moe"]
TEXTS = ["The keeper lights the lamp.", "A ship comes home.", "1+1=2"]
RATIOS = {"logprobs": [-1.0] * 26, "advantages": [1.0] * 25 + [-1.0]}
LONG = "The keeper of the light counts "


def device_of(name):
    """As the engine takes it: with a number."""
    return torch.device(name) if name == CPU else torch.device(name, torch.cuda.current_device())


def model_on(folder, device, dtype=torch.float32, pieces=None):
    """The model of a folder on a device."""
    made = BaseModel(folder, read_config(folder), device_of(device), dtype, FAST, pieces or Pieces())
    return made.transformer


def adapter_on(model):
    made = trained_adapter(model.config)
    return Adapter(made.layout, made.flat.to(model.device))


def computed(model, lengths=(40, 12, 7, 1)):
    """Logprobs and gradients under an adapter, on the CPU."""
    examples, adapter = texts(lengths, model.config.vocab_size), adapter_on(model)
    slopes = [torch.linspace(-1, 1, length, device=model.device) for length in lengths]
    logprobs = torch.cat(trained_logprobs(model, examples, adapter)).cpu()
    return logprobs, gradients_of(model, examples, slopes, adapter).cpu()


def decoded(model):
    examples = texts([40, 12, 7], model.config.vocab_size)
    delta = delta_of(model, adapter_on(model))
    return torch.cat([part.cpu() for part in decoded_logprobs(model, examples, [9, 5, 3], delta)])


def check_near(ours, theirs, tolerance):
    assert (ours.float() - theirs.float()).abs().max() < tolerance


@pytest.mark.parametrize("name", FAMILIES)
def test_logprobs_and_gradients_are_those_of_the_cpu(saved, name):
    ours, theirs = (computed(model_on(saved(name).folder, device)) for device in (CUDA, CPU))
    check_near(ours[0], theirs[0], 1e-4)
    check_near(ours[1], theirs[1], 1e-3 * float(theirs[1].abs().max()))


@pytest.mark.parametrize("name", FAMILIES)
def test_decoding_is_that_of_the_cpu(saved, name):
    check_near(*(decoded(model_on(saved(name).folder, device)) for device in (CUDA, CPU)), 1e-4)


def test_logits_are_those_of_transformers(saved):
    model = model_on(saved("qwen3").folder, CUDA)
    (example,) = texts([64], model.config.vocab_size)
    with torch.no_grad():
        scores = saved("qwen3").model(torch.from_numpy(example.tokens)[None]).logits[0]
    theirs = scores.log_softmax(-1).gather(1, torch.from_numpy(example.targets)[:, None])[:, 0]
    check_near(trained_logprobs(model, [example])[0].cpu(), theirs, 1e-4)


def test_bfloat16_is_near_float32(saved):
    folder = saved("qwen3").folder
    narrow, wide = computed(model_on(folder, CUDA, torch.bfloat16)), computed(model_on(folder, CPU))
    assert narrow[0].dtype == narrow[1].dtype == torch.float32
    check_near(narrow[0], wide[0], 0.1)


@pytest.mark.parametrize("name", ["llama", "qwen3", "qwen3_moe"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_compiled_parts_give_the_same_numbers(saved, name, dtype):
    torch._dynamo.reset()
    folder = saved(name).folder
    plain = model_on(folder, CUDA, dtype)
    model = model_on(folder, CUDA, dtype, compiled_pieces(device_of(CUDA)))
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    check_near(computed(model)[0], computed(plain)[0], tolerance)
    check_near(decoded(model), decoded(plain), tolerance)


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_step_is_that_of_the_cpu(clip):
    generator = torch.Generator().manual_seed(0)
    flat, gradients, means = (torch.randn(20_001, generator=generator) for _ in range(3))
    found = []
    for device in (CUDA, CPU):
        state = Moments(means.to(device_of(device)), means.square().to(device_of(device)), 3)
        params = AdamParams(learning_rate=1e-2, weight_decay=0.1, grad_clip_norm=clip)
        there = flat.to(device_of(device)), gradients.to(device_of(device))
        moved, after, metrics = adamw_step(*there, state, params)
        found.append((moved.cpu(), after.squares.cpu(), metrics["grad_norm"]))
    (ours, squares, norm), (theirs, others, other) = found
    check_near(ours, theirs, 1e-6)
    check_near(squares, others, 1e-6)
    assert norm == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("vocab_size", [7, 260, 3000, 9001])
def test_the_order_of_tokens_is_that_of_the_cpu(vocab_size):
    scores = (torch.randn(5, vocab_size, generator=torch.Generator().manual_seed(1)) * 3).round()
    there = scores.to(device_of(CUDA))
    assert ranked(there, vocab_size).tolist() == ranked(scores, vocab_size).tolist()
    assert likeliest(there).tolist() == likeliest(scores).tolist()
    for ours, theirs in zip(topk_of(there, 5), topk_of(scores, 5), strict=True):
        assert ours.tolist() == theirs.tolist()


# Through the backend


def opened(**options):
    """A backend on an engine of its own."""
    return TorchBackend(Engine(BackendOptions(threads=1, **options)), BackendOptions())


@pytest.fixture(scope="module")
def backends():
    """Backends on the device and on the CPU, both in fast mode."""
    made = opened(device=CUDA, mode="fast"), opened(device=CPU, mode="fast")
    yield made
    for backend in made:
        backend.close()
        backend._engine.close()


def trained(backend, name="m", text=TEXTS[0], steps=3):
    """Weights that learned a text, with their optimizer's state."""
    backend.create_model(name, PICO, LORA, AdamOptimizerConfig())
    for _ in range(steps):
        backend.forward_backward(name, batch(datum(text)))
        backend.optim_step(name, STEP)
    return backend.save_weights(name, optimizer=True)


def answers(backend, weights, *requests):
    futures = [backend.sample(PICO, weights, request) for request in requests]
    return [future.result(timeout=60) for future in futures]


def test_the_device_is_taken_where_there_is_one_in_fast_mode(backends):
    engine = Engine(BackendOptions(threads=1))
    assert (engine.device, engine.exact) == (backends[0]._engine.device, False)
    assert engine.device == engine.model(PICO).transformer.device


def test_the_exact_mode_is_refused_by_name():
    with pytest.raises(ValueError, match="--mode exact: expected it with --device cpu, got cuda"):
        Engine(BackendOptions(device=CUDA, mode="exact"))


def test_half_of_the_devices_memory_is_for_adapters():
    total = torch.cuda.get_device_properties(device_of(CUDA)).total_memory
    assert memory_limit(device_of(CUDA)) == total // 2


@pytest.mark.parametrize("loss", ["cross_entropy", "importance_sampling", "ppo", "cispo", "dro", "gspo"])
def test_losses_and_steps_are_those_of_the_cpu(backends, loss):
    inputs = {} if loss == "cross_entropy" else RATIOS
    found = []
    for backend in backends:
        backend.create_model("m", PICO, LORA, AdamOptimizerConfig())
        done = backend.forward_backward("m", batch(datum(TEXTS[0], **inputs), loss=loss))
        norm = backend.optim_step("m", STEP).metrics["grad_norm"]
        found.append((done.metrics["loss:sum"], norm, done.loss_fn_outputs[0]["logprobs"].to_numpy()))
    (ours, norm, logprobs), (theirs, other, others) = found
    assert (ours, norm) == (pytest.approx(theirs, rel=1e-4), pytest.approx(other, rel=1e-3))
    assert logprobs == pytest.approx(others, abs=1e-4)


def test_an_uploaded_loss_runs_beside_the_device(backends):
    summed = graph(call("y", "sum", LOGPROBS), call("loss", "operator.neg", {"ref": "y"}), output())
    found = []
    for backend in backends:
        backend.create_model("m", PICO, LORA, AdamOptimizerConfig())
        rows = batch(datum(TEXTS[0]), loss="custom", loss_id="loss-1")
        metrics = backend.forward_backward("m", rows, custom_loss=summed).metrics
        found.append((metrics["loss:sum"], backend.optim_step("m", STEP).metrics["grad_norm"]))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("adapted", [False, True])
def test_greedy_samples_are_those_of_the_cpu(backends, adapted):
    files = trained(backends[1]).files()
    request = ask("The ", temperature=0, topk_sample_logprobs=3, prompt_logprobs=True)
    found = []
    for backend in backends:
        weights = backend.read_weights(files) if adapted else None
        found += answers(backend, weights, request)
    ours, theirs = (response.sequences[0] for response in found)
    assert ours.tokens == theirs.tokens
    assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-3)
    assert [best[0][0] for best in ours.topk_logprobs] == ours.tokens
    assert found[0].prompt_logprobs[1:] == pytest.approx(found[1].prompt_logprobs[1:], abs=1e-3)


@pytest.mark.parametrize("params", [{}, {"top_p": 0.7}, {"top_k": 5}, {"temperature": 0.5}], ids=str)
def test_seeded_samples_repeat(backends, params):
    request = ask("The ", samples=4, seed=7, **params)
    (first,), (again,) = (answers(backends[0], None, request) for _ in range(2))
    assert [one.tokens for one in first.sequences] == [one.tokens for one in again.sequences]
    assert len({tuple(one.tokens) for one in first.sequences}) > 1


def test_sampled_logprobs_are_those_of_a_training_forward(backends):
    backend = backends[0]
    weights = trained(backend)
    (response,) = answers(backend, weights, ask("The ", seed=1, stop=[]))
    (sequence,) = response.sequences
    words = "The " + bytes(sequence.tokens).decode("latin-1")
    scored = backend.forward_backward("m", batch(datum(words)), forward_only=True).loss_fn_outputs[0]
    tail = scored["logprobs"].to_numpy()[-len(sequence.tokens) :]
    assert sequence.logprobs == pytest.approx(tail.tolist(), abs=1e-4)


def test_many_adapters_at_once_sample_as_each_alone(backends):
    backend = backends[0]
    owners = [trained(backend, str(number), text) for number, text in enumerate(TEXTS)] + [None]
    alone = [answers(backend, owner, ask("The ", n, temperature=0))[0] for n, owner in enumerate(owners)]
    futures = [backend.sample(PICO, owner, ask("The ", n, temperature=0)) for n, owner in enumerate(owners)]
    for one, future in zip(alone, futures, strict=True):
        (mine,), (other,) = one.sequences, future.result(timeout=60).sequences
        assert mine.tokens == other.tokens
        assert mine.logprobs == pytest.approx(other.logprobs, abs=1e-3)


def test_a_known_beginning_is_read_once(backends):
    weights = trained(backends[0])
    (first,) = answers(backends[0], weights, ask(LONG + "ships", 1, temperature=0))
    (later,) = answers(backends[0], weights, ask(LONG + "ships", 2, temperature=0))
    assert later.prompt_cache_hit_tokens == len(LONG + "ships") - 1
    assert later.sequences[0].tokens == first.sequences[0].tokens


def test_files_are_read_to_the_device_and_training_goes_on_from_them(backends):
    backend = backends[0]
    state = trained(backend)
    uploaded = backend.read_weights(state.files())
    assert {tensor.device for tensor in uploaded.whole().tensors.values()} == {backend._engine.device}
    assert uploaded.files() == state.files()
    backend.load_weights("m", uploaded, optimizer=True)
    backend.forward_backward("m", batch(datum(TEXTS[0])))
    assert backend.optim_step("m", STEP).metrics["grad_norm"] > 0


def test_saved_weights_that_went_to_disk_come_back_to_the_device(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    backend = opened(device=CUDA, memory_bytes=4 << 20)
    saved = [trained(backend, str(number), steps=1) for number in range(8)]
    assert list(tmp_path.rglob("*.safetensors"))
    for weights in saved:
        assert weights.whole().flat.device == backend._engine.device
    backend.close()


def test_a_compiled_engine_trains_and_samples(backends):
    torch._dynamo.reset()
    backend = opened(device=CUDA, compile=True)
    found = []
    for each in (backend, backends[1]):
        weights = trained(each)
        found.append(answers(each, weights, ask("The ", temperature=0))[0].sequences[0])
    assert found[0].tokens == found[1].tokens
    assert found[0].logprobs == pytest.approx(found[1].logprobs, abs=1e-2)
    backend.close()


def test_every_family_of_the_folders_is_tried_here():
    assert {variant.family for variant in VARIANT.values()} == {VARIANT[name].family for name in FAMILIES}
