"""`FLAWS`: steps that a server has to refuse, each in one way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from contract import programs as p
from contract.programs import Example
from contract.programs.step import Step
from contract.strategies.drafting import DRAFTS, Draft
from contract.strategies.sketch import Sketch
from contract.strategies.step_fields import nothing
from contract.strategies.world import Missing, World

__all__ = ["FLAWS"]

UNKNOWN_PATH = "tinker://00000000-0000-4000-8000-000000000000:train:0/weights/none"
BAD_EXAMPLES = (
    Example(tokens=(5, 6, 7), targets=(6, 7)),
    Example(tokens=(5, 6, 7), weights=(1.0, 1.0)),
    Example(tokens=(5, 2**31 - 1)),
    Example(tokens=(5, 6), targets=(6, -1)),
    Example(tokens=()),
    Example(tokens=(5, 6), advantages=(1.0, 1.0)),
)
"""Lengths that do not fit, tokens that are none, nothing, and an input that the loss does not know."""


def _spoiled(kind: str, **spoiled: Any) -> Draft:
    """A legal step with a parameter that cannot be."""

    def make(world: World, drawn: Sketch) -> Step:
        return DRAFTS[kind].make(world, drawn.with_fields(**spoiled))

    return Draft(1, make)


def _chosen(kind: str, name: str, *values: Any) -> Draft:
    """A legal step with one of some parameters that cannot be."""
    spoil = st.sampled_from(values).map(lambda value: {name: value})
    return Draft(1, DRAFTS[kind].make, lambda: spoil)


def _dead(world: World, drawn: Sketch) -> Step:
    """A step that names what never was, or is no more."""
    kinds = (
        lambda: _of_dead_model(p.ForwardBackward, world, drawn.choices[1]),
        lambda: _of_dead_model(p.OptimStep, world, drawn.choices[1]),
        lambda: _of_dead_model(p.SaveWeights, world, drawn.choices[1]),
        lambda: p.Sample(sampler=world.dead("sampler", drawn.choices[1])),
        lambda: p.CreateModel(session=world.dead("session", drawn.choices[1])),
        lambda: p.CreateSampler(session=world.dead("session", drawn.choices[1])),
        lambda: p.DeleteCheckpoint(checkpoint=world.dead("checkpoint", drawn.choices[1])),
        lambda: p.WeightsInfo(checkpoint=world.dead("checkpoint", drawn.choices[1])),
    )
    return kinds[drawn.choices[0] % len(kinds)]()


def _of_dead_model(kind: type[Any], world: World, choice: int) -> Any:
    return kind(model=world.dead("model", choice))


def _load_nothing(world: World, drawn: Sketch) -> Step:
    model = world.pick("model", drawn.choices[0])
    return p.LoadWeights(model=model, path=UNKNOWN_PATH, seq_id=world.next_place(model))


def _load_sampler_weights(world: World, drawn: Sketch) -> Step:
    try:
        checkpoint = world.checkpoint(drawn.choices[1], trained_on=False)
    except Missing:
        return _load_nothing(world, drawn)
    model = world.pick("model", drawn.choices[0])
    return p.LoadWeights(model=model, checkpoint=checkpoint, seq_id=world.next_place(model))


def _taken_name(world: World, drawn: Sketch) -> Step:
    """A save under a name that a checkpoint of the model has; a bad name where none has one."""
    alive = world.alive("checkpoint")
    models = world.alive("model")
    for step, number in world.saves():
        if number in alive and step.model in models and step.name is not None and step.wait:
            place = world.next_place(step.model)
            return type(step)(model=step.model, name=step.name, seq_id=place)
    return DRAFTS["save_weights"].make(world, replace(drawn, fields={"name": "a/b"}))


def _changed_replay(world: World, drawn: Sketch) -> Step:
    numbered = [n for n in world.numbered() if not isinstance(world.steps[n], p.UnloadModel)]
    if not numbered:
        raise Missing("sampler")
    return p.Replay(step=numbered[-1 - drawn.choices[0] % len(numbered)], changed=True)


def _published_twice(world: World, drawn: Sketch) -> Step:
    try:
        return p.PublishCheckpoint(checkpoint=world.checkpoint(drawn.choices[0], public=True))
    except Missing:
        return p.UnpublishCheckpoint(checkpoint=world.checkpoint(drawn.choices[0], public=False))


def _used_place(world: World, drawn: Sketch) -> Step:
    """Another operation under a number that the model has passed."""
    used = [model for model in world.alive("model") if world.last.get(model, 0) > 0]
    if not used:
        raise Missing("model")
    return p.OptimStep(model=used[-1 - drawn.choices[0] % len(used)], seq_id=1, learning_rate=0.5)


FLAWS: Mapping[str, Draft] = {
    "dead": Draft(4, _dead, nothing),
    "changed_replay": Draft(2, _changed_replay),
    "used_place": Draft(1, _used_place),
    "no_such_loss": _spoiled("forward_backward", loss="no_such_loss"),
    "no_data": _spoiled("forward_backward", data=()),
    "bad_data": _chosen("forward_backward", "data", *((example,) for example in BAD_EXAMPLES)),
    "bad_forward": _chosen("forward", "data", *((example,) for example in BAD_EXAMPLES)),
    "bad_setting": _chosen("forward_backward", "config", {"no_such_setting": 1.0}),
    "bad_rank": _chosen("create_model", "rank", 0, -1),
    "no_such_base_model": _spoiled("create_model", base_model="nobody/nothing"),
    "nothing_to_train": _spoiled("create_model", train_attn=False, train_mlp=False, train_unembed=False),
    "no_such_optimizer": _spoiled("optim_step", family="no_such_family"),
    "bad_learning_rate": _chosen("optim_step", "grad_clip_norm", -1.0),
    "load_nothing": Draft(2, _load_nothing),
    "load_sampler_weights": Draft(1, _load_sampler_weights),
    "taken_name": Draft(2, _taken_name),
    "bad_name": _chosen("save_for_sampler", "name", "a/b", "..", ""),
    "bad_life": _chosen("save_weights", "ttl_seconds", 0, -1, 60),
    "bad_new_life": _chosen("set_ttl", "ttl_seconds", 1),
    "published_twice": Draft(1, _published_twice),
    "bad_count": _chosen("sample", "num_samples", 0, -1, 100_000),
    "bad_length": _chosen("sample", "max_tokens", 0, -1, 10**9),
    "bad_temperature": _chosen("sample", "temperature", -1.0),
    "bad_top_p": _chosen("sample", "top_p", 0.0, 2.0, -1.0),
    "bad_top_k": _chosen("sample", "top_k", -2, -5),
    "bad_prompt": _chosen("sample", "prompt", (), (2**31 - 1,), (-1,)),
    "bad_score": _chosen("logprobs", "prompt", (), (2**31 - 1,)),
}
"""By what is wrong. The servers here refuse each of them."""
