"""Hypothesis strategies for every type of the contract, and for any other that pydantic knows.

Needs the extra `fuzz`; nothing else of the contract imports it.
"""

from contract.strategies.audit import Audit, TooManyRejected, audit
from contract.strategies.contract_overrides import CONTRACT
from contract.strategies.form import Violation
from contract.strategies.mutations import Mutation, mutated, mutations
from contract.strategies.overrides import NO_OVERRIDES, Override, Overrides
from contract.strategies.part import UnknownType
from contract.strategies.protobuf_overrides import PROTOBUF
from contract.strategies.values import Invalid, edge, edges, invalid, trees, valid, violations
from contract.strategies.wire import RELEASES, Message, messages, wire

# fmt: off
__all__ = [
    "CONTRACT",
    "NO_OVERRIDES",
    "PROTOBUF",
    "RELEASES",
    "Audit",
    "Invalid",
    "Message",
    "Mutation",
    "Override",
    "Overrides",
    "TooManyRejected",
    "UnknownType",
    "Violation",
    "audit",
    "edge",
    "edges",
    "invalid",
    "messages",
    "mutated",
    "mutations",
    "trees",
    "valid",
    "violations",
    "wire",
]
# fmt: on
