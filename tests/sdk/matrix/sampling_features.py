"""Sampling: each parameter of a sample, scores, clones."""

import pickle

from tinker import types

from tests.sdk.matrix.feature import feature
from tests.sdk.matrix.world import PICO, World, prompt

__all__: list[str] = []

S = "sampling"
SAMPLE = "SamplingClient.sample"


@feature(S, "sample", SAMPLE, "ServiceClient.create_sampling_client")
def sample(world: World) -> None:
    made = world.recorded(world.call(world.service, "create_sampling_client", base_model=PICO))
    sequences = world.sample(3, made, temperature=0.7, top_k=20, top_p=0.9)
    assert [len(sequence.logprobs) for sequence in sequences] == [len(s.tokens) for s in sequences]
    assert len(sequences) == 3


@feature(S, "many at once", SAMPLE, once=True)
def many(world: World) -> None:
    params = types.SamplingParams(max_tokens=2, stop=[])
    waiting = [world.sampling.sample(prompt(1, n), 1, params) for n in range(12)]
    assert [len(future.result().sequences[0].tokens) for future in waiting] == [2] * 12


@feature(S, "seed", SAMPLE, "types.SamplingParams(seed)")
def seed(world: World) -> None:
    first, second = (world.sample(2, max_tokens=8, seed=11, stop=[]) for _ in range(2))
    assert [s.tokens for s in first] == [s.tokens for s in second]


@feature(S, "greedy", SAMPLE)
def greedy(world: World) -> None:
    cold, narrow = world.sample(temperature=0.0, stop=[]), world.sample(top_k=1, stop=[])
    assert cold[0].tokens == narrow[0].tokens


@feature(S, "stop texts", SAMPLE)
def stop_text(world: World) -> None:
    (free,) = world.sample(max_tokens=48, seed=5, stop=[])
    letter = chr(next(token for token in free.tokens if token < 128))
    for stop in (letter, [letter, "never so"]):
        (ended,) = world.sample(max_tokens=48, seed=5, stop=stop)
        assert (ended.stop_reason, chr(ended.tokens[-1])) == ("stop", letter)


@feature(S, "stop tokens", SAMPLE)
def stop_tokens(world: World) -> None:
    (free,) = world.sample(max_tokens=6, seed=5, stop=[])
    (ended,) = world.sample(max_tokens=6, seed=5, stop=[free.tokens[2]])
    assert list(ended.tokens) == list(free.tokens[: list(free.tokens).index(free.tokens[2]) + 1])


@feature(S, "logprobs", "SamplingClient.compute_logprobs")
def logprobs(world: World) -> None:
    scores = list(world.call(world.sampling, "compute_logprobs", prompt()))
    assert scores[0] is None
    assert all(score < 0 for score in scores[1:])
    assert len(scores) == 5


@feature(S, "prompt logprobs", "SamplingClient.sample(include_prompt_logprobs)")
def prompt_logprobs(world: World) -> None:
    answer = world.answer(include_prompt_logprobs=True)
    assert list(answer.prompt_logprobs) == list(world.call(world.sampling, "compute_logprobs", prompt()))


@feature(S, "top of the prompt", "SamplingClient.sample(topk_prompt_logprobs)")
def top_of_prompt(world: World) -> None:
    rows = world.answer(include_prompt_logprobs=True, topk_prompt_logprobs=3).topk_prompt_logprobs
    assert [row and len(row) for row in rows] == [None, 3, 3, 3, 3]


@feature(S, "top of a sample", "SamplingClient.sample(topk_sample_logprobs)")
def top_of_sample(world: World) -> None:
    (sequence,) = world.answer(topk_sample_logprobs=2).sequences
    assert [len(row) for row in sequence.topk_logprobs] == [2, 2]


@feature(S, "chosen tokens", "SamplingClient.sample(target_prompt_logprobs)")
def chosen(world: World) -> None:
    ids = types.TensorData(data=[101, 108, 108, 111], dtype="int64", shape=[4, 1])
    answer = world.answer(include_prompt_logprobs=True, target_prompt_logprobs=ids)
    scores = list(answer.target_prompt_logprobs.to_numpy()[:, 0])
    assert all(abs(a - b) < 1e-5 for a, b in zip(scores, answer.prompt_logprobs[1:], strict=True))


@feature(S, "other tokens", "SamplingClient.sample(prompt_alt_tokens_k)")
def others(world: World) -> None:
    answer = world.answer(include_prompt_logprobs=True, prompt_alt_tokens_k=2)
    assert tuple(answer.prompt_alt_tokens.tokens.shape) == (4, 2)


@feature(S, "last of the prompt", "SamplingClient.compute_logprobs(prompt_logprobs_last_n)")
def last(world: World) -> None:
    whole = world.call(world.sampling, "compute_logprobs", prompt())
    some = world.call(world.sampling, "compute_logprobs", prompt(), prompt_logprobs_last_n=2)
    assert list(some) == [None, None, None, *whole[3:]]
    answer = world.answer(include_prompt_logprobs=True, prompt_logprobs_last_n=2)
    assert list(answer.prompt_logprobs) == list(some)


@feature(S, "records of stability", "ServiceClient.create_sampling_client(record_stability_info)")
def stability(world: World) -> None:
    named = {"record_stability_info": True}
    path = world.sampled_from()
    for client, name, given in (
        (world.service, "create_sampling_client", {"base_model": PICO}),
        (world.training, "create_sampling_client", {"model_path": path}),
        (world.training, "save_weights_and_get_sampling_client", {}),
    ):
        assert world.sample(sampler=world.recorded(world.call(client, name, **given, **named)))


@feature(S, "base model", "SamplingClient.get_base_model")
def base_model(world: World) -> None:
    assert world.call(world.sampling, "get_base_model") == PICO


@feature(S, "tokenizer of a sampler", "SamplingClient.get_tokenizer", once=True)
def tokenizer(world: World) -> None:
    made = world.call(world.service, "create_sampling_client", base_model=world.folder)
    assert world.recorded(made).get_tokenizer().encode("hi") == [104, 105]


@feature(S, "pickled clones", "SamplingClient.__reduce__", once=True)
def pickled(world: World) -> None:
    clone = world.recorded(pickle.loads(pickle.dumps(world.sampling.client)))
    told = [list(world.call(either, "compute_logprobs", prompt())) for either in (clone, world.sampling)]
    assert told[0] == told[1]
    assert world.sample(sampler=clone)


@feature(S, "handles", "SamplingClient.get_sampler_handle", once=True)
def handles(world: World) -> None:
    handle = world.sampling.get_sampler_handle()
    kind = world.recorded(type(world.sampling.client))
    clone = world.recorded(kind.from_sampler_handle(handle, api_key="tml-tinkerproof"))
    assert world.sample(sampler=clone)
