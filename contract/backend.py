"""The port between the server and whatever computes: fourteen methods, and the laws they obey.

A backend knows no HTTP, no clock and nothing of the promises that clients poll.

Laws of what is computed:
- Every result is a function of the backend's seed, the model's earlier operations and the arguments.
- `forward_backward` adds gradients, `optim_step` uses and clears exactly those.
- With `forward_only` nothing changes.
- `save_weights` returns an immutable value: later training does not change it.
- A call that raises leaves no trace.
- What is asked for and not supported raises `RequestFailure` and names the field.

Laws of states:
- A state is an immutable value: all that later results depend on, beside the options other than the seed.
- After `restore(state)` every call is answered as it would have been where the state was taken, to the bit:
  in the same backend, in another one of its kind, and after the way through files.
- `state` and `restore` share what does not change; a state of thousands of models is taken at once.
- Weights that were saved before a state was taken outlive `close`: who has the state may have them, too.
- After `reset(seed)` the backend is as one that was opened with that seed.

Laws of threads. A backend that is not `concurrent` is called by one thread at a time. One that is:
- The methods that name a model come one at a time, in the order of the model's operations, on a thread of
  the tenant's own. Tenants do not wait for each other.
- `sample` comes on another thread, at any time; so do `base_models`, `read_weights` and a weights' `files`.
- `sample` should take the request and return at once. What it answers stands for the weights it was given,
  whatever is trained meanwhile.
- `state`, `restore` and `reset` come when no other call runs and no sample is pending; `read_state` any time.
- `close` comes last, once, when no other call runs.

Laws of a `concurrent.futures.Future` that `sample` returns, for work that is batched with other requests:
- It ends with a `SampleResponse` or an exception, and an exception means what it would mean if raised.
- It stays pending until then (no `set_running_or_notify_cancel`), so that `cancel()` takes effect at any
  time. The server cancels what its client takes back: the work stops soon after, and takes no result.
- It is ended by a thread that holds no lock which `sample` or `cancel()` needs: the server's callback runs
  there, and waits for the tenant's lock, never for long.
- `close` ends those that are left, by cancelling them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

from contract.ids import ModelID
from contract.sampling import SampleRequest, SampleResponse
from contract.training import (
    CreateCustomLossRequest,
    ForwardBackwardInput,
    ForwardBackwardOutput,
    LoraConfig,
    OptimizerConfig,
    OptimParams,
    OptimStepResponse,
)

__all__ = ["Backend", "BackendFactory", "BackendOptions", "BackendState", "BaseModelInfo", "Weights"]


@dataclass(frozen=True, slots=True)
class BaseModelInfo:
    """A base model that a backend has."""

    name: str
    vocab_size: int
    max_context_length: int
    arch: str
    tokenizer_id: str
    """A hub name or a local folder, for transformers' `AutoTokenizer`."""
    end_of_text_ids: tuple[int, ...]
    """Tokens that end a sequence where a request has no stop of its own."""
    trainable: bool = True
    sampleable: bool = True


class Weights(Protocol):
    """A model's weights, and perhaps its optimizer's state, frozen."""

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """The weights as files, by relative path without `..`; `Backend.read_weights` reads them back."""
        ...

    def without_optimizer(self) -> "Weights":
        """The same weights without the optimizer's state: what others may download."""
        ...


class BackendState(Protocol):
    """A backend's models, between two operations, and its seed; frozen."""

    def files(self) -> Mapping[str, bytes]:
        """The state as files, by relative path without `..`; `Backend.read_state` reads them back."""
        ...


class Backend(Protocol):
    """Trains models and samples from them."""

    concurrent: bool
    """Whether the work takes long enough to leave the server's event loop."""

    def base_models(self) -> Sequence[BaseModelInfo]:
        """The base models, in the order to list them."""
        ...

    def create_model(
        self, model_id: ModelID, base_model: str, lora: LoraConfig, optimizer: OptimizerConfig
    ) -> None:
        """Create a model with a fresh adapter: until it is trained it equals its base model."""
        ...

    def unload_model(self, model_id: ModelID) -> None:
        """Forget a model."""
        ...

    def forward_backward(
        self,
        model_id: ModelID,
        batch: ForwardBackwardInput,
        *,
        forward_only: bool = False,
        custom_loss: CreateCustomLossRequest | None = None,
    ) -> ForwardBackwardOutput:
        """Compute a loss, and unless `forward_only` add its gradients to the model's."""
        ...

    def optim_step(self, model_id: ModelID, params: OptimParams) -> OptimStepResponse:
        """Apply the accumulated gradients and clear them."""
        ...

    def save_weights(self, model_id: ModelID, *, optimizer: bool) -> Weights:
        """The model's weights as they are now, with its optimizer's state if asked."""
        ...

    def load_weights(self, model_id: ModelID, weights: Weights, *, optimizer: bool) -> None:
        """Replace a model's weights, and with `optimizer` its optimizer's state, else start that afresh."""
        ...

    def read_weights(self, files: Mapping[str, bytes]) -> Weights:
        """Weights from the files that `Weights.files` gave."""
        ...

    def sample(
        self, base_model: str, weights: Weights | None, request: SampleRequest
    ) -> SampleResponse | Future[SampleResponse]:
        """Sample from a base model, or from it with `weights`: the answer, or the promise of one."""
        ...

    def state(self) -> BackendState:
        """All models as they are now, with optimizers, accumulated gradients and the seed."""
        ...

    def restore(self, state: BackendState) -> None:
        """Be as a backend of this kind was when the state was taken.

        Raises:
            RequestFailure: for a state of another kind of backend, or of base models that this one does not
                have; nothing is changed.
        """
        ...

    def read_state(self, files: Mapping[str, bytes]) -> BackendState:
        """A state from the files that `BackendState.files` gave.

        Raises:
            RequestFailure: naming the file that is missing or malformed.
        """
        ...

    def reset(self, seed: int) -> None:
        """Forget all models, and derive from another seed from now on."""
        ...

    def close(self) -> None:
        """Give back what it holds: threads, devices, files."""
        ...


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a backend is opened with."""

    seed: int = 0
    base_models: tuple[str, ...] = ()
    """Names to serve; empty means the backend's own."""
    models: tuple[tuple[str, str], ...] = ()
    """Base models from disk: name, and path of a folder or file."""
    models_root: str | None = None
    """A folder that is laid out like a hub; its models are served by their names there."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes the best there is."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the base models' weights."""
    mode: Literal["auto", "exact", "fast"] = "auto"
    """`exact`: the same bits whatever runs beside; `fast`: within a tolerance; `auto`: as it likes."""
    compile: bool = False
    """Whether to compile what the backend can, on a device that gains by it."""
    threads: int | None = None
    """How many threads compute, 1 or more; None lets the backend choose."""
    memory_bytes: int | None = None
    """For models in training and saved weights, 1 or more: what is more goes to disk; None lets the backend
    choose."""
    raw_logprobs: bool = False
    """Whether sampled logprobs are those at temperature 1, whatever the temperature."""
    strict_losses: bool = False
    """Whether losses whose formula is not published are refused."""


class BackendFactory(Protocol):
    """What an entry point of the group `tinkerproof.backends` names: one call opens one tenant's backend."""

    def __call__(self, options: BackendOptions) -> Backend:
        """Open a backend for one tenant; what tenants share, the factory keeps.

        The first call loads what takes long: a server makes it before it takes requests.

        Raises:
            LookupError, ValueError, OSError: for options that the backend cannot honour; the message names
                the option, and is shown as it is.
        """
        ...
