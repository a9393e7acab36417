"""`TinkerMachine`: a stateful test of a server, to subclass: give it a server, and add rules and invariants.

Its oracle needs no second server. What is neutral is done among what trains, and after one more step each
model must say what a twin says that was trained without it. Neutral is what the laws call so: a forward pass,
a replay, a pass that is refused, a pass of weight 0, a save, a load of what was just saved, sampling, and
whatever other models do. Samplers must stay as they were opened, lists have what was made, and what has ended
or never was is refused.

With a second server everything is done on both, and they must make the same of it.
"""

from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, multiple, rule

from contract import programs as p
from contract.laws.expect import expect_equal
from contract.programs import Example
from contract.strategies.step_machine import BIG_EPS, StepMachine

__all__ = ["TinkerMachine"]

TOKENS = st.lists(st.sampled_from((5, 6)), min_size=1, max_size=3).map(lambda more: (5, *more))
"""Ours: few, so that what one rule did is seen by another, and all of it by `PROBE`."""
RANKS = st.sampled_from([8, 1])
FLAWS = (
    Example(tokens=(5, 6, 7), targets=(6, 7)),
    Example(tokens=(5, 6, 7), weights=(1.0, 1.0)),
    Example(tokens=(5, 2**31 - 1)),
)
"""Lengths that do not fit, and a token that is none."""
Tokens: TypeAlias = tuple[int, ...]


class TinkerMachine(StepMachine):
    """Subclass it, give it a `subject`, and collect its `TestCase`.

    Bundles hold numbers, by which the steps of `contract.programs` name things. A rule of a subclass calls
    `do`, `refuse` or `attempt`; what trains a model is read from the steps, by whatever rule they were done.
    A rule that a server cannot do is left out by `delete = None`.
    """

    sessions = Bundle("sessions")
    models = Bundle("models")
    samplers = Bundle("samplers")
    checkpoints = Bundle("checkpoints")

    # Sessions and models

    @rule()
    def look_around(self) -> None:
        """All lists have what was made. It needs nothing, so that shrinking has something to put anywhere."""
        self.check_lists()

    @rule(target=sessions)
    def open_session(self) -> int:
        """A session."""
        return self.make(p.CreateSession())

    @rule(session=consumes(sessions))
    def end_session(self, session: int) -> None:
        """End a session, and what belongs to it but for its checkpoints."""
        self.do(p.FinishSession(session=session))

    @rule(target=models, session=sessions, rank=RANKS)
    def create_model(self, session: int, rank: int) -> int:
        """A model in a session."""
        return self.make(p.CreateModel(session=session, rank=rank, seed=1))

    @initialize(target=models, rank=RANKS)
    def first_model(self, rank: int) -> int:
        """A model to begin with, as nearly all rules need one."""
        return self._model_alone(rank)

    @rule(target=models, rank=RANKS)
    def start_model(self, rank: int) -> int:
        """A model in a session of its own."""
        return self._model_alone(rank)

    def _model_alone(self, rank: int) -> int:
        session = self.make(p.CreateSession())
        return self.make(p.CreateModel(session=session, rank=rank, seed=1))

    # Training

    @rule(model=models, tokens=TOKENS)
    def train(self, model: int, tokens: Tokens) -> None:
        """A pass that adds gradients."""
        self.do_with_model(model, p.ForwardBackward(model=model, data=(Example(tokens=tokens),)))

    @rule(model=models)
    def step(self, model: int) -> None:
        """An optimizer step."""
        self.do_with_model(model, p.OptimStep(model=model, learning_rate=0.1, eps=BIG_EPS))

    @rule(model=models, tokens=TOKENS)
    def train_and_replay(self, model: int, tokens: Tokens) -> None:
        """A pass that is sent twice under its number, and counts once."""
        number = len(self.tandem.steps)
        if self.do_with_model(model, p.ForwardBackward(model=model, data=(Example(tokens=tokens),))):
            for event in self.do(p.Replay(step=number)):
                expect_equal(event.shape["promise"], "the same", "promise of a request that is sent again")

    @rule(model=models, tokens=TOKENS)
    def step_before_its_turn(self, model: int, tokens: Tokens) -> None:
        """A step that arrives before the pass whose gradients it applies."""
        if not self.is_usable("model", model):
            return
        place = self.world.last.get(model, 0) + 1
        self.do(p.OptimStep(model=model, learning_rate=0.1, eps=BIG_EPS, seq_id=place + 1))
        self.do(p.ForwardBackward(model=model, data=(Example(tokens=tokens),), seq_id=place))

    @rule(model=models, tokens=TOKENS)
    def forward(self, model: int, tokens: Tokens) -> None:
        """Neutral."""
        self.do_with_model(model, p.Forward(model=model, data=(Example(tokens=tokens),)))

    @rule(model=models, tokens=TOKENS)
    def train_with_no_weight(self, model: int, tokens: Tokens) -> None:
        """Neutral."""
        weightless = Example(tokens=tokens, weights=(0.0,) * len(tokens))
        self.do_with_model(model, p.ForwardBackward(model=model, data=(weightless,)))

    @rule(model=models, flaw=st.sampled_from(FLAWS))
    def fail(self, model: int, flaw: Example) -> None:
        """Neutral, and refused: the second example of a pass does not fit."""
        self.refuse(p.ForwardBackward(model=model, data=(Example(), flaw)))

    # Checkpoints

    @rule(target=checkpoints, model=models)
    def save(self, model: int) -> object:
        """Neutral; and what was saved is loaded where no gradients would be lost by it."""
        step = p.SaveWeights(model=model, name=self._name())
        if not self.do_with_model(model, step):
            return multiple()
        checkpoint = self.newest("checkpoint")
        self._load(model, checkpoint)
        return checkpoint

    @rule(target=checkpoints, model=models)
    def save_for_sampler(self, model: int) -> object:
        """Neutral."""
        saved = self.do_with_model(model, p.SaveForSampler(model=model, name=self._name()))
        return self.newest("checkpoint") if saved else multiple()

    @rule(model=models, checkpoint=checkpoints)
    def load(self, model: int, checkpoint: int) -> None:
        """What was saved comes back, where no gradients would be lost by it; another adapter's is refused."""
        self._load(model, checkpoint)

    def _load(self, model: int, checkpoint: int) -> None:
        step = p.LoadWeights(model=model, checkpoint=checkpoint)
        if not self._fits(model, checkpoint):
            self.refuse(step)
        elif not self.has_gradients(model):
            self.do(step)

    def _fits(self, model: int, checkpoint: int) -> bool:
        """Whether a checkpoint is of an adapter like the model's, and can be trained on from."""
        saved, world = self.world.things["checkpoint"][checkpoint], self.world
        is_alike = world.rank_of(saved.owner) == world.rank_of(model)
        return self.is_usable("model", model) and saved.trained_on and is_alike

    @rule(target=models, checkpoint=checkpoints)
    def load_model(self, checkpoint: int) -> object:
        """A model that goes on from a checkpoint, in a session of its own."""
        step = p.LoadModel(session=self.make(p.CreateSession()), checkpoint=checkpoint)
        if self.world.things["checkpoint"][checkpoint].trained_on:
            return self.make(step)
        self.refuse(step)
        return multiple()

    @rule(checkpoint=consumes(checkpoints))
    def delete(self, checkpoint: int) -> None:
        """Delete a checkpoint; after that it is not there."""
        self.do(p.DeleteCheckpoint(checkpoint=checkpoint))
        self.refuse(p.WeightsInfo(checkpoint=checkpoint))

    def _name(self) -> str:
        return f"w{len(self.world.things['checkpoint'])}"

    # Samplers

    @rule(target=samplers, checkpoint=checkpoints)
    def create_sampler(self, checkpoint: int) -> object:
        """A sampler of a checkpoint, in a session of its own; one to train on from may be refused."""
        step = p.CreateSampler(session=self.make(p.CreateSession()), checkpoint=checkpoint)
        is_trained_on = self.world.things["checkpoint"][checkpoint].trained_on
        first, *_ = self.attempt(step) if is_trained_on else self.do(step)
        return self.newest("sampler") if first.is_effective else multiple()

    @rule(target=samplers, model=models)
    def open_sampler(self, model: int) -> object:
        """A sampler of a model as it is now."""
        made = self.do_with_model(model, p.OpenSampler(model=model))
        return self.newest("sampler") if made else multiple()

    @rule(sampler=samplers)
    def sample(self, sampler: int) -> None:
        """Neutral; refused where the sampler's session has ended."""
        step = p.Sample(sampler=sampler, num_samples=2, seed=1)
        if not self.is_usable("sampler", sampler):
            self.refuse(step)
            return
        for event in self.do(step):
            expect_equal(len(event.shape["sequences"]), 2, "sequences")
