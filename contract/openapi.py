"""`OPERATIONS` as an OpenAPI 3.1 document.

Schemas come from pydantic; descriptions are the docstrings under the fields, read from the modules' source
when the document is made, so that nobody pays for them who does not ask.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import BytesSchema, ModelSchema

from contract.futures import FutureRetrieveRequest, TryAgainResponse, UntypedAPIFuture
from contract.links import links_of
from contract.model import Since, Until
from contract.operations import OPERATIONS, Deferred, Operation
from contract.training import AdamParams, DimuonParams, OptimParamsBase, OptimStepRequest
from contract.versions import NEWEST

__all__ = ["openapi"]

Json = dict[str, Any]
Row = Operation[Any, Any] | Deferred[Any, Any]

JSON, PROTOBUF = "application/json", "application/x-protobuf"
SCHEMAS = "#/components/schemas"
ERROR: Json = {
    "type": "object",
    "description": "What went wrong and what to do next.",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
BYTES: Json = {"type": "string", "format": "binary"}
NOTHING: Json = {"description": "Done. Clients look at nothing but the status."}

OPTIM_PARAMS: Json = {
    "adam_params": {"$ref": f"{SCHEMAS}/{AdamParams.__name__}"},
    "optimizer_params": {
        "anyOf": [{"$ref": f"{SCHEMAS}/{kind.__name__}"} for kind in (DimuonParams, OptimParamsBase)]
    },
}
"""Hyperparameters as they are sent, one of the two; their name says whose they are."""


def openapi() -> Json:
    """The document; every call gives the same one."""
    paths: dict[str, Json] = {}
    for row in OPERATIONS:
        paths.setdefault(row.route, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tinker API", "version": NEWEST},
        "security": [{"key": []}],
        "tags": [{"name": area} for area in dict.fromkeys(row.area for row in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": {**_schemas(), "Error": ERROR},
            "responses": {"Error": {"description": "An error.", **_content({"$ref": f"{SCHEMAS}/Error"})}},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _content(schema: Json, *, protobuf: bool = False) -> Json:
    content = {JSON: {"schema": schema}}
    return {"content": content | ({PROTOBUF: {"schema": BYTES}} if protobuf else {})}


def _ref(kind: type) -> Json:
    return {"$ref": f"{SCHEMAS}/{kind.__name__}"}


def _operation(row: Row) -> Json:
    success = {"200": _success(row)} if _kinds(row) else {"2XX": NOTHING}
    described: Json = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": [row.area],
        "x-tinker-since": row.since,
        "parameters": [*_parameters(row)],
        "responses": {**success, "4XX": {"$ref": "#/components/responses/Error"}},
    }
    if row.until is not None:
        described |= {"x-tinker-until": row.until, "deprecated": True}
    if isinstance(row, Operation) and row.open:
        described["security"] = []
    if isinstance(row, Deferred):
        described["x-tinker-result"] = _ref(row.response)
    if row.request is FutureRetrieveRequest:
        described["responses"]["408"] = {"description": "Not yet.", **_content(_ref(TryAgainResponse))}
    if _has_body(row):
        body = _content(_ref(row.request), protobuf=isinstance(row, Deferred) and row.protobuf)
        described["requestBody"] = {"required": True, **body}
    return described


def _success(row: Row) -> Json:
    links = links_of(row.name, deferred=isinstance(row, Deferred))
    return {**_answer(row), **({"links": links} if links else {})}


def _answer(row: Row) -> Json:
    if isinstance(row, Deferred):
        return {"description": "The promise of a result.", **_content(_ref(UntypedAPIFuture))}
    kinds = _kinds(row)
    schema = _ref(kinds[0]) if len(kinds) == 1 else {"anyOf": [_ref(kind) for kind in kinds]}
    what = inspect.getdoc(kinds[0]) if len(kinds) == 1 else "The result, its failure, or its size."
    described: Json = {"description": what, **_content(schema)}
    if row.protobuf:  # described by what is in it, of which this is another form
        described["content"][PROTOBUF] = {"schema": schema}
    return described


def _kinds(row: Row) -> list[type[BaseModel]]:
    """The types that an answer can have."""
    return [kind for kind in get_args(row.response) or (row.response,) if kind is not type(None)]


def _in_path(row: Row) -> list[str]:
    return [name for name in row.request.model_fields if f"{{{name}}}" in row.route]


def _has_body(row: Row) -> bool:
    fields = row.request.model_fields
    return row.method in ("POST", "PUT") and (not fields or len(_in_path(row)) < len(fields))


def _parameters(row: Row) -> Iterator[Json]:
    """What stands in the path, and for GET what stands in the query."""
    properties = row.request.model_json_schema(schema_generator=_Schema).get("properties", {})
    for name, schema in properties.items():
        if name in _in_path(row):
            yield _parameter(name, "path", schema, required=True)
        elif row.method == "GET":
            yield _parameter(name, "query", schema, required=row.request.model_fields[name].is_required())


def _parameter(name: str, place: str, schema: Json, *, required: bool) -> Json:
    about = {key: value for key, value in schema.items() if key == "description" or key.startswith("x-")}
    plain = {key: value for key, value in schema.items() if key not in about}
    return {"name": name, "in": place, "required": required, "schema": plain, **about}


def _schemas() -> dict[str, Json]:
    """The schema of every type in a body or an answer, by name."""
    kinds = {kind for row in OPERATIONS for kind in _kinds(row)} | {UntypedAPIFuture}
    kinds |= {row.request for row in OPERATIONS if _has_body(row)}
    inputs: list[tuple[type[BaseModel], Literal["validation"]]] = [(kind, "validation") for kind in kinds]
    inputs.sort(key=lambda pair: pair[0].__name__)
    template = f"{SCHEMAS}/{{model}}"
    _, made = models_json_schema(inputs, ref_template=template, schema_generator=_Schema)
    schemas: dict[str, Json] = made["$defs"]
    for row in OPERATIONS:
        if _has_body(row):
            _leave_out(schemas[row.request.__name__], _in_path(row))
    optim_step = schemas[OptimStepRequest.__name__]
    _leave_out(optim_step, ["optim_params"])
    optim_step["properties"] |= OPTIM_PARAMS
    optim_step["oneOf"] = [{"required": [name]} for name in OPTIM_PARAMS]
    return dict(sorted(schemas.items()))


def _leave_out(schema: Json, names: list[str]) -> None:
    """Take properties out of an object's schema; a wider one has them."""
    for name in names:
        del schema["properties"][name]
        schema["required"].remove(name)


class _Schema(GenerateJsonSchema):
    """Adds what the docstrings under the fields and their metadata say."""

    def bytes_schema(self, schema: BytesSchema) -> Json:  # noqa: ARG002 (pydantic names it)
        """Base64 text, as every field of bytes is sent."""
        return {"type": "string", "contentEncoding": "base64"}

    def model_schema(self, schema: ModelSchema) -> Json:
        """The object, its properties described."""
        described = super().model_schema(schema)
        kind = schema["cls"]
        for name, about in described.get("properties", {}).items():
            texts = [text for base in kind.__mro__ if (text := _docstrings(base).get(name))]
            if texts:
                about["description"] = texts[0]
            for mark in kind.model_fields[name].metadata:
                if isinstance(mark, Since | Until):
                    about[f"x-tinker-{type(mark).__name__.lower()}"] = mark.version
        return described


@cache
def _docstrings(kind: type) -> Mapping[str, str]:
    """The text under each field of a class of ours, by name."""
    if kind.__module__.partition(".")[0] != __package__:
        return {}
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
