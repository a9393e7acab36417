"""Laws of sessions as a list, of their search, and of what clients tell of themselves."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_equal, expect_final, expect_status
from contract.laws.law import Lawbook
from contract.laws.session_end_laws import finish
from contract.laws.session_laws import beat
from contract.laws.subject import Subject
from contract.sessions import ListSessionsResponse, SessionSearchResponse, SessionSummary, TraceExportResponse

__all__ = ["SESSION_LIST_LAWS"]

SESSION_LIST_LAWS = Lawbook()
law = SESSION_LIST_LAWS.law
LISTS = "sdk 0.38.0 lib/public_interfaces/rest_client.py"
TELEMETRY = "sdk 0.38.0 lib/telemetry.py"
SEARCH = ("session search",)
MOST_PAGES = 100
WORDS = count(1)


def page(s: Subject, limit: int, offset: int = 0) -> list[str]:
    """One page of the list."""
    return s.typed("list_sessions", {"limit": limit, "offset": offset}, ListSessionsResponse).sessions


def found(s: Subject, **query: Any) -> SessionSearchResponse:
    """One page of a search."""
    return s.typed("search_sessions", query, SessionSearchResponse)


def only(s: Subject, session_id: str) -> SessionSummary:
    """What a search says of one session."""
    sessions = found(s, session_id=session_id).sessions
    expect_equal([one.session_id for one in sessions], [session_id], "sessions found by one id")
    return sessions[0]


def marked(s: Subject, number: int = 1) -> tuple[dict[str, str], list[str]]:
    """New sessions that share a pair of metadata which no other session has; the pair, and their ids."""
    mark = {"laws": f"{s.session()}-{next(WORDS)}"}
    return mark, [s.session(user_metadata=mark) for _ in range(number)]


@law(
    "SES-40",
    "A new session is in the list of sessions.",
    source=LISTS,
    needs=("sessions list",),
    since="0.5.0",
    breaks="lists the sessions that have ended, or those of the first page for ever.",
)
def is_listed(s: Subject) -> None:
    session = s.session()
    turned, there = 0, False
    while not there and turned < MOST_PAGES:
        ids = page(s, 100, 100 * turned)
        turned, there = (turned + 1 if ids else MOST_PAGES), session in ids
    expect(there, f"list_sessions: expected {session!r} in it, got all pages without it")


@law(
    "SES-41",
    "A page has no more sessions than its limit, and the next page has others.",
    source=LISTS,
    needs=("sessions list",),
    since="0.5.0",
    breaks="ignores limit or offset: a client that turns pages never comes to an end.",
)
def pages(s: Subject) -> None:
    for _ in range(4):
        s.session()
    first, second = page(s, 2), page(s, 2, 2)
    expect_equal((len(first), len(second)), (2, 2), "sessions of two pages of 2")
    expect_equal(len({*first, *second}), 4, "different sessions of two pages of 2")


@law(
    "SES-42",
    "A page behind the last session is empty.",
    source=LISTS,
    needs=("sessions list",),
    since="0.5.0",
    breaks="answers 404, or the last page again.",
)
def page_behind_the_end(s: Subject) -> None:
    expect_equal(page(s, 20, 10**6), [], "the page from 1,000,000 on")


@law(
    "SES-43",
    "A search by its id finds a session.",
    source=LISTS,
    needs=SEARCH,
    since="0.36.0",
    breaks="finds it later than its client looks, or all sessions.",
)
def search_by_id(s: Subject) -> None:
    s.session(), only(s, s.session())


@law(
    "SES-44",
    "A search by metadata finds the sessions that have all the pairs, and no others.",
    source=LISTS,
    needs=SEARCH,
    since="0.36.0",
    breaks="finds sessions that have one of the pairs, or the key alone.",
)
def search_by_metadata(s: Subject) -> None:
    mark, ids = marked(s, 2)
    both = s.session(user_metadata={**mark, "more": "1"})
    expect_equal(
        {one.session_id for one in found(s, user_metadata=mark).sessions}, {*ids, both}, "found by one pair"
    )
    by_two = found(s, user_metadata={**mark, "more": "1"}).sessions
    expect_equal([one.session_id for one in by_two], [both], "found by two pairs")


@law(
    "SES-45",
    "A search that matches nothing is answered by an empty page, without a cursor.",
    source=LISTS,
    needs=SEARCH,
    since="0.36.0",
    breaks="answers 404, or everything.",
)
def search_of_nothing(s: Subject) -> None:
    answer = found(s, user_metadata={"laws": "a value that no session has"})
    expect_equal((answer.sessions, answer.next_cursor), ([], None), "sessions and cursor")


@law(
    "SES-46",
    "A search shows a session as active, and after its end the reason that its client gave first.",
    source="sdk 0.38.0 types/session_status.py",
    needs=(*SEARCH, "session end"),
    since="0.36.0",
    breaks="lets a later end overwrite the first, or never shows one.",
)
def search_shows_the_end(s: Subject) -> None:
    session = s.session()
    open_ = only(s, session)
    expect(open_.status is None or open_.status.type == "active", f"status: expected active, got {open_}")
    finish(s, session, "errored", "the first end"), finish(s, session, "success")
    ended = only(s, session)
    shown = ended.status.model_dump(mode="json") if ended.status else {}
    expect_equal(shown.get("type"), "client_finished", "status after the end")
    expect_equal((shown["reason"]["type"], shown["detail"]), ("errored", "the first end"), "reason")


@law(
    "SES-47",
    "A search by state finds the sessions that are in it.",
    source="sdk 0.38.0 types/session_status.py",
    needs=(*SEARCH, "session end"),
    since="0.36.0",
    breaks="ignores the state: who looks for runs that go on finds all that ever were.",
)
def search_by_state(s: Subject) -> None:
    mark, (going, ended) = marked(s, 2)
    finish(s, ended)
    for state, expected in (("active", going), ("client_finished", ended)):
        answer = found(s, user_metadata=mark, statuses=[{"type": state}])
        expect_equal([one.session_id for one in answer.sessions], [expected], f"found as {state}")


@law(
    "SES-48",
    "The pages of a search have each session once, and the last one has no cursor.",
    source=LISTS,
    needs=SEARCH,
    since="0.36.0",
    breaks="gives a cursor for ever, or loses sessions of one moment between two pages.",
)
def search_pages(s: Subject) -> None:
    mark, ids = marked(s, 5)
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        query = {"user_metadata": mark, "limit": 2, **({"cursor": cursor} if cursor else {})}
        answer = found(s, **query)
        seen += [one.session_id for one in answer.sessions]
        cursor = answer.next_cursor.model_dump(mode="json") if answer.next_cursor else None
    expect_equal(sorted(seen), sorted(ids), "sessions of three pages of 2")
    expect_equal(cursor, None, "cursor of the last page")


@law(
    "SES-49",
    "A search has the session's name and metadata in what it finds.",
    source="sdk 0.38.0 types/session_status.py",
    needs=SEARCH,
    since="0.36.0",
    breaks="leaves them out: the list is one of ids.",
)
def search_tells(s: Subject) -> None:
    session = s.session(user_metadata={"run": "7"}, display_name="ablation of the laws")
    told = only(s, session)
    expect_equal(
        (told.user_metadata, told.display_name), ({"run": "7"}, "ablation of the laws"), "what it has"
    )


@law(
    "SES-50",
    "A search by words of its name finds a session, in any case of letters.",
    source=LISTS,
    needs=SEARCH,
    since="0.36.0",
    breaks="wants the whole name, letter by letter.",
)
def search_by_name(s: Subject) -> None:
    mark, _ = marked(s)
    session = s.session(user_metadata=mark, display_name="Ablation of the Laws")
    answer = found(s, user_metadata=mark, display_name="laws ablation")
    expect_equal([one.session_id for one in answer.sessions], [session], "found by two words")


@law(
    "SES-51",
    "A trace is pending, failed, or ready and then has a URL.",
    source=LISTS,
    needs=("trace export",),
    since="0.24.0",
    breaks="says ready without a URL: the command line stops with an assertion.",
)
def trace_has_a_url(s: Subject) -> None:
    told = s.typed("export_trace", {"session_id": s.session()}, TraceExportResponse)
    expect(told.status != "ready" or told.url, f"a trace that is ready: expected a URL, got {told}")


def events(session_id: str, *kinds: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A batch of telemetry, as clients send it."""
    head = {"severity": "INFO", "timestamp": datetime.now(UTC).isoformat()}
    numbered = [
        {**head, "event_id": f"00000000-0000-4000-8000-{n:012}", "event_session_index": n, **kind}
        for n, kind in enumerate(kinds)
    ]
    client = {"platform": "Linux", "sdk_version": "0.38.0", "process_uuid": session_id}
    return {"events": numbered, "session_id": session_id, **client, **fields}


def report(s: Subject, batch: dict[str, Any]) -> Reply:
    """Send a batch."""
    return s.driver.call("telemetry", batch)


END = {"event": "SESSION_END", "duration": "PT5S"}
ALL_KINDS = (
    {"event": "SESSION_START"},
    {"event": "GENERIC_EVENT", "event_name": "law", "event_data": {"nested": {"list": [1, None, "ü"]}}},
    {"event": "UNHANDLED_EXCEPTION", "error_type": "ValueError", "error_message": "no", "traceback": "…"},
    END,
)


@law(
    "SES-60",
    "Telemetry is accepted, all kinds of events and none, in these words: status, accepted.",
    source=f"{TELEMETRY}, types/telemetry_response.py",
    needs=("telemetry",),
    breaks="answers an empty body or other words: the SDK takes each batch for an error of the API.",
)
def accepted(s: Subject) -> None:
    session = s.session()
    for batch in (events(session, *ALL_KINDS), events(session)):
        reply = report(s, batch)
        expect_status(reply, 200, what="telemetry")
        expect_equal(reply.json, {"status": "accepted"}, "the answer to telemetry")


@law(
    "SES-61",
    "Telemetry fails fast where it is not there: never by a status that SDKs repeat.",
    source=f"{TELEMETRY}: users see their own exception after the batch was sent, for up to 30 s",
    breaks="answers 5xx: every exception of a user's program is shown half a minute late.",
)
def fails_fast(s: Subject) -> None:
    for batch in (events(s.session(), *ALL_KINDS), {"events": "nonsense"}):
        expect_final(report(s, batch), "telemetry")


@law(
    "SES-62",
    "Telemetry that says SESSION_END ends no session.",
    source=f"{TELEMETRY}: it is sent with each exception that is caught",
    breaks="takes it for the end: a run that caught an exception loses its model.",
)
def end_event_is_no_end(s: Subject) -> None:
    session = s.session()
    model = s.model(session)
    report(s, events(session, END))
    expect_status(beat(s, session), 200, 204, what="heartbeat after a SESSION_END event")
    model.train([s.datum()])


@law(
    "SES-63",
    "Telemetry of a client without a session, or of one that is not there, is accepted as any other.",
    source=f"{TELEMETRY}: sessionless-<uuid>",
    needs=("telemetry",),
    breaks="looks the session up: commands that open none are told of an error.",
)
def sessionless(s: Subject) -> None:
    reply = report(s, events("sessionless-00000000-0000-4000-8000-000000000001", {"event": "SESSION_START"}))
    expect_status(reply, 200, what="telemetry of a client without a session")


@law(
    "SES-64",
    "A hundred events come in one batch.",
    source=f"{TELEMETRY}: the most of a batch",
    needs=("telemetry",),
    breaks="limits the body below what clients send.",
)
def full_batch(s: Subject) -> None:
    event = {"event": "GENERIC_EVENT", "event_name": "law", "event_data": {"text": "x" * 500}}
    expect_status(report(s, events(s.session(), *[event] * 100)), 200, what="telemetry of 100 events")
