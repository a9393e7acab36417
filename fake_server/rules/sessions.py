"""Rules of sessions: they beat while they live, end once, and are then left alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from contract.operations import FINISH_SESSION
from contract.versions import has_operation
from fake_server.entries import Entry
from fake_server.history import History
from fake_server.rules.rule import Found, Rule

__all__ = ["SESSIONS"]

GAP_SECONDS = 120.0
"""Source: sdk 0.38.0 lib/internal_client_holder.py, which warns of its own silence from then on."""
BEAT_SECONDS = 10.0
"""Source: sdk 0.38.0 lib/internal_client_holder.py."""
LAST_BEAT_SECONDS = 15.0
"""Ours: each clone of a client beats once more, within 10 s, until it hears of the end by 410."""
WORK = frozenset(
    {
        "asample",
        "create_model",
        "create_sampling_session",
        "forward",
        "forward_backward",
        "load_weights",
        "optim_step",
        "save_weights",
        "save_weights_external",
        "save_weights_for_sampler",
    }
)


def _created(history: History) -> Mapping[str, Entry]:
    """The entries that opened a session, by its id."""
    return {
        entry.session_id: entry
        for entry in history
        if entry.operation == "create_session" and entry.status == 200 and entry.session_id
    }


def _finished(history: History) -> Mapping[str, Entry]:
    """The first end of each session."""
    ends: dict[str, Entry] = {}
    for entry in history:
        if entry.operation == "finish_session" and entry.session_id and entry.status < 400:
            ends.setdefault(entry.session_id, entry)
    return ends


def _of_sessions(history: History) -> Mapping[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in history:
        if entry.session_id:
            found[entry.session_id].append(entry)
    return found


def heartbeat_gap(history: History) -> Iterator[Found]:
    """A session whose client went on working, long after its last beat.

    One request after a long silence proves nothing, since the clock may have been moved by hand: there must
    be another one, at least a beat later, and still no beat.
    """
    opened, ends = _created(history), _finished(history)
    for session_id, entries in _of_sessions(history).items():
        if session_id not in opened:
            continue
        beat, overdue = opened[session_id], None
        for entry in entries:
            if session_id in ends and entry.number > ends[session_id].number:
                break
            if entry.operation == "session_heartbeat":
                beat, overdue = entry, None
            elif overdue is None and entry.lived_at - beat.lived_at > GAP_SECONDS:
                overdue = entry
            elif overdue is not None and entry.lived_at - overdue.lived_at >= BEAT_SECONDS:
                silence = entry.lived_at - beat.lived_at
                yield Found(f"{session_id} had no heartbeat for {silence:.0f} s", (beat, overdue, entry))
                break


def late_heartbeat(history: History) -> Iterator[Found]:
    """Beats of a session that its client has finished."""
    for session_id, end in _finished(history).items():
        late = [
            entry
            for entry in history
            if entry.operation == "session_heartbeat"
            and entry.session_id == session_id
            and entry.lived_at - end.lived_at > LAST_BEAT_SECONDS
        ]
        if late:
            since = late[-1].lived_at - end.lived_at
            yield Found(f"{session_id} was finished, and still beat {since:.0f} s later", (end, *late[:3]))


def late_work(history: History) -> Iterator[Found]:
    """Operations of a session that its client has finished."""
    for session_id, end in _finished(history).items():
        late = [
            entry
            for entry in history
            if entry.operation in WORK and entry.session_id == session_id and entry.number > end.number
        ]
        fresh = [entry for entry in late if _is_new(entry, history)]
        if fresh:
            yield Found(f"{session_id} was finished, and then {fresh[0].operation} came", (end, *fresh[:3]))


def _is_new(entry: Entry, history: History) -> bool:
    """Whether it is no replay of what was promised before."""
    return not entry.is_promise or history.promises[entry.request_id or ""][0] is entry


def leak(history: History) -> Iterator[Found]:
    """Sessions that nobody finished."""
    ends = _finished(history)
    for session_id, entry in _created(history).items():
        if session_id not in ends and has_operation(entry.exchange.sdk_version, FINISH_SESSION):
            yield Found(f"{session_id} was opened and, so far, not finished", (entry,))


SESSIONS = (
    Rule(
        "CLI-13",
        "warning",
        "heartbeat gap",
        "The server takes a silent client for dead: it ends the session and frees its models.",
        "beat every 10 s from a thread of its own, that neither training nor sampling can hold up",
        heartbeat_gap,
    ),
    Rule(
        "CLI-14",
        "warning",
        "heartbeat after finish",
        "A loop that goes on after the end goes on for ever; 410 is how the server says stop.",
        "stop the loop before the session is finished, and at the latest at 410",
        late_heartbeat,
    ),
    Rule(
        "CLI-15",
        "warning",
        "work after finish",
        "A finished session takes no more work; these operations were not done.",
        "finish a session once all that uses it has ended",
        late_work,
    ),
    Rule(
        "CLI-16",
        "note",
        "session never finished",
        "Until it expires it holds its models, and nobody can tell success from a crash.",
        "use the ServiceClient as a context manager, or call close() at the end",
        leak,
    ),
)
"""Rules 13 to 16."""
