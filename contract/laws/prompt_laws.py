"""Laws of prompts: how they are scored, and which samples and samplers are refused."""

from typing import Any

import numpy as np

from contract.laws.expect import expect, expect_close, expect_equal, pairs
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.sampler import Sampler
from contract.laws.subject import Subject
from contract.sampling import SampleResponse, TopkLogprobs
from contract.tensors import TensorData

__all__ = ["PROMPT_LAWS"]

PROMPT_LAWS = Lawbook()
law = PROMPT_LAWS.law
TOKENS = (5, 6, 7, 8, 9)
NOT_THERE = 1.0
"""Stands for a logprob that is missing: none is above 0."""


def scored(sampler: Sampler, tokens: tuple[int, ...] = TOKENS, **fields: Any) -> SampleResponse:
    """A prompt's scores: one token is sampled, as clients do."""
    return sampler.sample(tokens, max_tokens=1, fields={"prompt_logprobs": True, **fields})


def uneven(sampler: Sampler) -> tuple[int, ...]:
    """A prompt of 8 tokens whose scores are not all alike: the last 5 are the likeliest ones."""
    first = TOKENS[:3]
    [sequence] = sampler.sample(first, temperature=0, max_tokens=5, stop=[]).sequences
    return (*first, *sequence.tokens)


def numbers(scores: list[float | None] | None) -> list[float]:
    """Scores after the first; `NOT_THERE` where there is none."""
    return [NOT_THERE if score is None else score for score in (scores or [])[1:]]


def filled(rows: TopkLogprobs | None) -> list[list[tuple[int, float]]]:
    """Rows after the first; an empty one where there is none."""
    return [row or [] for row in (rows or [])[1:]]


@law(
    "SMP-26",
    "prompt_logprobs has an entry for each prompt token: none for the first, at most 0 for the others.",
    source="sdk 0.38.0 types/sample_response.py",
    breaks="N - 1 entries, or a number for the first: every score belongs to the wrong token.",
    needs=("sampling",),
)
def one_score_for_each_token(s: Subject) -> None:
    scores = scored(s.sampler()).prompt_logprobs or []
    expect_equal(len(scores), len(TOKENS), "prompt_logprobs")
    expect_equal(scores[0], None, "prompt_logprobs of the first token")
    expect(all(score <= 0 for score in numbers(scores)), f"prompt_logprobs: expected at most 0, got {scores}")


@law(
    "SMP-27",
    "A prompt is scored only where prompt_logprobs is true, and one sequence comes all the same.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py",
    breaks="scores always, which costs memory for each token of each prompt, or answers no sequence.",
    needs=("sampling",),
)
def scores_are_asked_for(s: Subject) -> None:
    sampler = s.sampler()
    expect_equal(sampler.sample(TOKENS).prompt_logprobs, None, "prompt_logprobs that nobody asked for")
    expect_equal(len(scored(sampler).sequences), 1, "sequences of a request that scores a prompt")


@law(
    "SMP-28",
    "A prompt token's score depends on the tokens before it alone.",
    source="ours: a causal model",
    breaks="pads on the wrong side, or shifts positions by a batch's longest prompt.",
    needs=("sampling",),
)
def scores_are_causal(s: Subject) -> None:
    sampler = s.sampler()
    short, long, other = (numbers(sampler.logprobs(tokens)) for tokens in (TOKENS[:3], TOKENS, (5, 6, 7, 9)))
    for scores in (long, other):
        expect_close(scores[:2], short, "scores of a prompt that goes on", tolerance=10 * s.tolerance)


@law(
    "SMP-29",
    "Scoring the same prompt again gives the same scores, cached or not, whatever else is asked for.",
    source="ours: prompt_logprobs are the model's, not the draw's",
    breaks="leaves out the part that a cache served, or applies temperature to it.",
    needs=("sampling",),
)
def scores_repeat(s: Subject) -> None:
    sampler = s.sampler()
    first = numbers(sampler.logprobs(TOKENS))
    for params in ({}, {"top_k": 1}, {"top_p": 0.5, "seed": 3}, {"max_tokens": 4}):
        again = sampler.sample(TOKENS, 2, fields={"prompt_logprobs": True}, **params).prompt_logprobs
        expect_close(numbers(again), first, f"scores with {params}", tolerance=10 * s.tolerance)


@law(
    "SMP-30",
    "A prompt in several chunks is scored as in one.",
    source="sdk 0.38.0 types/model_input.py",
    breaks="reads the first chunk, or starts each one anew.",
    needs=("sampling",),
)
def chunks_are_one_prompt(s: Subject) -> None:
    sampler = s.sampler()
    parts = [{"type": "encoded_text", "tokens": list(tokens)} for tokens in (TOKENS[:2], TOKENS[2:])]
    split = scored(sampler, prompt={"chunks": parts}).prompt_logprobs
    expect_close(
        numbers(split), numbers(sampler.logprobs(TOKENS)), "scores of two chunks", tolerance=10 * s.tolerance
    )


@law(
    "SMP-31",
    "Prompts of several lengths that wait together are scored as each would be alone.",
    source="ours: seen as a bug of a public server, which returned the padding's logprobs",
    breaks="aligns a batch on the wrong side, and scores padding.",
    needs=("sampling",),
)
def batches_do_not_mix(s: Subject) -> None:
    sampler = s.sampler()
    prompts = [uneven(sampler)[:size] for size in (8, 2, 5, 3)]
    alone = {tokens: numbers(sampler.logprobs(tokens)) for tokens in sorted(prompts, key=len)}
    one: dict[str, Any] = {"max_tokens": 1, "fields": {"prompt_logprobs": True}}
    promises = [promised(sampler.send(tokens, **one), "asample") for tokens in prompts]
    for promise, tokens in list(zip(promises, prompts, strict=True))[::-1]:
        got = numbers(s.result(promise, SampleResponse).prompt_logprobs)
        expect_close(got, alone[tokens], "scores of a prompt among others", tolerance=10 * s.tolerance)


@law(
    "SMP-32",
    "topk_prompt_logprobs gives k different tokens for each position but the first, the likeliest first.",
    source="sdk 0.38.0 types/topk_logprobs.py",
    breaks="unsorted, one row short, or with the first token's row filled: distillation targets are shifted.",
    needs=("sampling", "topk_prompt_logprobs"),
    since="0.3.0",
)
def likeliest_prompt_tokens(s: Subject) -> None:
    rows = scored(s.sampler(), topk_prompt_logprobs=3).topk_prompt_logprobs or []
    expect_equal(len(rows), len(TOKENS), "rows of topk_prompt_logprobs")
    expect(not rows[0], f"topk_prompt_logprobs of the first token: expected none, got {rows[0]}")
    for row in filled(rows):
        expect_equal(len({token for token, _ in row}), 3, "different tokens in a row of topk_prompt_logprobs")
        found = [logprob for _, logprob in row]
        expect_equal(found, sorted(found, reverse=True), "logprobs of a row of topk_prompt_logprobs")


@law(
    "SMP-33",
    "Where the prompt's own token is likelier than the last of topk_prompt_logprobs it is among them.",
    source="ours: both come from one distribution",
    breaks="takes the row of the next position.",
    needs=("sampling", "topk_prompt_logprobs"),
    since="0.3.0",
)
def own_token_is_among_the_likeliest(s: Subject) -> None:
    sampler = s.sampler()
    tokens = (*TOKENS, *sampler.sample(TOKENS, temperature=0, max_tokens=6, stop=[]).sequences[0].tokens)
    given = scored(sampler, tokens, topk_prompt_logprobs=3)
    rows, scores = filled(given.topk_prompt_logprobs), numbers(given.prompt_logprobs)
    told = pairs(tokens[1:], rows, "rows of topk_prompt_logprobs")
    for (token, row), score in pairs(told, scores, "prompt_logprobs"):
        last = min([score, *dict(row).values()])
        found = dict(row).get(token, last)
        expect_close(score, found, f"logprob of {token} by topk_prompt_logprobs", tolerance=10 * s.tolerance)


@law(
    "SMP-34",
    "The probabilities of a row of topk_prompt_logprobs sum to at most 1.",
    source="ours: logprobs, in natural logarithms",
    breaks="answers logits, or logarithms of base 2.",
    needs=("sampling", "topk_prompt_logprobs"),
    since="0.3.0",
)
def likeliest_sum_to_one_at_most(s: Subject) -> None:
    for row in filled(scored(s.sampler(), topk_prompt_logprobs=5).topk_prompt_logprobs):
        total = float(np.exp([logprob for _, logprob in row]).sum())
        expect(0 < total <= 1 + s.tolerance, f"sum of 5 probabilities: expected at most 1, got {total}")


@law(
    "SMP-35",
    "topk_sample_logprobs has a row for each token of a sequence, a greedy token the first of its row.",
    source="sdk 0.38.0 types/sampled_sequence.py",
    breaks="one row late, so that a teacher's scores are those of the next token.",
    needs=("sampling", "topk_sample_logprobs"),
    since="0.29.0",
)
def likeliest_sampled_tokens(s: Subject) -> None:
    fields = {"topk_sample_logprobs": 2}
    [sequence] = s.sampler().sample(TOKENS, temperature=0, max_tokens=6, stop=[], fields=fields).sequences
    rows = sequence.topk_logprobs or []
    expect_equal([row[0][0] for row in rows if row], list(sequence.tokens), "first tokens of topk_logprobs")
    expect(all(len(row or []) == 2 for row in rows), f"rows of topk_logprobs: expected 2 each, got {rows}")


@law(
    "SMP-36",
    "At temperature 1, a drawn token's logprob is the one that its row of topk_sample_logprobs gives.",
    source="ours: both come from one distribution",
    breaks="scores the row before temperature and the token after it.",
    needs=("sampling", "topk_sample_logprobs"),
    since="0.29.0",
)
def drawn_token_in_its_row(s: Subject) -> None:
    fields = {"topk_sample_logprobs": 5}
    for sequence in s.sampler().sample(TOKENS, 4, stop=[], fields=fields).sequences:
        rows = [dict(row or []) for row in sequence.topk_logprobs or []]
        drawn = pairs(sequence.tokens, sequence.logprobs or [], "logprobs of a sample")
        for (token, score), row in pairs(drawn, rows, "rows of topk_logprobs"):
            expect_close(score, row.get(token, score), f"logprob of {token}", tolerance=10 * s.tolerance)


def asked(rows: list[list[int]]) -> dict[str, Any]:
    """The field that asks for the logprobs of tokens."""
    targets = TensorData.from_numpy(np.array(rows, np.int64))
    return {"target_prompt_logprobs": targets.model_dump(mode="json", exclude_none=True)}


def found(response: SampleResponse) -> TensorData:
    """The logprobs that were asked for; of shape [0, 0] where there are none."""
    return response.target_prompt_logprobs or TensorData.from_numpy(np.zeros((0, 0), np.float32))


@law(
    "SMP-37",
    "target_prompt_logprobs scores the tokens asked for: those of the prompt as prompt_logprobs does.",
    source="sdk 0.38.0 types/sample_request.py",
    breaks="row i at position i: one token too early.",
    needs=("sampling", "target_prompt_logprobs"),
    since="0.30.0",
)
def targets_are_scored(s: Subject) -> None:
    sampler = s.sampler()
    tokens = uneven(sampler)
    response = scored(sampler, tokens, **asked([[token, 3] for token in tokens[1:]]))
    values = found(response).to_numpy()
    expect_equal(values.shape, (len(tokens) - 1, 2), "shape of target_prompt_logprobs")
    own, expected = values[:, 0].tolist(), numbers(response.prompt_logprobs)
    expect_close(own, expected, "target_prompt_logprobs of the prompt", tolerance=10 * s.tolerance)
    expect(bool((values < 0).all()), "target_prompt_logprobs: expected numbers below 0, got others")


@law(
    "SMP-38",
    "Where target_prompt_logprobs has -1, the answer has 0.0, and the other tokens' scores do not change.",
    source="sdk 0.38.0 types/sample_request.py",
    breaks="takes -1 for the last token of the vocabulary.",
    needs=("sampling", "target_prompt_logprobs"),
    since="0.30.0",
)
def no_target_no_score(s: Subject) -> None:
    sampler, nobody = s.sampler(), [[3, -1], [-1, -1], [4, 3], [-1, 4]]
    every = [[token if token >= 0 else 3 for token in row] for row in nobody]
    values, whole = (found(scored(sampler, **asked(rows))).to_numpy().ravel() for rows in (nobody, every))
    expected = np.where(np.array(nobody).ravel() < 0, 0.0, whole).tolist()
    expect_close(values.tolist(), expected, "target_prompt_logprobs", tolerance=10 * s.tolerance)


@law(
    "SMP-39",
    "prompt_logprobs_last_n scores the last n tokens as the whole prompt's scores do, and none before them.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py",
    breaks="answers n entries and not N: the SDK raises RuntimeError.",
    needs=("sampling", "prompt_logprobs_last_n"),
    since="0.33.1",
)
def last_scores(s: Subject) -> None:
    sampler = s.sampler()
    scores = scored(sampler, prompt_logprobs_last_n=2).prompt_logprobs or []
    expect_equal(len(scores), len(TOKENS), "prompt_logprobs with prompt_logprobs_last_n")
    expect_equal(scores[:-2], [None] * (len(TOKENS) - 2), "scores before the last 2")
    whole = numbers(sampler.logprobs(TOKENS))
    expect_close(numbers(scores)[-2:], whole[-2:], "the last 2 scores", tolerance=10 * s.tolerance)


@law(
    "SMP-40",
    "prompt_alt_tokens_k draws k tokens for each position but the first, with the model's logprobs of them.",
    source="sdk 0.38.0 types/prompt_alt_tokens.py",
    breaks="leaves prompt_alt_tokens out: the SDK raises RuntimeError.",
    needs=("sampling", "prompt_alt_tokens", "target_prompt_logprobs"),
    since="0.31.0",
)
def alternatives(s: Subject) -> None:
    sampler = s.sampler()
    drawn = scored(sampler, prompt_alt_tokens_k=3).prompt_alt_tokens
    tokens = drawn.tokens.to_numpy() if drawn else np.zeros((0, 0), np.int64)
    expect_equal(tokens.shape, (len(TOKENS) - 1, 3), "shape of prompt_alt_tokens")
    logprobs = drawn.logprobs.to_numpy().ravel().tolist() if drawn else []
    expected = found(scored(sampler, **asked(tokens.tolist()))).to_numpy().ravel().tolist()
    expect_close(logprobs, expected, "logprobs of prompt_alt_tokens", tolerance=10 * s.tolerance)
