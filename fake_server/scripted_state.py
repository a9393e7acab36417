"""The scripted backend's state: its seed and its models between two operations, frozen, and as files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from contract import ModelID, RequestFailure
from fake_server.base_models import BaseModel, find_base_model
from fake_server.safetensors_files import read_tensors, write_tensors
from fake_server.scripted_optimizer import Gradients
from fake_server.scripted_weights import ScriptedWeights, read_weights

__all__ = ["Model", "ScriptedState", "read_state"]

STATE, PENDING = "state.json", "pending-{}.safetensors"
FORMAT = "tinkerproof scripted state 1"


@dataclass(frozen=True, slots=True)
class Model:
    """A model between two operations."""

    base: BaseModel
    weights: ScriptedWeights
    pending: tuple[Gradients, ...] = ()


@dataclass(frozen=True, slots=True)
class ScriptedState:
    """A seed and models; nothing in it is ever changed."""

    seed: int
    models: Mapping[ModelID, Model] = field(default_factory=dict)

    def files(self) -> Mapping[str, bytes]:
        """One JSON file, and a folder for each model, by its number; equal states give equal bytes."""
        files: dict[str, bytes] = {}
        rows = []
        for number, (model_id, model) in enumerate(self.models.items()):
            rows.append(
                {
                    "model_id": model_id,
                    "base_model": model.base.name,
                    "context": model.base.max_context_length,
                    "pending": len(model.pending),
                }
            )
            for name, content in model.weights.files().items():
                files[f"{number}/{name}"] = content
            for at, gradients in enumerate(model.pending):
                tensors = {"keys": gradients.keys, "slopes": gradients.slopes}
                files[f"{number}/{PENDING.format(at)}"] = write_tensors(tensors)
        state = {"format": FORMAT, "seed": self.seed, "models": rows}
        return {STATE: json.dumps(state, indent=1).encode(), **files}


def read_state(files: Mapping[str, bytes], bases: Mapping[str, BaseModel]) -> ScriptedState:
    """The state that `ScriptedState.files` gave, on these base models.

    Raises:
        RequestFailure: naming the file that is missing or malformed, or an unknown base model.
    """
    reading = STATE
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
            pending = []
            for at in range(row["pending"]):
                reading = PENDING.format(at)
                tensors = read_tensors(own[reading], {"keys": "I64", "slopes": "F64"})
                pending.append(Gradients(tensors["keys"], tensors["slopes"]))
            reading = STATE
            base = replace(find_base_model(bases, row["base_model"]), max_context_length=row["context"])
            models[ModelID(row["model_id"])] = Model(base, read_weights(own), tuple(pending))
        return ScriptedState(int(state["seed"]), models)
    except KeyError as error:
        raise RequestFailure(f"state file {reading!r}: expected it whole, got none with {error}") from None
    except (TypeError, ValueError) as error:
        raise RequestFailure(f"state file {reading!r}: {error}") from None
