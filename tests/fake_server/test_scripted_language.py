"""The distribution: exact, ordered, and the same bits everywhere."""

import math

import numpy as np
import pytest

from fake_server.base_models import known_base_models
from fake_server.elementary import exp, exp_of, log, mix, mix_of, power, uniforms
from fake_server.language import START, TOKEN_BITS, Index, Language, Table, contexts_of, next_context

PICO = known_base_models(())["tinkerproof/pico"]
LANGUAGE = Language.of(0, PICO)
ALL = np.arange(PICO.vocab_size)
CONTEXT = int(contexts_of(np.array([72, 105]))[-1])


def learned_table(temperature: float = 1.0) -> Table:
    tokens = np.array([*LANGUAGE.slot_tokens(CONTEXT)[:2], 10, 200, 259])
    keys = np.sort(np.append(CONTEXT << TOKEN_BITS | tokens, CONTEXT + 1 << TOKEN_BITS | 7))
    return Table(LANGUAGE, temperature, Index(LANGUAGE, keys), np.array([2.0, -9.0, 0.5, -3.0, 6.0, 1.0]))


def probabilities(table: Table, context: int = CONTEXT) -> np.ndarray:
    return np.exp(table.logprobs(np.full(len(ALL), context), ALL))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_probabilities_of_the_whole_vocabulary_sum_to_one(temperature: float) -> None:
    for context in (CONTEXT, CONTEXT + 1, CONTEXT + 2):
        assert probabilities(learned_table(temperature), context).sum() == pytest.approx(1, abs=1e-12)
        assert probabilities(LANGUAGE.table(temperature), context).sum() == pytest.approx(1, abs=1e-12)


def test_base_masses_are_the_stated_64ths() -> None:
    found = probabilities(LANGUAGE.table(1.0))
    tokens = list(LANGUAGE.slot_tokens(CONTEXT))
    assert found[tokens] * 64 == pytest.approx([24, 12, 7, 4, 1])
    assert np.delete(found, tokens).sum() * 64 == pytest.approx(16)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_a_row_is_the_table_in_one_context(temperature: float) -> None:
    for context in (CONTEXT, CONTEXT + 1, CONTEXT + 2):
        table = learned_table(temperature)
        listed = table.row(context).likeliest(PICO.vocab_size)
        assert sorted(token for token, _ in listed) == ALL.tolist()
        tokens = np.array([token for token, _ in listed])
        assert table.logprobs(np.full(len(ALL), context), tokens).tolist() == [score for _, score in listed]


def test_equal_logits_are_ordered_by_token_id() -> None:
    scores = [(-logprob, token) for token, logprob in learned_table().row(CONTEXT).likeliest(300)]
    assert scores == sorted(scores)
    assert [token for token, _ in LANGUAGE.table(1.0).row(CONTEXT).likeliest(8)[5:]] == [0, 1, 2]


def test_a_context_with_every_token_suppressed_still_sums_to_one() -> None:
    table = Table(LANGUAGE, 1.0, Index(LANGUAGE, CONTEXT << TOKEN_BITS | ALL), np.full(len(ALL), -5000.0))
    assert probabilities(table).sum() == pytest.approx(1, abs=1e-12)
    assert table.row(CONTEXT).shape.others == 0


def test_extreme_learned_numbers_leave_finite_logprobs() -> None:
    table = Table(LANGUAGE, 1e-6, Index(LANGUAGE, np.array([CONTEXT << TOKEN_BITS | 3])), np.array([1e100]))
    assert np.isfinite(table.logprobs(np.full(len(ALL), CONTEXT), ALL)).all()


def test_scalar_and_vector_paths_name_the_same_slots() -> None:
    tokens = np.random.default_rng(0).integers(0, 151936, 500)
    language = Language.of(3, known_base_models(())["Qwen/Qwen3-8B"])
    contexts = contexts_of(tokens)
    for slot in range(language.slots):
        named = np.array([language.slot_tokens(context)[slot] for context in contexts.tolist()])
        assert (language.slot_of(contexts, named) == slot).all()


def test_seeds_and_base_models_have_other_likely_tokens() -> None:
    qwen = known_base_models(())["Qwen/Qwen3-8B"]
    base = known_base_models(())["Qwen/Qwen3-8B-Base"]
    found = {Language.of(seed, model).slot_tokens(CONTEXT) for seed in (0, 1) for model in (qwen, base)}
    assert len(found) == 4


def test_the_next_context_is_that_of_the_longer_sequence() -> None:
    contexts = contexts_of(np.array([5, 6, 7])).tolist()
    assert contexts[0] >> (TOKEN_BITS + 1) == START
    assert [next_context(contexts[0], 6), next_context(contexts[1], 7)] == contexts[1:]


def test_exp_and_log_agree_with_the_library_to_the_last_bits() -> None:
    x = np.linspace(-700, 700, 20001)
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=5e-16)
    np.testing.assert_allclose(log(exp(x)), np.log(np.exp(x)), rtol=5e-16, atol=5e-16)
    assert exp(np.array([-1e9, 0, 1e9, np.inf])).tolist() == [0, 1, math.inf, math.inf]


def test_scalars_and_arrays_give_the_same_bits() -> None:
    x = -np.linspace(0, 800, 4001)
    assert [exp_of(number) for number in x.tolist()] == exp(x).tolist()
    words = np.arange(100, dtype=np.uint64)
    assert [mix_of(word) for word in range(100)] == mix(words).tolist()
    assert mix_of(0) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("exponent", [0, 1, 7, 1000])
def test_power_is_power(exponent: int) -> None:
    assert power(0.95, exponent) == pytest.approx(0.95**exponent, rel=1e-12)


def test_uniforms_are_one_stream_in_blocks_of_any_size() -> None:
    numbers = list(uniforms(2**64 - 1, 20_000))
    assert len(numbers) == 20_000
    assert list(uniforms(2**64 - 1, 100)) == numbers[:100]
    assert min(numbers) >= 0
    assert max(numbers) < 1
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.01)
