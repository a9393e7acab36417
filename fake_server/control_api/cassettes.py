"""The cassette over HTTP."""

from typing import Literal

from contract import BadRequest, EmptyRequest, Operation, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.service import Call

__all__ = ["CASSETTES"]


class CassetteResponse(WireResponse):
    """What plays or records."""

    state: Literal["empty", "recording", "replaying"]
    path: str | None = None
    entries: int = 0
    """How many there are in it."""
    strict: bool = False
    misses: list[str] = []
    """What was asked for and is not in it."""
    unused: list[str] = []
    """Entries that nobody has asked for so far."""
    unread: list[str] = []
    """What went by and cannot be recorded."""


class ReplayRequest(WireModel):
    """Which file to replay."""

    path: str
    """On the server's machine."""
    strict: bool = False


class RecordRequest(WireModel):
    """Where to record."""

    path: str
    """On the server's machine; written when a session ends, and when the cassette is taken out."""
    upstream: str | None = None
    """Who answers; this tenant itself where absent."""


def get_cassette(call: Call, _request: EmptyRequest) -> CassetteResponse:
    """What plays or records."""
    deck = controls_of(call).cassettes
    if deck.playing is not None:
        replay = deck.playing
        return CassetteResponse(
            state="replaying",
            path=str(replay.path),
            entries=len(replay.cassette.entries),
            strict=replay.strict,
            misses=replay.misses,
            unused=replay.unused,
        )
    if deck.recorder is not None:
        recorder = deck.recorder
        entries = len(recorder.cassette().entries)
        return CassetteResponse(
            state="recording", path=str(recorder.path), entries=entries, unread=recorder.unread
        )
    return CassetteResponse(state="empty")


def replay_cassette(call: Call, request: ReplayRequest) -> CassetteResponse:
    """Replay a file from now on."""
    try:
        controls_of(call).cassettes.replay(request.path, strict=request.strict)
    except (OSError, RuntimeError, ValueError) as error:
        raise BadRequest(str(error)) from None
    return get_cassette(call, EmptyRequest())


def record_cassette(call: Call, request: RecordRequest) -> CassetteResponse:
    """Record from now on."""
    try:
        controls_of(call).cassettes.record(request.path, upstream=request.upstream)
    except (ImportError, RuntimeError, ValueError) as error:
        raise BadRequest(str(error)) from None
    return get_cassette(call, EmptyRequest())


def close_cassette(call: Call, _request: EmptyRequest) -> CassetteResponse:
    """Take the cassette out, and say what became of it."""
    last = get_cassette(call, EmptyRequest())
    try:
        controls_of(call).cassettes.close()
    except OSError as error:
        raise BadRequest(f"path: expected a file that can be written, got {error}") from None
    return last


CASSETTES: tuple[Control, ...] = (
    control(
        Operation(
            "cassette",
            "GET",
            "What plays or records: misses, and what is not used.",
            EmptyRequest,
            CassetteResponse,
            path="/-/cassette",
            area="cassettes",
        ),
        get_cassette,
        python="cassettes.playing.report()",
    ),
    control(
        Operation(
            "cassette_replay",
            "POST",
            "Answer from a recording.",
            ReplayRequest,
            CassetteResponse,
            path="/-/cassette/replay",
            area="cassettes",
        ),
        replay_cassette,
        python="cassettes.replay(path)",
        command="replay FILE",
    ),
    control(
        Operation(
            "cassette_record",
            "POST",
            "Record what is answered, here or by another server.",
            RecordRequest,
            CassetteResponse,
            path="/-/cassette/record",
            area="cassettes",
        ),
        record_cassette,
        python="cassettes.record(path, upstream=URL)",
        command="record --upstream URL",
    ),
    control(
        Operation(
            "cassette_close",
            "DELETE",
            "Write the recording; let the tenant answer by itself.",
            EmptyRequest,
            CassetteResponse,
            path="/-/cassette",
            area="cassettes",
        ),
        close_cassette,
        python="cassettes.close()",
    ),
)
