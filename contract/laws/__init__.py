"""The laws: what a server of this API does, each with a number, a source and a check of about ten lines.

They know the server only by HTTP. `try_laws` tries them; `tinkerproof conform server` reports.
"""

from contract.laws.batched_laws import BATCHED_LAWS
from contract.laws.future_laws import FUTURE_LAWS
from contract.laws.law import GROUPS, Broken, Law, Lawbook, Skipped
from contract.laws.order_laws import ORDER_LAWS
from contract.laws.polling_laws import POLLING_LAWS

__all__ = ["GROUPS", "LAWS", "Broken", "Law", "Lawbook", "Skipped"]

LAWS: dict[str, Law] = {
    law.id: law for book in (FUTURE_LAWS, ORDER_LAWS, POLLING_LAWS, BATCHED_LAWS) for law in book
}
"""All laws by id, in the order in which they are tried."""
