"""Continuous batching: many requests at once, each as if it were alone."""

import numpy as np
import pytest

from contract import (
    BackendOptions,
    EncodedTextChunk,
    ModelInput,
    SampledSequence,
    SampleRequest,
    SamplingParams,
)
from reference_engine.backend import TorchBackend
from reference_engine.generate import MOST_RUNNING
from reference_engine.sequences import Ask
from reference_engine.stops import StopRule
from tests.reference_engine.requests import PICO, ask


@pytest.fixture
def backend(engine):
    backend = TorchBackend(engine, BackendOptions())
    yield backend
    backend.close()


def answers(backend, requests, weights=None):
    """All at once."""
    futures = [backend.sample(PICO, weights, request) for request in requests]
    return [future.result(timeout=60) for future in futures]


def written(response):
    return [(sequence.tokens, sequence.logprobs, sequence.stop_reason) for sequence in response.sequences]


def test_a_request_gets_the_same_bytes_alone_and_among_many(backend):
    requests = [ask(f"The keeper {number} ", number, max_tokens=5 + number) for number in range(20)]
    alone = [written(answers(backend, [request])[0]) for request in requests]
    together = [written(response) for response in answers(backend, requests)]
    assert together == alone
    backwards = [written(response) for response in answers(backend, requests[::-1])]
    assert backwards[::-1] == alone


def test_samples_of_one_request_differ_and_repeat(backend):
    request = ask("A ship ", samples=8, seed=7)
    first, second = (written(answers(backend, [request])[0]) for _ in range(2))
    assert first == second
    assert len({tuple(tokens) for tokens, _, _ in first}) > 4
    assert written(answers(backend, [ask("A ship ", samples=8, seed=8)])[0]) != first


def test_a_sample_is_the_same_whatever_number_of_them_is_asked_for(backend):
    few = written(answers(backend, [ask("A ship ", samples=2, seed=7)])[0])
    assert written(answers(backend, [ask("A ship ", samples=8, seed=7)])[0])[:2] == few


def test_more_samples_than_run_at_once_are_written_in_turns(backend):
    request = ask("One ", samples=MOST_RUNNING + 9, seed=1, max_tokens=3)
    response = answers(backend, [request])[0]
    assert len(response.sequences) == MOST_RUNNING + 9
    few = answers(backend, [ask("One ", samples=4, seed=1, max_tokens=3)])[0]
    assert written(response)[:4] == written(few)


def test_sampled_logprobs_are_those_of_a_scored_prompt(backend):
    text = "The sailor has a "
    (response,) = answers(backend, [ask(text, max_tokens=40, stop=[], seed=3)])
    (sequence,) = response.sequences
    prompt = ModelInput(chunks=[EncodedTextChunk(tokens=[*text.encode(), *sequence.tokens])])
    scored = SampleRequest(
        prompt=prompt, sampling_params=SamplingParams(max_tokens=1), prompt_logprobs=True, seq_id=9
    )
    (scores,) = answers(backend, [scored])
    assert scores.prompt_logprobs[0] is None
    assert scores.prompt_logprobs[len(text) :] == sequence.logprobs


def test_temperature_zero_is_the_likeliest_token(backend):
    greedy = written(answers(backend, [ask("1+1=", temperature=0, max_tokens=6)])[0])
    assert greedy == written(answers(backend, [ask("1+1=", 1, temperature=0, max_tokens=6, seed=5)])[0])
    first = answers(backend, [ask("1+1=", 2, top_k=1, max_tokens=6)])[0].sequences[0].tokens
    assert first == greedy[0][0]


def test_a_known_beginning_is_not_read_again_and_changes_nothing(backend):
    text = "The lighthouse stands on the hill and the "
    first = answers(backend, [ask(text, 1, session="known", seed=4)])[0]
    second = answers(backend, [ask(text, 2, session="known", seed=4)])[0]
    assert second.prompt_cache_hit_tokens == len(text) - 1
    assert written(second) == written(first)


def test_stops_end_a_sequence_with_the_stop_in_it(backend):
    (response,) = answers(backend, [ask("The keeper ", max_tokens=60, stop=["e"], seed=2)])
    (sequence,) = response.sequences
    assert sequence.stop_reason == "stop"
    assert sequence.tokens.count(ord("e")) == 1
    assert sequence.tokens[-1] == ord("e")
    (by_id,) = answers(backend, [ask("The keeper ", max_tokens=60, stop=[ord("e")], seed=2)])
    assert by_id.sequences[0].tokens == sequence.tokens


def test_without_stops_not_even_the_end_of_text_ends_a_sequence(backend):
    (response,) = answers(backend, [ask("1+1=2", max_tokens=50, stop=[])])
    assert response.sequences[0].stop_reason == "length"
    assert len(response.sequences[0].tokens) == 50


def test_the_likeliest_tokens_are_told_at_each_place(backend):
    (response,) = answers(backend, [ask("The ", topk_sample_logprobs=3, temperature=0, max_tokens=4)])
    (sequence,) = response.sequences
    assert [best[0][0] for best in sequence.topk_logprobs] == sequence.tokens
    assert [best[0][1] for best in sequence.topk_logprobs] == sequence.logprobs
    assert all(len(best) == 3 for best in sequence.topk_logprobs)


def test_what_is_taken_back_stops(backend):
    long = backend.sample(PICO, None, ask("The ", 50, max_tokens=4000, stop=[]))
    assert long.cancel()
    assert written(answers(backend, [ask("The ", 51)])[0])


def test_clients_take_turns(engine):
    """One client's many requests do not keep another's one waiting to the end."""
    backend = TorchBackend(engine, BackendOptions())
    order = []
    many = [ask(f"Many {n}", n, samples=16, max_tokens=30, stop=[], session="many") for n in range(12)]
    futures = [backend.sample(PICO, None, request) for request in many]
    one = backend.sample(PICO, None, ask("One", max_tokens=5, stop=[], session="one"))
    for future, name in [*((future, "many") for future in futures), (one, "one")]:
        future.add_done_callback(lambda _, name=name: order.append(name))
    for future in (*futures, one):
        future.result(timeout=120)
    assert order.index("one") < len(order) - 2
    backend.close()


def test_closing_cancels_what_is_left(engine):
    backend = TorchBackend(engine, BackendOptions())
    futures = [backend.sample(PICO, None, ask("A", n, max_tokens=4000, stop=[])) for n in range(3)]
    backend.close()
    assert all(future.cancelled() for future in futures)


def asked(request):
    """A request as the generator takes it."""
    return Ask(request, np.array([84, 104]), None, "s", StopRule(frozenset()), 4, 0, raw=False, scores=None)


def test_what_was_taken_back_takes_no_answer_and_no_error():
    gone = asked(ask("Th"))
    gone.future.cancel()
    gone.done[0] = SampledSequence(stop_reason="length", tokens=[1], logprobs=[-1.0])
    gone.answer()
    gone.fail(ValueError("too late"))
    assert gone.future.cancelled()


class Broken(StopRule):
    """A rule that cannot judge."""

    def matcher(self):
        return self

    def push(self, token):
        raise ValueError("no judgement")


def test_a_request_that_cannot_go_on_ends_alone(engine):
    base = engine.model(PICO)
    broken, whole = asked(ask("Th", 1)), asked(ask("Th", 2))
    broken.rule = Broken(frozenset())
    for one in (broken, whole):
        engine.submit(base, one)
    with pytest.raises(ValueError, match="no judgement"):
        broken.future.result(timeout=60)
    assert len(whole.future.result(timeout=60).sequences[0].tokens) == 4
