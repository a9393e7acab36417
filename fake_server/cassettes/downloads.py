"""Downloads of a replay: the files that were small enough to be kept."""

from base64 import b64decode

from contract import NotFound
from fake_server.cassettes.cassette import DOWNLOAD, Cassette
from fake_server.cassettes.identities import CASSETTE_FILES
from fake_server.wire import Answer, Incoming

__all__ = ["download"]


def download(cassette: Cassette, incoming: Incoming) -> Answer | None:
    """The file that a URL of the replay stands for; None if it is none of its URLs.

    Raises:
        NotFound: if it was not fetched in the recording, or was too large to keep.
    """
    _, mark, number = incoming.raw_path.decode("latin-1").partition(CASSETTE_FILES)
    if not mark:
        return None
    for entry in cassette.entries:
        if entry.operation == DOWNLOAD and entry.request == {"url": f"<url:{number}>"} and entry.file:
            return Answer(entry.status, b64decode(entry.file), "application/octet-stream")
    raise NotFound(
        f"cassette: expected the file of <url:{number}>, got none; it was not fetched in the recording, "
        "or was too large to keep"
    )
