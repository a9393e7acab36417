"""A feature: what a release may have, and a short use of it that can fail."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.sdk.matrix.world import World

__all__ = ["AREAS", "Feature", "feature", "in_order"]

AREAS = ("service", "training", "losses", "weights", "sampling", "REST", "flags", "command line")
"""In the order in which a life goes through them."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A row of the table of compatibility."""

    area: str
    name: str
    needs: tuple[str, ...]
    """What a release must offer to have it; see `offers.has`."""
    use: Callable[[World], None]
    once: bool
    """Whether it is not used a second time in coroutines."""

    @property
    def key(self) -> str:
        """Area and name."""
        return f"{self.area}: {self.name}"


FEATURES: list[Feature] = []


def feature(
    area: str, name: str, *needs: str, once: bool = False
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Register a use of a feature."""

    def register(use: Callable[[World], None]) -> Callable[[World], None]:
        FEATURES.append(Feature(area, name, needs, use, once))
        return use

    return register


def in_order() -> list[Feature]:
    """All registered features, by area."""
    return sorted(FEATURES, key=lambda found: AREAS.index(found.area))
