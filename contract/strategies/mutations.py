"""`mutated`: bytes that were damaged on their way, by little at first."""

import gzip
from dataclasses import dataclass

import zstandard
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["Mutation", "mutated", "mutations"]

MOST_SPAN = 16
"""Bytes that one mutation inserts, deletes or repeats. Source: ours: a field of a message, or two."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A body that is no longer what it was."""

    what: str
    """For example `bit 3 of byte 17 flipped`."""
    body: bytes
    original: bytes


def mutated(body: bytes) -> SearchStrategy[bytes]:
    """`body` with one piece of damage; never `body` itself."""
    return mutations(body).map(lambda mutation: mutation.body)


def mutations(body: bytes) -> SearchStrategy[Mutation]:
    """`body` with one piece of damage that has a name.

    It shrinks to the first kind that is left, at the first place, with the shortest span: cut by one byte, a
    low bit flipped, a zero inserted.
    """
    kinds = [_inserted(body), _compressed(body)]
    if body:
        kinds = [_cut(body), _flipped(body), _deleted(body), _repeated(body), *kinds]
    damaged = st.one_of(*kinds).map(lambda made: Mutation(made[0], made[1], body))
    return damaged.filter(lambda mutation: mutation.body != body)


def _cut(body: bytes) -> SearchStrategy[tuple[str, bytes]]:
    lost = st.integers(1, len(body))
    return lost.map(lambda count: (f"the last {count} bytes cut", body[:-count]))


def _flipped(body: bytes) -> SearchStrategy[tuple[str, bytes]]:
    places = st.tuples(st.integers(0, len(body) - 1), st.integers(0, 7))
    return places.map(lambda at: (f"bit {at[1]} of byte {at[0]} flipped", _with_bit(body, *at)))


def _with_bit(body: bytes, index: int, bit: int) -> bytes:
    return body[:index] + bytes([body[index] ^ (1 << bit)]) + body[index + 1 :]


def _inserted(body: bytes) -> SearchStrategy[tuple[str, bytes]]:
    parts = st.tuples(st.integers(0, len(body)), st.binary(min_size=1, max_size=MOST_SPAN))
    return parts.map(lambda at: (f"{at[1]!r} inserted at {at[0]}", body[: at[0]] + at[1] + body[at[0] :]))


def _span(body: bytes) -> SearchStrategy[tuple[int, int]]:
    """Start and end of at least one byte."""
    starts = st.tuples(st.integers(0, len(body) - 1), st.integers(1, MOST_SPAN))
    return starts.map(lambda at: (at[0], min(at[0] + at[1], len(body))))


def _deleted(body: bytes) -> SearchStrategy[tuple[str, bytes]]:
    return _span(body).map(lambda at: (f"bytes {at[0]} to {at[1]} deleted", body[: at[0]] + body[at[1] :]))


def _repeated(body: bytes) -> SearchStrategy[tuple[str, bytes]]:
    return _span(body).map(lambda at: (f"bytes {at[0]} to {at[1]} repeated", body[: at[1]] + body[at[0] :]))


def _compressed(body: bytes) -> SearchStrategy[tuple[str, bytes]]:
    """Compressed where nobody says so, and compressed and cut."""
    packed = {
        "gzip": gzip.compress(body, mtime=0),
        "zstd": zstandard.ZstdCompressor().compress(body),
    }
    made = [(f"{name} without saying so", data) for name, data in packed.items()]
    made += [(f"{name} without its last byte", data[:-1]) for name, data in packed.items()]
    made += [(f"{name}'s magic number in front", data[:4] + body) for name, data in packed.items()]
    return st.sampled_from(made)
