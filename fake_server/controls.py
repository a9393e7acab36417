"""`Controls`: what a test author holds of one tenant, beside what the API gives to everybody."""

from fake_server.journal import Journal
from fake_server.service import Service

__all__ = ["Controls"]


class Controls:
    """All controls of one tenant. Attaching them is what turns them on."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.journal = Journal()
        service.traffic.observers.append(self.journal.add)
