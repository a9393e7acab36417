"""What of a server's words is not shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.laws.reports.scrubbing import Scrubber


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key tml-mine-2 and tml-mine", "key … and …"),
        ('{"jwt": "eyJhbGciOi.eyJzdWIi.c2ln"}', '{"jwt": "…"}'),
        ('{"url": "https://files/a.tar?sig=abc&x=1"}', '{"url": "https://files/a.tar?…"}'),
        ("\x1b[31mred\x07\r\n\ttab", "\\x1b[31mred\\x07\\x0d\n\ttab"),
        ("right\u202eto left \ud800", "right\\x202eto left \\xd800"),
        ("Grüße, 世界 🙂 “…”", "Grüße, 世界 🙂 “…”"),
    ],
)
def test_it_hides_keys_and_shows_what_cannot_be_seen(text, shown):
    assert Scrubber(["tml-mine", "tml-mine-2"]).clean(text) == shown


def test_what_is_too_short_for_a_secret_is_found_in_no_word():
    assert Scrubber(["", "a", "test"]).clean("a test") == "a test"


@given(st.text(st.characters(codec=None)))
def test_whatever_a_server_says_can_be_written(text):
    shown = Scrubber().clean(text)

    assert all(each.isprintable() or each in "\t\n\xa0\xad" or ord(each) > 0x7F for each in shown)
    shown.encode()
