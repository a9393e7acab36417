"""`Hazards`: what may go wrong in a case, as a value; and the worlds in which it does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contract import ClientConfigResponse
from fake_server.client_fuzzing.fates import FATES
from fake_server.settings import AuthSettings, Settings

__all__ = ["PLAIN", "TOKENS", "WORLDS", "Hazards"]

PLAIN, TOKENS = "plain", "tokens"
GAP_SECONDS = 0.5
"""Ours: what comes after an operation that was lost for good fails soon."""
TOKEN_SECONDS = 90.0
"""Ours: shorter than the longest waits of a case."""
ORDINARY = Settings(gap_timeout_seconds=GAP_SECONDS)
WORLDS: Mapping[str, Settings] = {
    PLAIN: ORDINARY,
    TOKENS: replace(
        ORDINARY,
        auth=AuthSettings(token_seconds=TOKEN_SECONDS),
        client_config=ClientConfigResponse(pjwt_auth_enabled=True),
    ),
    "sizes": replace(ORDINARY, inline_result_bytes=16),
}
"""Servers that clients must get on with: one as usual, one that wants tokens, one that tells sizes first."""


@dataclass(frozen=True, slots=True)
class Hazards:
    """What a case is drawn from. By default what every client can be tried with, in real time."""

    faults: tuple[str, ...] = tuple(FATES)
    """Kinds, keys of `fake_server.client_fuzzing.fates.FATES`."""
    most_faults: int = 3
    """Of one case."""
    most_times: int = 3
    """How many calls in a row a fault strikes at most."""
    rewrites: tuple[str, ...] = ()
    """Ways to answer otherwise, keys of `fake_server.client_fuzzing.rewrites.REWRITES`."""
    worlds: tuple[str, ...] = (PLAIN,)
    """Keys of `WORLDS`, the simplest first."""
    long: bool = False
    """Whether there are waits of minutes: where the client's time is the world's, and virtual."""
    starts: bool = False
    """Whether the client begins anew with each program, so that its start may be struck, too."""
