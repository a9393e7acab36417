"""Identifiers, and the one place that spells a tinker path or takes a base model's name apart.

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
    "split_base_model",
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
CONTEXT_MARK = ":peft:"
LONGEST_CONTEXT = 1 << 24
"""Tokens. Source: ours: 16 times the longest context that anybody sells."""
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


def split_base_model(name: str) -> tuple[str, int | None]:
    """A base model's plain name, and the context length in tokens that `NAME:peft:LENGTH` asks for.

    The length is None where the name asks for none.

    Raises:
        ValueError: if what follows `:peft:` is no length, or one out of range.
    """
    plain, mark, length = name.partition(CONTEXT_MARK)
    if not mark:
        return name, None
    readable = length.isascii() and length.isdecimal() and len(length) <= len(str(LONGEST_CONTEXT))
    if not readable or not 0 < int(length) <= LONGEST_CONTEXT:
        raise ValueError(
            f"base_model: expected NAME:peft:LENGTH with a length of 1 to {LONGEST_CONTEXT}, got {name!r}"
        )
    return plain, int(length)


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
