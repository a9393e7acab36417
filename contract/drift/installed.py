"""Compares the contract with an installed SDK: `drift()` lists every difference that is not meant.

Both sides are reduced to facts, one line of text each by the place it is about: types, fields with their
requiredness and default, values of literals and enums, protobuf fields, and paths with their methods.
Of the contract, what the SDK's version does not have yet or has no longer is left out. The SDK is imported
inside `installed` alone.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from contract.model import Since, Until
from contract.operations import OPERATIONS, UNSERVED
from contract.versions import SdkVersion

__all__ = [
    "Deliberate",
    "Difference",
    "Sdk",
    "calls_in",
    "drift",
    "installed",
    "public_types",
    "report",
    "schema_in",
]

Facts = dict[str, str]
API = "/api/v1/"
PART = "."
PARAMETER = r"\{segment\}/\{name\}|\{\w+\}"


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A place where contract and SDK say different things; None means that nothing is said."""

    where: str
    contract: str | None
    sdk: str | None

    def __str__(self) -> str:
        return f"{self.where}: expected {self.contract or 'nothing'}, got {self.sdk or 'nothing'}"


@dataclasses.dataclass(frozen=True, slots=True)
class Sdk:
    """What is read of an SDK."""

    version: str
    types: Mapping[str, Sequence[Any]]
    """Classes and type aliases by name; a name can have several, of which the first one is public."""
    messages: FileDescriptorProto
    """Its protobuf schema."""
    calls: frozenset[str]
    """`<METHOD> <path>`, the parameters of a path written as `{}`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Deliberate:
    """Facts that differ on purpose."""

    reason: str
    facts: frozenset[str]


def _deliberate(reason: str, facts: str) -> Deliberate:
    return Deliberate(reason, frozenset(facts.split()))


DELIBERATE: tuple[Deliberate, ...] = (
    _deliberate(
        "requests without a body of their own: the SDK writes paths, queries and plain dictionaries",
        "AssignSessionProjectRequest AuditLogRequest AuthTokenRequest CancelFutureRequest CheckpointRequest "
        "EmptyRequest FinishSessionRequest GetSamplerRequest GetSessionRequest GetTrainingRunRequest "
        "ListCheckpointsRequest ListSessionsRequest ListTrainingRunsRequest ListUserCheckpointsRequest "
        "SetCheckpointTtlRequest TraceExportRequest WeightsInfoRequest",
    ),
    _deliberate(
        "answers whose types the SDK keeps outside of tinker.types",
        "ApiKeyDetails ApiKeyResponse OrgDetails UserDetails FutureMetadata TraceExportResponse "
        "TryAgainResponse.queue_state_reason",
    ),
    _deliberate("for clients up to 0.35.0", "CheckpointArchiveUrlResponse"),
    _deliberate("the bases", "ArrayModel WireModel WireResponse"),
    _deliberate("names for what the SDK spells in place", "AccessScope QueueState"),
    _deliberate("spelled in place", "CustomLossInputRank CustomLossNodeOp"),
    _deliberate(
        "what a poll may answer is three things here", "FutureOutcome FutureResult FutureRetrieveResponse"
    ),
    _deliberate("one span here, a list of them there", "ProvenanceSpan ProvenanceSpans"),
    _deliberate("the known families too, so that they are validated", "OptimParams OptimizerConfig"),
    _deliberate("protobuf alone has it; the SDK writes it there", "ForwardBackwardRequest.forward_only"),
    _deliberate("the SDK's second Datum is not the public one", "Datum.loss_fn_inputs(twin)"),
    _deliberate("a server has nothing else to say", "HealthResponse.status TelemetryResponse.status"),
    _deliberate(
        "the kind of an event is the type's own",
        "GenericEvent.event SessionEndEvent.event SessionStartEvent.event UnhandledExceptionEvent.event",
    ),
    _deliberate("taken from the answer to the submission", "SampledSequence.sequence_id"),
    _deliberate(
        "lists here, arrays with lists beside them there",
        "SampleResponse.prompt_logprobs SampleResponse.prompt_logprobs_np "
        "SampleResponse.topk_prompt_logprobs SampleResponse.topk_prompt_logprobs_np "
        "SampledSequence.logprobs SampledSequence.logprobs_np SampledSequence.tokens "
        "SampledSequence.tokens_np SampledSequence.topk_logprobs SampledSequence.topk_logprobs_np "
        "TopkLogprobs TopkLogprobs.logprobs TopkLogprobs.token_ids",
    ),
)
"""Every difference that is meant. One that is not there any more is itself reported."""


def drift(sdk: Sdk | None = None, deliberate: Iterable[Deliberate] = DELIBERATE) -> list[Difference]:
    """Differences between the contract and `sdk`, the installed one by default, sorted by place."""
    sdk = sdk or installed()
    ours, theirs = _contract_facts(SdkVersion.parse(sdk.version)), _sdk_facts(sdk)
    places = {place for place in ours.keys() | theirs.keys() if ours.get(place) != theirs.get(place)}
    lone = {place for place in places if place not in ours or place not in theirs}
    places = {place for place in places if not (PART in place and place.partition(PART)[0] in lone)}
    meant = {fact for entry in deliberate for fact in entry.facts}
    differences = [Difference(place, ours.get(place), theirs.get(place)) for place in places - meant]
    stale = [Difference(fact, "a deliberate difference", None) for fact in meant - places]
    return sorted(differences + stale, key=lambda difference: difference.where)


def report(differences: Sequence[Difference]) -> str:
    """One line per difference; empty where there is none."""
    return "\n".join(map(str, differences))


def installed() -> Sdk:
    """The SDK that is installed.

    Raises:
        ModuleNotFoundError: if there is none.
    """
    tinker = importlib.import_module("tinker")
    root = Path(inspect.getfile(tinker)).parent
    sources = (path for path in root.rglob("*.py") if not path.name.endswith("_test.py"))
    return Sdk(
        version=tinker.__version__,
        types=public_types(importlib.import_module("tinker.types")),
        messages=schema_in((root / "proto" / "tinker_public_pb2.py").read_text()),
        calls=frozenset(call for path in sources for call in calls_in(path.read_text())),
    )


def public_types(package: types.ModuleType) -> dict[str, list[Any]]:
    """The public types, then those of the modules below, each once. Some name the root as their module."""
    root = package.__name__.partition(".")[0]
    below = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    modules = [package, *(importlib.import_module(m.name) for m in below if not m.name.endswith("_test"))]
    found: dict[str, list[Any]] = {}
    for module in modules:
        for name, value in vars(module).items():
            home = value.__module__ if inspect.isclass(value) else ""
            own = home == root or home.startswith(f"{root}.types")
            if name[0].isupper() and (own or get_args(value)):
                known = found.setdefault(name, [])
                known.extend([] if any(value is other for other in known) else [value])
    return found


def schema_in(source: str) -> FileDescriptorProto:
    """The schema in a generated protobuf module, read without running it: two may not share a process."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    serialized = next(
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "AddSerializedFile"
    )
    return FileDescriptorProto.FromString(serialized)


def calls_in(source: str) -> Iterator[str]:
    """`<METHOD> <path>` of every call `x.get("/api/v1/…")` or `x.request("GET", "/api/v1/…")`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            words = [node.func.attr.strip("_").upper(), *map(_text, node.args[:2])]
            for method, path in pairwise(words):
                if path.startswith(API):
                    yield f"{method} {path}"


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "{}"


def _sdk_facts(sdk: Sdk) -> Facts:
    facts: Facts = {}
    for name, kinds in sdk.types.items():
        for kind in kinds:
            for place, text in _type_facts(name, kind):
                if facts.setdefault(place, text) != text:
                    facts[f"{place}(twin)"] = text
    return facts | _message_facts(sdk.messages) | dict.fromkeys(sdk.calls, "called")


def _contract_facts(version: SdkVersion) -> Facts:
    facts: Facts = {}
    contract = importlib.import_module("contract")
    for name in contract.__all__:
        kind = getattr(contract, name)
        if get_args(kind) or (inspect.isclass(kind) and issubclass(kind, BaseModel | enum.Enum)):
            facts.update(_type_facts(name, kind, version))
    messages = FileDescriptorProto()
    importlib.import_module("contract.proto.tinker_public_pb2").DESCRIPTOR.CopyToProto(messages)
    rows = [row for row in (*OPERATIONS, *UNSERVED) if _in_force(row.since, row.until, version)]
    routes = {
        f"{row.method} {re.sub(PARAMETER, '{}', row.route)}" for row in rows if row.route.startswith(API)
    }
    return facts | _message_facts(messages) | dict.fromkeys(routes, "called")


def _in_force(since: str | None, until: str | None, version: SdkVersion) -> bool:
    begun = since is None or SdkVersion.parse(since) <= version
    return begun and (until is None or version <= SdkVersion.parse(until))


def _type_facts(name: str, kind: Any, version: SdkVersion | None = None) -> Iterator[tuple[str, str]]:
    """The facts of one type; with `version` only those that are in force."""
    if get_args(kind):
        yield name, _alias(kind)
    elif issubclass(kind, enum.Enum):
        yield name, "an enum"
        yield from ((f"{name}.{member.name}", repr(member.value)) for member in kind)
    elif issubclass(kind, BaseModel):
        yield name, "a type"
        for field, info in kind.model_fields.items():
            since = next((m.version for m in info.metadata if isinstance(m, Since)), None)
            until = next((m.version for m in info.metadata if isinstance(m, Until)), None)
            if version is None or _in_force(since, until, version):
                yield f"{name}.{field}", _field(info.get_default(call_default_factory=True), info.annotation)
    elif dataclasses.is_dataclass(kind):
        yield name, "a type"
        hints = get_type_hints(kind, vars(kind)["__init__"].__globals__)  # its module, whatever it says
        for part in dataclasses.fields(kind):
            if not part.name.startswith("_"):
                yield f"{name}.{part.name}", _field(_default(part), hints[part.name])


def _default(part: dataclasses.Field[Any]) -> Any:
    if part.default_factory is not dataclasses.MISSING:
        return part.default_factory()
    return PydanticUndefined if part.default is dataclasses.MISSING else part.default


def _field(default: Any, annotation: Any) -> str:
    need = "required" if default is PydanticUndefined else f"default {default!r}"
    values = sorted(map(repr, _literals(annotation)))
    return f"{need}, one of {', '.join(values)}" if values else need


def _literals(annotation: Any) -> set[Any]:
    parts = get_args(annotation)
    return set(parts) if get_origin(annotation) is Literal else {v for p in parts for v in _literals(p)}


def _alias(alias: Any) -> str:
    """A type alias in words: the values of a literal, or the classes in it."""
    values = sorted(map(repr, _literals(alias)))
    return f"one of {', '.join(values)}" if values else f"made of {', '.join(sorted(_classes(alias)))}"


def _classes(alias: Any) -> set[str]:
    if get_args(alias):
        return {name for part in get_args(alias) for name in _classes(part)}
    return {alias.__name__} if inspect.isclass(alias) else set()


def _message_facts(file: FileDescriptorProto) -> Facts:
    facts: Facts = {}
    for message in _nested(file.message_type):
        facts[f"message {message.name}"] = "a message"
        for part in message.field:
            kind = part.type_name.rpartition(".")[2] or FieldDescriptorProto.Type.Name(part.type)
            label = FieldDescriptorProto.Label.Name(part.label)
            optional = " optional" if part.proto3_optional else ""
            facts[f"message {message.name}.{part.name}"] = f"{part.number} {label} {kind}{optional}".lower()
    for values in file.enum_type:
        facts[f"message {values.name}"] = ", ".join(f"{value.number} {value.name}" for value in values.value)
    return facts


def _nested(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _nested(message.nested_type)
