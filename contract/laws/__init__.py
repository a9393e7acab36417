"""The laws: what a server of this API does, each with a number, a source and a check of about ten lines.

They know the server only by HTTP. `try_laws` tries them; `tinkerproof conform server` reports.
"""

from contract.laws.account_laws import ACCOUNT_LAWS
from contract.laws.batched_laws import BATCHED_LAWS
from contract.laws.checkpoint_laws import CHECKPOINT_LAWS
from contract.laws.future_laws import FUTURE_LAWS
from contract.laws.isolation_laws import ISOLATION_LAWS
from contract.laws.law import GROUPS, Broken, Law, Lawbook, Skipped, laws_by_id
from contract.laws.loss_laws import LOSS_LAWS
from contract.laws.metamorphic_laws import METAMORPHIC_LAWS
from contract.laws.metamorphic_losses import METAMORPHIC_LOSSES
from contract.laws.metamorphic_optimizer import METAMORPHIC_OPTIMIZER
from contract.laws.metamorphic_sequence import METAMORPHIC_SEQUENCE
from contract.laws.metamorphic_state import METAMORPHIC_STATE
from contract.laws.old_client_laws import OLD_CLIENT_LAWS
from contract.laws.order_laws import ORDER_LAWS
from contract.laws.polling_laws import POLLING_LAWS
from contract.laws.prompt_laws import PROMPT_LAWS
from contract.laws.refusal_laws import REFUSAL_LAWS
from contract.laws.sampler_laws import SAMPLER_LAWS
from contract.laws.sampling_laws import SAMPLING_LAWS
from contract.laws.session_end_laws import SESSION_END_LAWS
from contract.laws.session_laws import SESSION_LAWS
from contract.laws.session_list_laws import SESSION_LIST_LAWS
from contract.laws.training_laws import TRAINING_LAWS
from contract.laws.weight_laws import WEIGHT_LAWS
from contract.laws.wire_laws import WIRE_LAWS

__all__ = ["GROUPS", "LAWS", "Broken", "Law", "Lawbook", "Skipped"]

BOOKS = (
    WIRE_LAWS,
    REFUSAL_LAWS,
    OLD_CLIENT_LAWS,
    FUTURE_LAWS,
    ORDER_LAWS,
    POLLING_LAWS,
    BATCHED_LAWS,
    SESSION_LAWS,
    SESSION_END_LAWS,
    SESSION_LIST_LAWS,
    SAMPLING_LAWS,
    PROMPT_LAWS,
    SAMPLER_LAWS,
    WEIGHT_LAWS,
    CHECKPOINT_LAWS,
    ACCOUNT_LAWS,
    ISOLATION_LAWS,
    TRAINING_LAWS,
    LOSS_LAWS,
    METAMORPHIC_LAWS,
    METAMORPHIC_OPTIMIZER,
    METAMORPHIC_STATE,
    METAMORPHIC_LOSSES,
    METAMORPHIC_SEQUENCE,
)
LAWS: dict[str, Law] = laws_by_id(BOOKS)
"""All laws by id, in the order in which they are tried."""
