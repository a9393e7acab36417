"""`Judge`: what every answer must be, whatever was asked: its status, its media type, its form."""

import json
from typing import Any, NoReturn
from urllib.parse import urljoin

import jsonschema_rs
import requests
import schemathesis
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok

from contract.codec import JSON, PROTOBUF, decode
from contract.errors import ApiError
from contract.laws.driver import Reply
from contract.laws.expect import REPEATED
from contract.openapi import openapi
from contract.operations import Deferred
from contract.sampling import SampleResponse
from contract.training import ForwardBackwardOutput
from fake_server.fuzzing.fault import OPENAPI, Fault
from fake_server.fuzzing.plain import LAW_OF
from fake_server.fuzzing.request import ROWS, Request
from fake_server.fuzzing.sending import Ready

__all__ = ["Judge"]

TELLING: dict[type[Any], str] = {
    ForwardBackwardOutput: "loss_fn_output_type",
    SampleResponse: "type",
}
"""Results in protobuf, and a text of each: read as another's it is bytes."""
TRACES = (b"Traceback (most recent call last)", b'File "')
POLLS = ("retrieve_future", "retrieve_futures")
PENDING, NO_CONTENT = 408, 204
MOST_SHOWN = 300


def protobuf_result(_context: object, response: schemathesis.Response) -> Any:
    """A result in protobuf as the JSON that the document describes.

    Raises:
        ValueError: if it is neither a training pass's nor a sample's.
    """
    for kind in TELLING:
        try:
            result: Any = decode(kind, response.content, PROTOBUF)
        except ApiError:
            continue
        if str(getattr(result, TELLING[kind])).isprintable():  # protobuf reads any message as any
            return result.model_dump(mode="json", exclude_none=True)
    raise ValueError(f"expected a protobuf result, got {len(response.content)} bytes that are none")


class Judge:
    """The OpenAPI document as one who judges answers."""

    def __init__(self, url: str) -> None:
        schemathesis.deserializer(PROTOBUF)(protobuf_result)
        self.schema = schemathesis.openapi.from_dict(openapi())
        self.schema.config.update(base_url=url)
        self._url = url
        self._results: dict[str, jsonschema_rs.Validator] = {}
        found = [kind.ok() for kind in self.schema.get_all_operations() if isinstance(kind, Ok)]
        self.operations = {operation.definition.raw["operationId"]: operation for operation in found}

    def check(self, request: Request, sent: Ready, reply: Reply) -> None:
        """Judge one answer.

        Raises:
            Fault: naming the law that it breaks.
        """
        _check_status(request, reply)
        self._check_body(request, sent, reply)

    def check_result(self, operation: str, request: Request, reply: Reply) -> Any:
        """Judge the outcome of an operation's future, in an answer that has one; its JSON.

        Raises:
            Fault: naming the law that it breaks.
        """
        body = self._outcome(operation, request, reply)
        if isinstance(body, dict) and "error" in body:
            _check_failure(operation, reply, body)
            return body
        problems = list(self._result_of(operation).iter_errors(body))
        if problems:
            raise Fault(operation, OPENAPI, f"the result of {operation}: {_told(problems[0])}")
        return body

    def _outcome(self, operation: str, request: Request, reply: Reply) -> Any:
        row = ROWS[operation]
        if reply.media_type == JSON:
            has_form = row.response in (ForwardBackwardOutput, SampleResponse)
            failed = isinstance(reply.json, dict) and "error" in reply.json
            if has_form and not failed and JSON not in request.accept:
                law = "WIRE-01" if row.response is ForwardBackwardOutput else "WIRE-02"
                raise Fault(operation, law, f"the result of {operation}: expected {PROTOBUF}, got {JSON}")
            return reply.json
        if PROTOBUF not in request.accept:
            law = "WIRE-62" if operation == "asample" else "WIRE-61"
            raise Fault(
                operation, law, f"the result of {operation}: expected {JSON}, got {reply.media_type!r}"
            )
        try:
            result: Any = decode(row.response, reply.body, reply.media_type)
        except ApiError as error:
            law = "WIRE-04" if b'"error"' in reply.body else "WIRE-03"
            raise Fault(operation, law, f"the result of {operation}: {error.detail}") from None
        return result.model_dump(mode="json", exclude_none=True)

    def _result_of(self, operation: str) -> jsonschema_rs.Validator:
        if operation not in self._results:
            document = self.schema.raw_schema
            name = ROWS[operation].response.__name__
            whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            self._results[operation] = jsonschema_rs.Draft202012Validator(whole)
        return self._results[operation]

    def _check_body(self, request: Request, sent: Ready, reply: Reply) -> None:
        if any(trace in reply.body for trace in TRACES):
            raise Fault(
                request.operation,
                "FUT-35",
                f"{request.operation}: expected words, got a traceback: {_short(reply)}",
            )
        key = request.headers.get("x-api-key")
        if key and key.encode() in reply.body:
            raise Fault(request.operation, "ACC-02", f"{reply.status}: expected no key, got {_short(reply)}")
        refused = 400 <= reply.status < 500 and reply.status != PENDING
        if refused and not reply.body:
            raise Fault(
                request.operation, _law(request, "WIRE-31"), f"{reply.status}: expected a body, got none"
            )
        if reply.status == NO_CONTENT and not reply.body:
            return
        if reply.media_type == JSON:
            _check_finite(request, reply)
        elif refused or (reply.media_type == PROTOBUF and PROTOBUF not in request.accept):
            raise Fault(
                request.operation, "WIRE-05", f"{reply.status}: expected {JSON}, got {reply.media_type!r}"
            )
        if request.method or request.suffix:
            return  # it is no operation's answer
        self._conform(request, sent, reply)

    def _conform(self, request: Request, sent: Ready, reply: Reply) -> None:
        response = schemathesis.Response(
            status_code=reply.status,
            headers={name: [value] for name, value in reply.headers.items()},
            content=reply.body,
            request=requests.Request(sent.method, urljoin(self._url, "/")).prepare(),
            elapsed=0.0,
            verify=True,
        )
        operation = self.operations[request.operation]
        if operation.responses.find_by_status_code(reply.status) is None:
            raise Fault(request.operation, OPENAPI, f"{reply.status}: expected a status of the document's")
        try:
            operation.validate_response(response)
        except (Failure, FailureGroup) as failure:
            first = failure.exceptions[0] if isinstance(failure, FailureGroup) else failure
            text = " ".join(f"{first.title}: {first.message}".split())
            raise Fault(request.operation, OPENAPI, f"{reply.status}: {text[:MOST_SHOWN]}") from None


def _check_status(request: Request, reply: Reply) -> None:
    status, operation = reply.status, request.operation
    if operation in POLLS and status == PENDING and request.expected != "refused":
        return
    taken, refused = 200 <= status < 300, 400 <= status < 500 and status not in REPEATED
    if taken and (request.expected != "refused" or isinstance(request.row, Deferred)):
        return  # what is to be refused may be so by its future
    if refused and request.expected != "taken":
        return
    expected = {
        "taken": "a success",
        "refused": "a refusal that is final",
        "either": "a success, or a refusal that is final",
    }[request.expected]
    law = _law(request, LAW_OF.get(operation, OPENAPI) if request.expected == "taken" else "WIRE-34")
    raise Fault(
        operation, law, f"{operation} {request.what}: expected {expected}, got {status} {_short(reply)}"
    )


def _check_failure(operation: str, reply: Reply, body: dict[str, Any]) -> None:
    shown = f"the failure of {operation}: "
    if not isinstance(body["error"], str) or not body["error"].strip():
        raise Fault(operation, "FUT-32", f"{shown}expected an error in words, got {body['error']!r}")
    if body.get("category") == "server":
        raise Fault(
            operation, "FUT-33", f"{shown}expected the user's fault, got the server's: {_short(reply)}"
        )


def _check_finite(request: Request, reply: Reply) -> None:
    def refuse(literal: str) -> NoReturn:
        raise Fault(request.operation, "WIRE-65", f"{reply.status}: expected JSON, got the literal {literal}")

    try:
        json.loads(reply.body, parse_constant=refuse)
    except ValueError:
        text = f"{reply.status}: expected JSON, as the media type says, got {_short(reply)}"
        raise Fault(request.operation, "WIRE-05", text) from None


def _law(request: Request, otherwise: str) -> str:
    return request.law or otherwise


def _told(problem: jsonschema_rs.ValidationError) -> str:
    where = ".".join(map(str, problem.instance_path)) or "the whole"
    return f"{where}: {problem.message}"[:MOST_SHOWN]


def _short(reply: Reply) -> str:
    return repr(reply.body[:MOST_SHOWN])
