"""`Drafting`: sketches of steps become steps, where there is what they name. `DRAFTS` are the legal kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import strategies as st

from contract import programs as p
from contract.programs.step import Makes, ModelStep, Step, Submission
from contract.strategies import step_fields as f
from contract.strategies.sketch import Sketch
from contract.strategies.world import Missing, World

__all__ = ["DRAFTS", "Draft", "Drafting"]

Fields: TypeAlias = Callable[[], st.SearchStrategy[dict[str, Any]]]
Make: TypeAlias = Callable[[World, Sketch], Step]
"""Raises `Missing` where there is nothing to name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A kind of step."""

    weight: int
    """How often, beside the others."""
    make: Make
    fields: Fields = f.nothing


def _of_model(kind: type[Any]) -> Make:
    """A step of a model; where the model waits for a place, it is taken."""

    def make(world: World, drawn: Sketch) -> Step:
        model = world.pick("model", drawn.choices[0])
        place = world.next_place(model) if issubclass(kind, ModelStep) else None
        made: Step = kind(model=model, **drawn.fields, **({} if place is None else {"seq_id": place}))
        return made

    return make


def _of(kind: type[Step], thing: Makes) -> Make:
    """A step that names one thing."""
    return lambda world, drawn: kind(**{thing: world.pick(thing, drawn.choices[0])}, **drawn.fields)


def _plain(kind: type[Any]) -> Make:
    return lambda _, drawn: kind(**drawn.fields)


def _save(kind: type[Any]) -> Make:
    """A step that saves under a name that no other has, or lets the server choose."""

    def make(world: World, drawn: Sketch) -> Step:
        named = {} if drawn.choices[1] == 7 else {"name": f"w{len(world.things['checkpoint'])}"}
        return _of_model(kind)(world, drawn.with_fields(**named))

    return make


def _load(world: World, drawn: Sketch) -> Step:
    checkpoint = world.checkpoint(drawn.choices[1], trained_on=True)
    rank = world.rank_of(world.things["checkpoint"][checkpoint].owner)
    alike = [m for m in world.alive("model") if world.rank_of(m) == rank]
    if not alike:
        raise Missing("model")
    model = alike[-1 - drawn.choices[0] % len(alike)]
    return p.LoadWeights(model=model, checkpoint=checkpoint, seq_id=world.next_place(model), **drawn.fields)


def _load_model(world: World, drawn: Sketch) -> Step:
    checkpoint = world.checkpoint(drawn.choices[1], trained_on=True)
    return p.LoadModel(session=world.pick("session", drawn.choices[0]), checkpoint=checkpoint, **drawn.fields)


def _sampler_of_checkpoint(world: World, drawn: Sketch) -> Step:
    return p.CreateSampler(
        session=world.pick("session", drawn.choices[0]), checkpoint=world.checkpoint(drawn.choices[1])
    )


def _early(world: World, drawn: Sketch) -> Step:
    """An optimizer step that comes before the operation that it follows."""
    model = world.pick("model", drawn.choices[0])
    place = world.next_place(model)
    return p.OptimStep(
        model=model, seq_id=world.last.get(model, 0) + 2 if place is None else place, **drawn.fields
    )


def _publish(world: World, drawn: Sketch) -> Step:
    return p.PublishCheckpoint(checkpoint=world.checkpoint(drawn.choices[0], public=False))


def _unpublish(world: World, drawn: Sketch) -> Step:
    try:
        return p.UnpublishCheckpoint(checkpoint=world.checkpoint(drawn.choices[0], public=True))
    except Missing:
        return _publish(world, drawn)


def _await(world: World, drawn: Sketch) -> Step:
    waiting = world.open_submissions()
    return p.Await(step=waiting[-1 - drawn.choices[0] % len(waiting)]) if waiting else p.ListSessions()


def _unload(world: World, drawn: Sketch) -> Step:
    """The last model that is there is seldom unloaded: what comes after it is about others."""
    model = world.pick("model", drawn.choices[0])
    fit = world.next_place(model) is None and (len(world.alive("model")) > 1 or drawn.choices[1] == 7)
    return p.UnloadModel(model=model) if fit else p.GetInfo(model=model)


def _finish(world: World, drawn: Sketch) -> Step:
    """As with models."""
    session = world.pick("session", drawn.choices[0])
    fit = len(world.alive("session")) > 1 or drawn.choices[1] == 7
    return p.FinishSession(session=session, **drawn.fields) if fit else p.Heartbeat(session=session)


def _replay(world: World, drawn: Sketch) -> Step:
    numbered = world.numbered()
    if not numbered:
        raise Missing("sampler")
    return p.Replay(step=numbered[-1 - drawn.choices[0] % len(numbered)])


DRAFTS: Mapping[str, Draft] = {
    "create_session": Draft(2, _plain(p.CreateSession)),
    "create_model": Draft(4, _of(p.CreateModel, "session"), f.adapters),
    "forward_backward": Draft(8, _of_model(p.ForwardBackward), f.passes),
    "optim_step": Draft(6, _of_model(p.OptimStep), f.steps),
    "forward": Draft(4, _of_model(p.Forward), f.passes),
    "save_weights": Draft(4, _save(p.SaveWeights), f.lives),
    "save_for_sampler": Draft(4, _save(p.SaveForSampler), f.lives),
    "load_weights": Draft(4, _load, f.optimizers),
    "load_model": Draft(2, _load_model, f.optimizers),
    "open_sampler": Draft(2, _of_model(p.OpenSampler), f.sampler_kinds),
    "create_sampler": Draft(2, _of(p.CreateSampler, "session")),
    "create_sampler_of_checkpoint": Draft(3, _sampler_of_checkpoint),
    "sample": Draft(7, _of(p.Sample, "sampler"), f.samples),
    "logprobs": Draft(4, _of(p.Logprobs, "sampler"), f.scores),
    "early": Draft(4, _early, f.steps),
    "replay": Draft(3, _replay),
    "await": Draft(2, _await),
    "heartbeat": Draft(1, _of(p.Heartbeat, "session")),
    "get_info": Draft(1, _of(p.GetInfo, "model")),
    "get_session": Draft(1, _of(p.GetSession, "session")),
    "get_sampler": Draft(1, _of(p.GetSampler, "sampler")),
    "get_training_run": Draft(1, _of(p.GetTrainingRun, "model")),
    "list_sessions": Draft(1, _plain(p.ListSessions)),
    "list_training_runs": Draft(1, _plain(p.ListTrainingRuns)),
    "list_checkpoints": Draft(1, _of(p.ListCheckpoints, "model")),
    "list_all_checkpoints": Draft(1, _plain(p.ListAllCheckpoints)),
    "weights_info": Draft(1, _of(p.WeightsInfo, "checkpoint")),
    "publish_checkpoint": Draft(1, _publish),
    "unpublish_checkpoint": Draft(1, _unpublish),
    "set_ttl": Draft(1, _of(p.SetTtl, "checkpoint"), f.new_lives),
    "delete_checkpoint": Draft(2, _of(p.DeleteCheckpoint, "checkpoint")),
    "unload_model": Draft(1, _unload),
    "finish_session": Draft(1, _finish, f.reasons),
}
"""Legal steps, the simplest first."""
MAKERS: Mapping[Makes, str] = {
    "session": "create_session",
    "model": "create_model",
    "sampler": "create_sampler",
    "checkpoint": "save_weights",
}
"""What makes a thing that is missing."""


MOST_MAKERS = 4
"""A session, a model, a checkpoint and a sampler; a load whose shape no new model has finds none."""


@dataclass(slots=True)
class Drafting:
    """A program on its way."""

    drafts: Mapping[str, Draft] = field(default_factory=lambda: DRAFTS)
    flaws: Mapping[str, Draft] = field(default_factory=dict)
    pipelined: bool = True
    """Whether some steps do not wait for their results."""
    world: World = field(default_factory=World)
    stood_in: bool = False
    """Whether the last step is none of its sketch's kind, but makes what that would name."""

    def steps(self, sketch: Sketch) -> list[Step]:
        """The step of a sketch, behind those that make what it names."""
        made = [self.step(sketch)]
        while self.stood_in and len(made) <= MOST_MAKERS:
            made.append(self.step(sketch))
        return made

    def step(self, sketch: Sketch) -> Step:
        """The step of a sketch, or one that makes what it would name."""
        is_flaw = sketch.kind in self.flaws
        draft = self.flaws[sketch.kind] if is_flaw else self.drafts[sketch.kind]
        drawn = sketch
        while True:
            try:
                step = draft.make(self.world, drawn)
                break
            except Missing as missing:
                draft, is_flaw = self.drafts[MAKERS[missing.kind]], False
                drawn = Sketch(MAKERS[missing.kind])
        if self.pipelined and sketch.choices[1] >= 6 and step.makes is None and isinstance(step, Submission):
            step = step.model_copy(update={"wait": False})
        self.world.note(step, refused=is_flaw)
        self.stood_in = drawn is not sketch
        return step
