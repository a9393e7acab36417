"""The rules by which a client is judged, each read from the journal; one file per subject."""

from fake_server.rules.futures import FUTURES
from fake_server.rules.protocol import PROTOCOL
from fake_server.rules.reports import REPORTS
from fake_server.rules.retries import RETRIES
from fake_server.rules.rule import Rule
from fake_server.rules.sessions import SESSIONS
from fake_server.rules.training import TRAINING

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (*TRAINING, *RETRIES, *FUTURES, *SESSIONS, *REPORTS, *PROTOCOL)
