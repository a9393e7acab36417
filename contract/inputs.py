"""What a model reads: chunks, `ModelInput`, and `Datum` with the provenance of its tokens.

Source: sdk 0.38.0 types/{model_input,datum,provenance_spans,*_chunk}.py.
"""

import base64
import binascii
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Discriminator, Field, Tag, field_serializer, field_validator, model_validator

from contract.arrays import ArrayModel, frozen
from contract.model import Since, WireModel
from contract.tensors import TensorData, TensorDtype

__all__ = [
    "Datum",
    "DmelChunk",
    "EncodedTextChunk",
    "ImageAssetPointerChunk",
    "ImageChunk",
    "LossFnInputs",
    "ModelInput",
    "ModelInputChunk",
    "PromptProvenanceSpan",
    "ProvenanceSpan",
    "SampledProvenanceSpan",
]

DTYPE_OF_KEY: dict[str, TensorDtype] = {
    "target_tokens": "int64",
    "weights": "float32",
    "advantages": "float32",
    "logprobs": "float32",
    "clip_low_threshold": "float32",
    "clip_high_threshold": "float32",
    "sequence_ratio_mask": "float32",
}
"""The dtype of a plain list under each key. Source: sdk 0.38.0 types/datum.py."""


def _decoded(value: Any) -> Any:
    """Bytes of base64 text; any other value as it is, to be judged by the field's type."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"expected base64 text, got {len(value)} characters: {error}") from None


class EncodedTextChunk(ArrayModel):
    """A run of tokens."""

    LISTED: ClassVar[str] = "tokens"
    ARRAY: ClassVar[str] = "ids"

    tokens: list[int]
    """Token ids."""
    type: Literal["encoded_text"] = "encoded_text"

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        """The token ids as a read-only array, `[length]`.

        Raises:
            OverflowError: if an id has more than 64 bits.
        """
        return frozen(np.asarray(self.tokens, np.int64))

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.ids if self.ARRAY in self.__dict__ else self.tokens)


class ImageChunk(WireModel):
    """An image, its bytes inline."""

    data: bytes
    """The encoded image; base64 text in JSON."""
    format: Literal["png", "jpeg"]
    """How `data` is encoded."""
    expected_tokens: Annotated[int | None, Since("0.6.0")] = Field(default=None, ge=0)
    """How many tokens the client thinks the image takes; a server may refuse a wrong guess."""
    type: Literal["image"] = "image"

    @field_validator("data", mode="before")
    @classmethod
    def validate_data(cls, value: Any) -> Any:
        """Bytes from base64 text, or another value as it is.

        Raises:
            ValueError: if text is not base64.
        """
        return _decoded(value)

    @field_serializer("data", when_used="json")
    def serialize_data(self, value: bytes) -> str:
        """Base64 text for JSON."""
        return base64.b64encode(value).decode("ascii")

    @property
    def length(self) -> int:
        """The advised token count.

        Raises:
            ValueError: if the client gave none.
        """
        return _advised(self.expected_tokens, "image chunk")


class ImageAssetPointerChunk(WireModel):
    """An image by path or URL, which the server would fetch."""

    format: Literal["png", "jpeg"]
    """How the image is encoded."""
    location: str
    """Path or URL of the image."""
    expected_tokens: Annotated[int | None, Since("0.6.0")] = Field(default=None, ge=0)
    """As for an inline image."""
    type: Literal["image_asset_pointer"] = "image_asset_pointer"

    @property
    def length(self) -> int:
        """The advised token count.

        Raises:
            ValueError: if the client gave none.
        """
        return _advised(self.expected_tokens, "image asset pointer chunk")


def _advised(expected_tokens: int | None, what: str) -> int:
    if expected_tokens is None:
        raise ValueError(f"{what}: expected expected_tokens to be set, got none")
    return expected_tokens


class DmelChunk(WireModel):
    """Audio features: a serialised tensor container whose first dimension is the token count."""

    dmel: bytes
    """The container; base64 text in JSON."""
    type: Literal["dmel"] = "dmel"

    @field_validator("dmel", mode="before")
    @classmethod
    def validate_dmel(cls, value: Any) -> Any:
        """Bytes from base64 text, or another value as it is.

        Raises:
            ValueError: if text is not base64.
        """
        return _decoded(value)

    @field_serializer("dmel", when_used="json")
    def serialize_dmel(self, value: bytes) -> str:
        """Base64 text for JSON."""
        return base64.b64encode(value).decode("ascii")

    @property
    def length(self) -> int:
        """The container's first dimension, in tokens.

        Raises:
            ValueError: if the header cannot be read.
        """
        return _container_shape(self.dmel)[0]


CONSTANT_MARKER, HIGHEST_DTYPE_BYTE = 0xFE, 7


def _container_shape(container: bytes) -> list[int]:
    """The shape in a tensor container's header: [constant marker], dtype byte, varint rank, varints.

    Source: sdk 0.38.0 types/_tensor_container.py.
    """
    at = 1 if container[:1] == bytes([CONSTANT_MARKER]) else 0
    if len(container) <= at or container[at] > HIGHEST_DTYPE_BYTE:
        raise ValueError(f"dmel: expected a tensor container, got {len(container)} bytes of another form")
    rank, at = _varint(container, at + 1)
    shape: list[int] = []
    for _ in range(min(rank, len(container))):
        size, at = _varint(container, at)
        shape.append(size)
    if not shape:
        raise ValueError("dmel: expected a tensor of at least one dimension, got a scalar")
    return shape


def _varint(container: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(container[at : at + 10]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError("dmel: expected a whole tensor container header, got a truncated one")


def _chunk_kind(chunk: Any) -> str | None:
    """The chunk's type, guessed from its fields where an old client omits it (0.3.0 to 0.16.1)."""
    if not isinstance(chunk, dict):
        return getattr(chunk, "type", None)
    if "type" in chunk:
        return chunk["type"] if isinstance(chunk["type"], str) else None
    for key, kind in _KIND_OF_KEY.items():
        if key in chunk:
            return kind
    return None


_KIND_OF_KEY = {
    "tokens": "encoded_text",
    "data": "image",
    "location": "image_asset_pointer",
    "dmel": "dmel",
}

ModelInputChunk = Annotated[
    Annotated[EncodedTextChunk, Tag("encoded_text")]
    | Annotated[ImageAssetPointerChunk, Tag("image_asset_pointer")]
    | Annotated[ImageChunk, Tag("image")]
    | Annotated[DmelChunk, Tag("dmel"), Since("0.23.0")],
    Discriminator(_chunk_kind),
]


class ModelInput(WireModel):
    """A prompt or a training sequence: chunks one after the other."""

    chunks: list[ModelInputChunk]
    """The parts in order."""

    @classmethod
    def from_ints(cls, tokens: list[int]) -> Self:
        """One text chunk of `tokens`."""
        return cls(chunks=[EncodedTextChunk(tokens=tokens)])

    @classmethod
    def empty(cls) -> Self:
        """No chunks."""
        return cls(chunks=[])

    def to_ints(self) -> list[int]:
        """All tokens in order.

        Raises:
            ValueError: if any chunk is not text.
        """
        tokens: list[int] = []
        for chunk in self.chunks:
            if not isinstance(chunk, EncodedTextChunk):
                raise ValueError(f"to_ints: expected only encoded_text chunks, got {chunk.type!r}")
            tokens.extend(chunk.tokens)
        return tokens

    @cached_property
    def length(self) -> int:
        """Tokens used by all chunks.

        Raises:
            ValueError: if an image chunk does not advise its count.
        """
        return sum(chunk.length for chunk in self.chunks)

    def append(self, chunk: ModelInputChunk) -> Self:
        """A new input with `chunk` at the end."""
        return type(self)(chunks=[*self.chunks, chunk])

    def append_int(self, token: int) -> Self:
        """A new input with one more token, in a chunk of its own."""
        return self.append(EncodedTextChunk(tokens=[token]))


class ProvenanceRun(WireModel):
    """What both kinds of span share: `length` positions of a sequence from `offset` on."""

    sequence_id: str = Field(min_length=1)
    """A sampled sequence's id, as its submission answered it."""
    offset: int = Field(default=0, ge=0)
    """Where in that sequence the run starts."""
    length: int = Field(ge=0)
    """How many tokens the run covers."""


class PromptProvenanceSpan(ProvenanceRun):
    """Tokens that were in the prompt of the request that sampled the sequence."""


class SampledProvenanceSpan(ProvenanceRun):
    """Tokens that the sequence's sampling produced."""


ProvenanceSpan = PromptProvenanceSpan | SampledProvenanceSpan
LossFnInputs = dict[str, TensorData]


class Datum(WireModel):
    """One training example: what the model reads, and what its loss reads."""

    loss_fn_inputs: LossFnInputs = {}
    """Tensors by name; which ones a loss needs is in `contract.losses`."""
    model_input: ModelInput
    """The sequence, N tokens."""
    model_input_spans: Annotated[list[ProvenanceSpan] | None, Since("0.26.0")] = None
    """Where the N input tokens came from; lengths add up to N."""
    loss_fn_input_spans: Annotated[list[ProvenanceSpan] | None, Since("0.26.0")] = None
    """Where the target tokens came from; lengths add up to their number."""

    @model_validator(mode="before")
    @classmethod
    def convert_tensors(cls, data: Any) -> Any:
        """Turn torch tensors, numpy arrays and plain lists in `loss_fn_inputs` into `TensorData`.

        Raises:
            ValueError: for a list under a key whose dtype is not known, or a ragged one.
        """
        inputs = data.get("loss_fn_inputs") if isinstance(data, dict) else None
        if not isinstance(inputs, dict):
            return data
        return {**data, "loss_fn_inputs": {k: _converted(k, v) for k, v in inputs.items()}}

    @model_validator(mode="after")
    def check_spans(self) -> Self:
        """Spans come as a pair and tile their fields.

        Raises:
            ValueError: naming the field whose spans do not fit.
        """
        if (self.model_input_spans is None) != (self.loss_fn_input_spans is None):
            raise ValueError("provenance spans: expected both lists or neither, got one")
        if self.model_input_spans is not None:
            _check_tiling("model_input_spans", self.model_input_spans, self.model_input.length)
        targets = self.loss_fn_inputs.get("target_tokens")
        if self.loss_fn_input_spans is not None and targets and len(targets.dimensions) == 1:
            _check_tiling("loss_fn_input_spans", self.loss_fn_input_spans, targets.dimensions[0])
        return self

    @cached_property
    def target_shape(self) -> tuple[int, ...] | None:
        """The shape of `target_tokens`, `(N,)` or `(N, K)`; None where there are none."""
        targets = self.loss_fn_inputs.get("target_tokens")
        return None if targets is None else targets.dimensions


def _check_tiling(field: str, spans: list[ProvenanceSpan], expected: int) -> None:
    covered = sum(span.length for span in spans)
    if covered != expected:
        raise ValueError(f"{field}: expected spans that cover {expected} positions, got {covered}")


def _converted(key: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return TensorData.from_numpy(value)
    if isinstance(value, list):
        return _from_list(key, value)
    if type(value).__module__.partition(".")[0] == "torch":
        return TensorData.from_torch(value)
    return value


def _from_list(key: str, value: list[Any]) -> TensorData:
    if key not in DTYPE_OF_KEY:
        raise ValueError(
            f"loss_fn_inputs[{key!r}]: expected an array or TensorData, got a list; "
            f"lists are known for {', '.join(sorted(DTYPE_OF_KEY))}"
        )
    try:
        array: npt.NDArray[Any] = np.asarray(value, dtype=DTYPE_OF_KEY[key])
    except (ValueError, TypeError, OverflowError):
        raise ValueError(
            f"loss_fn_inputs[{key!r}]: expected a rectangular list of numbers, got another"
        ) from None
    return TensorData.from_numpy(array)
