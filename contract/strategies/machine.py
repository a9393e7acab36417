"""`TinkerMachine`: a stateful test of a server, to subclass: give it a server, and add rules and invariants.

Its oracle needs no second server. What is neutral is done among what trains, and after one more step each
model must say what a twin says that was trained without it. Neutral is what the laws call so: a forward pass,
a replay, a pass that is refused, a pass of weight 0, a save, a load of what was just saved, sampling, and
whatever other models do. Samplers must stay as they were opened, and lists have what was saved.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, rule

from contract.laws.expect import expect_close, expect_equal
from contract.laws.model import Model
from contract.laws.sampler import Sampler
from contract.laws.subject import Subject

__all__ = ["TinkerMachine", "Trained"]

TOKENS = st.lists(st.integers(5, 12), min_size=2, max_size=4)
PROBE = (5, 6, 7, 8)
STEP = {"learning_rate": 0.1, "eps": 1.0}
"""Ours: with this eps a gradient that counts twice moves weights further, which a usual step hides."""


@dataclass
class Trained:
    """A model, and what trained it."""

    model: Model
    rank: int
    history: list[tuple[int, ...] | None] = field(default_factory=list)
    """Tokens of a pass, or None for a step."""

    @property
    def has_gradients(self) -> bool:
        """Whether a pass came after the last step."""
        return bool(self.history) and self.history[-1] is not None


class TinkerMachine(RuleBasedStateMachine):
    """Subclass it, give it a `subject`, and collect its `TestCase`."""

    sessions = Bundle("sessions")
    models = Bundle("models")
    samplers = Bundle("samplers")
    checkpoints = Bundle("checkpoints")

    def __init__(self) -> None:
        super().__init__()
        self.server = self.subject()
        self.trained: list[Trained] = []
        self.opened: list[tuple[Sampler, list[float | None]]] = []
        self.saved: set[str] = set()

    def subject(self) -> Subject:
        """The server, and the base model to train; the same server may be given to each run.

        Raises:
            NotImplementedError: unless a subclass says which.
        """
        raise NotImplementedError("subject: expected a subclass that gives a contract.laws.subject.Subject")

    @rule(target=sessions)
    def open_session(self) -> str:
        """A session."""
        return self.server.session()

    @rule(target=models, session=sessions, rank=st.sampled_from([8, 1]))
    def create_model(self, session: str, rank: int) -> Trained:
        """A model in a session."""
        number = sum(trained.model.id.startswith(session) for trained in self.trained)
        made = Trained(self.server.model(session, number, rank=rank), rank)
        self.trained.append(made)
        return made

    @rule(trained=models, tokens=TOKENS)
    def train(self, trained: Trained, tokens: list[int]) -> None:
        """A pass that adds gradients."""
        trained.model.backward([self.server.datum(tokens)])
        trained.history.append(tuple(tokens))

    @rule(trained=models)
    def step(self, trained: Trained) -> None:
        """An optimizer step."""
        trained.model.step(**STEP)
        trained.history.append(None)

    @rule(trained=models, tokens=TOKENS)
    def train_and_replay(self, trained: Trained, tokens: list[int]) -> None:
        """A pass that is sent twice under its number, and counts once."""
        number = trained.model.next()
        for _ in range(2):
            reply = trained.model.send_backward([self.server.datum(tokens)], seq_id=number)
            self.server.passed(str(reply.json["request_id"]))
        trained.history.append(tuple(tokens))

    @rule(trained=models, tokens=TOKENS)
    def forward(self, trained: Trained, tokens: list[int]) -> None:
        """Neutral."""
        trained.model.forward([self.server.datum(tokens)])

    @rule(trained=models, tokens=TOKENS)
    def train_with_no_weight(self, trained: Trained, tokens: list[int]) -> None:
        """Neutral."""
        trained.model.backward([self.server.datum(tokens, [0.0] * len(tokens))])

    @rule(trained=models)
    def fail(self, trained: Trained) -> None:
        """Neutral, and refused."""
        self.server.refused(trained.model.send_backward([self.server.datum()], "no_such_loss"))

    @rule(target=checkpoints, trained=models)
    def save(self, trained: Trained) -> str:
        """Neutral; and what was saved is loaded where no gradients would be lost by it."""
        path = trained.model.save(f"w{len(self.saved)}-{len(trained.history)}")
        self.saved.add(path)
        if not trained.has_gradients:
            trained.model.load(path)
        return path

    @rule(path=consumes(checkpoints))
    def delete(self, path: str) -> None:
        """Delete a checkpoint."""
        run, segment, name = path.removeprefix("tinker://").split("/", 2)
        fields = {"training_run_id": run, "segment": segment, "name": name}
        expect_equal(self.server.driver.call("delete_checkpoint", fields).status // 100, 2, f"delete {path}")
        self.saved.discard(path)

    @rule(target=samplers, trained=models)
    def open_sampler(self, trained: Trained) -> Any:
        """A sampler of a model as it is now."""
        path = trained.model.save_for_sampler(f"s{len(self.opened)}")
        self.saved.add(path)
        sampler = self.server.sampler(path)
        self.opened.append((sampler, sampler.logprobs(PROBE)))
        return multiple(sampler)

    @rule(sampler=samplers)
    def sample(self, sampler: Sampler) -> None:
        """Neutral."""
        expect_equal(len(sampler.sample(PROBE, num_samples=2).sequences), 2, "sequences")

    def teardown(self) -> None:
        """Compare models with their twins, samplers with what they said, and the list with what was saved."""
        for trained in self.trained:
            self._check_twin(trained)
        for sampler, before in self.opened:
            now = [value for value in sampler.logprobs(PROBE) if value is not None]
            then = [value for value in before if value is not None]
            expect_close(now, then, "logprobs of a sampler, later", tolerance=self.server.tolerance)
        for trained in self.trained:
            answer = self.server.answer("list_checkpoints", {"training_run_id": trained.model.id})
            listed = {found["tinker_path"] for found in answer["checkpoints"]}
            mine = {path for path in self.saved if path.startswith(f"tinker://{trained.model.id}/")}
            expect_equal(listed, mine, f"checkpoints of {trained.model.id}")

    def _check_twin(self, trained: Trained) -> None:
        twin = self.server.model(rank=trained.rank)
        for tokens in trained.history:
            if tokens is None:
                twin.step(**STEP)
            else:
                twin.backward([self.server.datum(tokens)])
        for model in (trained.model, twin):  # whatever gradients are left show
            model.step(**STEP)
        said, expected = (model.logprobs(PROBE) for model in (trained.model, twin))
        what = f"logprobs of {trained.model.id}, and of a twin without what is neutral"
        expect_close(said, expected, what, tolerance=self.server.tolerance)
