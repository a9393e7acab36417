"""Scenarios that notice no mutant, each with the reason why there is none."""

__all__ = ["IDLE_SCENARIOS"]

IDLE_SCENARIOS: dict[str, str] = {}
