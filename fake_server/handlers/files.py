"""Files behind signed, expiring URLs: a checkpoint's files, its archive, a session's trace.

A signature stands for a credential: the clients fetch these URLs without one.
"""

import gzip
import hmac
import io
import json
import tarfile
from hashlib import sha256
from urllib.parse import parse_qs, quote

from contract import Forbidden, NotFound
from fake_server.service import Call, Service
from fake_server.store import CheckpointRecord
from fake_server.wire import Answer

FILES = "/files/"
FILE_LIFE_SECONDS = 3600.0
"""How long a signed URL works. Source: ours."""


def sign(call: Call, file: str, expires: float) -> str:
    """A URL of `file` that works until `expires`."""
    until = int(expires)
    signature = _signature(call.service, file, until)
    return f"{call.base_url}{FILES}{quote(file)}?expires={until}&signature={signature}"


def _signature(service: Service, file: str, expires: int) -> str:
    return hmac.new(service.ids.secret("files"), f"{file}\n{expires}".encode(), sha256).hexdigest()


def fetch_file(call: Call, path: str, query: str) -> Answer:
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
        return _file(call.service, file)


def _file(service: Service, file: str) -> Answer:
    kind, _, rest = file.partition("/")
    if kind == "traces":
        from fake_server.handlers.sessions import trace

        body = json.dumps(trace(service, rest.removesuffix(".json")), indent=1).encode()
        return Answer(200, body)
    if kind == "archives":
        record = service.checkpoint(f"tinker://{rest.removesuffix('.tar.gz')}")
        return Answer(200, _archive(record), "application/gzip")
    run, segment, name, relative = rest.split("/", 3)
    files = service.checkpoint(f"tinker://{run}/{segment}/{name}").weights.files()
    if relative not in files:
        raise NotFound(f"no file {relative!r} in {name!r}; it has {', '.join(files)}")
    return Answer(200, files[relative], "application/octet-stream")


def _archive(record: CheckpointRecord) -> bytes:
    """A tar.gz of the checkpoint's files; the same bytes each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(record.weights.files().items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), int(record.created_at)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
