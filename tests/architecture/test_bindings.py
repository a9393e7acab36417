"""A handler of another type than its row's is a mypy error."""

import pytest
from mypy import api

RIGHT = """
from contract import GetInfoRequest, GetInfoResponse, OptimStepRequest, OptimStepResponse
from contract.operations import GET_INFO, OPTIM_STEP
from fake_server.bindings import bind, bind_deferred
from fake_server.service import Call, Submission

def info(call: Call, request: GetInfoRequest) -> GetInfoResponse:
    raise NotImplementedError

def step(call: Call, request: OptimStepRequest) -> Submission[OptimStepResponse]:
    raise NotImplementedError

"""
FITS = {
    "bind(GET_INFO, info)": True,
    "bind_deferred(OPTIM_STEP, step)": True,
    "bind(GET_INFO, step)": False,
    "bind_deferred(OPTIM_STEP, info)": False,
    "bind(OPTIM_STEP, step)": False,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What mypy says of each line; with the options of `make check`, whose cache it then shares."""
    folder = tmp_path_factory.mktemp("bindings")
    names = {line: f"line_{number}.py" for number, line in enumerate(FITS)}
    for line, name in names.items():
        (folder / name).write_text(f"{RIGHT}{line}\n")
    out, error, _ = api.run(["--strict", str(folder)])
    assert f"checked {len(FITS)} source files" in out, out + error
    return {
        line: [said for said in out.splitlines() if f"{name}:" in said and ": error: " in said]
        for line, name in names.items()
    }


@pytest.mark.parametrize("line", FITS)
def test_only_a_handler_of_the_rows_types_can_be_bound(told, line):
    assert (told[line] == []) is FITS[line], told
