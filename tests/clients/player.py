"""`MiniPlayer`: the mini client, or a broken one, as something that plays programs."""

from collections.abc import Callable, Mapping
from typing import Any

from contract import programs as p
from contract.inputs import Datum
from contract.programs.step import Step
from contract.sampling import SampleResponse
from contract.training import ForwardBackwardOutput
from fake_server.client_fuzzing import Hang, Player, SdkPlayer
from fake_server.client_fuzzing.player import Pending
from fake_server.fake import Fake
from tests.clients.errors import ClientError
from tests.clients.mini import MiniClient

__all__ = ["BEGIN", "KINDS_OF_STEPS", "MiniPlayer"]

MOST_SLEEPS = 2000
"""A client that has slept so often in one program comes to no end."""
KINDS_OF_STEPS = SdkPlayer.kinds | {"open_sampler", "list_checkpoints", "finish_session"}
"""As `contract.strategies.programs` names them."""
SEEDED = {"seed": 7}


class MiniPlayer(Player):
    """A client of that kind, whose waiting moves the world's clock.

    Args:
        world: whose clock is there to be moved.
        kind: the sound client or a mutant of it.
    """

    documented = (ClientError,)

    def __init__(self, world: Fake, kind: type[MiniClient] = MiniClient) -> None:
        super().__init__()
        self._world, self._sleeps = world, 0
        self.client = kind(world.url, world.api_key, now=world.clock.now, sleep=self._sleep)
        self._base = world.service.backend.base_models()[0].name

    def _sleep(self, seconds: float) -> None:
        self._sleeps += 1
        if self._sleeps > MOST_SLEEPS:
            raise Hang(f"still waiting after {MOST_SLEEPS} pauses")
        self._world.clock.advance(seconds)

    def begin(self, step: Step) -> Pending:
        """Begin a step with the client's own methods."""
        return BEGIN[type(step)](self, step)

    def _of(self, owner: str, wait: Pending) -> Pending:
        """Waits for an outcome, unless the session has ended meanwhile: its end has waited then."""
        session = owner.split(":")[0]
        return lambda: None if session in self.client.finished else wait()

    def _session(self, _step: Any) -> Pending:
        session = self.client.create_session()
        return lambda: session

    def _model(self, step: p.CreateModel) -> Pending:
        session = self.thing("session", step.session)
        return self.client.create_model(session, self._base, step.rank, seed=step.seed or 1).result

    def _backward(self, step: p.ForwardBackward) -> Pending:
        model = self.thing("model", step.model)
        begun = self.client.forward_backward(model, _data(step), step.loss, step.config)
        return self._of(model, _pass(begun.result))

    def _forward(self, step: p.Forward) -> Pending:
        model = self.thing("model", step.model)
        begun = self.client.forward(model, _data(step), step.loss, step.config)
        return self._of(model, _pass(begun.result))

    def _optim(self, step: p.OptimStep) -> Pending:
        adam = {"weight_decay": step.weight_decay, "grad_clip_norm": step.grad_clip_norm}
        adam |= {} if step.eps is None else {"eps": step.eps}
        model = self.thing("model", step.model)
        return self._of(model, self.client.optim_step(model, step.learning_rate, **adam).result)

    def _save(self, step: p.SaveWeights) -> Pending:
        model = self.thing("model", step.model)
        return self.client.save_weights(model, self._name(step), overwrite=step.overwrite).result

    def _save_for_sampler(self, step: p.SaveForSampler) -> Pending:
        model = self.thing("model", step.model)
        return self.client.save_weights_for_sampler(model, self._name(step)).result

    def _name(self, step: p.SaveWeights | p.SaveForSampler) -> str:
        return step.name or f"unnamed-{self.count('checkpoint')}"

    def _open_sampler(self, step: p.OpenSampler) -> Pending:
        return self.client.sampler_of(self.thing("model", step.model)).result

    def _load(self, step: p.LoadWeights) -> Pending:
        model, path = self.thing("model", step.model), self.thing("checkpoint", step.checkpoint)
        return self._of(model, self.client.load_state(model, path, optimizer=step.optimizer).result)

    def _model_of(self, step: p.LoadModel) -> Pending:
        session, path = self.thing("session", step.session), self.thing("checkpoint", step.checkpoint)
        return self.client.load_weights(session, path, optimizer=step.optimizer).result

    def _sampler(self, step: p.CreateSampler) -> Pending:
        session = self.thing("session", step.session)
        if step.checkpoint is None:
            made = self.client.create_sampling_session(session, base_model=self._base)
        else:
            path = self.thing("checkpoint", step.checkpoint)
            made = self.client.create_sampling_session(session, model_path=path)
        return lambda: made

    def _sample(self, step: p.Sample) -> Pending:
        params = {"max_tokens": step.max_tokens, "temperature": step.temperature, **SEEDED}
        if step.stop is not None:
            params["stop"] = list(step.stop)
        sampler = self.thing("sampler", step.sampler)
        pending = self.client.sample(sampler, step.prompt, step.num_samples, **params)
        return self._of(sampler, lambda: _sequences(pending.result()))

    def _logprobs(self, step: p.Logprobs) -> Pending:
        scores = self.client.compute_logprobs(self.thing("sampler", step.sampler), step.prompt)
        return lambda: scores

    def _checkpoints(self, step: p.ListCheckpoints) -> Pending:
        rows = self.client.list_checkpoints(self.thing("model", step.model))
        names = sorted(row["checkpoint_id"] for row in rows)
        return lambda: names

    def _beat(self, step: p.Heartbeat) -> Pending:
        self.client.heartbeat(self.thing("session", step.session))
        return lambda: None

    def _finish(self, step: p.FinishSession) -> Pending:
        self.client.finish_session(self.thing("session", step.session), step.reason)
        return lambda: None

    def close(self) -> None:
        """Close its connection."""
        self.client.close()


BEGIN: Mapping[type[Step], Callable[[MiniPlayer, Any], Pending]] = {
    p.CreateSession: MiniPlayer._session,
    p.CreateModel: MiniPlayer._model,
    p.ForwardBackward: MiniPlayer._backward,
    p.Forward: MiniPlayer._forward,
    p.OptimStep: MiniPlayer._optim,
    p.SaveWeights: MiniPlayer._save,
    p.SaveForSampler: MiniPlayer._save_for_sampler,
    p.OpenSampler: MiniPlayer._open_sampler,
    p.LoadWeights: MiniPlayer._load,
    p.LoadModel: MiniPlayer._model_of,
    p.CreateSampler: MiniPlayer._sampler,
    p.Sample: MiniPlayer._sample,
    p.Logprobs: MiniPlayer._logprobs,
    p.ListCheckpoints: MiniPlayer._checkpoints,
    p.Heartbeat: MiniPlayer._beat,
    p.FinishSession: MiniPlayer._finish,
}


def _data(step: Any) -> list[Datum]:
    return [example.datum(step.loss) for example in step.data]


def _pass(pending: Callable[[], ForwardBackwardOutput]) -> Pending:
    def told() -> Any:
        output = pending()
        outputs = [{name: list(t.data) for name, t in one.items()} for one in output.loss_fn_outputs]
        return {"metrics": dict(output.metrics), "outputs": outputs}

    return told


def _sequences(answer: SampleResponse) -> Any:
    return [
        {"tokens": list(one.tokens), "logprobs": list(one.logprobs or ()), "stop_reason": one.stop_reason}
        for one in answer.sequences
    ]
