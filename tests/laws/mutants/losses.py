"""Servers whose losses are not what they say, or that take what no loss can read."""

from dataclasses import replace
from functools import partial

import numpy as np

from fake_server import scripted, scripted_loss
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_loss import TokenTerms
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["LOSS_MUTANTS"]

LOSS_MUTANTS = Zoo()
mutant = LOSS_MUTANTS.mutant


def _with_terms(bench, loss, change):
    """Change what a loss makes of its ratios."""
    own = scripted_loss.TERMS[loss]
    bench.patch(scripted_loss, "TERMS", {**scripted_loss.TERMS, loss: partial(change, own)})


def _with_settings(bench, change):
    @bench.wrap(scripted, "loss_settings")
    def _(settings, name, config):
        return change(settings, name, config)


@mutant("weights-ignored", "Every token of cross_entropy weighs 1.", "MET TRN")
def weights_ignored(bench: Bench) -> None:
    @bench.wrap(scripted_loss, "_cross_entropy_weights")
    def _(weights, data, layout):
        return np.ones(sum(layout.sizes))


@mutant(
    "weights-normalised",
    "Weights are divided by their sum.",
    "MET",
    "measured of SkyRL: weights times 2, same norm",
)
def weights_normalised(bench: Bench) -> None:
    @bench.wrap(scripted_loss, "_cross_entropy_weights")
    def _(weights, data, layout):
        given = weights(data, layout)
        return given / (given.sum() or 1.0)


@mutant("weights-as-mask", "A weight counts as 1 wherever it is not 0.", "MET")
def weights_as_mask(bench: Bench) -> None:
    @bench.wrap(scripted_loss, "_cross_entropy_weights")
    def _(weights, data, layout):
        return (weights(data, layout) != 0).astype(np.float64)


@mutant("negative-weights-clamped", "Negative weights count as 0.", "MET")
def negative_weights_clamped(bench: Bench) -> None:
    @bench.wrap(scripted_loss, "_cross_entropy_weights")
    def _(weights, data, layout):
        return np.maximum(weights(data, layout), 0.0)


@mutant("is-without-ratio", "importance_sampling has no importance: the ratio is always 1.", "MET TRN")
def is_without_ratio(bench: Bench) -> None:
    _with_terms(bench, "importance_sampling", lambda own, given: own(replace(given, sampler=given.learner)))


@mutant("advantages-normalised", "The server whitens advantages by itself.", "MET")
def advantages_normalised(bench: Bench) -> None:
    @bench.wrap(scripted_loss, "_ratios")
    def _(ratios, *given):
        found = ratios(*given)
        spread = found.advantages.std() or 1.0
        return replace(found, advantages=(found.advantages - found.advantages.mean()) / spread)


@mutant("advantages-of-wrong-sign", "Policy losses learn what advantages punish.", "MET TRN")
def advantages_of_wrong_sign(bench: Bench) -> None:
    @bench.wrap(scripted_loss, "_ratios")
    def _(ratios, *given):
        found = ratios(*given)
        return replace(found, advantages=-found.advantages)


@mutant("ppo-unclipped", "ppo never clips.", "MET TRN")
def ppo_unclipped(bench: Bench) -> None:
    wide = {"low": 0.0, "high": 1e9}
    _with_terms(
        bench,
        "ppo",
        lambda own, given: own(replace(given, **{k: np.full(len(given.low), v) for k, v in wide.items()})),
    )


@mutant("ppo-slope-in-the-clip", "ppo has a gradient where the clip decides.", "MET")
def ppo_slope_in_the_clip(bench: Bench) -> None:
    def change(own, given):
        return TokenTerms(own(given).values, -(given.weights * given.ratio * given.advantages))

    _with_terms(bench, "ppo", change)


@mutant("clips-ignored", "Clip thresholds in loss_fn_config do nothing.", "MET TRN")
def clips_ignored(bench: Bench) -> None:
    _with_settings(bench, lambda settings, name, _: settings(name, None))


@mutant("cispo-through-the-ratio", "The gradient of cispo goes through its ratio, too.", "MET")
def cispo_through_the_ratio(bench: Bench) -> None:
    def change(own, given):
        terms = own(given)
        return TokenTerms(terms.values, terms.slopes * (1 + given.learner))

    _with_terms(bench, "cispo", change)


@mutant("cispo-is-ppo", "cispo is computed as ppo.", "MET TRN")
def cispo_is_ppo(bench: Bench) -> None:
    _with_terms(bench, "cispo", lambda own, given: scripted_loss.TERMS["ppo"](given))


@mutant("dro-without-penalty", "dro has no quadratic term.", "MET TRN")
def dro_without_penalty(bench: Bench) -> None:
    _with_terms(bench, "dro", lambda own, given: own(replace(given, coefficient=0.0)))


@mutant("gspo-per-token", "gspo has a ratio per token, not per sequence.", "MET TRN")
def gspo_per_token(bench: Bench) -> None:
    _with_terms(bench, "gspo", lambda own, given: scripted_loss.TERMS["ppo"](given))


@mutant("loss-detached", "The reported loss is not the one whose gradient is applied.", "MET")
def loss_detached(bench: Bench) -> None:
    @bench.wrap(scripted, "token_terms")
    def _(terms, *given):
        found = terms(*given)
        return TokenTerms(found.values * 2, found.slopes)


@mutant("unknown-loss-taken", "A loss that nobody knows counts as cross_entropy.", "TRN", "SkyRL")
def unknown_loss_taken(bench: Bench) -> None:
    from contract import LOSSES

    @bench.wrap(ScriptedBackend, "forward_backward")
    def _(run, self, model_id, batch, **named):
        if batch.loss_fn not in LOSSES:
            batch = batch.model_copy(update={"loss_fn": "cross_entropy"})
        return run(self, model_id, batch, **named)


@mutant("unknown-setting-taken", "A setting that the loss does not have is ignored in silence.", "TRN MET")
def unknown_setting_taken(bench: Bench) -> None:
    def change(settings, name, config):
        try:
            return settings(name, config)
        except Exception:
            return settings(name, None)

    _with_settings(bench, change)


@mutant(
    "inputs-unchecked",
    "Data that lack what their loss needs are filled up.",
    "TRN",
    "SkyRL takes importance_sampling without logprobs, and other lengths",
)
def inputs_unchecked(bench: Bench) -> None:
    from contract import RequestFailure, TensorData

    @bench.wrap(scripted, "check_data")
    def _(check, name, data):
        try:
            check(name, data)
        except RequestFailure:
            for datum in data:
                targets = datum.loss_fn_inputs["target_tokens"]
                size = int(np.prod(targets.dimensions))
                kept = {"target_tokens": targets}
                for key, tensor in datum.loss_fn_inputs.items():
                    if key != "target_tokens" and tensor.values.size == size:
                        kept[key] = tensor
                    elif key != "target_tokens":
                        kept[key] = TensorData.of_values(np.zeros(size, np.float32), "float32", [size])
                datum.loss_fn_inputs.clear()
                datum.loss_fn_inputs.update(kept)


@mutant("vocabulary-unchecked", "Token ids beyond the vocabulary wrap around.", "TRN SMP", "SkyRL takes them")
def vocabulary_unchecked(bench: Bench) -> None:
    from contract import RequestFailure
    from fake_server import scripted_tokens

    def around(check, ids, *given):
        try:
            return check(ids, *given)
        except RequestFailure:
            return np.asarray(ids) % given[0]

    for module in (scripted, scripted_tokens):
        if hasattr(module, "ids_in_vocabulary"):
            bench.wrap(module, "ids_in_vocabulary")(around)


@mutant("empty-batch-taken", "A pass without data succeeds.", "TRN")
def empty_batch_taken(bench: Bench) -> None:
    from contract import ForwardBackwardOutput

    @bench.wrap(ScriptedBackend, "forward_backward")
    def _(run, self, model_id, batch, **named):
        if batch.data:
            return run(self, model_id, batch, **named)
        return ForwardBackwardOutput(
            loss_fn_output_type="ArrayRecord", loss_fn_outputs=[], metrics={"loss:sum": 0.0}
        )
