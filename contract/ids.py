"""Identifiers, and the one place that spells a tinker path.

A path is `tinker://<training run>/<segment>/<name>`; the segment says what kind of checkpoint it is.
Source: sdk 0.38.0 types/checkpoint.py.
"""

from typing import Literal, Self, TypeAlias

from contract.model import WireResponse

__all__ = [
    "CheckpointType",
    "ModelID",
    "ParsedCheckpointTinkerPath",
    "RequestID",
    "model_id_of",
    "sampling_session_id_of",
    "tinker_path",
]

ModelID: TypeAlias = str
RequestID: TypeAlias = str
CheckpointType = Literal["training", "sampler", "external"]

SCHEME = "tinker://"
SEGMENT_OF_TYPE: dict[CheckpointType, str] = {
    "training": "weights",
    "sampler": "sampler_weights",
    "external": "external_weights",
}
TYPE_OF_SEGMENT: dict[str, CheckpointType] = {segment: kind for kind, segment in SEGMENT_OF_TYPE.items()}


def tinker_path(training_run_id: str, checkpoint_type: CheckpointType, name: str) -> str:
    """The path of checkpoint `name` of a training run."""
    return f"{SCHEME}{training_run_id}/{SEGMENT_OF_TYPE[checkpoint_type]}/{name}"


def model_id_of(session_id: str, model_seq_id: int) -> ModelID:
    """The id of a session's model. Clients compute it themselves, so its form is fixed.

    Source: sdk 0.38.0 lib/public_interfaces/service_client.py.
    """
    return f"{session_id}:train:{model_seq_id}"


def sampling_session_id_of(session_id: str, sampling_session_seq_id: int) -> str:
    """The id of a session's sampler. Source: sdk 0.38.0 lib/public_interfaces/rest_client.py."""
    return f"{session_id}:sample:{sampling_session_seq_id}"


class ParsedCheckpointTinkerPath(WireResponse):
    """A tinker path, taken apart."""

    tinker_path: str
    """The whole path."""
    training_run_id: str
    """The training run (model id) that the checkpoint belongs to."""
    checkpoint_type: CheckpointType
    """What the checkpoint is for: training, sampler or external."""
    checkpoint_id: str
    """Segment and name, for example `weights/0001`."""

    @classmethod
    def from_tinker_path(cls, tinker_path: str) -> Self:
        """Parse `tinker_path`.

        Raises:
            ValueError: if it is not `tinker://<run>/<known segment>/<name>` with non-empty parts.
        """
        parts = tinker_path.removeprefix(SCHEME).split("/")
        well_formed = tinker_path.startswith(SCHEME) and len(parts) == 3 and all(parts)
        if not well_formed or parts[1] not in TYPE_OF_SEGMENT:
            raise ValueError(
                f"tinker path: expected {SCHEME}<training run>/"
                f"{'|'.join(TYPE_OF_SEGMENT)}/<name>, got {tinker_path!r}"
            )
        run, segment, name = parts
        return cls(
            tinker_path=tinker_path,
            training_run_id=run,
            checkpoint_type=TYPE_OF_SEGMENT[segment],
            checkpoint_id=f"{segment}/{name}",
        )

    @property
    def name(self) -> str:
        """The checkpoint's own name, without its segment."""
        return self.checkpoint_id.partition("/")[2]
