"""The zoo: clients, each the mini client broken in one way that real ones are; scenarios must notice each.

One file per subject. A mutant is a subclass of `MiniClient`, so that it runs wherever that one does.
"""

from tests.clients.mutants.answers import ANSWER_MUTANTS
from tests.clients.mutants.data import DATA_MUTANTS
from tests.clients.mutants.lives import LIFE_MUTANTS
from tests.clients.mutants.mutant import Mutant
from tests.clients.mutants.numbers import NUMBER_MUTANTS
from tests.clients.mutants.polls import POLL_MUTANTS
from tests.clients.mutants.retries import RETRY_MUTANTS

__all__ = ["MUTANTS"]

ZOOS = (RETRY_MUTANTS, NUMBER_MUTANTS, POLL_MUTANTS, ANSWER_MUTANTS, LIFE_MUTANTS, DATA_MUTANTS)
MUTANTS: dict[str, Mutant] = {mutant.id: mutant for zoo in ZOOS for mutant in zoo}
"""All mutants by id."""
