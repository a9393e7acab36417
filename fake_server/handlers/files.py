"""Files behind signed, expiring URLs: a checkpoint's files, its archive, a session's trace.

A signature stands for a credential: the clients fetch these URLs without one.
"""

import asyncio
import gzip
import hmac
import io
import json
import tarfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from urllib.parse import parse_qs, quote

from contract import BadRequest, Forbidden, NotFound, Weights
from fake_server.service import Call, Service
from fake_server.wire import Answer

FILES = "/files/"
FILE_LIFE_SECONDS = 3600.0
"""How long a signed URL works. Source: ours."""
COMPRESSION = 1
"""Of archives. Source: ours: trained numbers hardly become smaller, however long one tries."""


def sign(call: Call, file: str, expires: float) -> str:
    """A URL of `file` that works until `expires`."""
    until = int(expires)
    signature = _signature(call.service, file, until)
    return f"{call.base_url}{FILES}{quote(file)}?expires={until}&signature={signature}"


def _signature(service: Service, file: str, expires: int) -> str:
    return hmac.new(service.ids.secret("files"), f"{file}\n{expires}".encode(), sha256).hexdigest()


async def fetch_file(call: Call, path: str, query: str) -> Answer:
    """The file of a signed URL.

    Raises:
        Forbidden: if the signature is not ours, or the time is over.
        NotFound: if the file is gone.
    """
    file = path.removeprefix(FILES)
    values = parse_qs(query)
    expires, signature = values.get("expires", [""])[0], values.get("signature", [""])[0]
    known = (
        expires.isdecimal()
        and len(expires) < 20
        and hmac.compare_digest(_signature(call.service, file, int(expires)).encode(), signature.encode())
    )
    if not known:
        raise Forbidden("signature: expected one of this server, got another")
    if int(expires) <= call.service.clock.now():
        raise Forbidden("signature: expected one that is still valid, got an expired one; ask for a new URL")
    with call.service.lock:
        read = _reader(call.service, file)
    return await asyncio.to_thread(read) if call.service.backend.concurrent else read()


def _reader(service: Service, file: str) -> Callable[[], Answer]:
    """What reads the file, which may take long: only what it reads is looked up here."""
    kind, _, rest = file.partition("/")
    if kind == "traces":
        from fake_server.handlers.sessions import trace

        return partial(Answer, 200, json.dumps(trace(service, rest.removesuffix(".json")), indent=1).encode())
    if kind == "archives":
        record = service.checkpoint(f"tinker://{rest.removesuffix('.tar.gz')}")
        return partial(_archive, record.weights)
    run, segment, name, relative = rest.split("/", 3)
    record = service.checkpoint(f"tinker://{run}/{segment}/{name}")
    return partial(_content, record.weights, relative)


def files_of(weights: Weights) -> dict[str, bytes]:
    """The files that others may download, by relative path, sorted; no optimizer's state is in them.

    Raises:
        BadRequest: if the backend names one that would not stay below the checkpoint's folder.
    """
    files = weights.without_optimizer().files()
    for name in files:
        if "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise BadRequest(
                f"file {name!r}: expected a relative path without '..' from the backend, got another; "
                "this checkpoint cannot be downloaded"
            )
    return dict(sorted(files.items()))


def _content(weights: Weights, name: str) -> Answer:
    files = files_of(weights)
    if name not in files:
        raise NotFound(f"no file {name!r} in this checkpoint; it has {', '.join(files)}")
    return Answer(200, files[name], "application/octet-stream")


def _archive(weights: Weights) -> Answer:
    """A tar.gz of the files at its top level; equal weights give equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files_of(weights).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return Answer(200, gzip.compress(packed.getvalue(), COMPRESSION, mtime=0), "application/gzip")
