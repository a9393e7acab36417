"""`requests_of`: what an operation is sent: what clients send, what schemathesis makes, what is broken.

Each draw begins with the request that a client sends; it shrinks back to that.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

import schemathesis
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from pydantic.fields import FieldInfo
from schemathesis.core import NOT_SET
from schemathesis.core.errors import InvalidSchema

from contract.codec import JSON, PROTOBUF, encode
from contract.model import Since
from contract.strategies import Invalid, violations
from contract.training import ForwardBackwardRequest
from fake_server.fuzzing.plain import LAWS_OF_IDS, REFERENCES, plain
from fake_server.fuzzing.request import NEXT, ROWS, Expected, Request

__all__ = ["KINDS", "register_protobuf", "requests_of"]

Draw = st.DrawFn
NO_KEY = "a-key-that-nobody-has"
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
HELD = ("timeout", "cursor")
"""Fields that schemathesis does not fill: a wait of its own choice, and what only the server can give."""
ODD = ("", "0", "-1", "../../etc/passwd", "é☃", "a\u0000b", "%2e%2e", "1e999", "a" * 5000)
NOBODY = ("nobody", "nobody:train:0", "00000000-0000-4000-8000-000000000000")
NO_JSON = (b"{", b"", b"model", b"{} {}", b'"\xff"', bytes(range(256)))
Kind = Callable[..., Request | None]


def register_protobuf() -> None:
    """Let schemathesis draw bodies of training passes in protobuf: whole ones, and such as are cut."""
    fields = {**plain("forward_backward").fields, "model_id": "nobody:train:0", "seq_id": 1}
    whole = encode(ForwardBackwardRequest.model_validate(fields), PROTOBUF)
    cut = st.integers(0, len(whole)).map(lambda size: whole[:size])
    schemathesis.openapi.media_type(PROTOBUF, st.one_of(st.just(whole), cut))


@st.composite
def requests_of(draw: Draw, operation: Operation, begin: Callable[[], object]) -> Request:
    """A request of an operation; `begin` is told of each draw."""
    begin()
    name = operation.definition.raw["operationId"]
    kinds = [kind for kind in KINDS if _applies(kind, operation, plain(name))]
    kind = draw(st.sampled_from(kinds))
    return kind(draw, operation, plain(name)) or plain(name)


class _Drawn(Exception):
    """Something was drawn."""


def _applies(kind: Kind, operation: Operation, request: Request) -> bool:
    """Whether there are requests of this kind: it draws one, or makes it without."""

    def stop(_strategy: object) -> NoReturn:
        raise _Drawn

    try:
        return kind(stop, operation, request) is not None
    except _Drawn:
        return True


def _lean(_draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """Without all that has a default."""
    optional = [
        name
        for name, field in request.row.request.model_fields.items()
        if not field.is_required() and name in request.fields and request.fields[name] != NEXT
    ]
    needed = ("sampling_session_id", "base_model", "model_id", "session_id", "timeout", "path")
    left = {k: v for k, v in request.fields.items() if k not in optional or k in needed}
    law = {"optim_step": "WIRE-67", "asample": "WIRE-68"}.get(request.operation, "WIRE-66")
    if left == request.fields:
        return None
    return request.having("without what has a default", "taken", law, fields=left)


def _nulls(_draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """With null for what may be absent."""
    model = request.row.request.model_fields
    names = [
        name
        for name, field in model.items()
        if name not in request.fields and not field.is_required() and field.default is None
    ]
    if request.row.method == "GET" or not names:
        return None
    fields = {**request.fields, **dict.fromkeys(names)}
    return request.having("with null for what may be absent", "taken", "WIRE-10", fields=fields)


def _newer(_draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """With a field of a later release."""
    if request.row.method != "POST" or not request.fields:
        return None
    fields = {**request.fields, "field_of_2030": {"a": [1]}}
    return request.having("with a field of a later release", "taken", "WIRE-08", fields=fields)


def _parametrised(_draw: Draw, _operation: Operation, request: Request) -> Request | None:
    if request.row.method not in ("POST", "PUT"):
        return None
    media_type = f"{JSON}; charset=utf-8"
    headers = {**request.headers, "content-type": media_type}
    return request.having("with a parameter of the content type", "taken", "WIRE-11", headers=headers)


def _unreleased(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    version = draw(st.sampled_from(["99.0.0", "", "dev"]))
    headers = {**request.headers, "x-stainless-package-version": version}
    return request.having("of an unknown release", "taken", "WIRE-13", headers=headers)


def _generated(draw: Draw, operation: Operation, request: Request) -> Request | None:
    """Some fields as schemathesis draws them from the schema."""
    case = draw(operation.as_strategy())
    fields = {**case.path_parameters, **case.query}
    if isinstance(case.body, dict):
        fields |= case.body
    names = sorted(name for name in fields if name not in HELD)
    chosen = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    drawn = {name: fields[name] for name in chosen}
    told = f"with another {', '.join(chosen)}" if chosen else request.what
    return request.having(told, "either", "", fields={**request.fields, **drawn})


def _negative(draw: Draw, operation: Operation, request: Request) -> Request | None:
    """As schemathesis breaks the schema; ids are those of what is there, where they are texts."""
    try:
        case = draw(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    except (InvalidSchema, UnsatisfiedAssumption):  # it cannot break this one
        return None
    fields = {**case.path_parameters, **case.query}
    body = None
    if isinstance(case.body, dict):
        fields |= case.body
    elif case.body is not NOT_SET and not isinstance(case.body, bytes):
        body = case.body
    for name, value in request.fields.items():
        if isinstance(value, str) and isinstance(fields.get(name), str):
            fields[name] = value
    fields = {name: value for name, value in fields.items() if name not in HELD}
    for name in request.fields:  # those of the path are there, always
        if f"{{{name}}}" in request.row.route:
            fields.setdefault(name, request.fields[name])
    return request.having("that does not fit the schema", "either", "", fields=fields, body=body)


def _broken(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """One thing in it is missing, or not what the contract's types allow."""
    found = _wrongs(request.operation)
    if not found:
        return None
    wrong = draw(st.sampled_from(found))
    strict = wrong.type != "missing" or wrong.place[0] in REFERENCES.get(request.operation, ())
    expected: Expected = "refused" if strict else "either"
    told = f"with one thing wrong: {wrong.name}"
    name = wrong.place[0]
    fields = {key: value for key, value in request.fields.items() if key != name}
    if name in wrong.tree:
        fields[str(name)] = wrong.tree[name]
    return request.having(told, expected, "WIRE-34", fields=fields)


@cache
def _wrongs(operation: str) -> list[Invalid]:
    """What can be wrong in a body; clients of old may lack what came later."""
    row = ROWS[operation]
    if row.method == "GET":
        return []
    model = row.request.model_fields
    told = violations(row.request).items()
    taken = ("null", "unknown")  # for what is absent, and from clients to come
    found = [
        wrong for name, wrong in told if wrong.place and wrong.place[0] in model and not name.endswith(taken)
    ]
    inside = [wrong for wrong in found if f"{{{wrong.place[0]}}}" not in row.route]
    return [wrong for wrong in inside if wrong.type != "missing" or not _since(model[str(wrong.place[0])])]


def _since(field: FieldInfo) -> bool:
    """Whether older clients do not send it."""
    return any(isinstance(mark, Since) for mark in field.metadata)


def _strange(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """An id is one that nobody has, or none at all."""
    names = REFERENCES.get(request.operation, ())
    if not names:
        return None
    name = draw(st.sampled_from(names))
    if draw(st.booleans()):
        value, law = draw(st.sampled_from(ODD)), "WIRE-43"
    else:
        value, law = draw(st.sampled_from(NOBODY)), LAWS_OF_IDS.get(request.operation, "WIRE-42")
    if f"{{{name}}}" in request.row.route and value in ("", "../../etc/passwd"):
        value = NOBODY[0]  # another path
    told = f"of a {name} that nobody has"
    return request.having(told, "refused", law, fields={**request.fields, name: value})


def _numbered(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    names = [name for name, value in request.fields.items() if value == NEXT]
    if not names or "model_id" not in request.fields:
        return None
    value = draw(st.sampled_from([-1, 2**70, 1.5]))
    fields = {**request.fields, names[0]: value}
    return request.having(f"whose {names[0]} is none", "refused", "WIRE-45", fields=fields)


def _no_json(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """A body that is none."""
    if not _needs_a_body(request):
        return None
    raw = draw(st.one_of(st.sampled_from(NO_JSON), st.binary(max_size=64).filter(_is_no_object)))
    law = "WIRE-35" if not raw else "WIRE-31" if raw.isascii() else "WIRE-32"
    return request.having("with a body that is no JSON object", "refused", law, raw=raw)


def _no_object(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    if not _needs_a_body(request):
        return None
    body = draw(st.sampled_from([[], 3, "model", [[[]]], False]))
    return request.having("with a body that is no object", "refused", "WIRE-33", body=body)


def _needs_a_body(request: Request) -> bool:
    row = request.row
    inside = [f for name, f in row.request.model_fields.items() if f"{{{name}}}" not in row.route]
    return row.method in ("POST", "PUT") and any(field.is_required() for field in inside)


def _garbled(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """A protobuf that is cut, that is none, that is not compressed as it says, or where none is due."""
    if request.operation != "forward_backward":
        if not _needs_a_body(request):
            return None
        raw = draw(st.binary(min_size=1, max_size=32).filter(_is_no_object))
        return request.having("in protobuf", "refused", "WIRE-37", raw=raw, media_type=PROTOBUF)
    if draw(st.booleans()):
        cut = draw(st.integers(1, 40))
        return request.having("that lacks its end", "either", "WIRE-36", cut=cut, media_type=PROTOBUF)
    if draw(st.booleans()):
        raw = b"\x0a\xff" + draw(st.binary(max_size=64))
        return request.having("of garbled protobuf", "refused", "WIRE-36", raw=raw, media_type=PROTOBUF)
    headers = {"content-encoding": draw(st.sampled_from(["zstd", "gzip", "no-such-encoding"]))}
    told = "that is not compressed as it says"
    return request.having(told, "refused", "WIRE-38", raw=b"plain text", headers=headers, media_type=PROTOBUF)


def _keyless(draw: Draw, operation: Operation, request: Request) -> Request | None:
    if operation.definition.raw.get("security") == []:
        return None
    if draw(st.booleans()):
        headers = {"x-api-key": NO_KEY}
        return request.having("with a key that nobody has", "refused", "ACC-02", headers=headers)
    return request.having("without a key", "refused", "ACC-03", headers={"x-api-key": ""})


def _elsewhere(draw: Draw, _operation: Operation, request: Request) -> Request | None:
    """On a path that is no operation, or with another method."""
    if draw(st.booleans()):
        return request.having("on a path that is no operation", "refused", "WIRE-40", suffix="/a/b/c/d")
    own = {row.method for row in ROWS.values() if row.route == request.row.route}
    method = draw(st.sampled_from(sorted({"GET", "PUT", "DELETE", "PATCH"} - own)))
    return request.having(f"by {method}", "refused", "WIRE-41", method=method)


def _is_no_object(raw: bytes) -> bool:
    try:
        return not isinstance(json.loads(raw), dict)
    except ValueError:
        return True


def _plain(_draw: Draw, _operation: Operation, request: Request) -> Request:
    return request


OWN: tuple[Kind, ...] = (
    _plain,
    _lean,
    _nulls,
    _newer,
    _parametrised,
    _unreleased,
    _broken,
    _strange,
    _no_json,
    _no_object,
    _garbled,
    _numbered,
    _keyless,
    _elsewhere,
)
KINDS = (*OWN * 4, _broken, _strange, _generated, _negative)
"""The kinds of requests. Of what schemathesis makes it rejects a sixth by itself: there is less of it."""
