"""Clients under random programs and random faults: `ClientFuzz`, its `cases()`, and a player of the SDK.

Needs the extra `fuzz`; nobody imports this at module level but its users.
"""

from fake_server.client_fuzzing.case import Case, Finding, batches, cases
from fake_server.client_fuzzing.fuzz import ClientFuzz, Found, Hunted, hunt
from fake_server.client_fuzzing.hazards import Hazards
from fake_server.client_fuzzing.player import Hang, Heard, Player
from fake_server.client_fuzzing.sdk_player import SdkPlayer
from fake_server.client_fuzzing.tally import Tally

__all__ = [
    "Case",
    "ClientFuzz",
    "Finding",
    "Found",
    "Hang",
    "Hazards",
    "Heard",
    "Hunted",
    "Player",
    "SdkPlayer",
    "Tally",
    "batches",
    "cases",
    "hunt",
]
