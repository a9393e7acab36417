"""Every law holds on both backends."""

import pytest

from contract.laws import LAWS
from contract.laws.trial import try_law


@pytest.mark.parametrize("law_id", LAWS)
def test_the_law_holds(law_id, subject):
    outcome = try_law(LAWS[law_id], subject)

    assert outcome.verdict == "holds", f"{outcome.text}\n{outcome.trace}"
