"""What trained a model, as a program and its run tell; without a server, by a run that is made up."""

import pytest

from contract.laws.driver import Driver
from contract.laws.subject import Subject
from contract.programs import (
    CreateModel,
    CreateSession,
    Event,
    Example,
    Forward,
    ForwardBackward,
    LoadModel,
    LoadWeights,
    OptimStep,
    Program,
    Run,
    SaveWeights,
    lineage,
)
from contract.programs.interpreter import Sent

MADE = CreateModel(seed=1, rank=4)
BORN = (CreateSession(), MADE)
PASS, STEP = ForwardBackward(data=(Example(tokens=(5, 6)),)), OptimStep()
SERVER = Subject(Driver("http://nowhere.invalid", "tml-x", "0.38.0"), "tinkerproof/pico")


def trained(*steps, failed=(), model=0):
    """The lineage of a model, where all steps but `failed` had a result."""
    run = Run.on(SERVER)
    for number, step in enumerate(steps):
        ask = step.ask(run.names)
        made = None if step.makes is None else run.names.add(step.makes)
        if step.makes == "checkpoint":
            run.names.learn("checkpoint", made, f"tinker://run/{ask.fields.get('path')}")
        place = (step.model, ask.fields["seq_id"]) if "seq_id" in ask.fields else None
        run.sent[number] = Sent(ask, place=place)
        fate = "failure" if number in failed else "result"
        run.events[number] = Event(repr(step), ask.operation, fate, 200)
    return lineage(steps, run, model)


def test_passes_and_steps_train_a_model_and_forward_passes_do_not():
    found = trained(
        *BORN, PASS, Forward(), STEP, ForwardBackward(data=(Example(tokens=(5,), weights=(0.0,)),))
    )

    assert found.steps == (PASS, STEP)
    assert not found.has_gradients


def test_what_failed_did_not_train():
    assert trained(*BORN, PASS, STEP, failed=(2,)).steps == (STEP,)


def test_the_order_is_that_of_the_places():
    late, early = OptimStep(seq_id=2), ForwardBackward(seq_id=1)

    assert trained(*BORN, late, early).steps == (early, late)


def test_what_other_models_did_is_left_out():
    assert trained(*BORN, MADE, PASS.model_copy(update={"model": 1}), STEP).steps == (STEP,)


def test_a_load_brings_back_what_was_saved_without_its_gradients():
    saved = (*BORN, PASS, STEP, PASS, SaveWeights(name="a"))

    assert trained(*saved, STEP, LoadWeights(), PASS).steps == (PASS, STEP, PASS)
    assert trained(*saved, STEP, LoadWeights()).has_gradients is False


def test_a_model_of_a_checkpoint_is_trained_as_the_one_that_was_saved():
    found = trained(*BORN, PASS, STEP, SaveWeights(name="a"), STEP, LoadModel(), model=1)

    assert (found.made, found.steps) == (MADE, (PASS, STEP))


@pytest.mark.parametrize(
    ("steps", "model"),
    [
        ((CreateSession(), CreateModel()), 0),
        ((*BORN, SaveWeights(name="a"), LoadWeights(optimizer=False), PASS), 0),
        ((*BORN, SaveWeights(name="a"), LoadWeights(path="tinker://another/weights/a")), 0),
        ((*BORN, SaveWeights(name="a"), LoadModel(optimizer=False)), 1),
        ((*BORN, SaveWeights(name="a"), SaveWeights(name="a", overwrite=True), LoadWeights()), 0),
        ((CreateSession(), CreateModel(), SaveWeights(name="a"), LoadModel()), 1),
    ],
    ids=[
        "no seed",
        "fresh optimizer",
        "another path",
        "model without optimizer",
        "saved twice",
        "of no seed",
    ],
)
def test_where_no_twin_can_be_made_there_is_no_lineage(steps, model):
    assert trained(*steps, model=model) is None


def test_a_twin_is_made_and_trained_in_a_session_of_its_own():
    twin = trained(*BORN, MADE, OptimStep(model=1, seq_id=1, wait=False), model=1).twin(Forward())

    assert twin == Program.of(CreateSession(), MADE, OptimStep(), Forward())


def test_many_loads_of_many_saves_are_each_followed_once():
    rounds = [step for n in range(30) for step in (SaveWeights(name=f"w{n}"), LoadWeights(checkpoint=n))]

    assert trained(*BORN, PASS, STEP, *rounds, *rounds[1::2]).steps == (PASS, STEP)
