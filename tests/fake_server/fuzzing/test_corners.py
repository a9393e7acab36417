"""Corners of the fuzzer that a short run may not come to."""

from types import SimpleNamespace
from typing import Any

from hypothesis import find
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.core.transforms import UNRESOLVABLE
from schemathesis.specs.openapi.expressions import MultiMatch

from contract.drift.roles import _speaks
from contract.laws import LAWS
from fake_server.fuzzing.cases import _numbered
from fake_server.fuzzing.flow import _linked
from fake_server.fuzzing.request import NEXT, Request

STEP = Request("optim_step", {"model_id": "«model»", "seq_id": NEXT})


def test_a_number_that_is_none_is_refused() -> None:
    @st.composite
    def numbered(draw: Any) -> Any:
        return _numbered(draw, None, STEP)

    request = find(numbered(), lambda request: request is not None)

    assert request.fields["seq_id"] == -1
    assert _numbered(lambda _: -1, None, Request("healthz")) is None


def linked(body: Any, **parameters: Any) -> dict[str, Any]:
    values = {name: SimpleNamespace(value=value) for name, value in parameters.items()}
    transition = SimpleNamespace(parameters={"path": values}, request_body=body)
    return _linked(transition)  # type: ignore[arg-type]


def test_of_several_matches_of_a_link_the_first_is_taken() -> None:
    assert linked(None, one=Ok(MultiMatch(["a", "b"])), two=Ok(UNRESOLVABLE), three=ValueError()) == {
        "one": "a"
    }


def test_fields_of_a_link_that_are_not_there_are_left_out() -> None:
    body = SimpleNamespace(value=Ok({"there": {"deep": 1}, "gone": {"deep": UNRESOLVABLE}, "none": None}))

    assert linked(body) == {"there": {"deep": 1}}


def test_a_law_speaks_of_names_that_its_code_uses() -> None:
    assert any(_speaks(law, "optim_step") for law in LAWS.values())
    assert any(_speaks(law, "protobuf") for law in LAWS.values())
    assert not any(_speaks(law, "seed") for law in LAWS.values())
