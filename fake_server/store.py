"""What one tenant has: sessions, models, samplers, checkpoints, uploaded losses.

Records are immutable; a change puts a new record in the place of the old one. A `Table` is all that the
server needs of a store, so a durable one can take the place of `MemoryTable`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from contract import (
    BadRequest,
    Checkpoint,
    CheckpointType,
    CreateCustomLossRequest,
    CreateSamplingSessionRequest,
    LoraConfig,
    NotFound,
    OptimizerConfig,
    SamplingClientKind,
    SessionStatus,
    Weights,
    tinker_path,
)
from fake_server.times import utc

__all__ = [
    "CheckpointRecord",
    "CustomLossRecord",
    "MemoryTable",
    "ModelRecord",
    "Records",
    "SamplerRecord",
    "SessionRecord",
    "Store",
    "Table",
]

R = TypeVar("R")
SHOWN_IDS = 5
REMEMBERED_KEYS = 10_000
"""Ours: removed records of a kind that are still told apart from those that never were."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session."""

    session_id: str
    created_at: float
    seen_at: float
    """Time of the last sign of life."""
    sdk_version: str
    user_metadata: dict[str, str] | None
    display_name: str | None
    project_id: str
    tags: tuple[str, ...]
    beats: bool = True
    """Whether its clients send heartbeats; the oldest do not, and never expire."""
    ended: SessionStatus | None = None
    """How its client ended it."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model, and the training run that it leaves behind."""

    model_id: str
    session_id: str
    base_model: str
    lora: LoraConfig
    optimizer: OptimizerConfig
    user_metadata: dict[str, str] | None
    created_at: float
    used_at: float
    loaded: bool = True
    """False once it was unloaded."""


@dataclass(frozen=True, slots=True)
class SamplerRecord:
    """A sampling session."""

    sampling_session_id: str
    session_id: str
    base_model: str
    model_path: str | None = None
    weights: Weights | None = None
    """None samples from the base model."""
    kind: SamplingClientKind = "snapshot"
    model_id: str | None = None
    """The model whose inflight saves it follows."""
    clients: int = 1
    opened_by: CreateSamplingSessionRequest | None = None
    """The request that opened it, to tell a replay from a clash."""


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint with its weights."""

    run_id: str
    checkpoint_type: CheckpointType
    name: str
    created_at: float
    expires_at: float | None
    weights: Weights
    base_model: str
    lora: LoraConfig
    optimizer: OptimizerConfig
    session_id: str
    user_metadata: dict[str, str] | None = None
    public: bool = False

    @property
    def path(self) -> str:
        """Its tinker path."""
        return tinker_path(self.run_id, self.checkpoint_type, self.name)

    def shown(self) -> Checkpoint:
        """As the API shows it."""
        path = self.path
        return Checkpoint(
            checkpoint_id=path.removeprefix(f"tinker://{self.run_id}/"),
            checkpoint_type=self.checkpoint_type,
            time=utc(self.created_at),
            tinker_path=path,
            size_bytes=self.weights.size_bytes,
            public=self.public,
            user_metadata=self.user_metadata,
            expires_at=None if self.expires_at is None else utc(self.expires_at),
        )


@dataclass(frozen=True, slots=True)
class CustomLossRecord:
    """An uploaded loss."""

    loss_id: str
    session_id: str
    request: CreateCustomLossRequest


@dataclass(frozen=True, slots=True)
class Records(Generic[R]):
    """What is in a table at one moment; nothing in it is ever changed."""

    records: Mapping[str, R] = field(default_factory=dict)
    """By id, oldest first."""
    fates: Mapping[str, str] = field(default_factory=dict)
    """What became of those that were removed, by id."""


class Table(Protocol[R]):
    """Records of one kind, by id, oldest first."""

    def get(self, key: str) -> R:
        """The record. Raises `NotFound`: what became of it, or a few ids that exist."""
        ...

    def find(self, key: str) -> R | None:
        """The record, or None."""
        ...

    def add(self, key: str, record: R) -> R:
        """Put a new record. Raises `BadRequest` if the id is taken."""
        ...

    def put(self, key: str, record: R) -> R:
        """Put a record, new or in the place of an old one."""
        ...

    def remove(self, key: str, fate: str) -> None:
        """Take a record away; `fate` says what became of it to those who ask later. Raises `NotFound`."""
        ...

    def __iter__(self) -> Iterator[R]:
        """All records, oldest first."""
        ...

    def __len__(self) -> int:
        """How many records there are."""
        ...

    def state(self) -> "Records[R]":
        """All records as they are now."""
        ...

    def restore(self, state: "Records[R]") -> None:
        """Have these records in the place of all others."""
        ...


class MemoryTable(Generic[R]):
    """A table in a dictionary."""

    __slots__ = ("_fates", "_kind", "_records")

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._records: dict[str, R] = {}
        self._fates: dict[str, str] = {}

    def get(self, key: str) -> R:
        """The record. Raises `NotFound`: what became of it, or a few ids that exist."""
        record = self._records.get(key)
        if record is None:
            raise NotFound(self._not_found(key))
        return record

    def _not_found(self, key: str) -> str:
        if key in self._fates:
            return f"{self._kind} {key!r} {self._fates[key]}"
        known = list(self._records)[-SHOWN_IDS:]
        more = len(self._records) - len(known)
        has = ", ".join(known) + (f" and {more} more" if more else "") if known else "none"
        return f"no {self._kind} {key!r}; this server has {has}"

    def find(self, key: str) -> R | None:
        """The record, or None."""
        return self._records.get(key)

    def add(self, key: str, record: R) -> R:
        """Put a new record. Raises `BadRequest` if the id is taken."""
        if key in self._records:
            raise BadRequest(f"{self._kind} {key!r} already exists; choose another name")
        return self.put(key, record)

    def put(self, key: str, record: R) -> R:
        """Put a record, new or in the place of an old one."""
        self._records[key] = record
        self._fates.pop(key, None)
        return record

    def remove(self, key: str, fate: str) -> None:
        """Take a record away; `fate` says what became of it to those who ask later. Raises `NotFound`."""
        self.get(key)
        del self._records[key]
        self._fates[key] = fate
        if len(self._fates) > REMEMBERED_KEYS:
            del self._fates[next(iter(self._fates))]

    def __iter__(self) -> Iterator[R]:
        """All records, oldest first."""
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._records)

    def state(self) -> Records[R]:
        """All records as they are now."""
        return Records(dict(self._records), dict(self._fates))

    def restore(self, state: Records[R]) -> None:
        """Have these records in the place of all others."""
        self._records = dict(state.records)
        self._fates = dict(state.fates)


@dataclass(slots=True)
class Store:
    """All tables of one tenant."""

    sessions: Table[SessionRecord] = field(default_factory=lambda: MemoryTable("session"))
    models: Table[ModelRecord] = field(default_factory=lambda: MemoryTable("model"))
    samplers: Table[SamplerRecord] = field(default_factory=lambda: MemoryTable("sampling session"))
    checkpoints: Table[CheckpointRecord] = field(default_factory=lambda: MemoryTable("checkpoint"))
    losses: Table[CustomLossRecord] = field(default_factory=lambda: MemoryTable("custom loss"))
    creating: set[str] = field(default_factory=set)
    """Ids of the models that are being made."""
