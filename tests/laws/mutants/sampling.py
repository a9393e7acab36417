"""Servers that draw other tokens than asked for, or say wrong things of them."""

from dataclasses import replace
from itertools import count

from contract import RequestFailure
from fake_server import scripted_sampling
from fake_server.handlers import sampling
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_sampling import Sampler
from fake_server.wire import Answer
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["SAMPLING_MUTANTS"]

SAMPLING_MUTANTS = Zoo()
mutant = SAMPLING_MUTANTS.mutant


def _with_params(bench, change):
    """Sample with other parameters than those that were asked for."""

    @bench.wrap(Sampler, "_sequences")
    def _(sequences, self, request, *given):
        params = request.sampling_params
        changed = params.model_copy(update=change(params))
        return sequences(self, request.model_copy(update={"sampling_params": changed}), *given)


def _with_sequence(bench, change):
    """Change each sequence: `(sequence, request)`."""

    @bench.wrap(Sampler, "_sequences")
    def _(sequences, self, request, *given):
        return [change(sequence, request) for sequence in sequences(self, request, *given)]


def _with_request(bench, change):
    @bench.wrap(ScriptedBackend, "sample")
    def _(sample, self, base_model, weights, request):
        return sample(self, base_model, weights, request.model_copy(update=change(request)))


# Draws


@mutant(
    "seed-ignored", "A seed does nothing.", "SMP", "cookbook#206, open-rl: the sampling seed does nothing"
)
def seed_ignored(bench: Bench) -> None:
    draws = count()
    _with_params(bench, lambda params: {"seed": next(draws)})


@mutant("seed-constant", "All seeds are one.", "SMP", "TuFT, twinkle: other seeds give the same tokens")
def seed_constant(bench: Bench) -> None:
    _with_params(bench, lambda params: {"seed": 0})


@mutant("no-seed-constant", "Without a seed every request has the same draws.", "SMP")
def no_seed_constant(bench: Bench) -> None:
    _with_params(bench, lambda params: {"seed": 0} if params.seed is None else {})


@mutant(
    "samples-alike",
    "All samples of one request are alike.",
    "SMP",
    "feedback#79, TuFT: num_samples=4 gave one",
)
def samples_alike(bench: Bench) -> None:
    @bench.wrap(scripted_sampling, "digest")
    def _(digest, key, *rest):
        numbered = isinstance(key, int) and rest and isinstance(rest[0], int)
        return digest(key, 0) if numbered else digest(key, *rest)


@mutant("one-sample", "num_samples is ignored.", "SMP")
def one_sample(bench: Bench) -> None:
    _with_request(bench, lambda request: {"num_samples": 1})


@mutant("temperature-zero-is-one", "Temperature 0 counts as none given.", "SMP", "twinkle: T=0 → 1")
def temperature_zero_is_one(bench: Bench) -> None:
    _with_params(bench, lambda params: {"temperature": params.temperature or 1.0})


@mutant("always-greedy", "Temperature 1 is greedy, too.", "SMP", "hatchery: greedy at T=1")
def always_greedy(bench: Bench) -> None:
    _with_params(bench, lambda params: {"temperature": 0.0})


@mutant("temperature-ignored", "Every temperature but 0 is 1.", "SMP")
def temperature_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"temperature": 1.0 if params.temperature else 0.0})


@mutant("top-k-ignored", "top_k does nothing.", "SMP", "open-rl")
def top_k_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"top_k": -1})


@mutant("top-p-ignored", "top_p does nothing.", "SMP", "open-rl, hatchery")
def top_p_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"top_p": 1.0})


@mutant("max-tokens-off-by-one", "One token more than max_tokens.", "SMP")
def max_tokens_off_by_one(bench: Bench) -> None:
    @bench.wrap(Sampler, "_sequences")
    def _(sequences, self, request, tokens, most):
        return sequences(self, request, tokens, most + 1)


@mutant("base-sampled", "A sampler of a checkpoint samples from the base model.", "SMP WGT MET")
def base_sampled(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "sample")
    def _(sample, self, base_model, weights, request):
        return sample(self, base_model, None, request)


@mutant("prompt-cut", "Only the last token of a prompt counts.", "SMP MET")
def prompt_cut(bench: Bench) -> None:
    @bench.wrap(scripted_sampling, "contexts_of")
    def _(contexts, tokens, *given):
        return contexts(tokens[-1:]) if len(tokens) == 2 else contexts(tokens, *given)


# Stops


@mutant(
    "stop-ignored", "Stop sequences do not stop.", "SMP", "TuFT, open-rl: int stop tokens are not honoured"
)
def stop_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"stop": [] if params.stop else params.stop})


@mutant("stop-token-cut", "The token that stops is not among the tokens, its logprob is.", "SMP")
def stop_token_cut(bench: Bench) -> None:
    def change(sequence, _):
        if sequence.stop_reason != "stop":
            return sequence
        return sequence.model_copy(update={"tokens": sequence.tokens[:-1]})

    _with_sequence(bench, change)


@mutant("stop-one-late", "A stop token stops after the next token.", "SMP")
def stop_one_late(bench: Bench) -> None:
    def change(sequence, _):
        if sequence.stop_reason != "stop":
            return sequence
        more = {"tokens": [*sequence.tokens, 9], "logprobs": [*(sequence.logprobs or ()), -1.0]}
        return sequence.model_copy(update=more)

    _with_sequence(bench, change)


@mutant("no-stop-is-default", "An empty list of stops counts as none given.", "SMP")
def no_stop_is_default(bench: Bench) -> None:
    _with_params(bench, lambda params: {"stop": params.stop or None})


@mutant("reason-always-length", "Every sequence ends for its length.", "SMP")
def reason_always_length(bench: Bench) -> None:
    _with_sequence(bench, lambda sequence, _: sequence.model_copy(update={"stop_reason": "length"}))


@mutant("reason-always-stop", "Every sequence ends by a stop.", "SMP")
def reason_always_stop(bench: Bench) -> None:
    _with_sequence(bench, lambda sequence, _: sequence.model_copy(update={"stop_reason": "stop"}))


# Logprobs


@mutant("sampled-logprobs-missing", "Sampled tokens have no logprobs.", "SMP MET")
def sampled_logprobs_missing(bench: Bench) -> None:
    _with_sequence(bench, lambda sequence, _: sequence.model_copy(update={"logprobs": None}))


@mutant(
    "sampled-logprobs-shifted", "Sampled logprobs are those of the token before.", "SMP MET", "cookbook#396"
)
def sampled_logprobs_shifted(bench: Bench) -> None:
    def change(sequence, _):
        found = sequence.logprobs or []
        return sequence.model_copy(update={"logprobs": [*found[-1:], *found[:-1]]})

    _with_sequence(bench, change)


@mutant("sampled-logprobs-positive", "Sampled logprobs are probabilities.", "SMP MET")
def sampled_logprobs_positive(bench: Bench) -> None:
    def change(sequence, _):
        return sequence.model_copy(update={"logprobs": [2.718281828**x for x in sequence.logprobs or ()]})

    _with_sequence(bench, change)


@mutant(
    "sampled-logprobs-inexact", "Sampler and trainer disagree by 0.024.", "SMP MET", "hatchery: bf16 sampler"
)
def sampled_logprobs_inexact(bench: Bench) -> None:
    def change(sequence, _):
        return sequence.model_copy(update={"logprobs": [x - 0.024 for x in sequence.logprobs or ()]})

    _with_sequence(bench, change)


@mutant("prompt-logprobs-shifted", "Prompt logprobs lack the first None.", "SMP", "SkyRL: N-1 values")
def prompt_logprobs_shifted(bench: Bench) -> None:
    @bench.wrap(Sampler, "_prompt_logprobs")
    def _(logprobs, self, request, tokens):
        found = logprobs(self, request, tokens)
        return None if found is None else found[1:]


@mutant(
    "prompt-logprobs-late", "Prompt logprobs are one position late.", "SMP MET", "SkyRL#1304: wrong alignment"
)
def prompt_logprobs_late(bench: Bench) -> None:
    @bench.wrap(Sampler, "_prompt_logprobs")
    def _(logprobs, self, request, tokens):
        found = logprobs(self, request, tokens)
        return None if found is None else [None, *found[2:], found[1]]


@mutant("prompt-logprobs-missing", "prompt_logprobs is ignored.", "SMP", "open-rl, twinkle: None")
def prompt_logprobs_missing(bench: Bench) -> None:
    bench.patch(Sampler, "_prompt_logprobs", lambda self, request, tokens: None)


@mutant("prompt-logprobs-always", "prompt_logprobs come unasked.", "SMP")
def prompt_logprobs_always(bench: Bench) -> None:
    @bench.wrap(Sampler, "_prompt_logprobs")
    def _(logprobs, self, request, tokens):
        return logprobs(self, request.model_copy(update={"prompt_logprobs": True}), tokens)


@mutant("last-n-ignored", "prompt_logprobs_last_n does nothing.", "SMP")
def last_n_ignored(bench: Bench) -> None:
    _with_request(bench, lambda request: {"prompt_logprobs_last_n": None})


@mutant("top-logprobs-unsorted", "The likeliest tokens come worst first.", "SMP")
def top_logprobs_unsorted(bench: Bench) -> None:
    @bench.wrap(scripted_sampling, "_narrow")
    def _(narrow, pairs):
        return narrow(pairs)[::-1]


@mutant("top-logprobs-one-less", "One likely token less than asked for.", "SMP")
def top_logprobs_one_less(bench: Bench) -> None:
    @bench.wrap(scripted_sampling, "_narrow")
    def _(narrow, pairs):
        return narrow(pairs)[:-1]


@mutant("top-prompt-logprobs-missing", "topk_prompt_logprobs is ignored.", "SMP", "twinkle, open-rl")
def top_prompt_logprobs_missing(bench: Bench) -> None:
    bench.patch(Sampler, "_prompt_likeliest", lambda self, request, tokens: None)


@mutant("target-logprobs-missing", "target_prompt_logprobs is ignored.", "SMP")
def target_logprobs_missing(bench: Bench) -> None:
    bench.patch(Sampler, "_target_logprobs", lambda self, targets, tokens: None)


@mutant("alternatives-missing", "prompt_alt_tokens_k is ignored.", "SMP")
def alternatives_missing(bench: Bench) -> None:
    bench.patch(Sampler, "_alternatives", lambda self, request, tokens: None)


# Requests


@mutant(
    "ranges-unchecked", "Parameters out of range are taken.", "SMP", "SkyRL takes top_k=-5, top_p=2, T=-1"
)
def ranges_unchecked(bench: Bench) -> None:
    @bench.wrap(scripted_sampling, "check_sampling")
    def _(check, request, *given):
        try:
            return check(request, *given)
        except RequestFailure:
            return request.sampling_params.max_tokens or 8

    _with_params(
        bench,
        lambda params: {
            "temperature": max(params.temperature, 0.0),
            "top_k": max(params.top_k, -1),
            "top_p": params.top_p if 0 < params.top_p <= 1 else 1.0,
        },
    )


@mutant("no-samples-hang", "num_samples=0 is promised, and never done.", "SMP", "SkyRL: num_samples=0 hangs")
def no_samples_hang(bench: Bench) -> None:
    @bench.answer("asample")
    async def _(serve, exchange, incoming):
        if b'"num_samples": 0' in incoming.body:
            return Answer(200, b'{"request_id":"nobody","sample_sequence_ids":[]}')
        return await serve()


@mutant("empty-prompt-taken", "An empty prompt is sampled from.", "SMP", "SkyRL takes it")
def empty_prompt_taken(bench: Bench) -> None:
    @bench.answer("asample")
    async def _(serve, exchange, incoming):
        body = incoming.body.replace(b'"tokens": []', b'"tokens": [5]').replace(
            b'"chunks": []', b'"chunks": [{"tokens": [5], "type": "encoded_text"}]'
        )
        if body == incoming.body:
            return await serve()
        return Answer(200, b'{"request_id":"nobody","sample_sequence_ids":["x"]}')


@mutant("context-unchecked", "What is longer than the context is cut in silence.", "SMP", "feedback#95")
def context_unchecked(bench: Bench) -> None:
    bench.patch(sampling, "_check_context", lambda service, sampler, request: None)

    @bench.wrap(ScriptedBackend, "sample")
    def _(sample, self, base_model, weights, request):
        params = request.sampling_params
        cut = params.model_copy(update={"max_tokens": min(params.max_tokens or 8, 64)})
        return sample(self, base_model, weights, request.model_copy(update={"sampling_params": cut}))


@mutant("sampler-unknown-breaks", "A sample of a sampler that is not there is a 500.", "SMP WIRE SES")
def sampler_unknown_breaks(bench: Bench) -> None:
    @bench.answer("asample", "get_sampler")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(500, b'{"detail":"KeyError"}') if answer.status == 404 else answer


@mutant("samplers-follow", "All samplers sample from the weights that were given last.", "SMP WGT")
def samplers_follow(bench: Bench) -> None:
    @bench.handler("create_sampling_session")
    def _(serve, call, request):
        answer = serve(call, request)
        samplers = call.service.store.samplers
        weights = samplers.get(answer.sampling_session_id).weights
        for sampler in samplers:
            samplers.put(sampler.sampling_session_id, replace(sampler, weights=weights))
        return answer


@mutant("sampler-path-forgotten", "get_sampler does not tell the path.", "SMP WGT", "SDK 0.38 asks for it")
def sampler_path_forgotten(bench: Bench) -> None:
    @bench.handler("get_sampler")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"model_path": None})


@mutant("sampler-numbers-collide", "A used number of a sampler opens another one.", "SMP SES")
def sampler_numbers_collide(bench: Bench) -> None:
    @bench.handler("create_sampling_session")
    def _(serve, call, request):
        samplers = call.service.store.samplers
        for sampler in samplers:
            if sampler.session_id == request.session_id and sampler.opened_by != request:
                samplers.remove(sampler.sampling_session_id, "was replaced")
        return serve(call, request)


@mutant("joined-clients-share", "Every client that joins a sampler is number 1.", "SMP SES")
def joined_clients_share(bench: Bench) -> None:
    @bench.handler("join_sampling_session")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"client_counter": 1})
