"""The scenarios as a catalogue: chosen by patterns, found by id, explained, listed."""

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

from fake_server.scenarios.scenario import CLEAN, PHASES, Scenario

__all__ = ["ENDS", "chosen", "explained", "scenario_named", "scenario_rows"]

HEAD = ("scenario", "what happens", "phase", "a right client ends", "source")
ENDS = {
    "well": "with status 0",
    "badly": "with another status, and says why",
    "either": "with status 0 once it has repaired it, or with another, and says why",
}


def chosen(scenarios: Mapping[str, Scenario], patterns: Iterable[str]) -> list[Scenario]:
    """Those that patterns name, in order, and the clean one; all where there is no pattern.

    Args:
        scenarios: by id.
        patterns: ids, phases, or patterns of ids with `*` and `?`, in any case.

    Raises:
        LookupError: for a pattern that names none, with the nearest ids.
    """
    wanted = list(patterns)
    for pattern in wanted:
        if not any(_names(pattern, one) for one in scenarios.values()):
            raise LookupError(
                f"scenario: expected an id, a phase or a pattern, got {pattern!r}; "
                f"{_near(scenarios, pattern)}"
            )
    return [
        one
        for one in scenarios.values()
        if not wanted or one.id == CLEAN or any(_names(pattern, one) for pattern in wanted)
    ]


def _names(pattern: str, scenario: Scenario) -> bool:
    return pattern.lower() == scenario.phase or fnmatchcase(scenario.id, pattern.upper())


def scenario_named(scenarios: Mapping[str, Scenario], scenario_id: str) -> Scenario:
    """The scenario of an id, in any case.

    Raises:
        LookupError: with the nearest ids.
    """
    if (found := scenarios.get(scenario_id.upper())) is None:
        near = _near(scenarios, scenario_id)
        raise LookupError(f"scenario: expected an id, got {scenario_id!r}; {near}")
    return found


def _near(scenarios: Mapping[str, Scenario], name: str) -> str:
    near = get_close_matches(name.upper(), scenarios, n=5)
    return f"near ones are {', '.join(near)}" if near else f"phases are {', '.join(PHASES)}"


def scenario_rows(scenarios: Iterable[Scenario]) -> list[tuple[str, ...]]:
    """A row for each scenario, with a head."""
    return [HEAD, *((one.id, one.statement, one.phase, ENDS[one.ends], one.source) for one in scenarios)]


def explained(scenario: Scenario) -> str:
    """All that is known of a scenario, with the source code of what sets it up."""
    told = {
        "phase": PHASES[scenario.phase],
        "source": scenario.source,
        "usually": scenario.breaks,
        "ends": ENDS[scenario.ends],
        "says": " or ".join(map(repr, scenario.says)),
    }
    lines = [f"{name:8}{text}" for name, text in told.items() if text]
    text = inspect.getsource(scenario.prepare).rstrip()
    return "\n".join([f"{scenario.id}  {scenario.statement}", "", *lines, "", text[text.index("def ") :]])
