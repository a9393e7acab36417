"""Servers whose samplers draw again, refuse what may be left out, or count what they did not do."""

from dataclasses import replace
from itertools import count

from contract import Unprocessable
from fake_server.handlers.numbers import known_length
from fake_server.scripted_sampling import Sampler
from fake_server.service import Service
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["SAMPLER_MUTANTS"]

SAMPLER_MUTANTS = Zoo()
mutant = SAMPLER_MUTANTS.mutant


@mutant(
    "replayed-sample-is-drawn-again", "A sample that comes again is a new one.", "SMP FUT", "paid for twice"
)
def replayed_sample_is_drawn_again(bench: Bench) -> None:
    arrivals = count(1)

    @bench.wrap(Service, "submit")
    def _(submit, self, submission, operation, digest):
        if operation == "asample":
            submission = replace(submission, request_id=f"{submission.request_id}-{next(arrivals)}")
        return submit(self, submission, operation, digest)

    @bench.wrap(Sampler, "_key")
    def _(key, self, request, tokens):
        return key(self, request.model_copy(update={"seq_id": next(arrivals)}), tokens)


@mutant("cache-hits-per-sequence", "Prompt tokens from a cache are counted for each sequence.", "SMP ACC")
def cache_hits_per_sequence(bench: Bench) -> None:
    @bench.wrap(Sampler, "sample")
    def _(sample, self, request):
        hits = known_length(request.prompt) * request.num_samples
        return sample(self, request).model_copy(update={"prompt_cache_hit_tokens": hits})


@mutant("top-logprobs-are-logits", "The likeliest tokens of a prompt have logits for logprobs.", "SMP")
def top_logprobs_are_logits(bench: Bench) -> None:
    @bench.wrap(Sampler, "_prompt_likeliest")
    def _(likeliest, self, request, tokens):
        rows = likeliest(self, request, tokens)
        return rows and [row and [(token, score + 3.0) for token, score in row] for row in rows]


@mutant("max-tokens-demanded", "A sample without max_tokens is refused.", "SMP WIRE")
def max_tokens_demanded(bench: Bench) -> None:
    @bench.handler("asample")
    def _(serve, call, request):
        if request.sampling_params.max_tokens is None:
            raise Unprocessable("max_tokens: field required")
        return serve(call, request)


@mutant("sampler-base-forgotten", "get_sampler tells no base model.", "SMP", "no tokenizer for SDK 0.38")
def sampler_base_forgotten(bench: Bench) -> None:
    @bench.handler("get_sampler")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"base_model": ""})


@mutant("sampler-for-each-answer-lost", "A sampler that is asked for again is another one.", "SES SMP")
def sampler_for_each_answer_lost(bench: Bench) -> None:
    more = count(1000)

    @bench.handler("create_sampling_session")
    def _(serve, call, request):
        known = any(sampler.opened_by == request for sampler in call.service.store.samplers)
        update = {"sampling_session_seq_id": next(more)} if known else {}
        return serve(call, request.model_copy(update=update))
