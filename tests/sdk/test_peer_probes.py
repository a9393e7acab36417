"""What other servers of the API get wrong, each through the published SDK, on the torch backend.

The model is a random Qwen3 of half a million numbers, served under a name of the hub.
"""

import json
import math
import tarfile
from io import BytesIO
from urllib.request import Request, urlopen

import numpy as np
import pytest
import tinker
import torch
from safetensors.numpy import load
from tinker import types

from contract import BackendOptions
from fake_server.app import create_app
from fake_server.fake import Fake
from fake_server.running import LiveServer
from reference_engine.backend import open_torch
from tests.reference_engine.families import Variant
from tests.sdk.data import datum, post, prompt, weighted

pytestmark = [pytest.mark.sdk, pytest.mark.usefixtures("tinker_fake_server")]

NAME = "Qwen/Qwen3-8B"
VOCABULARY = 1024
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 256, "head_dim": 32}
NUMBERS = np.random.default_rng(0)
BATCH = [NUMBERS.integers(0, VOCABULARY, 65).tolist() for _ in range(8)]
PROMPT = prompt(*BATCH[0][:32])
NO_STEP = types.AdamParams(learning_rate=0)


@pytest.fixture(scope="module")
def oracle():
    """The model in transformers."""
    return Variant("half a million", "Qwen3", SIZES).build(seed=1)


@pytest.fixture(scope="module", params=["exact", "fast"])
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def tinker_fake_server(oracle, tmp_path_factory, mode):
    folder = tmp_path_factory.mktemp("half-a-million")
    oracle.save_pretrained(folder)
    options = BackendOptions(models=((NAME, str(folder)),), mode=mode, threads=1)
    with LiveServer(create_app(open_torch, options=options)) as server:
        yield server


@pytest.fixture
def training(service):
    return service.create_lora_training_client(NAME, rank=8, seed=1).result()


@pytest.fixture
def sampling(service):
    return service.create_sampling_client(base_model=NAME).result()


def rows(weight: float = 1.0) -> list[types.Datum]:
    """The batch: 8 texts of 64 tokens."""
    inputs = [{"target_tokens": ids[1:], "weights": [weight] * 64} for ids in BATCH]
    return [types.Datum(prompt(*ids[:-1]), given) for ids, given in zip(BATCH, inputs, strict=True)]


def norm(training, *batches) -> float:
    """The norm of the gradients that the batches add up to; they are used up, and no weight changes."""
    for batch in batches:
        training.forward_backward(batch, "cross_entropy").result()
    return float(training.optim_step(NO_STEP).result().metrics["grad_norm"])


def trained(training, steps: int = 3):
    """The client, with an adapter that says something."""
    for _ in range(steps):
        training.forward_backward(rows(), "cross_entropy").result()
        training.optim_step(types.AdamParams(learning_rate=1e-2)).result()
    return training


def logprobs(training, *data) -> list[list[float]]:
    output = training.forward(list(data) or rows(), "cross_entropy").result()
    return [given["logprobs"].tolist() for given in output.loss_fn_outputs]


def tokens(sampling, number: int = 1, **params) -> list[list[int]]:
    settings = types.SamplingParams(**{"max_tokens": 16, "stop": [], **params})
    return [
        list(sequence.tokens) for sequence in sampling.sample(PROMPT, number, settings).result().sequences
    ]


def test_the_first_loss_is_the_sum_that_transformers_finds(training, oracle):
    ids = torch.tensor(BATCH)
    with torch.no_grad():
        scores = oracle(ids[:, :-1]).logits
    wanted = torch.nn.functional.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")

    output = training.forward_backward(rows(), "cross_entropy").result()

    assert output.metrics["loss:sum"] == pytest.approx(float(wanted), rel=1e-6)


def test_gradients_are_sums_over_weights_calls_and_datums(training):
    once = norm(training, rows())

    twice = {
        "weights": norm(training, rows(2.0)),
        "calls": norm(training, rows(), rows()),
        "datums": norm(training, rows() + rows()),
    }

    assert once > 0
    assert twice == {what: pytest.approx(2 * once, rel=1e-5) for what in twice}


def test_a_seed_repeats_its_tokens_and_another_one_has_others(sampling):
    first, again, other = (tokens(sampling, seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_one_sample_at_temperature_1_is_drawn_and_not_the_likeliest(sampling):
    greedy = tokens(sampling, temperature=0.0)

    assert tokens(sampling, temperature=1.0, top_p=1.0, seed=1) != greedy


def test_samples_of_one_request_differ(sampling):
    assert len({tuple(sample) for sample in tokens(sampling, 4, seed=1)}) == 4
    assert len({tuple(sample) for sample in tokens(sampling, 4)}) == 4


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 0.0, "top_k": 5}])
def test_the_narrowest_choice_is_the_likeliest_token(sampling, narrow):
    assert tokens(sampling, seed=3, **narrow) == tokens(sampling, temperature=0.0)


def test_a_token_id_stops_and_comes_once(sampling):
    (free,) = tokens(sampling, seed=4)
    end = free.index(free[7]) + 1

    (ended,) = tokens(sampling, seed=4, stop=[free[7]])

    assert ended == free[:end]


def test_a_forward_pass_repeats_its_bits(training):
    trained(training)

    assert logprobs(training) == logprobs(training)


def test_a_prompt_has_a_logprob_for_each_token_but_the_first(sampling):
    scores = sampling.compute_logprobs(PROMPT).result()

    assert (len(scores), scores[0]) == (32, None)
    assert all(score < 0 for score in scores[1:])


def test_sampled_logprobs_are_those_of_training(training, mode):
    sampling = trained(training).save_weights_and_get_sampling_client().result()
    params = types.SamplingParams(max_tokens=24, stop=[], seed=5)
    sequences = sampling.sample(PROMPT, 4, params).result().sequences
    known = PROMPT.to_ints()

    learned = logprobs(training, *(weighted((*known, *sequence.tokens)) for sequence in sequences))

    gaps = [
        abs(mine - theirs)
        for sequence, scores in zip(sequences, learned, strict=True)
        for mine, theirs in zip(sequence.logprobs, scores[len(known) - 1 : -1], strict=True)
    ]
    assert len(gaps) == 96
    assert max(gaps) <= (0 if mode == "exact" else 1e-5)


def test_the_seed_of_an_adapter_decides_how_it_begins(service):
    first, again, other = (
        norm(service.create_lora_training_client(NAME, rank=8, seed=seed).result(), rows())
        for seed in (7, 7, 8)
    )

    assert first == again
    assert first != other


def test_metrics_have_names_that_the_client_can_reduce(training):
    metrics = training.forward_backward(rows(), "cross_entropy").result().metrics

    assert math.isfinite(metrics["loss:sum"])
    known = {"mean", "sum", "min", "max", "slack", "hash2", "unique"}
    assert {name.split(":")[1] for name in metrics} <= known
    assert all(name.count(":") == 1 for name in metrics)


def test_the_path_of_a_sampler_leads_to_its_archive(tinker_fake: Fake, training, rest):
    path = trained(training, 1).save_weights_for_sampler("s").result().path
    parsed = types.ParsedCheckpointTinkerPath.from_tinker_path(path)
    assert rest.get_weights_info_by_tinker_path(path).result().base_model == NAME

    route = f"/api/v1/training_runs/{parsed.training_run_id}/checkpoints/{parsed.checkpoint_id}/archive"
    with urlopen(Request(tinker_fake.url + route, headers={"x-api-key": tinker_fake.api_key})) as answer:
        url = json.load(answer)["url"]
    with urlopen(url) as answer, tarfile.open(fileobj=BytesIO(answer.read())) as packed:
        tensors = load(packed.extractfile("adapter_model.safetensors").read())

    assert sum(tensor.size for tensor in tensors.values()) > 0


def test_no_tenant_sees_the_gradients_of_another(tinker_fake: Fake, training):
    alone = norm(training, rows())
    other = tinker_fake.service_client().create_lora_training_client(NAME, rank=8, seed=2).result()
    training.forward_backward(rows(), "cross_entropy").result()
    other.forward_backward(rows(5.0), "cross_entropy").result()

    assert norm(training) == alone


def test_clipping_looks_at_one_adapter(tinker_fake: Fake, training):
    def moved(clip: float) -> list[list[float]]:
        model = tinker_fake.service_client().create_lora_training_client(NAME, rank=8, seed=1).result()
        model.forward_backward(rows(), "cross_entropy").result()
        training.forward_backward(rows(100.0), "cross_entropy").result()
        params = types.AdamParams(learning_rate=1e-2, eps=1.0, grad_clip_norm=clip)
        model.optim_step(params).result()
        return logprobs(model)

    assert moved(0.5) == moved(0.5)
    assert moved(0.5) != moved(0.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target_tokens": [5, VOCABULARY, 7]}, "vocabulary"),
        ({"target_tokens": [5, -1, 7]}, "-1"),
        ({"target_tokens": [5, 6]}, "target_tokens"),
        ({"weights": [1.0]}, "one per target token, got 1"),
        ({"weights": [1.0, math.nan, 1.0]}, "expected finite numbers"),
        ({"weights": [1.0, math.inf, 1.0]}, "expected finite numbers"),
    ],
    ids=str,
)
def test_a_datum_that_cannot_be_fails_by_name_and_leaves_no_gradient(training, change, words):
    with pytest.raises(tinker.RequestFailedError, match=words) as failed:
        training.forward_backward(
            [datum((1, 2, 3), **{"weights": [1.0] * 3, **change})], "cross_entropy"
        ).result()

    assert str(failed.value.category) == "user"
    assert norm(training) == 0


def test_a_token_of_the_input_outside_the_vocabulary_fails(training):
    with pytest.raises(tinker.RequestFailedError, match="vocabulary"):
        training.forward_backward([weighted((1, VOCABULARY, 3))], "cross_entropy").result()


def test_ratios_need_the_logprobs_of_the_sampler(training):
    with pytest.raises(tinker.RequestFailedError, match="logprobs"):
        training.forward_backward([datum((1, 2, 3), advantages=[1.0] * 3)], "importance_sampling").result()


def test_a_loss_that_is_not_known_leaves_the_client_usable(training):
    with pytest.raises(tinker.RequestFailedError, match="loss_fn: expected one of"):
        training.forward_backward(rows(), "no_such_loss").result()

    assert norm(training, rows()) > 0


@pytest.mark.parametrize(
    "params", [{"top_k": -5}, {"top_p": 2.0}, {"temperature": -1.0}, {"max_tokens": 0}], ids=str
)
def test_a_sampling_parameter_out_of_range_is_refused_by_name(sampling, params):
    with pytest.raises(tinker.TinkerError, match=next(iter(params))):
        tokens(sampling, **params)


def test_no_prompt_and_no_samples_are_refused(sampling):
    with pytest.raises(tinker.TinkerError, match="prompt"):
        sampling.sample(types.ModelInput.empty(), 1, types.SamplingParams(max_tokens=1)).result()
    with pytest.raises(tinker.TinkerError, match="num_samples"):
        tokens(sampling, 0)


def test_a_rank_beyond_the_model_and_a_model_that_is_not_there_change_nothing(service, rest):
    def offered():
        return [model.model_name for model in rest.get_server_capabilities().result().supported_models]

    before = offered()

    with pytest.raises(tinker.TinkerError, match="rank"):
        service.create_lora_training_client(NAME, rank=100_000).result()
    with pytest.raises(tinker.TinkerError, match="no/such-model"):
        service.create_lora_training_client("no/such-model", rank=8).result()

    assert NAME in before
    assert offered() == before


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("retrieve_future", {"request_id": "not-a-number"}, 404),
        ("retrieve_future", {"request_id": "99"}, 404),
        ("session_heartbeat", {"session_id": "nobody"}, 404),
        ("forward_backward", {"model_id": "nobody", "seq_id": 1}, 422),
        ("get_info", {"model_id": "nobody"}, 404),
    ],
)
def test_ids_that_never_were_are_told_at_once(tinker_fake: Fake, operation, body, status):
    assert post(tinker_fake, f"/api/v1/{operation}", body)[0] == status
