"""A law is a numbered statement, and a lawbook gives each number once."""

import string

import pytest

from contract.laws import GROUPS, LAWS, Lawbook
from contract.laws.law import laws_by_id


def test_a_lawbook_has_its_laws_in_the_order_of_the_file():
    book = Lawbook()
    for number in ("FUT-09", "FUT-02"):
        book.law(number, "It is so.", source="ours: a test", breaks="no.")(lambda _: None)

    assert [law.id for law in book] == ["FUT-09", "FUT-02"]


def test_a_law_keeps_what_is_said_of_it():
    book = Lawbook()

    @book.law("SES-01", "It is so.", source="a", breaks="b", needs=("c",), since="0.3.0", until="0.4.0")
    def check(_):
        pass

    (law,) = book
    assert (law.statement, law.source, law.breaks, law.needs) == ("It is so.", "a", "b", ("c",))
    assert (law.since, law.until, law.group, law.check) == ("0.3.0", "0.4.0", "SES", check)


@pytest.mark.parametrize("number", ["XYZ-01", "FUT-1", "FUT-001", "fut-01", "FUT01"])
def test_an_id_of_no_group_or_another_form_is_refused(number):
    with pytest.raises(ValueError, match=f"id: expected WIRE or .* and two digits, got '{number}'"):
        Lawbook().law(number, "It is so.", source="a", breaks="b")


def test_a_number_is_given_once():
    book = Lawbook()
    book.law("FUT-01", "It is so.", source="a", breaks="b")(lambda _: None)

    with pytest.raises(ValueError, match="id: expected one that no other law has, got 'FUT-01'"):
        book.law("FUT-01", "It is not.", source="a", breaks="b")


def test_no_two_books_have_a_law_of_one_number():
    books = [Lawbook(), Lawbook()]
    for book, statement in zip(books, ("It is so.", "It is not."), strict=True):
        book.law("FUT-01", statement, source="a", breaks="b")(lambda _: None)

    with pytest.raises(ValueError, match="id: expected one that no other book has, got 'FUT-01' for 'It"):
        laws_by_id(books)


def test_laws_of_several_books_stand_in_their_order():
    books = [Lawbook(), Lawbook()]
    for book, number in zip(books, ("SES-01", "FUT-01"), strict=True):
        book.law(number, "It is so.", source="a", breaks="b")(lambda _: None)

    assert list(laws_by_id(books)) == ["SES-01", "FUT-01"]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_is_one_sentence_with_a_source_and_what_breaks_it(law):
    assert law.group in GROUPS
    assert law.statement[0] not in string.whitespace
    assert law.statement.endswith(".")
    assert law.source
    assert len(law.breaks) > 10
