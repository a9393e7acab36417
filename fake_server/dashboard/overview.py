"""What a tenant has, as the page shows it."""

from collections import Counter
from itertools import islice
from typing import Any

from fake_server.clock import VirtualClock
from fake_server.controls import Controls
from fake_server.futures import Future
from fake_server.service import Service
from fake_server.store import CheckpointRecord, ModelRecord, SessionRecord
from fake_server.traffic import Exchange

__all__ = ["future_state", "overview", "rows"]

MOST_SHOWN = 200
"""Ours: of a kind, the newest; the count tells of the rest."""


def overview(controls: Controls) -> dict[str, Any]:
    """All but the journal; JSON values."""
    service = controls.service
    with service.lock:
        futures = list(service.futures)
        waiting = [future for future in futures if not future.read]
        store = service.store
        return {
            "tenant": service.name,
            "tenants": [_tenant(other) for other in controls.tenants],
            "now": service.clock.now(),
            "virtual": isinstance(service.clock, VirtualClock),
            "seed": service.settings.seed,
            "sessions": [_session(service, row) for row in list(store.sessions)[-MOST_SHOWN:]],
            "models": [_model(controls, row) for row in list(store.models)[-MOST_SHOWN:]],
            "checkpoints": [_checkpoint(row) for row in list(store.checkpoints)[-MOST_SHOWN:]],
            "futures": [_future(future) for future in waiting[-MOST_SHOWN:]],
            "future_counts": dict(Counter(map(future_state, futures))),
            "open": [_open(exchange) for exchange in service.traffic],
            "counts": {
                "sessions": len(store.sessions),
                "models": len(store.models),
                "checkpoints": len(store.checkpoints),
                "entries": controls.journal.total,
            },
        }


def _tenant(service: Service) -> dict[str, Any]:
    entries = service.controls.journal.total if service.controls else 0
    return {"name": service.name, "sessions": len(service.store.sessions), "entries": entries}


def _session(service: Service, row: SessionRecord) -> dict[str, Any]:
    status = service.status_of(row)
    return {
        "id": row.session_id,
        "status": status.type,
        "sdk_version": row.sdk_version,
        "created_at": row.created_at,
        "seen_at": row.seen_at,
    }


def _model(controls: Controls, row: ModelRecord) -> dict[str, Any]:
    return {
        "id": row.model_id,
        "base_model": row.base_model,
        "rank": row.lora.rank,
        "loaded": row.loaded,
        "next_seq_id": controls.service.lanes.next_seq_id(row.model_id),
        "loss": controls.curves.of(row.model_id),
    }


def _checkpoint(row: CheckpointRecord) -> dict[str, Any]:
    return {
        "id": row.path,
        "type": row.checkpoint_type,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }


def _future(future: Future) -> dict[str, Any]:
    return {
        "id": future.request_id,
        "operation": future.operation,
        "owner": future.owner,
        "seq_id": future.seq_id,
        "state": future_state(future),
        "created_at": future.created_at,
    }


def future_state(future: Future) -> str:
    """One word for how far it is."""
    if future.outcome is None:
        return "waiting"
    if not future.released:
        return "held"
    if future.failed:
        return "failed"
    return "read" if future.read else "ready"


def _open(exchange: Exchange) -> dict[str, Any]:
    return {
        "number": exchange.number,
        "operation": exchange.operation,
        "since": exchange.arrived_at,
        "until": exchange.parked_until,
    }


def rows(controls: Controls, position: int) -> list[list[Any]]:
    """The journal's entries from a position on, without their bodies: what a list shows.

    Args:
        controls: of the tenant.
        position: how many of the journal's `total` are known.
    """
    journal = controls.journal
    dropped = journal.total - len(journal)
    return [_row(entry) for entry in islice(journal, max(0, position - dropped), None)]


def _row(entry: Exchange) -> list[Any]:
    request = entry.request
    owner = getattr(request, "model_id", None) or getattr(request, "sampling_session_id", None)
    owner = owner or getattr(request, "session_id", None) or getattr(request, "request_id", None) or ""
    seq_id = getattr(request, "seq_id", None)
    at = [entry.arrived_at, entry.answered_at]
    return [entry.number, entry.operation, entry.status, *at, entry.faults, str(owner), seq_id]
