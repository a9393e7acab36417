"""Laws of sampling: what is drawn, where it ends, and which request gets which sequences."""

from string import printable
from typing import Any

from contract.laws.expect import expect, expect_close, expect_equal
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.sampler import PROMPT, Sampler
from contract.laws.subject import Subject
from contract.sampling import SampleResponse

__all__ = ["SAMPLING_LAWS"]

SAMPLING_LAWS = Lawbook()
law = SAMPLING_LAWS.law
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 16}


def drawn(sampler: Sampler, num_samples: int = 1, **params: Any) -> list[list[int]]:
    """The tokens of each sequence after the usual prompt: 16 of them, and nothing ends them."""
    given = {"max_tokens": 16, "stop": [], **params}
    return [list(each.tokens) for each in sampler.sample(PROMPT, num_samples, **given).sequences]


@law(
    "SMP-01",
    "A sequence has at least one token, and never more than max_tokens.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="off by one, or a floor of its own: cost and context are not what the user asked for.",
    needs=("sampling",),
)
def most_tokens(s: Subject) -> None:
    sampler = s.sampler()
    for limit in (1, 2, 7):
        for sequence in sampler.sample(num_samples=4, max_tokens=limit).sequences:
            length = len(sequence.tokens)
            expect(1 <= length <= limit, f"tokens of a sample: expected 1 to {limit}, got {length}")


@law(
    "SMP-02",
    "A sequence that is shorter than max_tokens has stop_reason 'stop'.",
    source="sdk 0.38.0 types/stop_reason.py",
    breaks="says 'length' always: trainers mask a finished answer as one that was cut off.",
    needs=("sampling",),
)
def short_ones_were_stopped(s: Subject) -> None:
    for sequence in s.sampler().sample(num_samples=8, max_tokens=48).sequences:
        if len(sequence.tokens) < 48:
            expect_equal(
                sequence.stop_reason, "stop", f"stop_reason after {len(sequence.tokens)} of 48 tokens"
            )


@law(
    "SMP-03",
    "With `stop` [] nothing ends a sequence: it has max_tokens tokens and stop_reason 'length'.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="takes [] for none given, so the end-of-text token still ends what should be of fixed length.",
    needs=("sampling",),
    since="0.38.0",
)
def nothing_stops(s: Subject) -> None:
    for sequence in s.sampler().sample(num_samples=16, max_tokens=32, stop=[]).sequences:
        expect_equal(len(sequence.tokens), 32, "tokens of a sample that nothing stops")
        expect_equal(sequence.stop_reason, "length", "stop_reason of a sample that nothing stops")


@law(
    "SMP-04",
    "A token id in `stop` ends the sequence where it first comes, with stop_reason 'stop'.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="drops ids and knows texts only: chat turns run on into the next speaker's.",
    needs=("sampling",),
)
def token_stops(s: Subject) -> None:
    sampler = s.sampler()
    [whole] = drawn(sampler, **GREEDY)
    last = max(whole.index(token) for token in whole[:8])
    [cut] = sampler.sample(**GREEDY, stop=[whole[last]]).sequences
    expect_equal(cut.stop_reason, "stop", f"stop_reason with stop [{whole[last]}]")
    expect_equal(list(cut.tokens), whole[: last + 1][: len(cut.tokens)], "tokens up to a stop token")


@law(
    "SMP-05",
    "A token id in `stop` that is not drawn changes nothing.",
    source="ours: a stop that does not come is no stop",
    breaks="reads ids as texts, or compares with what the prompt has, and ends sequences at random.",
    needs=("sampling",),
)
def absent_stop(s: Subject) -> None:
    sampler = s.sampler()
    [endless], [usual] = drawn(sampler, **GREEDY), drawn(sampler, **{**GREEDY, "stop": None})
    absent = next(token for token in range(64) if token not in endless)
    [kept] = drawn(sampler, **{**GREEDY, "stop": [absent]})
    expect(kept in (endless, usual), f"tokens with stop [{absent}]: expected {usual}, got {kept}")


@law(
    "SMP-06",
    "A text in `stop` ends the sequence with the token that completes it, and stop_reason 'stop'.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="ignores texts, or looks for a token that is the text, so a stop across tokens is missed.",
    needs=("sampling", "stop texts"),
)
def text_stops(s: Subject) -> None:
    sampler = s.sampler()
    [whole] = drawn(sampler, **GREEDY)
    [cut] = sampler.sample(**GREEDY, stop=list(printable)).sequences
    expect_equal(cut.stop_reason, "stop", "stop_reason with every printable character in stop")
    expect(len(cut.tokens) < 16, "tokens with every printable character in stop: expected few, got 16")
    expect_equal(list(cut.tokens), whole[: len(cut.tokens)], "tokens up to a stop text")


@law(
    "SMP-07",
    "`stop` may be one text: it is the same as a list of that text.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="iterates over the text: every one of its characters becomes a stop.",
    needs=("sampling", "stop texts"),
)
def one_text_is_a_list_of_one(s: Subject) -> None:
    sampler = s.sampler()
    for text in ("e", "zqxjv etaoin"):
        alone, listed = (sampler.sample(**GREEDY, stop=stop).sequences[0] for stop in (text, [text]))
        expect_equal(alone.tokens, listed.tokens, f"tokens with stop {text!r} and with [{text!r}]")
        expect_equal(alone.stop_reason, listed.stop_reason, f"stop_reason with stop {text!r}")


@law(
    "SMP-08",
    "The same seed draws the same tokens again.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="drops the seed: no run can be repeated.",
    needs=("sampling",),
)
def seeds_repeat(s: Subject) -> None:
    first, other = s.sampler(), s.sampler()
    expect_equal(drawn(other, seed=7), drawn(first, seed=7), "tokens of the same seed in another sampler")
    expect_equal(drawn(first, seed=7), drawn(other, seed=7), "tokens of the same seed later")


@law(
    "SMP-09",
    "Different seeds draw different tokens.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="seeds once per process, or with a constant: all rollouts are the same.",
    needs=("sampling",),
)
def seeds_differ(s: Subject) -> None:
    sampler = s.sampler()
    different = {tuple(drawn(sampler, seed=seed)[0]) for seed in range(4)}
    expect(len(different) > 1, "tokens of four seeds at temperature 1: expected some to differ, got one text")


@law(
    "SMP-10",
    "Without a seed, requests draw independently.",
    source="ours: a group of rollouts is often a group of requests",
    breaks="takes 0 for a missing seed, and advantages of a group are all zero.",
    needs=("sampling",),
)
def requests_are_independent(s: Subject) -> None:
    sampler = s.sampler()
    different = {tuple(drawn(sampler)[0]) for _ in range(4)}
    expect(
        len(different) > 1, "tokens of four requests without a seed: expected some to differ, got one text"
    )


@law(
    "SMP-11",
    "The sequences of one request are drawn independently.",
    source="sdk 0.38.0 types/sample_request.py",
    breaks="draws once and repeats it num_samples times: groups without variance teach nothing.",
    needs=("sampling",),
)
def sequences_are_independent(s: Subject) -> None:
    different = {tuple(tokens) for tokens in drawn(s.sampler(), 4)}
    expect(len(different) > 1, "tokens of num_samples 4: expected some to differ, got one text four times")


@law(
    "SMP-12",
    "The sequences of one request differ where it has a seed, too, and repeat together.",
    source="ours: seen as a bug of a hosted server",
    breaks="seeds every sequence alike: num_samples times the same text.",
    needs=("sampling",),
)
def seeded_sequences_differ(s: Subject) -> None:
    sampler = s.sampler()
    first = drawn(sampler, 4, seed=11)
    expect(len({tuple(tokens) for tokens in first}) > 1, f"tokens of 4 seeded samples: all are {first[0]}")
    expect_equal(drawn(sampler, 4, seed=11), first, "tokens of the same 4 samples with the same seed")


@law(
    "SMP-13",
    "As many sequences come as num_samples asks for.",
    source="sdk 0.38.0 types/sample_request.py",
    breaks="answers one, and rewards are counted against the wrong group.",
    needs=("sampling",),
)
def number_of_sequences(s: Subject) -> None:
    sampler = s.sampler()
    for number in (1, 2, 5):
        found = len(sampler.sample(num_samples=number, max_tokens=2).sequences)
        expect_equal(found, number, f"sequences of num_samples {number}")


@law(
    "SMP-14",
    "The promise of a sample names its sequences, one id for each, no two the same.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py",
    breaks="leaves sample_sequence_ids out: the SDK raises AssertionError after the sample was paid for.",
    needs=("sampling",),
    since="0.26.0",
)
def sequences_have_ids(s: Subject) -> None:
    sampler = s.sampler()
    replies = [sampler.send(num_samples=number).json for number in (3, 1)]
    ids = [each for reply in replies for each in reply.get("sample_sequence_ids") or []]
    expect_equal(len(ids), 4, "sample_sequence_ids of 3 and of 1 samples")
    expect_equal(len(set(ids)), 4, "different ids among sample_sequence_ids")


@law(
    "SMP-15",
    "Temperature 0 is greedy: it draws the same tokens every time, whatever the seed.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="`temperature or 1.0`: evaluations at 0 are random.",
    needs=("sampling",),
)
def zero_is_greedy(s: Subject) -> None:
    sampler = s.sampler()
    texts = [tuple(drawn(sampler, **GREEDY, seed=seed)[0]) for seed in (None, 1, 2, 3)]
    texts += [tuple(tokens) for tokens in drawn(sampler, 3, **GREEDY)]
    expect_equal(len(set(texts)), 1, "different texts at temperature 0")


@law(
    "SMP-16",
    "top_k 1 draws at any temperature what temperature 0 draws.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="ignores top_k, or counts it from 0.",
    needs=("sampling",),
)
def first_of_one_is_greedy(s: Subject) -> None:
    sampler = s.sampler()
    [greedy] = drawn(sampler, **GREEDY)
    for tokens in drawn(sampler, 3, top_k=1, temperature=1.5):
        expect_equal(tokens, greedy, "tokens with top_k 1")


@law(
    "SMP-17",
    "A top_p of almost 0 leaves the likeliest token.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="ignores top_p, or leaves no token and fails.",
    needs=("sampling",),
)
def least_share_is_greedy(s: Subject) -> None:
    sampler = s.sampler()
    [greedy] = drawn(sampler, **GREEDY)
    for tokens in drawn(sampler, 3, top_p=1e-6):
        expect_equal(tokens, greedy, "tokens with top_p 1e-6")


@law(
    "SMP-18",
    "Each token has its logprob, of at most 0.",
    source="sdk 0.38.0 types/sampled_sequence.py",
    breaks="answers logits, or a list of another length, and every ratio of a loss is wrong.",
    needs=("sampling",),
)
def each_token_has_a_logprob(s: Subject) -> None:
    for sequence in s.sampler().sample(num_samples=4, max_tokens=12).sequences:
        scores = sequence.logprobs or []
        expect_equal(len(scores), len(sequence.tokens), "logprobs of a sample")
        expect(all(score <= 0 for score in scores), f"logprobs: expected at most 0, got {max(scores)!r}")


@law(
    "SMP-19",
    "At temperature 1, the logprobs of a sample are those that the sampler gives its tokens in a prompt.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py",
    breaks="off by one position, or of the distribution after top_p: ratios are not 1 at the start.",
    needs=("sampling",),
)
def sampled_is_recomputed(s: Subject) -> None:
    sampler = s.sampler()
    [sequence] = sampler.sample(PROMPT, max_tokens=12, stop=[], seed=3).sequences
    again = [score or 0.0 for score in sampler.logprobs([*PROMPT, *sequence.tokens])[len(PROMPT) :]]
    expect_close(sequence.logprobs or [], again, "logprobs of a sample", tolerance=10 * s.tolerance)


@law(
    "SMP-20",
    "A seed may be any integer below 2**64.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="keeps it in 32 or 63 bits: a hash as a seed is a 500.",
    needs=("sampling",),
)
def large_seeds(s: Subject) -> None:
    sampler = s.sampler()
    for seed in (0, 2**31, 2**63, 2**64 - 1):
        expect_equal(drawn(sampler, seed=seed), drawn(sampler, seed=seed), f"tokens of seed {seed} again")


@law(
    "SMP-21",
    "Samples of one sampler that wait together get their own answers, in whatever order they are asked for.",
    source="ours: seen as a bug of a public server, which gave a batch's answers out in the wrong order",
    breaks="zips a batch with the wrong list: rewards go to answers of other prompts.",
    needs=("sampling",),
)
def answers_are_not_swapped(s: Subject) -> None:
    sampler = s.sampler()
    replies = {size: sampler.send(max_tokens=size, stop=[]) for size in (9, 2, 5, 1, 7, 3)}
    for size in sorted(replies):
        [sequence] = s.result(promised(replies[size], "asample"), SampleResponse).sequences
        expect_equal(len(sequence.tokens), size, f"tokens of the sample that asked for {size}")


@law(
    "SMP-22",
    "Samples of two samplers that wait together are each of their own weights.",
    source="ours: adapters share one batch on many servers",
    breaks="takes the adapter of the first request for the whole batch: policies are scored with each other.",
    needs=("sampling", "learning"),
)
def samplers_do_not_mix(s: Subject) -> None:
    base, trained = s.sampler(), s.sampler(s.learned().save_for_sampler("learned"))
    alone = [base.logprobs(PROMPT)[1:], trained.logprobs(PROMPT)[1:]]
    expect(alone[0] != alone[1], "logprobs of the base model and a trained one: expected them to differ")
    scored: dict[str, Any] = {"max_tokens": 1, "fields": {"prompt_logprobs": True}}
    replies = [sampler.send(PROMPT, **scored) for sampler in (base, trained) * 3]
    for place, reply in enumerate(replies):
        scores = (s.result(promised(reply, "asample"), SampleResponse).prompt_logprobs or [])[1:]
        expect_close(numbers(scores), numbers(alone[place % 2]), "logprobs", tolerance=10 * s.tolerance)


def numbers(scores: list[float | None]) -> list[float]:
    """Logprobs as numbers; where there is none, one that no logprob is."""
    return [1.0 if score is None else score for score in scores]


@law(
    "SMP-23",
    "A sample that is sent again with its seq_id is the same sample.",
    source="sdk 0.38.0 types/sample_request.py: a lost answer is followed by the same request",
    breaks="samples again: the user pays twice, and the two answers differ.",
    needs=("sampling",),
    since="0.21.0",
)
def replayed_sample(s: Subject) -> None:
    sampler = s.sampler()
    first, again = (promised(sampler.send(seq_id=5, stop=[]), "asample") for _ in range(2))
    [one] = s.result(first, SampleResponse).sequences
    expect_equal(s.result(again, SampleResponse).sequences[0].tokens, one.tokens, "tokens of a replay")


@law(
    "SMP-24",
    "A sample's seq_id may be any number of 63 bits, in any order and with gaps.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py: copies count from random numbers",
    breaks="waits for 0, or keeps 32 bits: a sampler that was pickled hangs or fails.",
    needs=("sampling",),
    since="0.12.0",
)
def far_numbers(s: Subject) -> None:
    sampler = s.sampler()
    for number in (999_999_999_000_000_003, 5_000_000_000, 2):
        found = sampler.sample(seq_id=number, max_tokens=2, stop=[])
        expect_equal(len(found.sequences[0].tokens), 2, f"tokens of the sample with seq_id {number}")


@law(
    "SMP-25",
    "prompt_cache_hit_tokens is between 0 and the prompt's length.",
    source="sdk 0.38.0 types/sample_response.py",
    breaks="counts it once per sequence: the bill's cached share is above 1.",
    needs=("sampling",),
    since="0.23.0",
)
def cached_tokens(s: Subject) -> None:
    sampler = s.sampler()
    for _ in range(2):
        hits = sampler.sample(PROMPT, 4, max_tokens=1).prompt_cache_hit_tokens
        expect(0 <= hits <= len(PROMPT), f"prompt_cache_hit_tokens: expected 0 to {len(PROMPT)}, got {hits}")
