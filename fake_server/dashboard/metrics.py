"""Prometheus metrics: what the journal counts, and what there is now."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from fake_server.controls import Controls
from fake_server.dashboard.overview import future_state

__all__ = ["MEDIA_TYPE", "exposition"]

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Tenants(Collector):
    """Reads its numbers off the tenants whenever it is asked."""

    def __init__(self, tenants: Iterable[Controls]) -> None:
        self._tenants = list(tenants)

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield from self._counters()
        yield from self._gauges()

    def _counters(self) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            "tinkerproof_requests", "Requests answered.", labels=("tenant", "operation", "status")
        )
        struck = CounterMetricFamily("tinkerproof_faults", "Faults that struck.", labels=("tenant", "fault"))
        for controls in self._tenants:
            name = controls.service.name
            for (operation, status), number in sorted(controls.counts.answers.items()):
                asked.add_metric((name, operation, str(status)), number)
            for fault, number in sorted(controls.counts.faults.items()):
                struck.add_metric((name, fault), number)
        yield from (asked, struck)

    def _gauges(self) -> Iterator[Metric]:
        things = GaugeMetricFamily("tinkerproof_records", "What there is.", labels=("tenant", "kind"))
        futures = GaugeMetricFamily("tinkerproof_futures", "Futures by state.", labels=("tenant", "state"))
        for controls in self._tenants:
            service = controls.service
            with service.lock:
                store = service.store
                sizes = {
                    "sessions": len(store.sessions),
                    "models": len(store.models),
                    "checkpoints": len(store.checkpoints),
                }
                states = Counter(map(future_state, service.futures))
            for kind, size in sizes.items():
                things.add_metric((service.name, kind), size)
            things.add_metric((service.name, "open_requests"), len(list(service.traffic)))
            for state, number in sorted(states.items()):
                futures.add_metric((service.name, state), number)
        yield from (things, futures)


def exposition(tenants: Iterable[Controls]) -> bytes:
    """The metrics of some tenants, as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Tenants(tenants))
    return generate_latest(registry)
