"""Bytes that were damaged."""

import gzip

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.strategies import mutated, mutations
from contract.strategies.mutations import MOST_SPAN
from tests.draws import draws


@given(st.binary(max_size=50).flatmap(mutations))
def test_a_mutation_is_never_what_it_was(mutation):
    assert mutation.body != mutation.original
    assert mutation.what


@given(st.data())
def test_damage_can_be_done_to_no_bytes_at_all(data):
    assert data.draw(mutated(b"")) != b""


@given(mutations(b"0123456789" * 10))
@settings(max_examples=draws(50, 500))
def test_damage_is_small_but_for_cuts_and_compression(mutation):
    is_whole = any(word in mutation.what for word in ("cut", "gzip", "zstd"))
    assert is_whole or abs(len(mutation.body) - 100) <= MOST_SPAN


@pytest.fixture(scope="module")
def done():
    """Four hundred kinds of damage to one body."""
    found = []

    @given(mutations(b"some body"))
    @settings(max_examples=400, database=None, derandomize=True, deadline=None)
    def look(mutation):
        found.append(mutation)

    look()
    return found


def test_a_body_may_be_compressed_without_saying_so(done):
    packed = {m.what: m.body for m in done if m.what.endswith("without saying so")}
    assert gzip.decompress(packed["gzip without saying so"]) == b"some body"
    assert zstandard.decompress(packed["zstd without saying so"]) == b"some body"


@pytest.mark.parametrize(
    "word", ["cut", "flipped", "inserted", "deleted", "repeated", "last byte", "magic number"]
)
def test_every_kind_of_damage_is_done(done, word):
    assert any(word in mutation.what for mutation in done)
