"""Snapshots, forks and restores of a tenant with 1,000 objects, in process."""

import time
from collections.abc import Callable
from statistics import median

from benchmarks.figure import Figure, Target, below
from contract import AdamOptimizerConfig, LoraConfig
from fake_server.app import create_app
from fake_server.running import find_backend
from fake_server.service import Service
from fake_server.snapshots import Snapshot, restore, take
from fake_server.store import CheckpointRecord

__all__ = ["measure"]

SESSIONS, MODELS, CHECKPOINTS = 100, 100, 800
BASE_MODEL = "tinkerproof/pico"


def measure(calls: int = 50) -> list[Figure]:
    """Milliseconds of one call, in the median."""
    app = create_app(find_backend("scripted"), control=True)
    service: Service = app.state.tenants.get()
    _fill(service)
    assert service.controls is not None
    kept = service.controls.snapshots
    snapshot = take(service)
    content = snapshot.to_bytes()
    loaded = Snapshot.of_bytes(content)
    few = max(1, calls // 10)
    return [
        _figure("fork", lambda: kept.fork("fork"), calls, below(1)),
        _figure("restore", lambda: restore(service, snapshot), calls, below(5)),
        _figure("to a file's bytes", snapshot.to_bytes, few),
        _figure("from a file's bytes", lambda: Snapshot.of_bytes(content), few),
        _figure("restore from a file", lambda: restore(service, loaded), few),
    ]


def _fill(service: Service) -> None:
    lora, adam = LoraConfig(rank=8), AdamOptimizerConfig()
    for number in range(SESSIONS):
        service.open_implicit_session(f"s{number}")
    for number in range(MODELS):
        service.backend.create_model(f"m{number}", BASE_MODEL, lora, adam)
    for number in range(CHECKPOINTS):
        weights = service.backend.save_weights(f"m{number % MODELS}", optimizer=True)
        record = CheckpointRecord(
            "run", "training", str(number), 0.0, None, weights, BASE_MODEL, lora, adam, "s0"
        )
        service.store.checkpoints.put(record.path, record)


def _figure(what: str, call: Callable[[], object], calls: int, *targets: Target) -> Figure:
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    objects = SESSIONS + MODELS + CHECKPOINTS
    return Figure(f"snapshot of {objects:,} objects, {what}", median(times), "ms", targets)
