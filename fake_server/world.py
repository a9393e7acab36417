"""`World`: all that a tenant's later answers depend on, frozen; taken from a `Service`, and put into one.

Records are immutable and so are a backend's adapters: a world shares them with the service that it was taken
from and with all that it is put into, and copies only the tables that name them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from contract import BackendState, BadRequest, CopyWeightsRequest
from fake_server.audit import Audit
from fake_server.clock import VirtualClock
from fake_server.future_states import Futures, restore_futures, state_of_futures
from fake_server.ids import Ids
from fake_server.lanes import LaneState
from fake_server.service import Service
from fake_server.store import (
    CheckpointRecord,
    CustomLossRecord,
    ModelRecord,
    Records,
    SamplerRecord,
    SessionRecord,
    Table,
)
from fake_server.usage import Bucket

__all__ = ["Tables", "World", "empty_world", "put_world", "quiet", "take_world"]

T = TypeVar("T")
WAIT_SECONDS = 10.0
"""Ours: how long the work under way may take to end."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The records of a `Store`, under the names of its tables."""

    sessions: Records[SessionRecord] = field(default_factory=lambda: Records())
    models: Records[ModelRecord] = field(default_factory=lambda: Records())
    samplers: Records[SamplerRecord] = field(default_factory=lambda: Records())
    checkpoints: Records[CheckpointRecord] = field(default_factory=lambda: Records())
    losses: Records[CustomLossRecord] = field(default_factory=lambda: Records())


TABLES = tuple(table.name for table in fields(Tables))


@dataclass(frozen=True, slots=True)
class World:
    """A tenant between two operations."""

    seed: int
    root: str
    """What its ids and secrets derive from."""
    now: float
    """On the clock of the tenant."""
    backend: BackendState | None
    """None: no models."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many ids there were of each kind."""
    tables: Tables = field(default_factory=Tables)
    lanes: Mapping[str, LaneState] = field(default_factory=dict)
    futures: Futures = field(default_factory=Futures)
    usage: Mapping[Bucket, int] = field(default_factory=dict)
    audit: Audit = field(default_factory=Audit)
    revoked_keys: frozenset[str] = frozenset()
    copies: Mapping[str, tuple[CopyWeightsRequest, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many objects it has: sessions, models, samplers, checkpoints, losses and futures."""
        tables = (getattr(self.tables, name).records for name in TABLES)
        return sum(map(len, tables)) + len(self.futures.futures)


def empty_world(service: Service, seed: int) -> World:
    """The world of a tenant that was made with that seed just now."""
    return World(seed, Ids(seed, service.name).root, service.clock.now(), None)


def take_world(service: Service, wait_seconds: float = WAIT_SECONDS) -> World:
    """The world of a tenant, once no operation is under way.

    An outcome that is held back is part of it, and stays held back. What a test laid over the world is not:
    faults, stubs, rules of delivery, the journal.

    Raises:
        BadRequest: naming what is under way, or waits for a missing number, after `wait_seconds`.
    """
    return quiet(service, wait_seconds, lambda: _taken(service))


def put_world(service: Service, world: World, wait_seconds: float = WAIT_SECONDS) -> None:
    """Put a world in the place of the tenant's own.

    Operations that wait for a missing number are forgotten, polls look again, a virtual clock is set. The
    machine's clock goes on: what expired since the world was taken is expired.

    Raises:
        BadRequest: naming what is under way after `wait_seconds`.
        RequestFailure: if the backend cannot take its part; nothing is changed.
    """
    quiet(service, wait_seconds, lambda: _put(service, world), held=True)


def quiet(service: Service, wait_seconds: float, act: Callable[[], T], *, held: bool = False) -> T:
    """Act while nothing is under way, holding the tenant's lock.

    Args:
        service: The tenant.
        wait_seconds: How long to wait for that.
        act: What to do.
        held: Whether operations that wait for a missing number may be there.

    Raises:
        BadRequest: naming what is under way after `wait_seconds`.
    """
    end = time.monotonic() + wait_seconds
    executors = (service.executor, service.sampling_executor)
    while True:
        for executor in executors:
            executor.settle(max(0.0, end - time.monotonic()))
        with service.lock:
            busy = _busy(service, held=held)
            if not busy and all(executor.idle for executor in executors):
                return act()
            left = end - time.monotonic()
            if left <= 0:
                told = ", ".join(busy[:3]) or "what its executors do"
                raise BadRequest(
                    f"tenant {service.name!r}: expected no operation under way, got {told} after "
                    f"{wait_seconds:g} s; poll its future first, or send what it waits for"
                )
            service.futures.settled.wait(left if busy else 0.0)


def _busy(service: Service, *, held: bool) -> list[str]:
    """What has no outcome yet, in words."""
    waiting = {id(future): missing for future, missing in service.lanes.held()}
    told = []
    for future in service.futures:
        if future.outcome is None and not (held and id(future) in waiting):
            missing = waiting.get(id(future))
            reason = "" if missing is None else f" (waits for seq_id {missing})"
            told.append(f"{future.operation} {future.request_id}{reason}")
    return told


def _taken(service: Service) -> World:
    return World(
        seed=service.settings.seed,
        root=service.ids.root,
        now=service.clock.now(),
        backend=service.backend.state(),
        counts=service.ids.counts(),
        tables=Tables(**{name: _table(service, name).state() for name in TABLES}),
        lanes=service.lanes.state(),
        futures=state_of_futures(service.futures),
        usage=service.usage.counts(),
        audit=service.audit.state(),
        revoked_keys=frozenset(service.revoked_keys),
        copies=dict(service.copies),
    )


def _table(service: Service, name: str) -> Table[Any]:
    table: Table[Any] = getattr(service.store, name)
    return table


def _put(service: Service, world: World) -> None:
    if world.backend is None:
        service.backend.reset(world.seed)
    else:
        service.backend.restore(world.backend)  # first: it may refuse
    service.settings = replace(service.settings, seed=world.seed)
    service.ids.restore(world.root, world.counts)
    for name in TABLES:
        _table(service, name).restore(getattr(world.tables, name))
    service.store.creating.clear()
    service.usage.restore(world.usage)
    service.audit.restore(world.audit)
    service.revoked_keys = set(world.revoked_keys)
    service.copies = dict(world.copies)
    service.lanes.restore(world.lanes)
    restore_futures(service.futures, world.futures)
    if isinstance(service.clock, VirtualClock):
        service.clock.move_to(world.now)
