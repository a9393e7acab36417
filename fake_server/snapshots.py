"""`Snapshot`: a tenant at one moment, as a value. It is put back, put elsewhere, or kept as a file."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from contract import Backend, Weights
from fake_server.service import Service
from fake_server.snapshot_files import StoredFiles, read_world, write_atomically, write_world
from fake_server.store import Records
from fake_server.world import WAIT_SECONDS, Tables, World, empty_world, put_world, take_world

__all__ = ["Snapshot", "reset", "restore", "take"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tenant at one moment; nothing that is done later changes it."""

    world: World

    def __len__(self) -> int:
        """How many objects it has: sessions, models, samplers, checkpoints, losses and futures."""
        return len(self.world)

    def __repr__(self) -> str:
        return f"Snapshot({len(self)} objects, seed {self.world.seed})"

    def to_bytes(self) -> bytes:
        """Its file; equal snapshots give equal bytes."""
        return write_world(self.world)

    @classmethod
    def of_bytes(cls, content: bytes) -> Self:
        """The snapshot of a file's content.

        Raises:
            ValueError: if it is not such a file, of another version, or damaged.
        """
        return cls(read_world(content))

    def save(self, path: str | Path) -> None:
        """Write it to a file, as a whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        write_atomically(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The snapshot in a file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is not such a file, of another version, or damaged.
        """
        return cls.of_bytes(Path(path).read_bytes())


def take(service: Service, wait_seconds: float = WAIT_SECONDS) -> Snapshot:
    """A tenant as it is, once no operation is under way.

    Raises:
        BadRequest: naming what is under way, or waits for a missing number, after `wait_seconds`.
    """
    return Snapshot(take_world(service, wait_seconds))


def restore(service: Service, snapshot: Snapshot, wait_seconds: float = WAIT_SECONDS) -> None:
    """Put a snapshot in the place of what a tenant has.

    Raises:
        BadRequest: naming what is under way after `wait_seconds`.
        RequestFailure: for the snapshot of another backend, or of base models that this one does not have.
            Nothing is changed.
    """
    put_world(service, _opened(snapshot.world, service.backend), wait_seconds)


def reset(service: Service, seed: int | None = None, wait_seconds: float = WAIT_SECONDS) -> None:
    """Forget all that a tenant has; ids and numbers derive from `seed`, or from the same one as before.

    Raises:
        BadRequest: naming what is under way after `wait_seconds`.
    """
    chosen = service.settings.seed if seed is None else seed
    put_world(service, empty_world(service, chosen), wait_seconds)


def _opened(world: World, backend: Backend) -> World:
    """A world whose weights and models the backend has read, where they come from a file."""
    if not isinstance(world.backend, StoredFiles):
        return world
    read: dict[int, Weights] = {}

    def opened(record: Any) -> Any:
        weights = getattr(record, "weights", None)
        if not isinstance(weights, StoredFiles):
            return record
        if id(weights) not in read:
            read[id(weights)] = backend.read_weights(weights.contents)
        return replace(record, weights=read[id(weights)])

    tables: dict[str, Records[Any]] = {}
    for field in fields(Tables):
        table = getattr(world.tables, field.name)
        records = {key: opened(record) for key, record in table.records.items()}
        tables[field.name] = Records(records, table.fates)
    state = backend.read_state(world.backend.contents)
    return replace(world, backend=state, tables=Tables(**tables))
