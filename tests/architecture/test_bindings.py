"""A handler of another type than its row's is a mypy error."""

import pytest
from mypy import api

RIGHT = """
from contract import GetInfoRequest, GetInfoResponse, OptimStepRequest, OptimStepResponse
from contract.operations import GET_INFO, OPTIM_STEP
from fake_server.bindings import bind, bind_deferred
from fake_server.service import Call, Submission

def info(call: Call, request: GetInfoRequest) -> GetInfoResponse: ...
def step(call: Call, request: OptimStepRequest) -> Submission[OptimStepResponse]: ...
"""


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("bind(GET_INFO, info)", True),
        ("bind_deferred(OPTIM_STEP, step)", True),
        ("bind(GET_INFO, step)", False),
        ("bind_deferred(OPTIM_STEP, info)", False),
        ("bind(OPTIM_STEP, step)", False),
    ],
)
def test_only_a_handler_of_the_rows_types_can_be_bound(tmp_path, line, fits):
    source = tmp_path / "binding.py"
    source.write_text(RIGHT + line + "\n")

    out, _, status = api.run(["--strict", "--disable-error-code=empty-body", str(source)])

    assert (status == 0) is fits, out
