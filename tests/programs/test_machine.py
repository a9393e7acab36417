"""The machine holds on sound servers, finds broken ones, and shrinks what it found to a few rules."""

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from contract import programs as p
from contract.laws import LAWS, Broken
from contract.laws.driver import Driver
from contract.laws.subject import Subject
from contract.programs import Disagreement
from contract.strategies.machine import FLAWS, TinkerMachine
from contract.strategies.step_machine import StepMachine
from fake_server.app import create_app
from fake_server.running import LiveServer, find_backend
from fake_server.settings import AuthSettings, Settings
from tests.fake_server.test_cli import serving as served
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving, serving_app

PICO, KEY = "tinkerproof/pico", "tml-machine"
REPEATED = settings(derandomize=True, database=None, deadline=None, report_multiple_bugs=False)
BRIEFLY = settings(REPEATED, max_examples=5, stateful_step_count=8, phases=[Phase.generate])
SEARCH = settings(REPEATED, max_examples=300, stateful_step_count=10, phases=[Phase.generate, Phase.shrink])
MOST_RULES = 5


def subject_at(url: str) -> Subject:
    return Subject(Driver(url, KEY, "0.38.0"), PICO)


def machine_on(subject, other=None, kind=TinkerMachine, **attributes):
    fields = {"subject": lambda self: subject, **attributes}
    second = {} if other is None else {"other": lambda self: other}
    return type("Machine", (kind,), {**fields, **second})


@pytest.fixture(scope="module")
def sound():
    with LiveServer(create_app(find_backend("scripted"))) as server:
        yield subject_at(server.url)


@pytest.fixture(scope="module")
def keeps_checkpoints():
    """A server that deletes nothing; what it is broken by is bound to its app, and to no other."""
    with serving_app(MUTANTS["delete-does-nothing"].breaks) as app:
        pass
    with LiveServer(app) as server:
        yield subject_at(server.url)


def found_by(machine, search=SEARCH) -> tuple[str, list[str], str]:
    """The error of the shrunk example, its rules, and all that is noted of it."""
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(machine, settings=search)
    notes = "\n".join(caught.value.__notes__)
    called = re.findall(r"^(?:\w+ = )?state\.(\w+)\(", notes, re.MULTILINE)
    rules = [name for name in called if name != "teardown"]
    return str(caught.value), rules, notes


def test_a_sound_server_does_what_the_machine_expects(sound):
    run_state_machine_as_test(machine_on(sound), settings=BRIEFLY)


def test_a_server_is_tried_by_its_url_and_key():
    keyed = Settings(auth=AuthSettings(api_keys=(KEY,)))
    with LiveServer(create_app(find_backend("scripted"), keyed)) as server:
        briefly = settings(BRIEFLY, max_examples=2)
        run_state_machine_as_test(machine_on(subject_at(server.url)), settings=briefly)


@pytest.mark.slow
def test_the_command_serves_what_the_machine_expects():
    with served("--api-key", KEY) as (_, line):
        run_state_machine_as_test(
            machine_on(subject_at(line.strip())), settings=settings(SEARCH, max_examples=20)
        )


# Broken servers


class FewRules(TinkerMachine):
    """Finds sooner what it can find."""

    look_around = open_session = end_session = create_model = start_model = step_before_its_turn = None
    save = save_for_sampler = load = load_model = delete = create_sampler = open_sampler = sample = None


def test_a_broken_server_is_found_and_what_breaks_it_shrinks_to_two_rules():
    search = settings(SEARCH, max_examples=60, stateful_step_count=3)
    with serving(MUTANTS["forward-leaves-gradients"].breaks) as subject_for:
        text, rules, notes = found_by(machine_on(subject_for(LAWS["FUT-01"]), kind=FewRules), search)

    assert re.match(r"numbers of model 0, and of a twin without what is neutral: expected .* within", text)
    assert rules == ["first_model", "forward"]
    assert "as a program, for contract.programs.run:\nProgram.of(\n    CreateSession()," in notes


CULPRITS = {
    "forward-leaves-gradients": "forward",
    "replay-applied-twice": "train_and_replay",
    "replay-applied-under-its-id": "train_and_replay",
    "gradients-kept": "save",
    "save-is-a-step-late": "save",
    "failed-pass-leaves-gradients": "fail",
    "models-share-weights": "first_model",
    "delete-does-nothing": "delete",
}
"""Mutants, each with a rule without which it is not noticed."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant_id", CULPRITS)
def test_what_breaks_a_server_shrinks_to_a_few_rules(mutant_id):
    with serving(MUTANTS[mutant_id].breaks) as subject_for:
        _, rules, _ = found_by(machine_on(subject_for(LAWS["FUT-01"])))

    print(mutant_id, rules)
    assert CULPRITS[mutant_id] in rules
    assert len(rules) <= MOST_RULES


@pytest.mark.slow
def test_what_only_one_of_two_servers_does_shrinks_to_a_few_rules(sound, keeps_checkpoints):
    text, rules, _ = found_by(machine_on(sound, keeps_checkpoints))

    print(text, rules)
    assert {"save", "delete"} <= set(rules) or {"save_for_sampler", "delete"} <= set(rules)
    assert len(rules) <= MOST_RULES


NEUTRAL = {
    "replay-applied-under-its-id": lambda machine, model: machine.train_and_replay(model, (5, 6)),
    "gradients-kept": lambda machine, model: (
        machine.train(model, (5, 6)),
        machine.step(model),
        machine.save(model),
    ),
    "failed-pass-leaves-gradients": lambda machine, model: machine.fail(model, FLAWS[0]),
}


@pytest.mark.parametrize("mutant_id", NEUTRAL)
def test_what_should_be_neutral_shows_on_a_broken_server(mutant_id):
    with serving(MUTANTS[mutant_id].breaks) as subject_for:
        machine = machine_on(subject_for(LAWS["FUT-01"]))()
        NEUTRAL[mutant_id](machine, machine.first_model(8))

        with pytest.raises(Broken, match="and of a twin without what is neutral"):
            machine.teardown()


def test_a_replay_that_is_promised_something_else_is_noticed_at_once():
    with serving(MUTANTS["replay-applied-twice"].breaks) as subject_for:
        machine = machine_on(subject_for(LAWS["FUT-01"]))()

        with pytest.raises(Broken, match="promise of a request that is sent again: expected 'the same'"):
            machine.train_and_replay(machine.first_model(8), (5, 6))


def test_a_sampler_stays_what_it_was_while_its_model_is_trained(sound):
    machine = machine_on(sound)()
    model = machine.first_model(8)
    sampler = machine.open_sampler(model)
    machine.train(model, (5, 6))
    machine.step(model)
    machine.teardown()

    assert machine.tandem.steps[-1] == p.Logprobs(sampler=sampler, prompt=(5, 5, 6, 6, 5))


def test_a_sampler_that_does_not_stay_what_it_was_is_noticed(sound):
    machine = machine_on(sound)()
    sampler = machine.open_sampler(machine.first_model(8))
    machine._first_scores[sampler] = ((-1.0, -1.0, -1.0),)

    with pytest.raises(Broken, match="logprobs of sampler 0, later: expected"):
        machine.teardown()


# Two servers


def test_two_servers_that_do_the_same_agree_in_numbers_too(sound):
    briefly = settings(BRIEFLY, max_examples=2)
    run_state_machine_as_test(machine_on(sound, sound, tolerance=1e-6), settings=briefly)


def test_what_one_of_two_servers_does_otherwise_is_shown(sound, keeps_checkpoints):
    machine = machine_on(sound, keeps_checkpoints)()
    kept = machine.save(machine.first_model(8))

    with pytest.raises(
        Disagreement, match=r"ListCheckpoints\(\): shape\n  one:   .* \[\]}\n  other: .* 0'}\]}"
    ):
        machine.delete(kept)


# Rules


def lived(machine):
    """A life in which each rule is tried where it can be done, and where it cannot."""
    session, model = machine.open_session(), machine.first_model(8)
    machine.start_model(1)
    small = machine.create_model(session, 1)
    machine.step_before_its_turn(model, (5, 6))
    machine.train_with_no_weight(model, (5, 6))
    kept, sampled = machine.save(model), machine.save_for_sampler(model)
    machine.train(model, (6, 7))
    unloaded = machine.save(model)
    outlasting = machine.save(small)
    machine.load(small, kept)
    machine.load(model, sampled)
    machine.load_model(kept)
    machine.load_model(sampled)
    samplers = [machine.create_sampler(path) for path in (kept, sampled)]
    machine.sample(samplers[0])
    ended = machine.open_sampler(small)
    machine.delete(unloaded)
    machine.look_around()
    machine.end_session(session)
    return small, outlasting, ended


def test_each_rule_holds_on_a_sound_server(sound):
    machine = machine_on(sound)()
    lived(machine)
    machine.teardown()

    assert Counter(step.op for step in machine.tandem.steps)["load_weights"] == 4
    assert machine.world.alive("checkpoint") == [0, 1, 3]


def test_what_has_ended_is_refused(sound):
    machine = machine_on(sound)()
    model, kept, sampler = lived(machine)
    machine.train(model, (5, 6))
    machine.train_and_replay(model, (5, 6))
    machine.step_before_its_turn(model, (5, 6))
    machine.sample(sampler)
    machine.delete(kept)
    nothing = [machine.save(model), machine.save_for_sampler(model), machine.open_sampler(model)]

    assert [list(made.values) for made in nothing] == [[], [], []]
    assert not machine.is_usable("model", model)


def test_a_sampler_of_weights_to_train_on_from_may_be_refused(sound):
    machine = machine_on(sound)()
    kept = machine.save(machine.first_model(8))
    machine.tandem.take(p.DeleteCheckpoint(checkpoint=kept))

    assert list(machine.create_sampler(kept).values) == []


# Machines of users


class Trains(StepMachine):
    """Rules of one's own."""

    @rule()
    def train_and_forget(self):
        session = self.make(p.CreateSession())
        model = self.make(p.CreateModel(session=session))
        self.do(p.ForwardBackward(model=model, wait=False))
        self.do(p.OpenSampler(model=model, kind="inflight"))
        self.do(p.UnloadModel(model=model))
        self.do_with_model(model, p.OptimStep(model=model))


def test_a_machine_has_steps_without_any_rules(sound):
    run_state_machine_as_test(machine_on(sound, kind=Trains), settings=settings(BRIEFLY, max_examples=2))


def test_a_model_without_a_seed_has_no_twin_and_its_gradients_count_as_there(sound):
    machine = machine_on(sound)()
    model = machine.make(p.CreateModel(session=machine.open_session()))
    machine.save(model)
    machine.teardown()

    assert machine.has_gradients(model)
    assert machine.tandem.steps[-1].op == "save_weights"


def test_a_step_that_fails_and_one_that_should_say_so(sound):
    machine = machine_on(sound)()

    with pytest.raises(Broken, match=r"OptimStep\(\): expected a success, got OptimStep\(\): refused 404"):
        machine.do(p.OptimStep())
    with pytest.raises(Broken, match=r"CreateSession\(\): expected a refusal, got CreateSession\(\): answer"):
        machine.refuse(p.CreateSession())
    with pytest.raises(ValueError, match=r"OptimStep\(\): expected a step that makes something, got another"):
        machine.make(p.OptimStep())


@contextmanager
def closing_by(teardown):
    try:
        yield
    finally:
        teardown()


def test_a_rule_that_fails_is_told_as_a_program_and_nothing_else_is_looked_for(sound):
    machine = machine_on(sound)()
    machine.forward(machine.first_model(8), (5, 6))

    with pytest.raises(Broken, match="expected a success") as caught, closing_by(machine.teardown):
        machine.do(p.ForwardBackward(model=7))

    (note,) = caught.value.__notes__
    assert note.endswith("    Forward(data=(Example(tokens=(5, 6)),)),\n    ForwardBackward(model=7),\n)")


def test_a_twin_that_cannot_be_made_is_no_twin_that_differs(sound):
    machine = machine_on(replace(sound))()
    machine.first_model(8)
    machine.tandem.runs[0].subject.base_model = "nobody/nothing"

    with pytest.raises(Broken, match=r"a twin's CreateModel\(seed=1\): expected a success, got .* refused"):
        machine.teardown()


def test_a_list_that_cannot_be_had_is_no_empty_list(sound):
    machine = machine_on(sound)()
    machine.first_model(8)
    machine.tandem.take(p.FinishSession())
    machine.tandem.runs[0].names.learn("model", 0, "nobody")

    with pytest.raises(
        Broken, match=r"ListCheckpoints\(\): expected a success, got ListCheckpoints\(\): refused"
    ):
        machine.look_around()


def test_a_machine_without_a_server_says_what_to_do():
    with pytest.raises(NotImplementedError, match="subject: expected a subclass that gives"):
        TinkerMachine()
