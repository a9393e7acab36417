"""The machine holds on a sound server, and finds broken ones."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from contract.laws import LAWS, Broken
from contract.strategies.machine import TinkerMachine
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving

QUIETLY = settings(
    max_examples=100, stateful_step_count=8, database=None, suppress_health_check=list(HealthCheck)
)
LAW = LAWS["FUT-01"]


def machine_on(subject):
    class Machine(TinkerMachine):
        def subject(self):
            return subject

    return Machine


def test_a_sound_server_does_what_the_machine_expects():
    with serving() as subject_for:
        run_state_machine_as_test(machine_on(subject_for(LAW)), settings=settings(QUIETLY, max_examples=8))


NEUTRAL = {
    "replay-applied-twice": lambda machine, model: machine.train_and_replay(model, [5, 6]),
    "gradients-kept": lambda machine, model: (
        machine.train(model, [5, 6]),
        machine.step(model),
        machine.save(model),
    ),
    "forward-leaves-gradients": lambda machine, model: machine.forward(model, [5, 6]),
}


@pytest.mark.parametrize("mutant_id", NEUTRAL)
def test_what_should_be_neutral_shows_on_a_broken_server(mutant_id):
    with serving(MUTANTS[mutant_id].breaks) as subject_for:
        machine = machine_on(subject_for(LAW))()
        NEUTRAL[mutant_id](machine, machine.create_model(machine.open_session(), 8))

        with pytest.raises(Broken, match="and of a twin without what is neutral"):
            machine.teardown()


def test_the_machine_finds_a_broken_server():
    breaks, search = MUTANTS["forward-leaves-gradients"].breaks, settings(QUIETLY, phases=[Phase.generate])

    with serving(breaks) as subject_for, pytest.raises(Broken, match="of a twin"):
        run_state_machine_as_test(machine_on(subject_for(LAW)), settings=search)


def test_a_machine_without_a_server_says_what_to_do():
    with pytest.raises(NotImplementedError, match="subject: expected a subclass that gives"):
        TinkerMachine()


def test_the_machine_saves_samples_and_deletes_on_a_sound_server():
    with serving() as subject_for:
        machine = machine_on(subject_for(LAW))()
        model = machine.create_model(machine.open_session(), 8)
        machine.train(model, [5, 6])
        kept, dropped = machine.save(model), machine.save(model)  # neither is loaded: gradients would be lost
        machine.delete(dropped)
        machine.open_sampler(model)
        machine.step(model)
        machine.save(model)
        machine.sample(machine.opened[0][0])
        machine.teardown()

    assert kept in machine.saved
    assert dropped not in machine.saved
