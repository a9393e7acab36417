"""`StepMachine`: what a stateful test of servers stands on: steps of programs, on one server or on two.

After each step lists have what was made, and at the end each model is what a twin is that was trained without
all that should leave no trace. It has no rules: `contract.strategies.machine` has some.
"""

import sys
from collections.abc import Mapping

from hypothesis.stateful import RuleBasedStateMachine

from contract import programs as p
from contract.laws.expect import expect_close, expect_equal
from contract.laws.law import Broken
from contract.laws.subject import Subject
from contract.programs import (
    Event,
    Example,
    KnownDifference,
    Lineage,
    Program,
    Run,
    Step,
    Tandem,
    lineage,
    run,
)
from contract.programs.step import Makes
from contract.strategies.world import World

__all__ = ["BIG_EPS", "StepMachine"]

PROBE = (5, 5, 6, 6, 5)
"""Ours: all pairs of two tokens, since a small model may know of no more than the last two."""
BIG_EPS = 1.0
"""Ours: a gradient that counts twice moves weights further, which a usual step hides."""


class StepMachine(RuleBasedStateMachine):
    """Subclass it, give it a `subject`, and rules that call `do`, `refuse` or `attempt`."""

    tolerance: float | None = None
    """How near numbers of two servers must be, absolute and relative; None to not compare them."""
    known_differences: Mapping[str, KnownDifference] = {}
    """What two servers may do differently."""

    def __init__(self) -> None:
        super().__init__()
        self._around = sys.exception()
        self._first_scores: dict[int, tuple[tuple[float, ...], ...]] = {}
        self.world = World()
        self.tandem = Tandem.on(
            self.subject(), self.other(), known=self.known_differences, tolerance=self.tolerance
        )

    def subject(self) -> Subject:
        """The server, and the base model to train; the same server may be given to each run.

        Raises:
            NotImplementedError: unless a subclass says which.
        """
        raise NotImplementedError("subject: expected a subclass that gives a contract.laws.subject.Subject")

    def other(self) -> Subject | None:
        """A second server, which must do the same; None for none."""
        return None

    # Steps

    def attempt(self, step: Step) -> tuple[Event, ...]:
        """Do a step that may succeed or fail; what came of it on each server.

        Raises:
            Broken: if it succeeds, and what it made is not listed, or what it deleted is.
            Disagreement: if two servers differ in it.
        """
        events = self.tandem.take(step)
        self.world.note(step, refused=not events[0].is_effective)
        if all(event.is_effective for event in events):
            self._follow(step)
        return events

    def do(self, step: Step) -> tuple[Event, ...]:
        """Do a step that must succeed; what came of it on each server.

        Raises:
            Broken: if it fails, or is refused.
            Disagreement: if two servers differ in it.
        """
        events = self.attempt(step)
        for event in events:
            if not event.is_effective:
                raise Broken(f"{step!r}: expected a success, got {event}")
        return events

    def refuse(self, step: Step) -> None:
        """Do a step that the server must refuse, by a status of 4xx or a future that fails.

        Raises:
            Broken: if it succeeds, or breaks the server.
            Disagreement: if two servers differ in it.
        """
        for event in self.attempt(step):
            if event.fate != "failure" and not (event.fate == "refused" and event.status < 500):
                raise Broken(f"{step!r}: expected a refusal, got {event}")

    def is_usable(self, kind: Makes, number: int) -> bool:
        """Whether a session, model, sampler or checkpoint is there, as far as its client knows."""
        return number in self.world.alive(kind)

    def lineage(self, model: int) -> Lineage | None:
        """What trained a model so far; None where that is not known."""
        return lineage(self.tandem.steps, self.tandem.runs[0], model)

    def has_gradients(self, model: int) -> bool:
        """Whether gradients of a model wait for a step."""
        found = self.lineage(model)
        return found is None or found.has_gradients

    def do_with_model(self, model: int, step: Step) -> tuple[Event, ...]:
        """Do a step that must succeed, or be refused where the model's session has ended; nothing comes then.

        Raises:
            Broken: as of `do` and `refuse`.
            Disagreement: if two servers differ in it.
        """
        if self.is_usable("model", model):
            return self.do(step)
        self.refuse(step)
        return ()

    def make(self, step: Step) -> int:
        """Do a step that makes something, and must succeed; the number of what it makes.

        Raises:
            Broken: as of `do`.
            Disagreement: if two servers differ in it.
            ValueError: for a step that makes nothing.
        """
        if step.makes is None:
            raise ValueError(f"{step!r}: expected a step that makes something, got another; use do")
        self.do(step)
        return self.newest(step.makes)

    def newest(self, kind: Makes) -> int:
        """The number of the session, model, sampler or checkpoint that was made last."""
        return len(self.world.things[kind]) - 1

    # What holds after each step

    def check_lists(self) -> None:
        """All lists have what was made.

        Raises:
            Broken: if they have not.
            Disagreement: if two servers differ in them.
        """
        for session in self.world.alive("session"):
            self._check_session(session)
        for model in self.world.alive("model"):
            self._check_checkpoints(model)

    def _follow(self, step: Step) -> None:
        """Look at the list of what a step made or deleted, and at what a new sampler says."""
        things = self.world.things
        match step:
            case p.CreateModel() | p.LoadModel():
                self._check_session(things["model"][-1].owner)
            case p.CreateSampler() | p.OpenSampler(kind="snapshot"):
                self._check_session(things["sampler"][-1].owner)
                sampler = self.newest("sampler")
                self._first_scores[sampler] = self._scores(sampler)
            case p.SaveWeights() | p.SaveForSampler():
                self._check_checkpoints(step.model)
            case p.DeleteCheckpoint():
                self._check_checkpoints(things["checkpoint"][step.checkpoint].owner)
            case _:
                pass

    def _check_session(self, session: int) -> None:
        lists: dict[Makes, str] = {"model": "training_run_ids", "sampler": "sampler_ids"}
        for event in self._looked_at(p.GetSession(session=session)):
            for kind, field in lists.items():
                alive = [n for n in self.world.alive(kind) if self.world.things[kind][n].owner == session]
                missing = {f"{kind} {number}" for number in alive}.difference(event.shape[field])
                expect_equal(missing, set(), f"what {field} of session {session} lack")

    def _check_checkpoints(self, model: int) -> None:
        if not self.is_usable("model", model):
            return
        things = self.world.things["checkpoint"]
        alive = [n for n in self.world.alive("checkpoint") if things[n].owner == model]
        events = self._looked_at(p.ListCheckpoints(model=model))
        for run_, event in zip(self.tandem.runs, events, strict=True):
            listed = {found["tinker_path"] for found in event.shape["checkpoints"]}
            saved = {run_.names.symbol(run_.names.checkpoint(number)) for number in alive}
            expect_equal(listed, saved, f"checkpoints of model {model}")

    def _looked_at(self, step: Step) -> tuple[Event, ...]:
        events = self.tandem.look(step)
        for event in events:
            if not event.is_effective:
                raise Broken(f"{step!r}: expected a success, got {event}")
        return events

    def _scores(self, sampler: int) -> tuple[tuple[float, ...], ...]:
        """Logprobs of the probe, on each server."""
        return tuple(event.numbers for event in self.do(p.Logprobs(sampler=sampler, prompt=PROBE)))

    # What holds at the end

    def teardown(self) -> None:
        """Compare models with their twins, and samplers with what they said at first; then end the sessions.

        Nothing is compared where a rule has failed: that is what the run has found.
        """
        try:
            failed = sys.exception()
            if failed is self._around:
                self._check_all()
            elif isinstance(failed, AssertionError):
                failed.add_note(self._told())
        except AssertionError as error:
            error.add_note(self._told())
            raise
        finally:
            for session in self.world.alive("session"):
                for run_ in self.tandem.runs:
                    run_.look(p.FinishSession(session=session))

    def _told(self) -> str:
        return f"as a program, for contract.programs.run:\n{self.tandem.program!r}"

    def _check_all(self) -> None:
        self.tandem.finish()
        self.check_lists()
        for model in self.world.alive("model"):
            self._check_twin(model)
        for sampler in self.world.alive("sampler"):
            if sampler in self._first_scores:
                self._check_sampler(sampler)

    def _check_sampler(self, sampler: int) -> None:
        now, then = self._scores(sampler), self._first_scores[sampler]
        for run_, ours, before in zip(self.tandem.runs, now, then, strict=True):
            what = f"logprobs of sampler {sampler}, later"
            expect_close(ours, before, what, tolerance=run_.subject.tolerance)

    def _check_twin(self, model: int) -> None:
        """One more step shows the gradients that are left, and a forward pass what became of the weights."""
        if (found := self.lineage(model)) is None:
            return
        last = (p.OptimStep(learning_rate=0.1, eps=BIG_EPS), p.Forward(data=self._probes()))
        said = [self.do(step.model_copy(update={"model": model})) for step in last][-1]
        twin = found.twin(*last, p.FinishSession())
        for run_, event in zip(self.tandem.runs, said, strict=True):
            what = f"numbers of model {model}, and of a twin without what is neutral"
            expect_close(event.numbers, _said_at_last(twin, run_), what, tolerance=run_.subject.tolerance)

    def _probes(self) -> tuple[Example, ...]:
        """What is scored at the end: the probe, and all that was in a pass."""
        events = self.tandem.runs[0].events
        tried = [
            Example(tokens=example.tokens)
            for number, step in enumerate(self.tandem.steps)
            if isinstance(step, p.Forward | p.ForwardBackward) and events[number].fate == "result"
            for example in step.data
        ]
        return tuple(dict.fromkeys((Example(tokens=PROBE), *tried)))


def _said_at_last(twin: Program, run_: Run) -> tuple[float, ...]:
    """What a twin says in the pass before the end of its session."""
    *events, _ = run(twin, run_.subject, survey=False).events
    for event in events:
        if not event.is_effective:
            raise Broken(f"a twin's {event.step}: expected a success, got {event}")
    return events[-1].numbers
