"""Rules of what goes beside the work: telemetry, and checkpoints that nobody wants."""

from collections.abc import Iterator

from fake_server.entries import Entry
from fake_server.history import History
from fake_server.rules.rule import Found, Rule

__all__ = ["REPORTS"]

BLOCKED_SECONDS = 2.0
"""Ours: so long nothing else was sent while telemetry was tried; a healthy server takes milliseconds."""
NEXT_SECONDS = 1.0
"""Ours: work that stops so shortly before and goes on so shortly after has waited for it."""
APART = frozenset({"session_heartbeat", "client_dynamic_config"})
"""What clients send from loops of their own, whatever else they do."""
SAVES = ("save_weights", "save_weights_for_sampler", "save_weights_external")


def blocking_telemetry(history: History) -> Iterator[Found]:
    """Telemetry that is slow, and work that stands still for as long."""
    others = [entry for entry in history if entry.operation not in APART]
    start = 0
    while start < len(others):
        end = start
        while end < len(others) and others[end].operation == "telemetry":
            end += 1
        if 0 < start < end < len(others):
            block, before, after = others[start:end], others[:start], others[end]
            began, ended = block[0].arrived_at, max(map(_end_of, block))
            still = not any(_end_of(entry) > began for entry in before)
            near = began - _end_of(before[-1]) <= NEXT_SECONDS and after.arrived_at - ended <= NEXT_SECONDS
            if still and near and ended - began >= BLOCKED_SECONDS and after.arrived_at >= ended:
                yield Found(
                    f"{after.operation} waited for {len(block)} telemetry requests, {ended - began:.1f} s",
                    (*block[:3], after),
                )
        start = end + 1


def _end_of(entry: Entry) -> float:
    return entry.arrived_at if entry.answered_at is None else entry.answered_at


def unused_checkpoint(history: History) -> Iterator[Found]:
    """Checkpoints that were saved and never named again."""
    last_named = {name: index for index, entry in enumerate(history) for name in _names(entry)}
    for index, entry in enumerate(history):
        if entry.operation not in SAVES or not entry.is_promise or not _is_first(entry, history):
            continue
        path = entry.outcome.get("path") if isinstance(entry.outcome, dict) else None
        if path and last_named.get(path, 0) <= index:
            yield Found(f"{path} was saved and not used", (entry,))


def _is_first(entry: Entry, history: History) -> bool:
    return history.promises[entry.request_id or ""][0] is entry


def _names(entry: Entry) -> set[str]:
    """The checkpoints that a request names, as paths."""
    fields = ("path", "model_path", "source_path", "tinker_path")
    names = {str(value) for field in fields if entry.operation not in SAVES and (value := entry.own(field))}
    run, segment, name = (entry.own(field) for field in ("training_run_id", "segment", "name"))
    if run and segment and name:
        names.add(f"tinker://{run}/{segment}/{name}")
    return names


REPORTS = (
    Rule(
        "CLI-17",
        "warning",
        "telemetry blocks training",
        "Reports are for the server's sake; a slow collector makes every step slow.",
        "send telemetry from a thread of its own, and drop it where it is not taken at once",
        blocking_telemetry,
    ),
    Rule(
        "CLI-18",
        "note",
        "checkpoint never used",
        "It costs storage. The last one of a run is often meant to stay.",
        "delete it, or give it a ttl_seconds",
        unused_checkpoint,
    ),
)
"""Rules 17 and 18."""
