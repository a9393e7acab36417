"""Mutants that are noticed where nothing goes wrong; `make mutants` tries all of them on all scenarios."""

from collections import Counter

import pytest

from tests.clients.mutants import MUTANTS, ZOOS
from tests.clients.mutants.mutant import Zoo
from tests.clients.training_loop import run

OPEN = [mutant.id for mutant in MUTANTS.values() if mutant.scenarios == ("SCN-01",)]
"""Those that need no fault."""
SHOWN = 12


@pytest.mark.parametrize("mutant_id", OPEN[:: len(OPEN) // SHOWN])
def test_the_verdict_or_the_loop_itself_notices_a_mutant(world, client_in, mutant_id):
    with client_in(world, MUTANTS[mutant_id].client) as client:
        report = run(client)

    rules = {finding.rule.id for finding in world.verdict.findings} - {"CLI-18"}
    assert rules or not report["ok"]


def test_no_two_zoos_have_a_mutant_of_the_same_id():
    counted = Counter(mutant.id for zoo in ZOOS for mutant in zoo)

    assert [mutant_id for mutant_id, times in counted.items() if times > 1] == []
    assert len(counted) >= 30


def test_a_mutant_has_an_id_of_its_own():
    zoo = Zoo()
    zoo.mutant("a", "Does a.", "")(MUTANTS["storm"].client)

    with pytest.raises(ValueError, match="id: expected one that no other mutant has, got 'a'"):
        zoo.mutant("a", "Does it again.", "")
