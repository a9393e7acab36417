"""Laws by pattern, id and page."""

import pytest

from contract.laws import LAWS
from contract.laws.catalogue import chosen, explained, law_named, law_rows


@pytest.mark.parametrize("patterns", [["FUT-03", "FUT-01"], ["fut-0[13]"], ["FUT-03", "fut-03", "FUT-01"]])
def test_laws_are_chosen_by_patterns_in_their_own_order(patterns):
    assert [law.id for law in chosen(LAWS, patterns)] == ["FUT-01", "FUT-03"]


def test_a_group_is_a_pattern():
    assert chosen(LAWS, ["fut"]) == [law for law in LAWS.values() if law.group == "FUT"]


def test_without_a_pattern_all_are_chosen():
    assert chosen(LAWS, []) == list(LAWS.values())


def test_a_pattern_of_no_law_is_refused_with_near_ones():
    with pytest.raises(LookupError, match="got 'FUT-3'; near ones are FUT-03"):
        chosen(LAWS, ["FUT-01", "fut-3"])
    with pytest.raises(LookupError, match="got 'QQQ'; groups are WIRE, FUT"):
        chosen(LAWS, ["QQQ"])


def test_a_law_is_found_by_its_id_in_any_case():
    assert law_named(LAWS, "fut-03") is LAWS["FUT-03"]
    with pytest.raises(LookupError, match="got 'FUT-3'; near ones are FUT-03"):
        law_named(LAWS, "FUT-3")


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
def test_a_law_is_explained_with_its_code(law):
    text = explained(law)

    assert text.startswith(f"{law.id}  {law.statement}")
    assert law.breaks in text
    assert f"def {law.check.__name__}(s: Subject) -> None:" in text


def test_each_law_has_a_row():
    head, *rows = law_rows(LAWS.values())

    assert [row[0] for row in rows] == list(LAWS)
    assert {len(row) for row in rows} == {len(head)}
