"""Random programs that do nothing wrong, each from a seed: what a user may write, in any order."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import tinker
from tinker import types

from contract import ClientConfigResponse, ClientDynamicConfigResponse
from fake_server.settings import Settings
from tests.sdk.data import PICO, prompt, weighted

MOST_STEPS = 6


def settings_of(chance: Random) -> Settings:
    """A server whose flags lead clients along different ways."""
    flags = {
        "sample_use_retrieve_futures": chance.random() < 0.3,
        "proto_compress_fwdbwd": chance.random() < 0.3,
        "parallel_fwdbwd_chunks": chance.random() < 0.7,
        "pjwt_auth_enabled": chance.random() < 0.2,
        "fwdbwd_max_chunk_len": chance.choice([1, 2, 1024]),
    }
    return Settings(
        seed=chance.randrange(1000),
        client_config=ClientConfigResponse(**flags),
        dynamic_config=ClientDynamicConfigResponse(sample_cancel_enabled=chance.random() < 0.3),
        inline_result_bytes=chance.choice([16, 8 * 1024 * 1024]),
    )


class Program:
    """One client and what it does; everything that it starts it also waits for."""

    def __init__(self, service: tinker.ServiceClient, rest: tinker.RestClient, chance: Random) -> None:
        self.service = service
        self.rest = rest
        self.chance = chance
        self.models: list[tinker.TrainingClient] = []
        self.states: list[str] = []
        self.names = 0

    def run(self) -> None:
        """Make a model, and do some steps with it."""
        self.new_model()
        for _ in range(self.chance.randint(1, MOST_STEPS)):
            self.chance.choice(self.steps())()

    def steps(self) -> list[Callable[[], object]]:
        return [
            self.train,
            self.train,
            self.train_pipelined,
            self.train_async,
            self.accumulate,
            self.look,
            self.save,
            self.resume,
            self.sample_weights,
            self.sample_base,
            self.sample_named,
            self.list_all,
            self.new_model,
            self.compute_custom,
        ]

    @property
    def model(self) -> tinker.TrainingClient:
        return self.chance.choice(self.models)

    def data(self) -> list[types.Datum]:
        return [weighted(tuple(range(1, 4 + n))) for n in range(self.chance.randint(1, 5))]

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def new_model(self) -> None:
        self.models.append(self.service.create_lora_training_client(PICO, rank=8).result())

    def train(self) -> None:
        model = self.model
        model.forward_backward(self.data(), "cross_entropy").result()
        model.optim_step(types.AdamParams(learning_rate=1e-3)).result()

    def train_pipelined(self) -> None:
        model, waiting = self.model, []
        for _ in range(self.chance.randint(1, 4)):
            waiting.append(model.forward_backward(self.data(), "cross_entropy"))
            waiting.append(model.optim_step(types.AdamParams(learning_rate=1e-3)))
        for future in waiting:
            future.result()

    def train_async(self) -> None:
        async def steps(model: tinker.TrainingClient) -> None:
            for _ in range(2):
                passed = model.forward_backward(self.data(), "cross_entropy")
                stepped = model.optim_step(types.AdamParams(learning_rate=1e-3))
                await passed
                await stepped

        async def beside() -> None:
            await asyncio.gather(*(steps(model) for model in self.models))

        asyncio.run(beside())

    def accumulate(self) -> None:
        model = self.model
        passes = [model.forward_backward(self.data(), "cross_entropy") for _ in range(3)]
        model.optim_step(types.AdamParams(learning_rate=1e-3)).result()
        for future in passes:
            future.result()

    def look(self) -> None:
        self.model.forward(self.data(), "cross_entropy").result()
        self.model.get_info()

    def save(self) -> None:
        self.states.append(self.model.save_state(self.name(), ttl_seconds=3600).result().path)

    def resume(self) -> None:
        if not self.states:
            self.save()
        path = self.chance.choice(self.states)
        again = self.service.create_training_client_from_state_with_optimizer(path).result()
        self.models.append(again)
        self.rest.delete_checkpoint_from_tinker_path(path).result()
        self.states.remove(path)

    def _sample(self, sampling: tinker.SamplingClient) -> None:
        params = types.SamplingParams(max_tokens=3, seed=self.chance.randrange(100))
        waiting: list[Any] = [
            sampling.sample(prompt=prompt(), num_samples=2, sampling_params=params)
            for _ in range(self.chance.randint(1, 6))
        ]
        waiting.append(sampling.compute_logprobs(prompt()))
        for future in waiting:
            future.result()

    def sample_weights(self) -> None:
        self._sample(self.model.save_weights_and_get_sampling_client().result())

    def sample_base(self) -> None:
        self._sample(self.service.create_sampling_client(base_model=PICO).result())

    def sample_named(self) -> None:
        path = self.model.save_weights_for_sampler(self.name()).result().path
        self._sample(self.service.create_sampling_client(model_path=path).result())

    def list_all(self) -> None:
        self.rest.list_training_runs().result()
        self.rest.list_user_checkpoints().result()
        self.rest.list_sessions().result()
        self.rest.get_server_capabilities().result()

    def compute_custom(self) -> None:
        def loss(_data: list[types.Datum], logprobs: list[Any]) -> tuple[Any, dict[str, float]]:
            total = -sum(row.sum() for row in logprobs)
            return total, {"mine": float(total.detach())}

        model = self.model
        model.forward_backward_custom(self.data(), loss).result()
        model.optim_step(types.AdamParams(learning_rate=1e-3)).result()
