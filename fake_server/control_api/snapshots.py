"""Snapshots, forks and fresh starts over HTTP. A server keeps snapshots by name, in memory."""

import asyncio

from pydantic import Field

from contract import (
    BadRequest,
    EmptyRequest,
    Endpoint,
    NotFound,
    Operation,
    RequestFailure,
    WireModel,
    WireResponse,
)
from fake_server.bindings import Binding
from fake_server.control_api.control import Control, control, controls_of
from fake_server.service import Call
from fake_server.snapshots import Snapshot, reset, restore, take
from fake_server.wire import Answer, Incoming
from fake_server.world import WAIT_SECONDS

__all__ = ["SNAPSHOTS"]

FILE = "/-/snapshots/{name}"
NAME = r"^[A-Za-z0-9._-]{1,64}\z"
"""Ours: what a path can carry as it is."""
COMMAND = "`snapshot {}`"


class SnapshotRequest(WireModel):
    """Which snapshot."""

    name: str = Field(default="latest", pattern=NAME)
    wait_seconds: float = Field(default=WAIT_SECONDS, ge=0, allow_inf_nan=False)
    """How long the work under way may take to end, of the machine's time."""


class SnapshotResponse(WireResponse):
    """A snapshot that the server keeps."""

    name: str
    objects: int
    """Sessions, models, samplers, checkpoints, losses and futures."""
    seed: int


class SnapshotsResponse(WireResponse):
    """All snapshots of a tenant, oldest first."""

    snapshots: list[SnapshotResponse]


class NameRequest(WireModel):
    """A snapshot by its name."""

    name: str


class ForkRequest(WireModel):
    """A tenant that shall begin where this one is, or was."""

    tenant: str | None = None
    """Its name; one that is taken is replaced."""
    snapshot: str | None = None
    """The snapshot that it begins with; this tenant as it is now where absent."""


class ForkResponse(WireResponse):
    """A new tenant."""

    tenant: str
    path: str
    """What follows the server's address in its base URL."""


class SeedRequest(WireModel):
    """What everything derives from."""

    seed: int


def _shown(name: str, snapshot: Snapshot) -> SnapshotResponse:
    return SnapshotResponse(name=name, objects=len(snapshot), seed=snapshot.world.seed)


def _kept(call: Call, name: str) -> Snapshot:
    kept = controls_of(call).snapshots
    if name not in kept:
        raise NotFound(f"no snapshot {name!r}; this tenant has {', '.join(kept) or 'none'}")
    return kept[name]


async def take_snapshot(call: Call, request: SnapshotRequest) -> SnapshotResponse:
    """Keep the tenant as it is, under a name; an earlier one of that name is replaced."""
    snapshot = await asyncio.to_thread(take, call.service, request.wait_seconds)
    controls_of(call).snapshots[request.name] = snapshot
    return _shown(request.name, snapshot)


def list_snapshots(call: Call, _request: EmptyRequest) -> SnapshotsResponse:
    """What is kept."""
    kept = controls_of(call).snapshots.items()
    return SnapshotsResponse(snapshots=[_shown(name, snapshot) for name, snapshot in kept])


async def download_snapshot(call: Call, request: NameRequest) -> Answer:
    """A snapshot as a file."""
    content = await asyncio.to_thread(_kept(call, request.name).to_bytes)
    return Answer(200, content, "application/octet-stream")


async def upload_snapshot(call: Call, incoming: Incoming) -> SnapshotResponse:
    """Keep the snapshot of a file, under a name."""
    name = incoming.path_values["name"]
    try:
        snapshot = await asyncio.to_thread(Snapshot.of_bytes, incoming.body)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    controls_of(call).snapshots[name] = snapshot
    return _shown(name, snapshot)


def delete_snapshot(call: Call, request: NameRequest) -> None:
    """Forget a snapshot."""
    _kept(call, request.name)
    del controls_of(call).snapshots[request.name]


async def restore_snapshot(call: Call, request: SnapshotRequest) -> SnapshotResponse:
    """Be as the tenant was."""
    snapshot = _kept(call, request.name)
    try:
        await asyncio.to_thread(restore, call.service, snapshot, request.wait_seconds)
    except RequestFailure as error:
        raise BadRequest(f"snapshot {request.name!r}: {error.error}") from None
    return _shown(request.name, snapshot)


async def fork_tenant(call: Call, request: ForkRequest) -> ForkResponse:
    """Begin a new tenant where this one is, or was."""
    snapshot = None if request.snapshot is None else _kept(call, request.snapshot)
    name = await asyncio.to_thread(controls_of(call).snapshots.fork, request.tenant, snapshot)
    return ForkResponse(tenant=name, path=f"/t/{name}")


async def reset_tenant(call: Call, _request: EmptyRequest) -> None:
    """Forget all that the tenant has."""
    await asyncio.to_thread(reset, call.service)


async def seed_tenant(call: Call, request: SeedRequest) -> None:
    """Forget all that the tenant has, and derive from another seed."""
    await asyncio.to_thread(reset, call.service, request.seed)


# fmt: off
SNAPSHOTS: tuple[Control, ...] = (
    control(Operation("snapshot", "POST", "Keep the tenant as it is.", SnapshotRequest, SnapshotResponse, path="/-/snapshot", area="snapshots"), take_snapshot, python="snapshot()"),
    control(Operation("snapshots", "GET", "The snapshots that are kept.", EmptyRequest, SnapshotsResponse, path="/-/snapshots", area="snapshots"), list_snapshots, python="controls.snapshots"),
    control(Operation("snapshot_download", "GET", "A snapshot as a file.", NameRequest, bytes, path=FILE, area="snapshots"), download_snapshot, python="snapshot().save(path)", command=COMMAND.format("save")),
    Control(Binding(Endpoint("snapshot_upload", "PUT", "Keep the snapshot of a file.", path=FILE, area="snapshots"), upload_snapshot, True), "Snapshot.load(path)", COMMAND.format("restore")),
    control(Operation("snapshot_delete", "DELETE", "Forget a snapshot.", NameRequest, type(None), path=FILE, area="snapshots"), delete_snapshot, python="del controls.snapshots[name]"),
    control(Operation("restore", "POST", "Be as the tenant was.", SnapshotRequest, SnapshotResponse, path="/-/restore", area="snapshots"), restore_snapshot, python="restore(snapshot)", command=COMMAND.format("restore")),
    control(Operation("fork", "POST", "A new tenant that begins where this one is.", ForkRequest, ForkResponse, path="/-/fork", area="snapshots"), fork_tenant, python="fork()"),
    control(Operation("reset", "POST", "Forget all that the tenant has.", EmptyRequest, type(None), path="/-/reset", area="snapshots"), reset_tenant, python="reset()"),
    control(Operation("seed", "POST", "The same, with another seed.", SeedRequest, type(None), path="/-/seed", area="snapshots"), seed_tenant, python="seed(n)"),
)
# fmt: on
