"""What each client version sends and understands: the one place for version profiles.

`upgrade` turns the body of any client into one that the newest request types accept. It looks at the body
alone, so that clients without a version header are served as well. Source: all releases of the SDK from
0.1.0 to 0.38.0, their request types compared with `contract`'s.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self, get_args

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from contract.ids import CheckpointType
from contract.inputs import ImageAssetPointerChunk, ImageChunk
from contract.model import Since, Until
from contract.operations import OPERATIONS, Deferred, Endpoint, Operation
from contract.training import DimuonParams

__all__ = [
    "LEGACY_SESSION",
    "NEWEST",
    "NEXT_MODEL",
    "TRAITS",
    "SdkVersion",
    "Trait",
    "follows_archive_redirect",
    "has_operation",
    "has_trait",
    "in_force",
    "is_known",
    "knows_checkpoint_type",
    "misplaced",
    "retries_429_on_retrieve",
    "sends_through_pyqwest",
    "upgrade",
]

NEWEST = "0.38.0"
"""The newest SDK that the contract was compared with."""
UNNUMBERED = "0.0.1-alpha.1"
"""What 0.1.0 to 0.2.2 all say of themselves."""
LEGACY_SESSION = "legacy"
"""The session of clients that have none, 0.1.0 to 0.2.2. Source: ours: a name that no session has."""
NEXT_MODEL = -1
"""The `model_seq_id` of clients that count no models: the next one. Source: ours: no real number."""


class SdkVersion(NamedTuple):
    """A release of the SDK; releases compare by age."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """The version in header `X-Stainless-Package-Version`.

        Absent, and what is no version, mean the newest. 0.1.0 to 0.2.2 share one text and mean the oldest.
        """
        release = "0.1.0" if text == UNNUMBERED else text or NEWEST
        number = re.match(r"(\d+)\.(\d+)\.(\d+)", release)
        return cls(*map(int, number.groups())) if number else cls.parse(NEWEST)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


UNNUMBERED_UNTIL = "0.2.2"
"""The last release that does not tell its number."""


def in_force(since: str | None, until: str | None, version: SdkVersion) -> bool:
    """Whether a release lies in a range; None leaves an end open.

    What says 0.1.0 may be as late as 0.2.2, and gets the benefit of the doubt at both ends.
    """
    latest = SdkVersion.parse(UNNUMBERED_UNTIL) if version == SdkVersion.parse(UNNUMBERED) else version
    begun = since is None or SdkVersion.parse(since) <= latest
    return begun and (until is None or version <= SdkVersion.parse(until))


@dataclass(frozen=True, slots=True)
class Trait:
    """What clients of some releases do, and others do not; of endpoints and fields their own marks tell."""

    text: str
    since: str | None = None
    """The first release; None for the oldest."""
    until: str | None = None
    """The last release; None for the newest."""


TRAITS: Mapping[str, Trait] = {
    "arrival": Trait("have no sessions and number nothing: the order of arrival counts", until="0.2.2"),
    "numbers": Trait("open sessions, and number models, samplers and requests", since="0.3.0"),
    "defaults": Trait("leave out what has its default", since="0.3.0", until="0.16.1"),
    "flags": Trait("read flags before anything else, and exchange keys for tokens", since="0.18.0"),
    "protobuf_samples": Trait("take samples as protobuf, and as JSON too", since="0.18.2", until="0.24.1"),
    "protobuf_passes": Trait(
        "take passes as protobuf, and as JSON too; send them as protobuf where a flag says so",
        since="0.19.0",
        until="0.24.1",
    ),
    "retries_429": Trait(
        "wait and poll again where a poll is answered 429, in place of failing", since="0.21.0"
    ),
    "pyqwest": Trait("send through pyqwest unless a flag says otherwise, in place of httpx", since="0.22.0"),
    "archive_redirect": Trait("read an archive's URL from a redirect; later ones from JSON", until="0.22.1"),
    "protobuf_alone": Trait("send passes, and take passes and samples, as protobuf alone", since="0.25.0"),
    "sample_ids": Trait("need the ids of samples with the promise of them", since="0.26.0"),
    "external_checkpoints": Trait("can read lists with external checkpoints", since="0.28.0"),
}
"""Source: all releases of the SDK from 0.1.0 to 0.38.0, run against a server that keeps their requests."""


def has_trait(version: SdkVersion, name: str) -> bool:
    """Whether the clients of a release have one of `TRAITS`."""
    return in_force(TRAITS[name].since, TRAITS[name].until, version)


def knows_checkpoint_type(version: SdkVersion, checkpoint_type: CheckpointType) -> bool:
    """Whether a client can read a list with such a checkpoint in it; if not, the whole list fails it."""
    return checkpoint_type != "external" or has_trait(version, "external_checkpoints")


def retries_429_on_retrieve(version: SdkVersion) -> bool:
    """Whether a client backs off where `retrieve_future` answers 429; older ones fail the future."""
    return has_trait(version, "retries_429")


def follows_archive_redirect(version: SdkVersion) -> bool:
    """Whether a client expects an archive's URL as a redirect; later ones read it from JSON."""
    return has_trait(version, "archive_redirect")


def is_known(version: SdkVersion) -> bool:
    """Whether the contract was compared with a release, or with a later one."""
    return version <= SdkVersion.parse(NEWEST)


def has_operation(version: SdkVersion, row: Endpoint) -> bool:
    """Whether a release has an endpoint."""
    return in_force(row.since, row.until, version)


def sends_through_pyqwest(version: SdkVersion) -> bool:
    """Whether a client sends through pyqwest unless a flag says otherwise; older ones through httpx."""
    return has_trait(version, "pyqwest")


_FILLED: Mapping[str, Mapping[str, object]] = {
    "create_model": {"session_id": LEGACY_SESSION, "model_seq_id": NEXT_MODEL, "base_model": ""},
    "create_session": {"user_metadata": None},
    "load_weights": {"optimizer": True},
    "telemetry": {"process_uuid": ""},
}
"""What clients leave out, by operation.

`base_model`: no client leaves it out; who does is told so in the service's own words.
`user_metadata`: 0.18.0 and later send no nulls, not even of a required field.
`optimizer`: below 0.6.0 `load_state` had no choice and was documented to load weights and optimizer state.
"""

_OLD_IMAGE: Mapping[str, str | None] = {"tokens": "expected_tokens", "height": None, "width": None}
_RENAMED: Mapping[type[BaseModel], Mapping[str, str | None]] = {
    ImageChunk: _OLD_IMAGE,
    ImageAssetPointerChunk: _OLD_IMAGE,
}
"""The new names of older fields, None where nothing reads them any more. All of them come together."""

_CONSTANT: Mapping[type[BaseModel], Mapping[str, float]] = {
    DimuonParams: {"damping": 1e-4, "rank_lr_correction_exponent": 0.175},
}
"""Fields that became constants of the server; 0.29.1 to 0.30.2 send them. Another value stays."""


def upgrade(operation_name: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body that the newest request type of the operation accepts, from the body of any client.

    Fills what old clients leave out, renames and drops fields that are gone, and drops a null that stands
    for a default. Anything else stays as it is, to be judged by the request type. `body` is not changed.
    """
    upgraded = _upgraded(frozenset({_REQUEST_OF[operation_name]}), body)
    return {**_FILLED.get(operation_name, {}), **upgraded}


_REQUEST_OF: Mapping[str, type[BaseModel]] = {row.name: row.request for row in OPERATIONS}


def _upgraded(kinds: frozenset[type[BaseModel]], value: Any) -> Any:
    """`value`, one of `kinds` or a list of them; values of free dictionaries stay as they are."""
    if isinstance(value, list):
        return [_upgraded(kinds, item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed: dict[str, str | None] = {}
    for kind in kinds:
        if kind in _RENAMED and _RENAMED[kind].keys() <= value.keys():
            renamed.update(_RENAMED[kind])
        constants = _CONSTANT.get(kind, {})
        renamed.update({key: None for key in constants if value.get(key) == constants[key]})
    defaulted, parts = _fields(kinds)
    return {
        name: _upgraded(parts[key], item) if key in parts else item
        for key, item in value.items()
        if (name := renamed.get(key, key)) is not None and not (item is None and key in defaulted)
    }


@cache
def _fields(
    kinds: frozenset[type[BaseModel]],
) -> tuple[frozenset[str], Mapping[str, frozenset[type[BaseModel]]]]:
    """Names where null can only mean the default, and the types below each name."""
    nullable: set[str] = set()
    defaulted: set[str] = set()
    parts: dict[str, frozenset[type[BaseModel]]] = {}
    for kind in kinds:
        for name, info in kind.model_fields.items():
            models = {part for part in _parts(info.annotation) if issubclass(part, BaseModel)}
            takes_null = type(None) in _parts(info.annotation)
            for key in _names(name, info):
                if models:
                    parts[key] = parts.get(key, frozenset()) | models
                if takes_null:
                    nullable.add(key)
                elif not info.is_required():
                    defaulted.add(key)
    return frozenset(defaulted - nullable), parts


def _names(name: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]


def _parts(annotation: Any) -> frozenset[type]:
    """The classes in an annotation, however deep."""
    if isinstance(annotation, type) and not get_args(annotation):
        return frozenset({annotation})
    return frozenset().union(*(_parts(part) for part in get_args(annotation)))


FIRST_ITEMS = 8
"""Of a list: the others are of the same client, and a batch may have thousands."""


def misplaced(
    row: Operation[Any, Any] | Deferred[Any, Any], body: Mapping[str, Any], version: SdkVersion
) -> list[str]:
    """What a release does not send, and this body has: paths of fields, or `""` for the operation itself.

    Args:
        row: the operation.
        body: the request as plain JSON values, as `upgrade` leaves it. Fields that have their default, and
            those that `upgrade` fills in, say nothing.
        version: the release that the client says it is.
    """
    if not has_operation(version, row):
        return [""]
    filled = _FILLED.get(row.name, {})
    given = {name: value for name, value in body.items() if name not in filled or value != filled[name]}
    return list(dict.fromkeys(_misplaced(frozenset({row.request}), given, version, "")))


def _misplaced(
    kinds: frozenset[type[BaseModel]], value: Any, version: SdkVersion, path: str
) -> Iterator[str]:
    if isinstance(value, list):
        for item in value[:FIRST_ITEMS]:
            yield from _misplaced(kinds, item, version, path)
    elif isinstance(value, Mapping):
        _, parts = _fields(kinds)
        for name, item in value.items():
            known = _places(kinds, name)
            if known and all(_is_foreign(info, item, version) for info in known):
                yield f"{path}.{name}"
            elif name in parts:
                yield from _misplaced(parts[name], item, version, f"{path}.{name}")


@cache
def _places(kinds: frozenset[type[BaseModel]], key: str) -> tuple[FieldInfo, ...]:
    """The fields that a key may be."""
    return tuple(
        info for kind in kinds for name, info in kind.model_fields.items() if key in _names(name, info)
    )


def _is_foreign(info: FieldInfo, value: Any, version: SdkVersion) -> bool:
    """Whether a release does not have a field, and a value says something."""
    default = info.default.model_dump(mode="json") if isinstance(info.default, BaseModel) else info.default
    if value is None or value == default:
        return False
    return any(
        (isinstance(mark, Since) and not in_force(mark.version, None, version))
        or (isinstance(mark, Until) and not in_force(None, mark.version, version))
        for mark in info.metadata
    )
