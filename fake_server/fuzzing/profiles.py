"""`Profile`: how much is tried."""

from dataclasses import dataclass

__all__ = ["PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How much of a server is tried."""

    examples: int
    """Requests of each operation."""
    flows: int
    """Sequences of operations."""
    steps: int
    """Most operations of a sequence."""
    patience: float = 10.0
    """Seconds that a future may take."""


PROFILES = {
    "quick": Profile(examples=25, flows=10, steps=10),
    "ci": Profile(examples=60, flows=30, steps=15),
    "nightly": Profile(examples=500, flows=300, steps=25),
}
"""Source: ours: on a laptop half a minute, two minutes and a quarter of an hour."""
