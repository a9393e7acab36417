"""The controls over HTTP: one table of all controls, each with its three faces."""

from fake_server.control_api.cassettes import CASSETTES
from fake_server.control_api.clock import CLOCK
from fake_server.control_api.control import Control
from fake_server.control_api.delivery import DELIVERY
from fake_server.control_api.faults import FAULTS
from fake_server.control_api.journal import JOURNAL
from fake_server.control_api.page import PAGE
from fake_server.control_api.snapshots import SNAPSHOTS
from fake_server.control_api.stubs import STUBS
from fake_server.control_api.verdict import VERDICT

__all__ = ["CONTROLS", "Control"]

CONTROLS: tuple[Control, ...] = (
    *CLOCK,
    *DELIVERY,
    *FAULTS,
    *JOURNAL,
    *VERDICT,
    *PAGE,
    *CASSETTES,
    *SNAPSHOTS,
    *STUBS,
)
