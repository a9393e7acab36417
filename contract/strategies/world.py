"""`World`: what there is at a point of a program, as far as its client knows."""

from dataclasses import dataclass, field

from contract.programs import (
    CreateModel,
    CreateSampler,
    CreateSession,
    DeleteCheckpoint,
    FinishSession,
    LoadModel,
    OpenSampler,
    PublishCheckpoint,
    SaveForSampler,
    SaveWeights,
    Step,
    UnloadModel,
    UnpublishCheckpoint,
)
from contract.programs.step import Makes, ModelStep, Submission

__all__ = ["Missing", "World"]


class Missing(LookupError):
    """There is nothing of a kind; the argument names it."""

    def __init__(self, kind: Makes) -> None:
        super().__init__(kind)
        self.kind: Makes = kind


@dataclass(slots=True)
class Thing:
    """A session, model, sampler or checkpoint."""

    owner: int = 0
    """Of a model or sampler its session, of a checkpoint its model."""
    alive: bool = True
    trained_on: bool = False
    """Of a checkpoint: whether one can train on from it."""
    public: bool = False


@dataclass(slots=True)
class World:
    """Grows with each step that is noted."""

    things: dict[Makes, list[Thing]] = field(
        default_factory=lambda: {"session": [], "model": [], "sampler": [], "checkpoint": []}
    )
    steps: list[Step] = field(default_factory=list)
    missing: dict[int, int] = field(default_factory=dict)
    """Of models: the place that was left out."""
    adapters: list[tuple[object, ...]] = field(default_factory=list)
    """Of each model, rank and what is trained."""
    last: dict[int, int] = field(default_factory=dict)
    """Of models: the highest place."""

    def alive(self, kind: Makes) -> list[int]:
        """Numbers of those that can be used: what belongs to a session ends with it, but for checkpoints."""
        sessions = self.things["session"]
        return [
            number
            for number, thing in enumerate(self.things[kind])
            if thing.alive and (kind in ("session", "checkpoint") or sessions[thing.owner].alive)
        ]

    def pick(self, kind: Makes, choice: int) -> int:
        """The number of one that can be used; choice 0 is the newest.

        Raises:
            Missing: if there is none.
        """
        return _pick(self.alive(kind), choice, kind)

    def checkpoint(self, choice: int, *, public: bool | None = None, trained_on: bool | None = None) -> int:
        """The number of a checkpoint of that kind.

        Raises:
            Missing: if there is none.
        """
        things = self.things["checkpoint"]
        fit = [
            number
            for number in self.alive("checkpoint")
            if public in (None, things[number].public) and trained_on in (None, things[number].trained_on)
        ]
        return _pick(fit, choice, "checkpoint")

    def dead(self, kind: Makes, choice: int) -> int:
        """The number of one that cannot be used any more; where there is none, one that never was."""
        alive, count = self.alive(kind), len(self.things[kind])
        dead = [number for number in range(count) if number not in alive]
        return dead[choice % len(dead)] if dead else count

    def next_place(self, model: int) -> int | None:
        """The place that a model waits for; None where it waits for none, and the next one is right."""
        return self.missing.get(model)

    def note(self, step: Step, *, refused: bool = False) -> None:
        """Take it that the step was carried out, or that it was refused."""
        self.steps.append(step)
        if isinstance(step, ModelStep):
            self._place(step)
        if isinstance(step, CreateModel | LoadModel):  # what named it before it was there took no place of it
            number = len(self.things["model"])
            self.last.pop(number, None)
            self.missing.pop(number, None)
        if isinstance(step, CreateModel):
            self.adapters.append((step.rank, step.train_attn, step.train_mlp, step.train_unembed))
        elif isinstance(step, LoadModel):
            saved = self.things["checkpoint"][step.checkpoint]
            self.adapters.append(self.adapters[saved.owner])
        if refused:
            if step.makes is not None:
                self.things[step.makes].append(Thing(alive=False))
            return
        self._carry_out(step)

    def _carry_out(self, step: Step) -> None:
        match step:
            case CreateSession():
                self.things["session"].append(Thing())
            case CreateModel() | LoadModel():
                self._add("model", Thing(step.session), step.session)
            case CreateSampler():
                self._add("sampler", Thing(step.session), step.session)
            case OpenSampler():
                models = self.things["model"]
                owner = models[step.model].owner if step.model < len(models) else len(self.things["session"])
                self._add("sampler", Thing(owner), owner)
            case SaveWeights() | SaveForSampler():
                known = step.model in self.alive("model")
                saved = Thing(step.model, alive=known, trained_on=isinstance(step, SaveWeights))
                self.things["checkpoint"].append(saved)
            case FinishSession():
                self._end("session", step.session)
            case UnloadModel():
                self._end("model", step.model)
            case DeleteCheckpoint():
                self._end("checkpoint", step.checkpoint)
            case PublishCheckpoint() | UnpublishCheckpoint():
                self._publish(step.checkpoint, public=isinstance(step, PublishCheckpoint))

    def rank_of(self, model: int) -> object:
        """What an adapter has to have in common with another one, to be loaded into it."""
        return self.adapters[model] if model < len(self.adapters) else None

    def saves(self) -> list[tuple[SaveWeights | SaveForSampler, int]]:
        """Steps that saved, each with the number of its checkpoint."""
        made = [step for step in self.steps if isinstance(step, SaveWeights | SaveForSampler)]
        return [(step, number) for number, step in enumerate(made)]

    def _place(self, step: ModelStep) -> None:
        model, last = step.model, self.last.get(step.model, 0)
        place = last + 1 if step.seq_id is None else step.seq_id
        if place > last + 1:
            self.missing[model] = last + 1
        elif self.missing.get(model) == place:
            del self.missing[model]
        self.last[model] = max(last, place)

    def _add(self, kind: Makes, thing: Thing, session: int) -> None:
        thing.alive = session in self.alive("session")
        if not thing.alive:
            thing.owner = 0
        self.things[kind].append(thing)

    def _end(self, kind: Makes, number: int) -> None:
        if number < len(self.things[kind]):
            self.things[kind][number].alive = False

    def _publish(self, checkpoint: int, *, public: bool) -> None:
        if checkpoint < len(self.things["checkpoint"]):
            self.things["checkpoint"][checkpoint].public = public

    def open_submissions(self) -> list[int]:
        """Places in the program of steps whose results nobody waits for."""
        return [
            number
            for number, step in enumerate(self.steps)
            if isinstance(step, Submission) and not step.wait and step.makes is None
        ]

    def numbered(self) -> list[int]:
        """Places in the program of steps whose requests have numbers, so that they can be replayed."""
        return [n for n, step in enumerate(self.steps) if isinstance(step, Submission | CreateSampler)]


def _pick(numbers: list[int], choice: int, kind: Makes) -> int:
    if not numbers:
        raise Missing(kind)
    return numbers[-1 - choice % len(numbers)]
