"""The zoo: servers of ours, each broken in one way that real servers are; some law must notice each.

One file per subject. A mutant is a function of a few lines that breaks a `Bench`.
"""

from tests.laws.mutants.accounts import ACCOUNT_MUTANTS
from tests.laws.mutants.checkpoints import CHECKPOINT_MUTANTS
from tests.laws.mutants.forms import FORM_MUTANTS
from tests.laws.mutants.futures import FUTURE_MUTANTS
from tests.laws.mutants.losses import LOSS_MUTANTS
from tests.laws.mutants.mutant import Mutant
from tests.laws.mutants.passes import PASS_MUTANTS
from tests.laws.mutants.polls import POLL_MUTANTS
from tests.laws.mutants.samplers import SAMPLER_MUTANTS
from tests.laws.mutants.sampling import SAMPLING_MUTANTS
from tests.laws.mutants.sessions import SESSION_MUTANTS
from tests.laws.mutants.training import TRAINING_MUTANTS
from tests.laws.mutants.weights import WEIGHT_MUTANTS
from tests.laws.mutants.wire import WIRE_MUTANTS

__all__ = ["MUTANTS"]

ZOOS = (
    WIRE_MUTANTS,
    FORM_MUTANTS,
    FUTURE_MUTANTS,
    POLL_MUTANTS,
    SESSION_MUTANTS,
    TRAINING_MUTANTS,
    PASS_MUTANTS,
    LOSS_MUTANTS,
    SAMPLING_MUTANTS,
    SAMPLER_MUTANTS,
    WEIGHT_MUTANTS,
    CHECKPOINT_MUTANTS,
    ACCOUNT_MUTANTS,
)
MUTANTS: dict[str, Mutant] = {mutant.id: mutant for zoo in ZOOS for mutant in zoo}
"""All mutants by id."""
