"""Servers that train wrongly: gradients, steps, adapters."""

from dataclasses import replace
from itertools import count

import numpy as np

from fake_server import scripted, scripted_optimizer
from fake_server.language import TOKEN_BITS, contexts_of
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_optimizer import Gradients
from fake_server.scripted_weights import Moments, Pairs
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["TRAINING_MUTANTS"]

TRAINING_MUTANTS = Zoo()
mutant = TRAINING_MUTANTS.mutant


def _scaled(pending, factor):
    return tuple(Gradients(part.keys, part.slopes * factor) for part in pending)


# Gradients


@mutant("gradients-kept", "optim_step leaves the gradients that it applied.", "MET TRN")
def gradients_kept(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        pending = self._models[model_id].pending
        answer = step(self, model_id, params)
        self._models[model_id] = replace(self._models[model_id], pending=pending)
        return answer


@mutant(
    "gradients-lost",
    "A second pass replaces the gradients of the first.",
    "MET TRN",
    "SkyRL adb75adc5: gradient accumulation over several passes was lost",
)
def gradients_lost(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "forward_backward")
    def _(run, self, model_id, batch, *, forward_only=False, **named):
        if not forward_only:
            self._models[model_id] = replace(self._models[model_id], pending=())
        return run(self, model_id, batch, forward_only=forward_only, **named)


@mutant(
    "gradients-late",
    "A step applies all gradients but those of the last pass, which wait for the next step.",
    "MET",
    "tinker-cloud#18: optim_step consumed a later pass's gradients",
)
def gradients_late(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        model = self._models[model_id]
        self._models[model_id] = replace(model, pending=model.pending[:-1])
        answer = step(self, model_id, params)
        self._models[model_id] = replace(self._models[model_id], pending=model.pending[-1:])
        return answer


@mutant(
    "gradients-averaged-over-passes",
    "The gradients of several passes are averaged, not summed.",
    "MET",
    "SkyRL#1296: mean in the place of sum",
)
def gradients_averaged_over_passes(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        model = self._models[model_id]
        pending = _scaled(model.pending, 1 / max(len(model.pending), 1))
        self._models[model_id] = replace(model, pending=pending)
        return step(self, model_id, params)


@mutant(
    "gradients-averaged-over-data",
    "The gradient of a pass is averaged over its examples.",
    "MET",
    "SkyRL#1955, tinker-cloud#15: mean in the place of sum",
)
def gradients_averaged_over_data(bench: Bench) -> None:
    @bench.wrap(scripted, "_gradients")
    def _(gradients, keys, slopes):
        return gradients(keys, slopes / max(len(slopes), 1))


@mutant("forward-leaves-gradients", "A forward pass adds its gradients, too.", "MET TRN")
def forward_leaves_gradients(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "forward_backward")
    def _(run, self, model_id, batch, *, forward_only=False, **named):
        return run(self, model_id, batch, forward_only=False, **named)


@mutant(
    "gradients-of-neighbours",
    "A step applies the gradients of all models of the server.",
    "MET",
    "open-rl: the gradient norm of one tenant grew by the others' gradients",
)
def gradients_of_neighbours(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        pending = tuple(part for model in self._models.values() for part in model.pending)
        self._models[model_id] = replace(self._models[model_id], pending=pending)
        return step(self, model_id, params)


@mutant("failed-pass-leaves-gradients", "A pass that fails has added the gradients of its first half.", "MET")
def failed_pass_leaves_gradients(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "forward_backward")
    def _(run, self, model_id, batch, **named):
        try:
            return run(self, model_id, batch, **named)
        except Exception:
            keys = contexts_of(np.array([5, 6])) << TOKEN_BITS | np.array([6, 7])
            model, left = self._models[model_id], Gradients(keys, np.array([-1.0, -1.0]))
            self._models[model_id] = replace(model, pending=(*model.pending, left))
            raise


@mutant("data-cut-off", "Only the first example of a pass counts.", "MET TRN")
def data_cut_off(bench: Bench) -> None:
    @bench.wrap(scripted, "_gradients")
    def _(gradients, keys, slopes):
        return gradients(keys[:4], slopes[:4])


@mutant("last-token-dropped", "The last target of a pass has no gradient.", "MET")
def last_token_dropped(bench: Bench) -> None:
    @bench.wrap(scripted, "_gradients")
    def _(gradients, keys, slopes):
        return gradients(keys[:-1], slopes[:-1])


# Steps


def _with_params(bench, change):
    @bench.wrap(scripted, "adamw_step")
    def _(step, weights, table, pending, params):
        return step(weights, table, pending, params.model_copy(update=change(params)))


@mutant("clip-ignored", "grad_clip_norm does nothing.", "MET", "SkyRL's JAX backend")
def clip_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"grad_clip_norm": 0.0})


@mutant("clip-always", "Gradients are brought to norm 1 whatever grad_clip_norm says.", "MET")
def clip_always(bench: Bench) -> None:
    _with_params(bench, lambda params: {"grad_clip_norm": 1e-3})


@mutant("decay-coupled", "Weight decay goes through the moments, as in Adam of 2014.", "MET")
def decay_coupled(bench: Bench) -> None:
    @bench.wrap(scripted_optimizer, "_updated")
    def _(updated, columns, gradients, step, params):
        coupled = gradients + params.weight_decay * columns[0]
        return updated(columns, coupled, step, params.model_copy(update={"weight_decay": 0.0}))


@mutant("decay-ignored", "weight_decay does nothing.", "MET")
def decay_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"weight_decay": 0.0})


@mutant(
    "betas-ignored", "beta1 and beta2 are the server's own.", "MET TRN", "defaults that differ from the SDK's"
)
def betas_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"beta1": 0.9, "beta2": 0.999})


@mutant("beta2-its-own", "beta2 is 0.999, whatever was sent.", "MET", "the default of PyTorch")
def beta2_its_own(bench: Bench) -> None:
    _with_params(bench, lambda params: {"beta2": 0.999})


@mutant("rate-zero-is-default", "A learning rate of 0 counts as none given.", "MET", "hatchery refuses it")
def rate_zero_is_default(bench: Bench) -> None:
    _with_params(bench, lambda params: {"learning_rate": params.learning_rate or 1e-3})


@mutant("rate-ignored", "Every step has the same learning rate.", "MET TRN")
def rate_ignored(bench: Bench) -> None:
    _with_params(bench, lambda params: {"learning_rate": 1e-2 if params.learning_rate else 0.0})


@mutant("ascent", "A step goes up the gradient.", "MET TRN")
def ascent(bench: Bench) -> None:
    _with_params(bench, lambda params: {"learning_rate": -params.learning_rate})


@mutant("moments-forgotten", "Every step starts with fresh moments.", "MET WGT")
def moments_forgotten(bench: Bench) -> None:
    @bench.wrap(scripted, "adamw_step")
    def _(step, weights, table, pending, params):
        fresh = Moments(*np.zeros((2, len(weights.pairs.keys))))
        return step(replace(weights, moments=fresh), table, pending, params)


@mutant("no-bias-correction", "Moments are not corrected for their start at zero.", "MET")
def no_bias_correction(bench: Bench) -> None:
    bench.patch(scripted_optimizer, "power", lambda base, exponent: 0.0)


@mutant("step-does-nothing", "Every fourth step of the server succeeds and changes nothing.", "MET TRN")
def step_does_nothing(bench: Bench) -> None:
    seen = count()

    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        before = self._models[model_id]
        answer = step(self, model_id, params)
        if next(seen) % 4 == 3:
            self._models[model_id] = replace(before, pending=())
        return answer


# Models


@mutant("models-share-weights", "All models of a base model train one adapter.", "MET")
def models_share_weights(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        answer = step(self, model_id, params)
        weights = self._models[model_id].weights
        self._models = {name: replace(model, weights=weights) for name, model in self._models.items()}
        return answer


@mutant("adapter-not-reset", "A new model starts from the adapter that was made before it.", "MET TRN")
def adapter_not_reset(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "create_model")
    def _(create, self, model_id, *given):
        last = list(self._models.values())[-1:]
        create(self, model_id, *given)
        for model in last:
            fresh, used = self._models[model_id], model.weights
            weights = replace(fresh.weights, pairs=used.pairs, moments=used.moments)
            self._models[model_id] = replace(fresh, weights=weights)


@mutant("no-identity", "A new adapter is no identity: its B is random, too.", "MET TRN")
def no_identity(bench: Bench) -> None:
    @bench.wrap(scripted, "fresh_weights")
    def _(fresh, *given):
        weights, tokens = fresh(*given), np.arange(4, 20)
        keys = contexts_of(tokens)[1:] << TOKEN_BITS | tokens[1:] + 1
        pairs = Pairs(keys, np.full(len(keys), 0.3 / weights.gain))
        return replace(weights, pairs=pairs, moments=Moments(*np.zeros((2, len(keys)))))


@mutant("rank-ignored", "Every adapter has the same rank.", "MET TRN")
def rank_ignored(bench: Bench) -> None:
    @bench.wrap(scripted, "fresh_weights")
    def _(fresh, seed, name, lora):
        return fresh(seed, name, lora.model_copy(update={"rank": 8}))


@mutant(
    "adapter-seed-ignored",
    "The seed of an adapter does not reach the backend.",
    "MET TRN",
    "tinker-cloud#38: the client's LoRA seed reaches no backend",
)
def adapter_seed_ignored(bench: Bench) -> None:
    @bench.wrap(scripted, "fresh_weights")
    def _(fresh, seed, name, lora):
        return fresh(seed, name, lora.model_copy(update={"seed": 1}))


@mutant("adapter-seed-random", "Two adapters of the same seed differ.", "MET TRN", "SkyRL before its seed")
def adapter_seed_random(bench: Bench) -> None:
    numbers = iter(range(10**6))

    @bench.wrap(scripted, "fresh_weights")
    def _(fresh, seed, name, lora):
        return fresh(seed, name, lora.model_copy(update={"seed": next(numbers)}))


@mutant("train-flags-ignored", "train_mlp, train_attn and train_unembed do nothing.", "MET TRN", "SkyRL#1469")
def train_flags_ignored(bench: Bench) -> None:
    @bench.wrap(scripted, "fresh_weights")
    def _(fresh, seed, name, lora):
        flags = dict.fromkeys(("train_mlp", "train_attn", "train_unembed"), True)
        return fresh(seed, name, lora.model_copy(update=flags))
