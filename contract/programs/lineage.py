"""`lineage`: what trained a model of a program, without all that should leave no trace; it makes a twin."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contract.programs.interpreter import Run
from contract.programs.program import Program
from contract.programs.session_steps import CreateSession
from contract.programs.step import Makes, ModelStep, Step
from contract.programs.training_steps import CreateModel, ForwardBackward, OptimStep
from contract.programs.weight_steps import LoadModel, LoadWeights

__all__ = ["Lineage", "lineage"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """How a model came to be what it is."""

    made: CreateModel
    """The adapter."""
    steps: tuple[ForwardBackward | OptimStep, ...] = ()
    """Passes that have gradients, and optimizer steps, in the order of their places."""

    @property
    def has_gradients(self) -> bool:
        """Whether a pass came after the last step."""
        return bool(self.steps) and isinstance(self.steps[-1], ForwardBackward)

    @property
    def saved(self) -> "Lineage":
        """Of a checkpoint of the model: gradients are not in it."""
        last = max((n for n, step in enumerate(self.steps) if isinstance(step, OptimStep)), default=-1)
        return replace(self, steps=self.steps[: last + 1])

    def twin(self, *steps: Step) -> Program:
        """The program that makes another model in the same way, and goes on with these steps of model 0."""
        alike = {"model": 0, "seq_id": None, "wait": True}
        made = self.made.model_copy(update={"session": 0, "wait": True})
        return Program.of(
            CreateSession(), made, *(step.model_copy(update=alike) for step in self.steps), *steps
        )


def lineage(steps: Sequence[Step], run: Run, model: int) -> Lineage | None:
    """What trained a model.

    Args:
        steps: Of the program.
        run: That program on a server; nothing may be on its way.
        model: The model's number.

    Returns:
        None where no twin can be made: the model was created without a seed, loaded without its optimizer,
        from a path that is no checkpoint of the program, or from one that was saved twice.
    """
    return _Ancestry(steps, run).of_model(model)


@dataclass(frozen=True, slots=True)
class _Ancestry:
    steps: Sequence[Step]
    run: Run
    known: dict[int, Lineage | None] = field(default_factory=dict)
    """Of each checkpoint that was asked for: many loads of many saves would be followed for ever."""

    def of_model(self, model: int, before: int | None = None) -> Lineage | None:
        """The lineage up to a place of the model; up to now where none is given."""
        made = self.steps[self._maker("model", model)]
        found: Lineage | None = None
        if isinstance(made, LoadModel):
            found = self._of_checkpoint(made.checkpoint) if made.optimizer else None
        elif isinstance(made, CreateModel) and made.seed is not None:
            found = Lineage(made)
        for place, number in self._effects(model):
            if found is not None and (before is None or place < before):
                found = self._after(found, self.steps[number])
        return found

    def _after(self, found: Lineage, step: Step) -> Lineage | None:
        if isinstance(step, LoadWeights):
            known = step.optimizer and step.path is None
            return self._of_checkpoint(step.checkpoint) if known else None
        if isinstance(step, OptimStep) or (isinstance(step, ForwardBackward) and not _is_weightless(step)):
            return replace(found, steps=(*found.steps, step))
        return found

    def _of_checkpoint(self, checkpoint: int) -> Lineage | None:
        if checkpoint not in self.known:
            self.known[checkpoint] = self._saved(checkpoint)
        return self.known[checkpoint]

    def _saved(self, checkpoint: int) -> Lineage | None:
        maker = self._maker("checkpoint", checkpoint)
        place, names = self.run.sent[maker].place, self.run.names
        if place is None or names.known("checkpoint").count(names.checkpoint(checkpoint)) != 1:
            return None
        found = self.of_model(*place)
        return None if found is None else found.saved

    def _effects(self, model: int) -> list[tuple[int, int]]:
        """Places of the model's operations that had a result, each with the step's number."""
        return sorted(
            (sent.place[1], number)
            for number, sent in self.run.sent.items()
            if sent.place is not None
            and sent.place[0] == model
            and isinstance(self.steps[number], ModelStep)
            and self.run.events[number].fate == "result"
        )

    def _maker(self, kind: Makes, number: int) -> int:
        return [place for place, step in enumerate(self.steps) if step.makes == kind][number]


def _is_weightless(step: ForwardBackward) -> bool:
    """Whether no token of a pass has a weight, so that it has no gradients."""
    return all(example.weights is not None and not any(example.weights) for example in step.data)
