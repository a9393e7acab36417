"""How often what was asked and answered: counts that outlive the journal's entries."""

from collections import Counter

from fake_server.traffic import Exchange

__all__ = ["Counts"]


class Counts:
    """Counts of a tenant's exchanges, an observer of its traffic. A cleared journal does not clear them."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        """By operation and status; 0 where no answer was sent."""
        self.faults: Counter[str] = Counter()
        """By what was done to the exchange."""

    def add(self, exchange: Exchange) -> None:
        """Count one that is over."""
        self.answers[exchange.operation, exchange.status] += 1
        self.faults.update(exchange.faults)
