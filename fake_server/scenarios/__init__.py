"""Scenarios for clients: what may go wrong, tried on any command, and what a right client makes of it."""

from fake_server.scenarios.answer_scenarios import ANSWERS
from fake_server.scenarios.life_scenarios import LIFE
from fake_server.scenarios.poll_scenarios import POLLS
from fake_server.scenarios.sampling_scenarios import SAMPLING
from fake_server.scenarios.scenario import CLEAN, GROUPS, PHASES, Scenario
from fake_server.scenarios.start_scenarios import START
from fake_server.scenarios.training_scenarios import PASSES, STEPS
from fake_server.scenarios.weight_scenarios import WEIGHTS

__all__ = ["CLEAN", "GROUPS", "PHASES", "SCENARIOS", "Scenario"]

SCENARIOS: dict[str, Scenario] = {
    one.id: one for book in (START, PASSES, STEPS, POLLS, ANSWERS, WEIGHTS, SAMPLING, LIFE) for one in book
}
"""All of them, by id, in their order."""
