"""The port between the server and whatever computes: nine methods, and the laws they obey.

A backend is synchronous and knows no HTTP, no futures and no clock. The server calls the methods of one
model in the order of its operations, one at a time; calls for different models may come from different
threads where the backend says `concurrent`.

Laws:
- Every result is a function of the backend's seed, the model's earlier operations and the arguments.
- `forward_backward` adds gradients, `optim_step` uses and clears exactly those.
- With `forward_only` nothing changes.
- `save_weights` returns an immutable value: later training does not change it.
- A call that raises leaves no trace.
- What is asked for and not supported raises `RequestFailure` and names the field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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

__all__ = ["Backend", "BackendFactory", "BackendOptions", "BaseModelInfo", "Weights"]


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
        """The weights as files, by relative path; `Backend.read_weights` reads them back."""
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

    def sample(self, base_model: str, weights: Weights | None, request: SampleRequest) -> SampleResponse:
        """Sample from a base model, or from it with `weights`."""
        ...


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a backend is opened with."""

    seed: int = 0
    base_models: tuple[str, ...] = ()
    """Names to serve; empty means the backend's own."""


class BackendFactory(Protocol):
    """What an entry point of the group `tinkerproof.backends` names: one call opens one tenant's backend."""

    def __call__(self, options: BackendOptions) -> Backend:
        """Open a backend for one tenant; what tenants share, the factory keeps."""
        ...
