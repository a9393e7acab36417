"""Every law holds on both backends."""

import pytest

from contract.laws import LAWS
from contract.laws.trial import try_law


@pytest.mark.filterwarnings("ignore::fake_server.wire.UnknownFieldWarning")
@pytest.mark.parametrize("law_id", LAWS)
def test_the_law_holds(law_id, subject_for):
    law = LAWS[law_id]

    outcome = try_law(law, subject_for(law.needs))

    assert outcome.verdict == "holds", f"{outcome.text}\n{outcome.trace}"
