"""`Controls`: what a test author holds of one tenant, beside what the API gives to everybody."""

from contextlib import suppress

from contract import ApiError
from fake_server.cassettes.deck import Deck
from fake_server.dashboard.counts import Counts
from fake_server.dashboard.curves import Curves
from fake_server.delivery import Delivery
from fake_server.doors import Doors
from fake_server.faults import Schedule
from fake_server.forks import Snapshots
from fake_server.injector import Injector
from fake_server.journal import Journal
from fake_server.service import Service
from fake_server.stubs import Stubs
from fake_server.tenants import Tenants
from fake_server.timekeeping import Timekeeper
from fake_server.verdict import Verdict

__all__ = ["Controls"]


class Controls:
    """All controls of one tenant. Attaching them is what turns them on."""

    def __init__(self, service: Service, tenants: Tenants, doors: Doors, faults: Schedule | None) -> None:
        self.service = service
        self.tenants = tenants
        """All tenants of the server."""
        self.journal = Journal(
            tenant=service.name,
            secrets=service.settings.auth.api_keys,
            now=lambda: service.clock.now(),
            find_outcome=self._outcome,
            open_exchanges=lambda: service.traffic,
        )
        self.clock = Timekeeper(service)
        self.delivery = Delivery(service)
        self.faults = Injector(service, doors)
        self.faults.add(faults or Schedule())
        self.cassettes = Deck(service)
        self.stubs = Stubs(service)
        self.snapshots = Snapshots(service, tenants)
        self.curves = Curves(service.futures)
        self.counts = Counts()
        service.traffic.observers += [self.journal.add, self.curves.add, self.counts.add]
        self.verdict = Verdict(self.journal.history)

    def _outcome(self, request_id: str) -> object:
        """The outcome of a future that can still be fetched, shown or not."""
        with self.service.lock, suppress(ApiError):
            return self.service.futures.get(request_id).outcome
        return None

    @property
    def unfired(self) -> list[str]:
        """What was asked for and never happened, in words."""
        delivery = [
            f"delivery {rule.model_dump_json(exclude_defaults=True)}" for rule in self.delivery.unfired
        ]
        return delivery + [f"fault {one}" for one in self.faults.unfired]

    def close(self) -> None:
        """The tenant ends."""
        self.faults.close()
