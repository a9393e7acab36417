"""A torch backend's state: its seed and its models between two operations, frozen, and as files.

Adapters, moments and gradients are vectors that nothing ever changes, so a state has them on places of the
shelf, and copies none.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from contract import ModelID, RequestFailure, split_base_model
from reference_engine.checkpoints import AdapterWeights, Origin, read_weights
from reference_engine.shelf import Place, Shelf
from reference_engine.tensor_files import read_tensors, write_tensors
from reference_engine.trained_model import TrainedModel

__all__ = ["TorchState", "read_state", "weights_of"]

STATE, GRADIENTS = "state.json", "gradients.safetensors"
FORMAT = "tinkerproof torch state 1"


def weights_of(model: TrainedModel, base_hash: str, *, optimizer: bool) -> AdapterWeights:
    """A model's weights as they are now, with its optimizer's state if asked; nothing is copied."""
    return AdapterWeights(
        base_model=split_base_model(model.base_model)[0],
        base_hash=base_hash,
        adapter=model.adapter,
        moments=model.moments if optimizer else None,
        seed=model.seed,
    )


@dataclass(frozen=True, slots=True)
class TorchState:
    """A seed, and models on places of their own, each with the hash of its base model."""

    seed: int
    models: Mapping[ModelID, tuple[Place[TrainedModel], str]] = field(default_factory=dict)

    def files(self) -> Mapping[str, bytes]:
        """One JSON file, and a folder for each model, by its number; equal states give equal bytes."""
        files: dict[str, bytes] = {}
        rows = []
        for number, (model_id, (place, base_hash)) in enumerate(self.models.items()):
            model = place.get()
            rows.append({"model_id": model_id, "base_model": model.base_model})
            for name, content in weights_of(model, base_hash, optimizer=True).files().items():
                files[f"{number}/{name}"] = content
            if model.gradients is not None:
                content = write_tensors({"gradients": model.gradients.cpu()}, {})
                files[f"{number}/{GRADIENTS}"] = content
        state = {"format": FORMAT, "seed": self.seed, "models": rows}
        return {STATE: json.dumps(state, indent=1).encode(), **files}


def read_state(
    files: Mapping[str, bytes], origin_of: Callable[[str], Origin], device: torch.device, shelf: Shelf
) -> TorchState:
    """The state that `TorchState.files` gave, with its tensors on `device` and its models on `shelf`.

    Raises:
        RequestFailure: naming the file that is missing or malformed, or an unknown base model.
    """
    try:
        state = json.loads(files[STATE])
        if state["format"] != FORMAT:
            raise ValueError(f"expected the format {FORMAT!r}, got {state['format']!r}")
        models = {}
        for number, row in enumerate(state["models"]):
            folder = f"{number}/"
            own = {
                name.removeprefix(folder): content
                for name, content in files.items()
                if name.startswith(folder)
            }
            model = _read_model(str(row["base_model"]), own, origin_of, device)
            base_hash = origin_of(model.base_model).content_hash
            models[ModelID(row["model_id"])] = shelf.place(model), base_hash
        return TorchState(int(state["seed"]), models)
    except KeyError as error:
        raise RequestFailure(f"state file {STATE!r}: expected it whole, got none with {error}") from None
    except (TypeError, ValueError) as error:
        raise RequestFailure(f"state file {STATE!r}: {error}") from None


def _read_model(
    base_model: str, files: Mapping[str, bytes], origin_of: Callable[[str], Origin], device: torch.device
) -> TrainedModel:
    weights = read_weights(files, origin_of).on(device)
    if weights.moments is None:
        raise ValueError(f"expected optimizer states, got a model of {base_model} without")
    gradients = None
    if GRADIENTS in files:
        gradients = read_tensors(files[GRADIENTS])["gradients"].to(device)
        if gradients.shape != weights.flat.shape:
            raise ValueError(f"expected {weights.layout.size} gradients, got {list(gradients.shape)}")
    return TrainedModel(base_model, weights.adapter, weights.moments, weights.seed, gradients)
