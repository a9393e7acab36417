"""`Take`: one recorded exchange under its own ids; and what order and names a cassette gives to many."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from contract import model_id_of, sampling_session_id_of
from fake_server.cassettes.references import reference

__all__ = ["CONFIGURATION", "Names", "Take", "in_order", "numbered"]

CONFIGURATION = ("client_config", "client_dynamic_config")
"""Asked for again and again; one answer of each is kept."""
NUMBERS = ("seq_id", "model_seq_id", "sampling_session_seq_id", "custom_loss_seq_id")
CLONE_BLOCK = 1_000_000_000
"""Numbers per client of a sampler. Source: sdk 0.38.0 lib/public_interfaces/sampling_client.py."""


@dataclass(slots=True, eq=False)
class Take:
    """A request and what came of it so far."""

    arrival: int
    operation: str
    request: Any
    status: int
    answer: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    outcome: Any = None
    refusal: Any = None
    pending: list[Any] = field(default_factory=list)
    file: str | None = None

    def asked(self, name: str) -> Any:
        """A field of the request; None where it has none of that name."""
        return self.request.get(name) if isinstance(self.request, dict) else None

    def given(self, name: str) -> Any:
        """A field of the result, else of the answer."""
        for value in (self.outcome, self.answer):
            if isinstance(value, dict) and value.get(name) is not None:
                return value[name]
        return None


def numbered(request: Any) -> bool:
    """Whether a request has a number, so that the same one again is a replay."""
    return isinstance(request, dict) and any(request.get(name) is not None for name in NUMBERS)


class Names:
    """The references of a recording's ids."""

    def __init__(self, takes: list[Take]) -> None:
        self.of_id: dict[str, str] = {}
        """References by id."""
        self.made_of: dict[str, str] = {}
        """`model:1` to `<session:1>:train:0`, for ids that are made of others."""
        self._counts: dict[str, int] = {}
        for take in takes:
            if take.operation == "create_session":
                self.add("session", take.given("session_id"))
        for kind, made in (("model", _models(takes)), ("sampler", _samplers(takes))):
            for raw, session, number in sorted(made, key=self._place):
                self._add_made(kind, raw, session, number)

    def _place(self, made: tuple[str, str, int]) -> tuple[int, int]:
        sessions = list(self.of_id)
        _, session, number = made
        return (sessions.index(session) if session in sessions else len(sessions), number)

    def add(self, kind: str, raw: Any) -> None:
        """Name an id, if it is one and has no name."""
        if isinstance(raw, str) and raw and raw not in self.of_id:
            self._counts[kind] = number = self._counts.get(kind, 0) + 1
            self.of_id[raw] = reference(kind, number)

    def _add_made(self, kind: str, raw: str, session: str, number: int) -> None:
        self.add(kind, raw)
        make = model_id_of if kind == "model" else sampling_session_id_of
        if session in self.of_id and make(session, number) == raw:
            self.made_of[self.of_id[raw].strip("<>")] = make(self.of_id[session], number)

    def add_made_on_the_way(self, take: Take) -> None:
        """Name what is numbered in the order of the file: promises, sequences, losses."""
        if isinstance(take.answer, dict):
            self.add("future", take.answer.get("request_id"))
            for sequence in take.answer.get("sample_sequence_ids") or ():
                self.add("sequence", sequence)
        if take.operation == "create_custom_loss":
            self.add("loss", take.given("loss_id"))

    def lane(self, take: Take) -> str:
        """What a take belongs to, as `model:1`; empty for nothing."""
        made = {"create_session": "session_id", "create_model": "model_id"}
        made |= {"load_weights": "model_id", "create_sampling_session": "sampling_session_id"}
        ids = [take.given(made[take.operation])] if take.operation in made else []
        ids += [take.asked(name) for name in ("model_id", "sampling_session_id", "session_id")]
        named = [self.of_id[raw] for raw in ids if isinstance(raw, str) and raw in self.of_id]
        return named[0].strip("<>") if named else ""


def _models(takes: list[Take]) -> Iterator[tuple[str, str, int]]:
    """Ids of models, with their session and number in it."""
    for take in takes:
        session, number = take.asked("session_id") or "", take.asked("model_seq_id") or 0
        if take.operation == "create_model" and take.given("model_id"):
            yield take.given("model_id"), session, number
        if take.operation == "load_weights" and session and take.outcome is not None:
            yield take.given("model_id") or model_id_of(session, number), session, number


def _samplers(takes: list[Take]) -> Iterator[tuple[str, str, int]]:
    sessions = {model: session for model, session, _ in _models(takes)}
    for take in takes:
        if take.operation in ("create_sampling_session", "save_weights_for_sampler"):
            raw, model = take.given("sampling_session_id"), take.asked("model_id") or ""
            if raw:
                session = take.asked("session_id") or sessions.get(model, "")
                yield raw, session, take.asked("sampling_session_seq_id") or 0


def in_order(takes: list[Take], names: Names) -> list[Take]:
    """The order of the file: lane by lane, each by its numbers, so that chance has no part in it.

    What has no number comes after the highest that was there before it.
    """
    highest: dict[str, int] = {}
    places: dict[int, tuple[Any, ...]] = {}
    for take in sorted(takes, key=lambda take: take.arrival):
        lane = names.lane(take)
        number = take.asked("seq_id")
        if isinstance(number, int) and number < CLONE_BLOCK:
            highest[lane] = max(highest.get(lane, -1), number)
            place = (number, 0)
        else:
            place = (highest.get(lane, -1), 1)
        places[id(take)] = (*_rank(take, lane), *place, take.arrival)
    return sorted(takes, key=lambda take: places[id(take)])


def _rank(take: Take, lane: str) -> tuple[int, int]:
    if take.operation in CONFIGURATION:
        return (0, CONFIGURATION.index(take.operation))
    kind, _, number = lane.partition(":")
    return (("session", "model", "sampler", "").index(kind) + 1, int(number or 0))
