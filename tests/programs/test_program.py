import pytest
from hypothesis import given
from pydantic import ValidationError

import contract.programs as module
from contract.programs import (
    CreateModel,
    CreateSession,
    Example,
    ForwardBackward,
    OptimStep,
    Program,
    Replay,
    SaveWeights,
)
from contract.strategies.programs import programs

SHORT = Program.of(
    CreateSession(),
    CreateModel(rank=4),
    ForwardBackward(data=(Example(tokens=(1, 2), weights=(1.0, 0.5)),), loss="ppo", config={"clip": 0.5}),
    OptimStep(seq_id=2, wait=False),
    Replay(step=2, changed=True),
)


@given(programs())
def test_the_repr_of_a_program_is_python_that_makes_it_again(program):
    assert eval(repr(program), vars(module).copy()) == program


@given(programs())
def test_the_json_of_a_program_makes_it_again(program):
    assert Program.model_validate_json(program.to_json()) == program


def test_a_program_reads_as_a_list_of_steps_without_defaults():
    assert str(SHORT).splitlines() == [
        "Program.of(",
        "    CreateSession(),",
        "    CreateModel(rank=4),",
        "    ForwardBackward(data=(Example(tokens=(1, 2), weights=(1.0, 0.5)),), loss='ppo', "
        "config={'clip': 0.5}),",
        "    OptimStep(wait=False, seq_id=2),",
        "    Replay(step=2, changed=True),",
        ")",
    ]
    assert repr(Program.of()) == "Program.of()"


def test_a_step_is_shown_as_it_is_written():
    assert str(SaveWeights(name="a", ttl_seconds=3600)) == "SaveWeights(name='a', ttl_seconds=3600)"
    assert OptimStep(learning_rate=0.01) == OptimStep()


def test_a_program_has_as_many_steps_as_it_has():
    assert len(SHORT) == 5
    assert [step.makes for step in SHORT.walk()] == ["session", "model", None, None, None]


def test_json_of_another_kind_of_step_is_refused():
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        Program.model_validate_json('{"steps": [{"op": "fly"}]}')
