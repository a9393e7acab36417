"""The clients of one life, and what was called on them."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import tinker
from tinker import types

from tests.sdk.matrix import offers

__all__ = ["PICO", "Recorded", "Refused", "World", "datum", "prompt", "refusal", "tensor"]

PICO = "tinkerproof/pico"


class Refused(Exception):
    """A backend said in so many words that it does not do this; the feature is there, and not served."""


def tensor(values: list[Any], dtype: str) -> Any:
    return types.TensorData(data=values, dtype=dtype, shape=[len(values)])  # type: ignore[arg-type]


def prompt(*tokens: int) -> types.ModelInput:
    return types.ModelInput.from_ints(list(tokens or (104, 101, 108, 108, 111)))


def datum(tokens: tuple[int, ...] = (1, 2, 3, 4), **inputs: list[float]) -> types.Datum:
    """A datum whose targets are its tokens moved on by one; with weights of 1 if no inputs are given."""
    given = inputs or {"weights": [1.0] * len(tokens)}
    tensors = {name: tensor(values, "float32") for name, values in given.items()}
    targets = tensor([*tokens[1:], tokens[0]], "int64")
    return types.Datum(model_input=prompt(*tokens), loss_fn_inputs={"target_tokens": targets, **tensors})


def refusal(error: Exception, words: str) -> Exception:
    """`Refused`, if an error says these words; otherwise the error itself."""
    return Refused(str(error).partition(" for self.request_id")[0]) if words in str(error) else error


class Recorded:
    """A client that notes which of its methods are called, with which parameters."""

    def __init__(self, client: Any, calls: dict[str, set[str]]) -> None:
        self.client = client
        self.calls = calls
        self.kind = (client if isinstance(client, type) else type(client)).__name__

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name.startswith("_") or not callable(method):
            return method

        def noted(*given: Any, **named: Any) -> Any:
            bound = inspect.signature(method).bind(*given, **named)
            self.calls.setdefault(f"{self.kind}.{name}", set()).update(bound.arguments)
            return method(*given, **named)

        return noted


class World:
    """A service with its clients; each is made when it is first asked for.

    `call` is the one way to call what has an `_async` name as well: a life goes through every feature twice.
    """

    def __init__(self, backend: str, folder: str, flags_url: str) -> None:
        self.backend = backend
        """`scripted` or `torch`."""
        self.folder = folder
        """A base model whose name is its folder, so that every release finds its tokenizer."""
        self.flags_url = flags_url
        """Of a tenant whose flags are all on."""
        self.calls: dict[str, set[str]] = {}
        self.in_coroutines = False
        self.service = self.recorded(tinker.ServiceClient())
        self.rest = self.recorded(self.service.create_rest_client())
        self._training: Any = None
        self._sampling: Any = None
        self.names = 0

    def recorded(self, client: Any) -> Recorded:
        return Recorded(client, self.calls)

    def name(self) -> str:
        """A name that no checkpoint has yet."""
        self.names += 1
        return f"n{self.names}"

    def call(self, client: Recorded, name: str, *given: Any, **named: Any) -> Any:
        """The outcome of a method; of its coroutine in the second round, where there is one."""
        later = f"{name}_async"
        if self.in_coroutines and hasattr(client.client, later):
            return asyncio.run(self._later(getattr(client, later), given, named))
        outcome = getattr(client, name)(*given, **named)
        is_client = type(outcome).__name__ in offers.CLIENTS
        return outcome.result() if hasattr(outcome, "result") and not is_client else outcome

    async def _later(self, method: Callable[..., Any], given: Any, named: Any) -> Any:
        outcome = await method(*given, **named)
        if hasattr(outcome, "result_async"):
            return await outcome.result_async()
        return await outcome if inspect.isawaitable(outcome) else outcome

    def new_training(self, **options: Any) -> Recorded:
        return self.recorded(
            self.call(self.service, "create_lora_training_client", PICO, **{"rank": 8, **options})
        )

    @property
    def training(self) -> Recorded:
        """The model that features share."""
        if self._training is None:
            self._training = self.new_training()
        return self._training

    @property
    def sampling(self) -> Recorded:
        """A sampler of the base model."""
        if self._sampling is None:
            made = self.call(self.service, "create_sampling_client", base_model=PICO)
            self._sampling = self.recorded(made)
        return self._sampling

    def saved(self, **options: Any) -> str:
        """Path of a new state."""
        return str(self.call(self.training, "save_state", self.name(), **options).path)

    def sampled_from(self, **options: Any) -> str:
        """Path of new weights to sample from."""
        return str(self.call(self.training, "save_weights_for_sampler", self.name(), **options).path)

    def loss(self, training: Recorded | None = None) -> float:
        """The loss of the datum, without a change."""
        output = self.call(training or self.training, "forward", [datum()], "cross_entropy")
        return -sum(map(float, output.loss_fn_outputs[0]["logprobs"].data))

    def step(self, training: Recorded | None = None) -> float:
        """The loss of the datum, and a step to make it smaller."""
        chosen = training or self.training
        output = self.call(chosen, "forward_backward", [datum()], "cross_entropy")
        self.call(chosen, "optim_step", types.AdamParams(learning_rate=1e-3))
        return -sum(map(float, output.loss_fn_outputs[0]["logprobs"].data))

    def run_of(self, training: Recorded | None = None) -> str:
        return str(self.call(training or self.training, "get_info").model_id)

    def session(self) -> str:
        return self.run_of().partition(":")[0]

    def sample(self, number: int = 1, sampler: Recorded | None = None, **params: Any) -> list[Any]:
        """Sequences after the prompt."""
        settings = types.SamplingParams(**{"max_tokens": 4, **params})
        return list(self.call(sampler or self.sampling, "sample", prompt(), number, settings).sequences)

    def answer(self, **options: Any) -> Any:
        """The whole answer to a sample of one token."""
        return self.call(
            self.sampling, "sample", prompt(), 1, types.SamplingParams(max_tokens=2, stop=[]), **options
        )
