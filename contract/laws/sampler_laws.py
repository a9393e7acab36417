"""Laws of samplers, and of samples that are refused."""

from typing import Any

from contract.laws.expect import expect, expect_close, expect_equal, pairs
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.refusal import refusal_of
from contract.laws.sampler import Sampler
from contract.laws.subject import Subject
from contract.sampling import SampleResponse

__all__ = ["SAMPLER_LAWS"]

SAMPLER_LAWS = Lawbook()
law = SAMPLER_LAWS.law


@law(
    "SMP-41",
    "A sampler says its own id and its base model, and has no path where it samples from that.",
    source="sdk 0.38.0 types/get_sampler_response.py",
    breaks="answers an empty name: the client cannot find the tokenizer.",
    needs=("sampling", "sampler"),
    since="0.6.0",
)
def sampler_of_a_base_model(s: Subject) -> None:
    sampler = s.sampler()
    info = s.answer("get_sampler", {"sampling_session_id": sampler.id})
    found = [info.get(name) for name in ("sampler_id", "base_model", "model_path")]
    expect_equal(found, [sampler.id, s.base_model, None], "sampler_id, base_model and model_path")


@law(
    "SMP-42",
    "A sampler of a checkpoint says the checkpoint's base model and path.",
    source="sdk 0.38.0 types/get_sampler_response.py",
    breaks="leaves base_model out: creating a client from a path fails since 0.38.0.",
    needs=("sampling", "sampler"),
    since="0.6.0",
)
def sampler_of_a_checkpoint(s: Subject) -> None:
    path = s.model().save_for_sampler("x")
    info = s.answer("get_sampler", {"sampling_session_id": s.sampler(path).id})
    found = [info.get(name) for name in ("base_model", "model_path")]
    expect_equal(found, [s.base_model, path], "base_model and model_path of a checkpoint's sampler")


@law(
    "SMP-43",
    "Each client that joins a sampler gets a number of its own, from 1 on.",
    source="sdk 0.38.0 types/join_sampling_session_response.py",
    breaks="counts over all samplers from 0: two clients use the same seq_ids, and get each other's samples.",
    needs=("sampling", "joining"),
    since="0.32.0",
)
def clients_have_numbers(s: Subject) -> None:
    sampler = s.sampler()
    answers = [s.answer("join_sampling_session", {"sampling_session_id": sampler.id}) for _ in range(3)]
    found = [answer.get("client_counter") for answer in answers]
    expect(len(set(found)) == 3 and all(each >= 1 for each in found), f"client_counter: got {found}")


@law(
    "SMP-44",
    "A sampler that is asked for again with its number is the same one.",
    source="wire as observed: a lost answer is followed by the same request",
    breaks="refuses the number: one lost answer ends the program.",
    needs=("sampling",),
    since="0.3.0",
)
def sampler_of_a_number(s: Subject) -> None:
    session = s.session()
    first, again, other = (s.sampler(session_id=session, number=number).id for number in (0, 0, 1))
    expect_equal(again, first, "sampling_session_id of the same number")
    expect(other != first, f"sampling_session_id of another number: expected another, got {other!r} again")


@law(
    "SMP-45",
    "A sampler of what is not there is refused for good: of a base model, a path or a session.",
    source="sdk 0.38.0 types/create_sampling_session_request.py",
    breaks="opens it, and each sample fails; or answers 5xx, which is repeated.",
    needs=("sampling",),
    since="0.3.0",
)
def samplers_of_nothing(s: Subject) -> None:
    session = s.session()
    given = {"base_model": s.base_model, "session_id": session}
    for wrong in (
        {"base_model": "nobody/nothing"},
        {"base_model": None, "model_path": f"tinker://{s.model().id}/sampler_weights/nothing"},
        {"base_model": None, "model_path": "/etc/hostname"},
        {"session_id": "nobody"},
    ):
        body = {name: each for name, each in {**given, **wrong}.items() if each is not None}
        reply = s.driver.call("create_sampling_session", {"sampling_session_seq_id": 0, **body})
        refusal_of(s, reply, f"create_sampling_session with {wrong}")


@law(
    "SMP-46",
    "What is asked of a sampler that is not there is refused for good.",
    source="sdk 0.38.0 types/sample_request.py",
    breaks="answers 5xx, or samples from the base model.",
    needs=("sampling",),
    since="0.3.0",
)
def unknown_sampler(s: Subject) -> None:
    nobody = Sampler(s, "nobody:sample:0")
    refusal_of(s, nobody.send(), "asample of a sampler that is not there")
    for operation in ("get_sampler", "join_sampling_session"):
        reply = s.driver.call(operation, {"sampling_session_id": nobody.id})
        expect(400 <= reply.status < 500, f"{operation} of a sampler that is not there: got {reply.status}")


@law(
    "SMP-47",
    "Parameters out of their range are refused for good.",
    source="ours: public servers take them, and answer nonsense, or hang",
    breaks="clamps them in silence, or passes them to the engine, which dies with all that wait there.",
    needs=("sampling",),
)
def parameters_out_of_range(s: Subject) -> None:
    sampler = s.sampler()
    for wrong in ({"temperature": -1.0}, {"top_p": 2.0}, {"top_p": -0.5}, {"top_k": -5}, {"max_tokens": -1}):
        refusal_of(s, sampler.send(**wrong), f"asample with {wrong}")
    for number in (0, -1):
        refusal_of(s, sampler.send(num_samples=number), f"asample with num_samples {number}")


@law(
    "SMP-48",
    "The refusal of a parameter names it.",
    source="ours: the user has to find it",
    breaks="says 'invalid request', or 'internal error' in a future of category server.",
    needs=("sampling",),
)
def refusals_name_the_parameter(s: Subject) -> None:
    sampler = s.sampler()
    wrong: dict[str, Any] = {"temperature": -1.0, "top_p": 2.0, "max_tokens": "many", "seed": "none"}
    for name in wrong:
        text = refusal_of(s, sampler.send(**{name: wrong[name]}), f"asample with a wrong {name}")
        expect(name in text, f"refusal of {name} {wrong[name]!r}: expected {name} in it, got {text!r}")


@law(
    "SMP-49",
    "A prompt without tokens, and one with a token that the vocabulary does not have, are refused for good.",
    source="ours: public servers take them",
    breaks="indexes the embedding out of its bounds: the engine dies.",
    needs=("sampling",),
)
def prompts_that_are_none(s: Subject) -> None:
    sampler = s.sampler()
    for prompt in ((), (5, 2**30), (-1,)):
        refusal_of(s, sampler.send(prompt), f"asample of the prompt {list(prompt)}")


@law(
    "SMP-50",
    "A sample that the context cannot hold is refused for good.",
    source="wire as observed: 'Prompt length plus max_tokens exceeds the model's context window'",
    breaks="cuts the prompt in silence, or answers a 500 that is repeated.",
    needs=("sampling",),
)
def context_is_too_small(s: Subject) -> None:
    refusal_of(s, s.sampler().send(max_tokens=1_000_000_000), "asample with max_tokens 1,000,000,000")


@law(
    "SMP-51",
    "A sample that is refused takes no other one with it.",
    source="ours: seen as a bug of a public server, where each request after a refused one failed",
    breaks="fails the batch that it came in, or waits for its number for ever.",
    needs=("sampling",),
)
def refusals_are_alone(s: Subject) -> None:
    sampler = s.sampler()
    replies = [sampler.send(max_tokens=3, stop=[], temperature=heat) for heat in (1.0, -1.0, 1.0)]
    replies.append(sampler.send(max_tokens=3, stop=[]))
    refusal_of(s, replies.pop(1), "asample with temperature -1")
    for reply in replies:
        [sequence] = s.result(promised(reply, "asample"), SampleResponse).sequences
        expect_equal(len(sequence.tokens), 3, "tokens of a sample beside a refused one")


@law(
    "SMP-52",
    "A number of tokens that the client does not say is the server's choice, and not an error.",
    source="sdk 0.38.0 types/sampling_params.py: max_tokens may be absent",
    breaks="demands max_tokens, or takes 0.",
    needs=("sampling",),
)
def no_number_of_tokens(s: Subject) -> None:
    [sequence] = s.sampler().sample(max_tokens=None, temperature=0).sequences
    expect(sequence.tokens, "tokens of a sample without max_tokens: expected some, got none")


@law(
    "SMP-53",
    "Parameters that are left out have the SDK's defaults: temperature 1, all tokens, the model's own end.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="top_p 0.9 or top_k 50, as its engine likes it: sampled logprobs are not the policy's.",
    needs=("sampling",),
)
def defaults(s: Subject) -> None:
    sampler = s.sampler()
    said: dict[str, Any] = {"temperature": 1.0, "top_k": -1, "top_p": 1.0}
    for seed in range(3):
        left_out, in_full = sampler.sample(seed=seed), sampler.sample(seed=seed, **said)
        expect_equal(
            left_out.sequences[0].tokens, in_full.sequences[0].tokens, "tokens with the defaults left out"
        )


@law(
    "SMP-54",
    "The temperature matters: a low one draws fewer different tokens than a high one.",
    source="sdk 0.38.0 types/sampling_params.py",
    breaks="knows greedy and not greedy: every temperature but 0 is 1, and no sweep shows a difference.",
    needs=("sampling",),
)
def temperature_matters(s: Subject) -> None:
    sampler, drawn = s.sampler(), []
    for temperature in (0.25, 2.0):
        given = sampler.sample(num_samples=64, max_tokens=1, stop=[], seed=3, temperature=temperature)
        drawn.append(len({tuple(each.tokens) for each in given.sequences}))
    expect(drawn[0] < drawn[1], f"different tokens at 0.25 and at 2: expected more at 2, got {drawn}")


@law(
    "SMP-55",
    "A sequence that a token stopped has as many logprobs as tokens.",
    source="sdk 0.38.0 types/sampled_sequence.py",
    breaks="takes the stop token out of the tokens, and leaves its logprob: all later pairs are off by one.",
    needs=("sampling",),
)
def stopped_tokens_have_their_logprobs(s: Subject) -> None:
    sampler = s.sampler()
    [whole] = sampler.sample(temperature=0, stop=[]).sequences
    [cut] = sampler.sample(temperature=0, stop=[whole.tokens[-1]]).sequences
    found = pairs(cut.logprobs or [], cut.tokens, "logprobs of a sequence that a token stopped")
    logprobs = [logprob for logprob, _ in found]
    expected = (whole.logprobs or [])[: len(logprobs)]
    expect_close(logprobs, expected, "its logprobs", tolerance=10 * s.tolerance)
