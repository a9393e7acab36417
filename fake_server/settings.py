"""How a server behaves, read once and handed down."""

from dataclasses import dataclass, field

from contract import ClientConfigResponse, ClientDynamicConfigResponse

__all__ = ["AuthSettings", "Settings"]


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who may call."""

    api_keys: tuple[str, ...] = ()
    """Accepted keys; empty means every key that starts with `tml-`."""
    anybody: bool = False
    """Whether every credential is accepted, tokens of other servers too, and none is asked for."""
    token_seconds: float = 3600.0
    """Life of an exchanged token, where `client_config.pjwt_auth_enabled` is set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and times. Where no source is named the value is ours."""

    seed: int = 0
    """Every id and every number derives from it."""
    auth: AuthSettings = field(default_factory=AuthSettings)
    client_config: ClientConfigResponse = field(default_factory=ClientConfigResponse)
    """Flags for clients that start."""
    dynamic_config: ClientDynamicConfigResponse = field(default_factory=ClientDynamicConfigResponse)
    """Flags for clients that run."""
    long_poll_seconds: float = 30.0
    """Longest wait of a poll. Source: sdk 0.38.0 lib/session_futures_poller.py."""
    future_ttl_seconds: float = 3600.0
    """How long a result can be fetched, from when it shows."""
    gap_timeout_seconds: float = 60.0
    """How long operations wait for a missing number before them."""
    heartbeat_timeout_seconds: float = 300.0
    """A session ends after that long without a sign of life: 30 beats of 10 s missed."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Largest body, as sent and decompressed; clients send up to 5 MB and one datum."""
    inline_result_bytes: int = 8 * 1024 * 1024
    """Results above it are answered by their size where the client allows that."""
