"""`Names`: what a server calls the things of a program, and the numbers that were given out."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from contract.programs.step import Makes
from contract.versions import SdkVersion, has_trait

__all__ = ["Names"]

UNKNOWN: Mapping[Makes, str] = {
    "session": "00000000-0000-4000-8000-{:012d}",
    "model": "00000000-0000-4000-8000-{:012d}:train:0",
    "sampler": "00000000-0000-4000-8000-{:012d}:sample:0",
    "checkpoint": "tinker://00000000-0000-4000-8000-{:012d}:train:0/weights/none",
}
"""Ids of the form that servers give, which none has."""
COUNTED: Mapping[Makes, tuple[str, ...]] = {"session": ("model", "sampler"), "sampler": ("sample",)}
"""What is counted for each thing of a kind."""


class Names:
    """Grows while a program runs."""

    page = 100
    """Items of one page of a list."""

    def __init__(self, base_model: str, sdk_version: str) -> None:
        self.base_model = base_model
        self.sdk_version = sdk_version
        self._ids: dict[Makes, list[str | None]] = {kind: [] for kind in UNKNOWN}
        self._symbols: dict[str, str] = {}
        self._sessions: list[int] = []
        """The session of each model."""
        self._places: defaultdict[int, set[int]] = defaultdict(set)
        """Of each model, the places that were given out."""
        self._counts: defaultdict[tuple[str, int], int] = defaultdict(int)

    @property
    def sends_protobuf(self) -> bool:
        """Whether clients of this release write training passes as protobuf."""
        return has_trait(SdkVersion.parse(self.sdk_version), "protobuf_alone")

    # Things

    def add(self, kind: Makes, session: int = 0) -> int:
        """The number of a new thing, whose id is not known yet; a model has a session.

        It begins anew: what was counted for its number before it was there, no server has taken.
        """
        number = len(self._ids[kind])
        self._ids[kind].append(None)
        if kind == "model":
            self._sessions.append(session)
            self._places.pop(number, None)
        for counted in COUNTED.get(kind, ()):
            self._counts.pop((counted, number), None)
        return number

    def learn(self, kind: Makes, number: int, server_id: str) -> None:
        """Note what the server calls it. A path that is given again stands for the later checkpoint."""
        self._ids[kind][number] = server_id
        self._symbols[server_id] = f"{kind} {number}"

    def symbol(self, text: str) -> str | None:
        """What the program calls it: `model 0`; None for a text that is no name of the program's things."""
        return "base model" if text == self.base_model else self._symbols.get(text)

    def known(self, kind: Makes) -> list[str]:
        """Ids of all things of a kind that the server made."""
        return [server_id for server_id in self._ids[kind] if server_id is not None]

    def session(self, number: int) -> str:
        """A session's id."""
        return self._named("session", number)

    def model(self, number: int) -> str:
        """A model's id."""
        return self._named("model", number)

    def sampler(self, number: int) -> str:
        """A sampler's id."""
        return self._named("sampler", number)

    def checkpoint(self, number: int) -> str:
        """A checkpoint's path."""
        return self._named("checkpoint", number)

    def place_of(self, checkpoint: int) -> dict[str, Any]:
        """A checkpoint's path as URLs have it."""
        run, _, rest = self.checkpoint(checkpoint).removeprefix("tinker://").partition("/")
        segment, _, name = rest.partition("/")
        return {"training_run_id": run, "segment": segment, "name": name}

    def session_of(self, model: int) -> int:
        """The number of a model's session; of a model that there is not, one that there is not."""
        return self._sessions[model] if 0 <= model < len(self._sessions) else len(self._ids["session"])

    def _named(self, kind: Makes, number: int) -> str:
        ids = self._ids[kind]
        found = ids[number] if 0 <= number < len(ids) else None
        return UNKNOWN[kind].format(number) if found is None else found

    # Numbers

    def place(self, model: int, chosen: int | None) -> int:
        """The place of a model's next operation: the chosen one, or the first after all given out."""
        place = self.last_place(model) + 1 if chosen is None else chosen
        self._places[model].add(place)
        return place

    def last_place(self, model: int) -> int:
        """The highest place that was given out; 0 for none."""
        return max(self._places[model], default=0)

    def is_held(self, model: int, place: int) -> bool:
        """Whether a lower place of the model was not given out yet."""
        return not set(range(1, place)) <= self._places[model]

    def next_model(self, session: int) -> int:
        """The number of a session's next model, from 0."""
        return self._count("model", session)

    def next_sampler(self, session: int) -> int:
        """The number of a session's next sampler, from 0."""
        return self._count("sampler", session)

    def next_sample(self, sampler: int) -> int:
        """The number of a sampler's next request, from 0."""
        return self._count("sample", sampler)

    def _count(self, what: str, owner: int) -> int:
        self._counts[what, owner] += 1
        return self._counts[what, owner] - 1
