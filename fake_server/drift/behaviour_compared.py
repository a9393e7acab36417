"""How two releases took what a server answered: results as JSON, statuses, failures."""

from collections.abc import Iterator, Mapping

from contract.drift.change import Change, Severity
from fake_server.drift.program import NO_END
from fake_server.drift.recorder import Strike
from fake_server.drift.runs import Played

__all__ = ["common_steps", "kind_of", "outcome_changes", "strike_changes"]

NOT_TRIED = "not tried"
RESULTS = {"forward_backward": "forward_backward", "sample": "asample", "logprobs": "asample"}
"""Operations whose results may be protobuf, by the step that waits for one."""


def kind_of(outcome: str) -> str:
    """An outcome without what it says."""
    return outcome.partition(":")[0]


def common_steps(older: Played, newer: Played) -> list[str]:
    """Steps that both releases went through, in order."""
    return [step for step, outcome in older.outcomes.items() if outcome == newer.outcomes[step] == "ok"]


def outcome_changes(older: Mapping[str, Played], newer: Mapping[str, Played]) -> Iterator[Change | str]:
    """Steps that end otherwise; a text for what could not be compared."""
    for step, before in older["whole"].outcomes.items():
        after = newer["whole"].outcomes[step]
        if NO_END in (before, after) or any(each.startswith(NOT_TRIED) for each in (before, after)):
            yield f"step {step}: {before} -> {after}"
        elif before == "ok" and after not in ("ok", "absent"):
            text, advice = f"ok -> {after}", "Find out what it needs: it fails on a server of the contract."
            yield Change("breaking", f"step {step}", text, advice, seen=True)
        elif before not in ("ok", "absent") and after == "ok":
            yield Change("compatible", f"step {step}", f"{before} -> ok", "Nothing.", seen=True)
        elif "ok" not in (before, after) and (before, after) != ("absent", "absent"):
            yield f"step {step}: {before} -> {after}"
    for scene, compare in (("JSON results", _json_results), ("JSON requests", _json_requests)):
        endless = [
            step for side in (older, newer) for step, end in side[scene].outcomes.items() if end == NO_END
        ]
        if endless:
            yield f"{scene}: no end of {', '.join(endless)}"
        else:
            yield from compare(older[scene], newer[scene])


def _json_results(older: Played, newer: Played) -> Iterator[Change]:
    refused, taken = [], []
    for step, operation in RESULTS.items():
        before, after = older.outcomes[step], newer.outcomes[step]
        if before == "ok" and after != "ok":
            refused.append((operation, after))
        elif before != "ok" and after == "ok":
            taken.append(operation)
    if refused:
        names = tuple(dict.fromkeys(name for name, _ in refused))
        text = f"JSON is taken -> refused, {kind_of(refused[0][1])}"
        advice = "Answer results of these operations as application/x-protobuf."
        yield Change("breaking", "results", text, advice, (*names, "retrieve_future"), ("protobuf",), True)
    if taken:
        text = "JSON is refused -> taken"
        yield Change("additive", "results", text, "Nothing.", tuple(taken), ("protobuf",), True)


def _json_requests(older: Played, newer: Played) -> Iterator[Change]:
    step = "forward_backward"
    before, after = older.outcomes[step], newer.outcomes[step]
    if kind_of(before) == kind_of(after):
        return
    types = [
        " or ".join(sorted({each.media_type for each in played.sent if each.operation == step}))
        for played in (older, newer)
    ]
    severity: Severity = "breaking" if before == "ok" else "additive"
    advice = "Read bodies of both types." if before == "ok" else "Keep reading both types."
    text = f"{types[0]} -> {types[1]}"
    yield Change(severity, f"requests of {step}", text, advice, (step,), ("protobuf",), True)


def strike_changes(
    older: Played, newer: Played, strikes: Mapping[str, Strike], place: str
) -> Iterator[Change | str]:
    """Statuses and outcomes of polls that are treated otherwise; a text for what could not be compared."""
    for step, strike in strikes.items():
        sides = [(kind_of(played.outcomes[step]), played.tries.get(step, 0)) for played in (older, newer)]
        lost = [outcome for outcome, tries in sides if tries == 0 or outcome == NO_END]
        if lost:
            yield f"{place}, {step}: no answer to what was done ({' -> '.join(lost)})"
        elif sides[0] != sides[1]:
            yield _strike(step, strike, sides, place)


def _strike(step: str, strike: Strike, sides: list[tuple[str, int]], place: str) -> Change:
    what = step.partition(" ")[2]
    (before, _), (after, _) = sides
    told = [f"{'repeated, ' if tries > 1 else ''}{outcome}" for outcome, tries in sides]
    name = f"status {what}" if what.isdecimal() else what
    if before == "ok" and after != "ok":
        severity: Severity = "breaking"
        advice = f"Do not answer {name} to what shall go on."
    elif sides[0][1] != sides[1][1]:
        severity, advice = "additive", "Expect another number of requests after it."
    else:
        severity, advice = "compatible", "Nothing: programs see another error."
    words = (what,) if what.isdecimal() else ()
    text = " -> ".join(told)
    return Change(severity, f"{name}, answered to a {place}", text, advice, (strike.operation,), words, True)
