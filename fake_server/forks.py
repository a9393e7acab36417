"""`Snapshots`: the snapshots of one tenant that are kept by name, and the tenants that begin at one."""

from itertools import count

from fake_server.clock import Clock, VirtualClock
from fake_server.service import Service
from fake_server.snapshots import Snapshot, restore, take
from fake_server.tenants import Tenants

__all__ = ["Snapshots"]

LONGEST_STEM = 48
"""Characters of a tenant's name that the names of its forks begin with."""


class Snapshots(dict[str, Snapshot]):
    """Snapshots by name, oldest first, and forks."""

    def __init__(self, service: Service, tenants: Tenants) -> None:
        super().__init__()
        self._service = service
        self._tenants = tenants
        self._forks = count(1)

    def fork(self, name: str | None = None, snapshot: Snapshot | None = None) -> str:
        """Begin a new tenant where this one is, or was; its name.

        It has the settings of this one, and a virtual clock of its own if this one has one.

        Raises:
            BadRequest: if an operation is under way and does not end, or the name cannot be.
        """
        begin = take(self._service) if snapshot is None else snapshot
        chosen = name or self.next_name()
        restore(self._tenants.add(chosen, self._service.settings, self.clock(begin)), begin)
        return chosen

    def next_name(self) -> str:
        """A name for the next fork."""
        return f"{self._service.name[:LONGEST_STEM]}-fork-{next(self._forks)}"

    def clock(self, begin: Snapshot) -> Clock:
        """A clock for a fork: a virtual one at the snapshot's time, or the machine's."""
        clock = self._service.clock
        if isinstance(clock, VirtualClock):
            return VirtualClock(begin.world.now, auto=clock.auto)
        return clock
