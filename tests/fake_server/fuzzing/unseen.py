"""The server mutants that no look at the form of an answer can see, by the reason; all others can be."""

__all__ = ["UNSEEN"]

ARITHMETIC = "the numbers have the right form, and are others: what is trained or sampled is for the laws"
CONTENT = "the form is right, what it tells of the past is not: a schema knows no past"
STORY = "it takes a story of several requests, told in one order: the laws tell those"
ACCOUNTS = "it takes a second account"
ELSEWHERE = "it is no answer of an operation, or the laws allow it where there are no tokens"

_BY_REASON = {
    ARITHMETIC: """
        large-numbers-rounded latin-1 newest-settings-only stop-reasons-of-protobuf temperature-of-its-own
        gradients-kept gradients-lost gradients-late gradients-averaged-over-passes
        gradients-averaged-over-data forward-leaves-gradients gradients-of-neighbours
        failed-pass-leaves-gradients data-cut-off last-token-dropped clip-ignored clip-always decay-coupled
        decay-ignored betas-ignored beta2-its-own rate-zero-is-default rate-ignored ascent moments-forgotten
        no-bias-correction step-does-nothing models-share-weights adapter-not-reset no-identity rank-ignored
        adapter-seed-ignored adapter-seed-random train-flags-ignored logprobs-shifted
        logprobs-of-the-neighbour logprobs-padded outputs-missing forward-differs dropout batch-dependent
        metric-without-suffix metrics-empty loss-averaged weights-ignored weights-normalised weights-as-mask
        negative-weights-clamped is-without-ratio advantages-normalised advantages-of-wrong-sign
        ppo-unclipped ppo-slope-in-the-clip clips-ignored cispo-through-the-ratio cispo-is-ppo
        dro-without-penalty gspo-per-token loss-detached seed-ignored seed-constant no-seed-constant
        samples-alike temperature-zero-is-one always-greedy temperature-ignored top-k-ignored
        top-p-ignored max-tokens-off-by-one base-sampled prompt-cut stop-ignored stop-token-cut stop-one-late
        no-stop-is-default reason-always-length reason-always-stop sampled-logprobs-missing
        sampled-logprobs-shifted sampled-logprobs-positive sampled-logprobs-inexact prompt-logprobs-shifted
        prompt-logprobs-late prompt-logprobs-missing prompt-logprobs-always last-n-ignored
        top-logprobs-unsorted top-logprobs-one-less top-prompt-logprobs-missing target-logprobs-missing
        alternatives-missing samplers-follow cache-hits-per-sequence top-logprobs-are-logits
        save-shares-live-weights save-is-a-step-late save-clears-gradients load-forgets-the-optimizer
        load-keeps-the-optimizer load-does-nothing load-ties-models created-from-nothing
        replay-applied-under-its-id
    """,
    CONTENT: """
        external-weights-for-all cursor-lost cursor-stands completions-of-neighbours model-id-of-its-own
        rank-forgotten session-shows-all-models session-shows-no-models metadata-dropped offset-ignored
        limit-ignored search-finds-all status-stays-active sampler-path-forgotten joined-clients-share
        name-ignored run-lists-all list-without-sampler-weights oldest-first sizes-zero total-of-the-page
        info-of-another-rank info-without-layers run-without-checkpoints copy-is-a-link public-at-once
        ttl-ignored ttl-of-save-ignored ttl-cannot-be-lifted publish-does-nothing one-session-for-all
        ids-repeat info-without-tokenizer sampler-base-forgotten
    """,
    STORY: """
        abandoned-poll-takes-the-result answers-swapped numbers-of-samples-grow
        results-go-with-their-completions anybody-acknowledges cancel-takes-the-result
        cancelled-sample-waits second-cancel-breaks cancel-takes-the-batch proto3-zero-is-a-number
        model-numbers-collide heartbeat-after-the-end finish-does-nothing last-finish-counts
        second-finish-overwrites
        end-forgets-results sampler-for-each-answer-lost sampler-numbers-collide save-overwrites
        overwrite-refused load-of-another-shape delete-does-nothing delete-takes-the-run delete-ends-samplers
    """,
    ACCOUNTS: """
        sessions-of-others-read sessions-of-others-ended sessions-of-others-used models-of-others-read
        models-of-others-trained models-of-others-saved samplers-of-others-used futures-of-others-read
        futures-of-others-cancelled completions-of-others-read checkpoints-of-others-read
        checkpoints-of-others-deleted checkpoints-of-others-copied lists-leak audit-leaks usage-leaks
    """,
    ELSEWHERE: """
        body-after-head archive-broken archive-with-optimizer token-without-claims token-refusal-unnamed
        one-token-at-a-time tokens-unchecked wrong-key-403
    """,
}
UNSEEN: dict[str, str] = {name: reason for reason, names in _BY_REASON.items() for name in names.split()}
"""The reason by the mutant's id."""
