"""Every kind of step, on the scripted backend: the legal ones are carried out, the flawed ones refused."""

from itertools import count

import pytest
from hypothesis import Phase, find, settings

from contract.laws.driver import Driver
from contract.laws.subject import Subject
from contract.programs import (
    Await,
    CreateModel,
    CreateSession,
    FinishSession,
    OpenSampler,
    Program,
    PublishCheckpoint,
    Replay,
    Sample,
    SaveWeights,
    UnloadModel,
    run,
)
from contract.programs.names import Names
from contract.strategies.drafting import DRAFTS, Drafting
from contract.strategies.illegal_steps import FLAWS
from contract.strategies.sketch import Sketch
from contract.strategies.world import World
from tests.laws.small_server import small_server

FIRST = settings(database=None, phases=[Phase.generate])
worlds = count()


@pytest.fixture
def done(server):
    """What came of the steps that sketches become."""

    def on_server(*sketches):
        drafting = Drafting(flaws=FLAWS, pipelined=False)
        program = Program.of(*map(drafting.step, sketches))
        url = f"{server.url}/t/k{next(worlds)}"
        return run(program, Subject(Driver(url, "tml-x", "0.38.0"), "tinkerproof/pico"), survey=False).events

    return on_server


def test_every_legal_kind_of_step_is_carried_out(done):
    makers = ("create_session", "create_model", "save_weights", "create_sampler")
    lasting = [kind for kind in DRAFTS if kind not in ("early", "finish_session")]
    events = done(*map(Sketch, (*makers, *lasting, "finish_session")))

    assert [str(event) for event in events if not event.is_effective] == []


@pytest.mark.parametrize("kind", FLAWS)
def test_every_flawed_kind_of_step_is_refused(done, kind):
    fields = find(FLAWS[kind].fields(), lambda _: True, settings=FIRST)
    makers = (
        "create_session",
        "create_model",
        "save_weights",
        "publish_checkpoint",
        "create_sampler",
        "optim_step",
    )
    event = done(*map(Sketch, makers), Sketch(kind, fields=fields))[-1]

    assert not event.is_effective, event


def test_weights_of_another_rank_are_loaded_into_no_model_there_is():
    drafting = Drafting()
    for step in (CreateSession(), CreateModel(rank=4), SaveWeights(), CreateModel(), UnloadModel()):
        drafting.world.note(step)

    assert drafting.step(Sketch("load_weights")) == CreateModel()


def test_what_names_nothing_changes_nothing_that_there_is():
    world = World()
    for step in (
        CreateSession(),
        CreateModel(),
        FinishSession(session=3),
        PublishCheckpoint(),
        UnloadModel(model=2),
    ):
        world.note(step)
    world.note(CreateModel(session=5))
    world.note(OpenSampler(model=7))

    assert (world.alive("session"), world.alive("model"), world.alive("sampler")) == ([0], [0], [])


@pytest.mark.parametrize("step", [Await(), Replay()], ids=repr)
def test_a_step_about_steps_asks_nothing_itself(step):
    with pytest.raises(
        NotImplementedError, match=r"\(\): expected a step that asks a server itself; carry it out by run"
    ):
        step.ask(Names("base", "0.38.0"))


def test_a_sampler_that_is_opened_without_an_id_is_unknown_later():
    made = {
        "create_model": (200, {"request_id": "m"}),
        "save_weights_for_sampler": (200, {"request_id": "o"}),
    }
    polled = {"retrieve_future": [(200, {"model_id": "m"}), (200, {"path": "tinker://m/sampler_weights/1"})]}
    with small_server({**made, **polled, "asample": (404, {"detail": "no sampler"})}) as subject:
        events = run(Program.of(CreateModel(), OpenSampler(), Sample()), subject, survey=False).events

    assert [event.fate for event in events] == ["result", "result", "refused"]
