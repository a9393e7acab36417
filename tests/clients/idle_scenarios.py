"""Scenarios that notice no mutant, each with the reason why there is none."""

__all__ = ["IDLE_SCENARIOS"]

IDLE_SCENARIOS: dict[str, str] = {
    "SCN-77": "this client sends one request at a time, so that none of its samples can come before another",
    "SCN-84": "this client cuts no batches into chunks",
}
