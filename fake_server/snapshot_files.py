"""Worlds as files, and back.

A file is one line, which says what it is and has the SHA-256 of the rest, and an uncompressed zip archive:
`world.json`; the backend's state below `backend/`; the weights of checkpoints and samplers, each once, below
`weights/<number>/`. Equal worlds give equal bytes. Nothing in a file is ever executed.
"""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_type_hints

from contract import ApiError, CopyWeightsRequest, Weights
from fake_server.audit import Audit
from fake_server.future_states import Futures
from fake_server.handlers.encryption import EncryptedFiles
from fake_server.record_forms import (
    WeightsList,
    future_form,
    plain_form,
    read_future,
    read_plain,
    read_record,
    record_form,
)
from fake_server.store import Records
from fake_server.usage import Bucket
from fake_server.world import Tables, World

__all__ = ["StoredFiles", "read_world", "write_atomically", "write_world"]

MAGIC = b"tinkerproof snapshot"
VERSION = b"1"
"""Rises whenever older files are not read any more."""
WORLD, BACKEND, WEIGHTS = "world.json", "backend/", "weights/"
LONGEST_LINE = 200
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can have: no clock is in a file."""


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """A backend's state, or weights, that no backend has read yet."""

    contents: Mapping[str, bytes]

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(map(len, self.contents.values()))

    def files(self) -> Mapping[str, bytes]:
        """The files."""
        return self.contents

    def without_optimizer(self) -> "StoredFiles":
        """The same: only a backend can tell what in them is the optimizer's, once it has read them."""
        return self


def write_world(world: World) -> bytes:
    """The file of a world."""
    weights = WeightsList()
    form = _form(world, weights)
    form["plain_weights"] = [n for n, one in enumerate(weights.all) if isinstance(one, EncryptedFiles)]
    form["weights"] = len(weights.all)
    members = {WORLD: json.dumps(form, indent=1).encode()}
    if world.backend is not None:
        members |= {BACKEND + name: content for name, content in world.backend.files().items()}
    for number, one in enumerate(weights.all):
        members |= {f"{WEIGHTS}{number}/{name}": content for name, content in one.files().items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    body = packed.getvalue()
    return b"%s %s %s\n" % (MAGIC, VERSION, sha256(body).hexdigest().encode()) + body


def read_world(content: bytes) -> World:
    """The world of a file; its weights and its backend's state are `StoredFiles` until a backend reads them.

    Raises:
        ValueError: if it is not such a file, of another version, or not whole.
    """
    line, _, body = content[:LONGEST_LINE].partition(b"\n")
    magic, _, rest = line.rpartition(b" ")[0].rpartition(b" ")
    if magic != MAGIC:
        raise ValueError(
            f"snapshot: expected a file of tinkerproof, got {len(content)} bytes of another form"
        )
    if rest != VERSION:
        raise ValueError(f"snapshot: expected format {VERSION.decode()}, got {rest.decode()!r}; take it anew")
    body = content[len(line) + 1 :]
    if sha256(body).hexdigest().encode() != line.rpartition(b" ")[2]:
        raise ValueError(
            "snapshot: expected the content that its first line has the hash of, got another; "
            "the file is damaged"
        )
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    try:
        return _read_form(json.loads(members[WORLD]), members)
    except (ApiError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"snapshot: expected the records of this version, got others: {error}") from None


def _below(members: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): data for name, data in members.items() if name.startswith(folder)}


def _form(world: World, weights: WeightsList) -> dict[str, Any]:
    futures = world.futures
    return {
        "seed": world.seed,
        "root": world.root,
        "now": world.now,
        "counts": dict(world.counts),
        "tables": {
            field.name: _table_form(getattr(world.tables, field.name), weights) for field in fields(Tables)
        },
        "lanes": {owner: [number, sorted(used_up)] for owner, (number, used_up) in world.lanes.items()},
        "futures": {
            "futures": [future_form(future) for future in futures.futures.values()],
            "released": futures.released,
            "dropped": futures.dropped,
            "completions": [[*client, *done] for client, done in futures.completions.items()],
        },
        "usage": [[*bucket, count] for bucket, count in world.usage.items()],
        "audit": plain_form(world.audit, Audit),
        "revoked_keys": sorted(world.revoked_keys),
        "copies": {
            key: [plain_form(request, CopyWeightsRequest), path]
            for key, (request, path) in world.copies.items()
        },
    }


def _table_form(records: Records[Any], weights: WeightsList) -> dict[str, Any]:
    return {
        "records": [[key, record_form(record, weights)] for key, record in records.records.items()],
        "fates": dict(records.fates),
    }


def _read_form(form: dict[str, Any], members: Mapping[str, bytes]) -> World:
    weights = WeightsList([_stored(form, members, number) for number in range(form["weights"])])
    backend = _below(members, BACKEND)
    futures = form["futures"]
    return World(
        seed=form["seed"],
        root=form["root"],
        now=form["now"],
        backend=StoredFiles(backend) if backend else None,
        counts=form["counts"],
        tables=_read_tables(form["tables"], weights),
        lanes={owner: (number, frozenset(used_up)) for owner, (number, used_up) in form["lanes"].items()},
        futures=Futures(
            {future["request_id"]: read_future(future) for future in futures["futures"]},
            tuple(futures["released"]),
            tuple(futures["dropped"]),
            {
                (sampler, client): (cursor, tuple(events))
                for sampler, client, cursor, events in futures["completions"]
            },
        ),
        usage={Bucket(*bucket): count for *bucket, count in form["usage"]},
        audit=read_plain(form["audit"], Audit),
        revoked_keys=frozenset(form["revoked_keys"]),
        copies={
            key: (read_plain(request, CopyWeightsRequest), path)
            for key, (request, path) in form["copies"].items()
        },
    )


def _stored(form: dict[str, Any], members: Mapping[str, bytes], number: int) -> Weights:
    contents = _below(members, f"{WEIGHTS}{number}/")
    return EncryptedFiles(contents) if number in form["plain_weights"] else StoredFiles(contents)


def _read_tables(form: dict[str, Any], weights: WeightsList) -> Tables:
    tables = {}
    for name, hint in get_type_hints(Tables).items():
        (kind,) = get_args(hint)
        rows = form[name]["records"]
        records = {key: read_record(kind, row, weights) for key, row in rows}
        tables[name] = Records(records, form[name]["fates"])
    return Tables(**tables)


def write_atomically(path: Path, content: bytes) -> None:
    """Put a file in place as a whole, or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
