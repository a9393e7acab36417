"""`flows_of`: sequences of operations, as the links of the OpenAPI document lead from one to the next."""

from typing import Any

import requests
import schemathesis
from schemathesis import Case, Response
from schemathesis.core.result import Ok
from schemathesis.core.transforms import UNRESOLVABLE
from schemathesis.generation.stateful.state_machine import APIStateMachine, StepInput, Transition
from schemathesis.specs.openapi.expressions import MultiMatch

from contract.openapi import openapi
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.request import Request
from fake_server.fuzzing.trial import Bench, Trial

__all__ = ["flows_of"]


def flows_of(bench: Bench, trials: list[Trial]) -> type[APIStateMachine]:
    """The state machine of all operations that links lead to; `trials` takes each as it begins."""
    base: Any = schemathesis.openapi.from_dict(_sequences()).as_state_machine()

    class Flow(base):  # type: ignore[misc]
        """One sequence."""

        def setup(self) -> None:
            self.trial = Trial(bench)
            trials.append(self.trial)

        def step(self, input: StepInput) -> Any:  # noqa: A002 - schemathesis names it
            self.request = _request(input.case, input.transition)
            return super().step(input)

        def call(self, case: Case[Any], **_: object) -> Response:
            step = self.trial.run(self.request)
            case.body = step.request.fields
            return Response(
                status_code=step.reply.status,
                headers={name: [value] for name, value in step.reply.headers.items()},
                content=step.reply.body,
                request=requests.Request(step.sent.method, bench.driver.url + step.sent.target).prepare(),
                elapsed=0.0,
                verify=True,
            )

        def validate_response(self, *_: object, **__: object) -> None:
            """Each answer is judged when it comes."""

    return Flow


def _sequences() -> dict[str, Any]:
    """The document as far as sequences go: which requests follow which, and nothing of what is in them.

    What is in them is what clients send; drawing a body only to lay it aside takes nine tenths of the time.
    """
    document = openapi()
    for path in document["paths"].values():
        for operation in path.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = {"type": "object", "maxProperties": 0}
    return document


def _request(case: Case[Any], transition: Transition | None) -> Request:
    """What a client sends, of what the link has from an earlier answer."""
    usual = plain(case.operation.definition.raw["operationId"])
    fields = {**usual.fields, **(_linked(transition) if transition is not None else {})}
    return usual.having("in a sequence", "either", "", fields=fields)


def _linked(transition: Transition) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for container in transition.parameters.values():
        for name, extracted in container.items():
            value = extracted.value.ok() if isinstance(extracted.value, Ok) else None
            # of a list, as schemathesis itself links them, the first
            value = value.values[0] if isinstance(value, MultiMatch) else value
            if value not in (None, UNRESOLVABLE):
                found[name] = value
    body = transition.request_body
    if body is not None and isinstance(body.value, Ok) and isinstance(body.value.ok(), dict):
        found |= {name: value for name, value in body.value.ok().items() if _is_there(value)}
    return found


def _is_there(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_there, value.values()))
    return value not in (None, UNRESOLVABLE)
