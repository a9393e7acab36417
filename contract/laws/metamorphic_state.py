"""Laws of what a model keeps that no schema can see: adapters, checkpoints, samplers."""

from typing import Any

from contract.laws.expect import expect_close, expect_differ
from contract.laws.gradients import Pass, difference, moves, probed, stride
from contract.laws.law import Lawbook
from contract.laws.model import Model
from contract.laws.outputs import logprobs_of
from contract.laws.sampler import Sampler
from contract.laws.subject import Subject

__all__ = ["METAMORPHIC_STATE"]

METAMORPHIC_STATE = Lawbook()
law = METAMORPHIC_STATE.law
LORA = "Hu et al., LoRA, 2021, section 4.1: one of the two matrices starts at zero"
FIRST, SECOND = (5, 6, 7, 8), (5, 9, 7, 4, 3)
SMALL = 1e-3


def trained(s: Subject, **lora: Any) -> Model:
    """A model after a training step."""
    model = s.model(**lora)
    model.train([s.datum(FIRST)], SMALL)
    return model


def scored(s: Subject, path: str | None, tokens: tuple[int, ...]) -> list[float]:
    """A new sampler's logprobs of a prompt's tokens but the first."""
    return floats(s.sampler(path), tokens)


def floats(sampler: Sampler, tokens: tuple[int, ...]) -> list[float]:
    """A sampler's logprobs of a prompt's tokens but the first."""
    return [float(value) for value in sampler.logprobs(tokens)[1:] if value is not None]


@law(
    "MET-36",
    "A fresh adapter changes nothing, whatever its rank and seed.",
    source=LORA,
    breaks="starts both matrices at random: training begins from a damaged model.",
)
def adapters_start_as_identity(s: Subject) -> None:
    base = probed(s, s.model(rank=8, seed=1))
    others: list[dict[str, Any]] = [
        {"rank": 1, "seed": 1},
        {"rank": 32, "seed": 2},
        {"rank": 8, "train_mlp": False},
    ]
    for lora in others:
        expect_close(probed(s, s.model(**lora)), base, f"logprobs of {lora}", tolerance=s.tolerance)


@law(
    "MET-37",
    "The same seed makes the same adapter: trained alike, two models stay alike.",
    source="sdk 0.38.0 types/lora_config.py seed",
    breaks="draws adapters from one generator for all: no run can be repeated.",
    needs=("learning",),
)
def seeds_repeat(s: Subject) -> None:
    one, other = probed(s, trained(s, seed=7)), probed(s, trained(s, seed=7))
    expect_close(other, one, "logprobs of the same seed", tolerance=s.tolerance)
    expect_differ(one, probed(s, s.model()), "logprobs after training", by=s.tolerance)


@law(
    "MET-38",
    "Another seed makes another adapter.",
    source="sdk 0.38.0 types/lora_config.py seed",
    breaks="ignores the seed: an average over seeds is of one run.",
    needs=("learning",),
)
def seeds_matter(s: Subject) -> None:
    ones = [probed(s, trained(s, seed=seed)) for seed in (7, 8, 9)]
    expect_differ(ones[0] + ones[0], ones[1] + ones[2], "logprobs of other seeds", by=s.tolerance)


@law(
    "MET-39",
    "The rank matters: adapters of ranks 1 and 32 are trained to different models.",
    source=LORA,
    breaks="makes every adapter of the rank that the server was started with.",
    needs=("learning",),
)
def rank_matters(s: Subject) -> None:
    one, other = probed(s, trained(s, rank=1)), probed(s, trained(s, rank=32))
    expect_differ(other, one, "logprobs of rank 32 and of rank 1", by=s.tolerance)


@law(
    "MET-40",
    "train_mlp, train_attn and train_unembed choose what is trained.",
    source="sdk 0.38.0 types/lora_config.py",
    breaks="takes the flags and trains its own choice of layers.",
    needs=("learning",),
)
def flags_matter(s: Subject) -> None:
    names = ("train_mlp", "train_attn", "train_unembed")
    models = [probed(s, trained(s, **{name: name == only for name in names})) for only in names]
    every = probed(s, trained(s))
    for only, one, other in zip(names, models, (*models[1:], every), strict=True):
        expect_differ(one, other, f"logprobs where only {only} is true", by=s.tolerance)


@law(
    "MET-41",
    "A checkpoint that is loaded into another model gives it the logprobs of the one that was saved.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py save_state, load_state",
    breaks="saves before the last step is done, or leaves out a layer.",
    needs=("learning",),
)
def loaded_equals_saved(s: Subject) -> None:
    model, other = trained(s), s.model(seed=2)
    path, after = model.save("laws"), probed(s, model)
    model.train([s.datum(SECOND)], SMALL)
    for optimizer in (True, False):
        other.load(path, optimizer=optimizer)
        expect_close(probed(s, other), after, "logprobs of what was loaded", tolerance=s.tolerance)
    expect_differ(after, probed(s, s.model()), "logprobs after training", by=s.tolerance)


@law(
    "MET-42",
    "Loaded with its optimizer, a model makes the next step that the saved one makes.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py load_state_with_optimizer",
    breaks="forgets the moments or the step count: each resumed run has a bump in its loss.",
    needs=("learning",),
)
def optimizer_is_resumed(s: Subject) -> None:
    model, other = trained(s), s.model(seed=2)
    other.load(model.save("laws"), optimizer=True)
    for each in (model, other):
        each.train([s.datum(FIRST, [0.25] * 4)], SMALL)
    expect_close(probed(s, other), probed(s, model), "logprobs after the next step", tolerance=s.tolerance)


@law(
    "MET-43",
    "Loaded without its optimizer, a model starts with fresh moments: zero gradients move it nowhere.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py load_state",
    breaks="loads the moments all the same, or keeps those of the model that it was loaded into.",
    needs=("learning",),
)
def moments_start_afresh(s: Subject) -> None:
    model = trained(s)
    path, after = model.save("laws"), probed(s, model)
    other = trained(s)
    for each in (model, other):
        each.load(path, optimizer=False)
        each.train([s.datum(FIRST, [0.0] * 4)], SMALL)
        expect_close(probed(s, each), after, "logprobs after zero gradients", tolerance=s.tolerance)


@law(
    "MET-44",
    "Saving takes nothing: gradients that wait for a step are still there after it.",
    source="ours: a checkpoint may be asked for at any time",
    breaks="clears them, or steps to be consistent.",
    needs=("learning",),
)
def saving_changes_nothing(s: Subject) -> None:
    model = s.model()
    before = probed(s, model)
    model.backward([s.datum(FIRST)])
    model.save("laws")
    model.save_for_sampler("laws")
    model.step(**stride(s))
    moved = difference(probed(s, model), before)
    expect_close(moved, moves(s, Pass([s.datum(FIRST)])), "what a step moves", tolerance=s.tolerance)


@law(
    "MET-45",
    "A load that fails leaves the model as it was.",
    source="ours: a failed call that half counted cannot be put right by its caller",
    breaks="resets the adapter before it looks for the checkpoint.",
    needs=("learning",),
)
def failed_load_leaves_no_trace(s: Subject) -> None:
    model = trained(s)
    before = probed(s, model)
    missing = model.save("laws").replace("laws", "no-such-checkpoint")
    s.refused(model.send_load(missing, optimizer=True))
    expect_close(probed(s, model), before, "logprobs after a failed load", tolerance=s.tolerance)


@law(
    "MET-46",
    "A checkpoint is of the moment when it was saved, not of the moment when it is loaded.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: saves are numbered like steps",
    breaks="writes in the background what has already been trained on.",
    needs=("learning",),
)
def checkpoints_are_snapshots(s: Subject) -> None:
    model = s.model()
    before = probed(s, model)
    model.train([s.datum(FIRST)], SMALL)
    path, after = model.save("laws"), probed(s, model)
    for _ in range(2):
        model.train([s.datum(SECOND)], SMALL)
    model.load(path)
    expect_close(probed(s, model), after, "logprobs of the checkpoint", tolerance=s.tolerance)
    expect_differ(after, before, "logprobs when it was saved", by=s.tolerance)


@law(
    "MET-47",
    "Sampler weights are a snapshot: training on does not change what is sampled from.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py save_weights_for_sampler",
    breaks="samples from the live model: off-policy corrections assume weights that are gone.",
    needs=("learning", "sampling"),
)
def sampler_weights_are_a_snapshot(s: Subject) -> None:
    model = trained(s)
    sampler = s.sampler(model.save_for_sampler("laws"))
    before = floats(sampler, FIRST)
    for _ in range(2):
        model.train([s.datum(FIRST)], SMALL)
    expect_close(floats(sampler, FIRST), before, "the sampler's logprobs", tolerance=s.tolerance)
    expect_differ(model.logprobs(FIRST)[:3], before, "the model's logprobs", by=s.tolerance)


@law(
    "MET-48",
    "A sampler scores a prompt as the model's forward pass does.",
    source="tinker-cookbook, reinforcement learning: the ratio of learner and sampler starts at 1",
    breaks="serves without the adapter, with another scale, or merged into fewer bits.",
    needs=("learning", "sampling"),
)
def sampler_and_learner_agree(s: Subject) -> None:
    model = trained(s)
    learner = model.logprobs((5, 6, 7, 8))
    sampler = scored(s, model.save_for_sampler("laws"), (5, 6, 7, 8, 9))
    expect_close(sampler, learner, "the sampler's logprobs", tolerance=s.tolerance)


@law(
    "MET-49",
    "Logprobs of sampled tokens are what the model gives them when it is asked again.",
    source="tinker-cookbook, reinforcement learning: sampled logprobs are the ratio's denominator",
    breaks="reports them off by one, or after top-p: the ratio is wrong from the first step.",
    needs=("learning", "sampling"),
)
def sampled_logprobs_are_recomputed(s: Subject) -> None:
    model = trained(s)
    sampler = s.sampler(model.save_for_sampler("laws"))
    sequence = sampler.sample((5, 6, 7), max_tokens=6, temperature=1.0, seed=3).sequences[0]
    whole = [5, 6, 7, *sequence.tokens]
    output = model.forward([s.datum(whole[:-1], [1.0] * (len(whole) - 1), target_tokens=whole[1:])])
    learner = logprobs_of(output)[2:]
    expect_close(list(sequence.logprobs or []), learner, "sampled logprobs", tolerance=s.tolerance)


@law(
    "MET-50",
    "The base model samples as a fresh adapter on it: their logprobs of a prompt are the same.",
    source=LORA,
    breaks="serves another revision or precision of the base model than it trains.",
    needs=("sampling",),
)
def base_and_fresh_adapter_agree(s: Subject) -> None:
    fresh, base = s.model().logprobs(FIRST), scored(s, None, (*FIRST, 9))
    expect_close(base, fresh, "the base model's logprobs", tolerance=s.tolerance)


@law(
    "MET-70",
    "A step of one model leaves another one of the same base model as it was, in its session and in others.",
    source=LORA,
    breaks="has one adapter for all models of a base model: users train each other's.",
)
def steps_are_of_one_model(s: Subject) -> None:
    session = s.session()
    model, others = s.model(session, 0), [s.model(session, 1), s.model()]
    before = [probed(s, other) for other in others]
    model.train([s.datum(FIRST)], SMALL)
    for other, expected in zip(others, before, strict=True):
        expect_close(probed(s, other), expected, "logprobs of another model", tolerance=s.tolerance)


@law(
    "MET-71",
    "A model and one that was loaded from its checkpoint go their own ways, whichever is trained.",
    source="ours: a checkpoint is a copy",
    breaks="loads a reference to the saved model: training a fork moves what it was forked from.",
)
def forks_go_their_own_ways(s: Subject) -> None:
    model, fork = trained(s), s.model()
    fork.load(model.save("laws"))
    for still, moving in ((model, fork), (fork, model)):
        before = probed(s, still)
        moving.train([s.datum(SECOND)], SMALL)
        expect_close(probed(s, still), before, "logprobs of the one not trained", tolerance=s.tolerance)
