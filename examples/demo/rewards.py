"""Reinforcement learning in a few seconds: sentences whose words begin with s are rewarded.

Groups of samples of the same prompt; a sample's advantage is its reward less the mean of its group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import Progress
from tinker import (
    AdamParams,
    Datum,
    ModelInput,
    SampledSequence,
    SamplingClient,
    SamplingParams,
    TrainingClient,
)

__all__ = ["Learning", "Sample", "datum_of", "learn", "reward"]

PROMPTS = ("The sailor ", "In the morning ", "At night ", "A ship ")
GROUP, LEARNING_RATE, MAX_TOKENS = 8, 3e-3, 48
FEWEST_WORDS, SHORTEST = 4, 3
"""A reply of fewer words is judged as one of so many; a shorter word counts for nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A reply to a prompt, and what it is worth."""

    prompt: list[int]
    tokens: list[int]
    logprobs: list[float]
    """As they were sampled, one for each of `tokens`."""
    text: str
    advantage: float


@dataclass(frozen=True, slots=True)
class Learning:
    """What some rounds told."""

    rewards: list[float]
    """Mean over the samples of each round."""
    furthest: float
    """The largest difference of a logprob as it was sampled and as it was trained on."""
    first: list[str]
    """A sample for each prompt, of the first round."""
    last: list[str]


def reward(reply: str) -> float:
    """The share of its words that begin with s, 0 to 1; each word counts once, and it must be a sentence."""
    words = reply.removesuffix(".").lower().split()
    hits = {word for word in words if word.startswith("s") and len(word) >= SHORTEST}
    return len(hits) / max(len(words), FEWEST_WORDS) if reply.endswith(".") else 0.0


def learn(client: TrainingClient, tokenizer: Any, rounds: int, bar: Progress) -> Learning:
    """Sample from the model as it is, reward, train, again."""
    rewards: list[float] = []
    texts: list[list[str]] = []
    furthest = 0.0
    task = bar.add_task("rewarding", total=rounds, value=float("nan"))
    for step in range(rounds):
        sampler = client.save_weights_and_get_sampling_client().result()
        samples, mean = _sampled(sampler, tokenizer, seed=step)
        forward_backward = client.forward_backward([datum_of(s) for s in samples], "importance_sampling")
        optim_step = client.optim_step(AdamParams(learning_rate=LEARNING_RATE))
        outputs = forward_backward.result().loss_fn_outputs
        optim_step.result()
        trained = [output["logprobs"].to_numpy() for output in outputs]
        furthest = max(furthest, _furthest(samples, trained))
        rewards.append(mean)
        texts.append([s.text for s in samples[::GROUP]])
        bar.update(task, advance=1, value=mean)
    return Learning(rewards, furthest, texts[0], texts[-1])


def _sampled(sampler: SamplingClient, tokenizer: Any, seed: int) -> tuple[list[Sample], float]:
    """A group of samples for each prompt, and the mean reward of them all."""
    params = SamplingParams(max_tokens=MAX_TOKENS, temperature=1.0, seed=seed, stop=[".", "\n"])
    prompts = [tokenizer.encode(prompt) for prompt in PROMPTS]
    asked = [
        sampler.sample(ModelInput.from_ints(prompt), num_samples=GROUP, sampling_params=params)
        for prompt in prompts
    ]
    samples, means = [], []
    for words, prompt, future in zip(PROMPTS, prompts, asked, strict=True):
        sequences = future.result().sequences
        replies = [tokenizer.decode(sequence.tokens, skip_special_tokens=True) for sequence in sequences]
        rewards = [reward(reply) for reply in replies]
        means.append(float(np.mean(rewards)))
        samples += [
            _sample(prompt, sequence, words + reply, earned - means[-1])
            for sequence, reply, earned in zip(sequences, replies, rewards, strict=True)
        ]
    return samples, float(np.mean(means))


def _sample(prompt: list[int], sequence: SampledSequence, text: str, advantage: float) -> Sample:
    assert sequence.logprobs is not None
    return Sample(prompt, list(sequence.tokens), list(sequence.logprobs), text, advantage)


def datum_of(sample: Sample) -> Datum:
    """A sample as a training example; the prompt has no advantage, so nothing is learned on it."""
    tokens = sample.prompt + sample.tokens
    before = [0.0] * (len(sample.prompt) - 1)
    return Datum(
        model_input=ModelInput.from_ints(tokens[:-1]),
        loss_fn_inputs={
            "target_tokens": np.array(tokens[1:]),
            "logprobs": np.array(before + sample.logprobs, dtype=np.float32),
            "advantages": np.array(before + [sample.advantage] * len(sample.tokens), dtype=np.float32),
        },
    )


def _furthest(samples: Sequence[Sample], trained: Sequence[np.ndarray]) -> float:
    """The largest difference of the logprobs of what was sampled."""
    return max(
        float(np.abs(found[len(sample.prompt) - 1 :] - np.array(sample.logprobs, dtype=np.float32)).max())
        for sample, found in zip(samples, trained, strict=True)
    )
