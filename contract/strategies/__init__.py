"""Hypothesis strategies for every type of the contract, and for any other that pydantic knows.

Needs the extra `fuzz`; nothing else of the contract imports it.
"""

from contract.strategies.answers import (
    Answer,
    answer_type,
    answers,
    broken_answers,
    damaged_answers,
    edge_answers,
    rare_answers,
)
from contract.strategies.audit import Audit, TooManyRejected, audit
from contract.strategies.checkpoints import checkpoint_lists, tinker_paths
from contract.strategies.contract_overrides import CONTRACT
from contract.strategies.form import Violation
from contract.strategies.mutations import Mutation, mutated, mutations
from contract.strategies.overrides import NO_OVERRIDES, Override, Overrides
from contract.strategies.part import UnknownType
from contract.strategies.prompts import prompts, sampling_params
from contract.strategies.protobuf_overrides import PROTOBUF
from contract.strategies.training_data import adam_params, batches, datums
from contract.strategies.values import Invalid, edge, edges, invalid, trees, valid, violations
from contract.strategies.wire import RELEASES, Message, messages, wire

# fmt: off
__all__ = [
    "CONTRACT",
    "NO_OVERRIDES",
    "PROTOBUF",
    "RELEASES",
    "Answer",
    "Audit",
    "Invalid",
    "Message",
    "Mutation",
    "Override",
    "Overrides",
    "TooManyRejected",
    "UnknownType",
    "Violation",
    "adam_params",
    "answer_type",
    "answers",
    "audit",
    "batches",
    "broken_answers",
    "checkpoint_lists",
    "damaged_answers",
    "datums",
    "edge",
    "edge_answers",
    "edges",
    "invalid",
    "messages",
    "mutated",
    "mutations",
    "prompts",
    "rare_answers",
    "sampling_params",
    "tinker_paths",
    "trees",
    "valid",
    "violations",
    "wire",
]
# fmt: on
