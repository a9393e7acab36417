"""Programs that are carried out step by step, on one server and on two."""

import pytest

from contract.laws.driver import Driver
from contract.laws.subject import Subject
from contract.programs import (
    CreateModel,
    CreateSession,
    Disagreement,
    Forward,
    GetSession,
    KnownDifference,
    ListCheckpoints,
    OptimStep,
    Program,
    SaveWeights,
    Tandem,
    run,
)
from fake_server.running import LiveServer
from tests.laws.mutants.bench import serving_app

BORN = (CreateSession(), CreateModel(seed=1))
BACKWARDS = KnownDifference(
    "lists", "one is sorted", lambda difference: difference.one.operation.startswith("list")
)


def lists_checkpoints_backwards(bench):
    @bench.handler("list_checkpoints")
    def _(serve, call, request):
        answer = serve(call, request)
        return answer.model_copy(update={"checkpoints": answer.checkpoints[::-1]})


def subject(server: LiveServer, base_model: str = "tinkerproof/pico") -> Subject:
    return Subject(Driver(server.url, "tml-x", "0.38.0"), base_model)


@pytest.fixture(scope="module")
def sound(server):
    return subject(server)


@pytest.fixture(scope="module")
def another(server):
    """Another base model, whose numbers are others."""
    return subject(server, "Qwen/Qwen3-8B")


@pytest.fixture(scope="module")
def backwards():
    with serving_app(lists_checkpoints_backwards) as app:
        pass  # what breaks it is bound to the app, and to no other
    with LiveServer(app) as server:
        yield subject(server)


def test_a_tandem_on_one_server_does_what_run_does(sound):
    tandem = Tandem.on(sound)
    events = [event for step in (*BORN, OptimStep()) for event in tandem.take(step)]
    tandem.finish()

    assert tandem.program == Program.of(*BORN, OptimStep())
    assert tuple(events) == run(tandem.program, sound, survey=False).events


def test_a_look_is_no_part_of_the_program(sound):
    tandem = Tandem.on(sound)
    tandem.take(CreateSession())
    (event,) = tandem.look(GetSession())

    assert event.shape == {"sampler_ids": [], "training_run_ids": []}
    assert len(tandem.program) == 1


def test_two_servers_that_do_the_same_agree(sound, another):
    tandem = Tandem.on(sound, another)
    for step in (*BORN, OptimStep(wait=False), SaveWeights(name="a")):
        one, other = tandem.take(step)
        assert one.fate == other.fate
    tandem.finish()

    assert [run_.events[2].fate for run_ in tandem.runs] == ["result", "result"]


def test_another_order_of_a_list_is_a_disagreement_of_a_step(sound, backwards):
    tandem = Tandem.on(sound, backwards)
    for step in (*BORN, SaveWeights(name="a"), SaveWeights(name="b")):
        tandem.take(step)

    with pytest.raises(Disagreement, match=r"two servers: expected the same of each step, got\n4 ListCheckp"):
        tandem.take(ListCheckpoints())


def test_a_difference_that_is_known_is_none(sound, backwards):
    tandem = Tandem.on(sound, backwards, known={"lists": BACKWARDS})
    for step in (*BORN, SaveWeights(name="a"), SaveWeights(name="b")):
        tandem.take(step)

    assert len(tandem.look(ListCheckpoints())) == 2


def test_numbers_are_compared_by_who_gives_a_tolerance_and_are_shown(sound, another):
    tandem = Tandem.on(sound, another, tolerance=1e-4)
    for step in BORN:
        tandem.take(step)

    with pytest.raises(
        Disagreement, match=r"2 Forward\(\): numbers\n  one:   6 numbers: .*\n  other: 6 numbers"
    ):
        tandem.take(Forward())
