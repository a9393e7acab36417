"""Programs on the scripted backend, and on servers that answer what they were told."""

from itertools import count

import pytest

from contract.laws.driver import Driver
from contract.laws.subject import Subject
from contract.programs import (
    Await,
    CreateModel,
    CreateSampler,
    CreateSession,
    DeleteCheckpoint,
    Example,
    FinishSession,
    Forward,
    ForwardBackward,
    GetInfo,
    GetTrainingRun,
    LoadWeights,
    Logprobs,
    OpenSampler,
    OptimStep,
    Program,
    Replay,
    Sample,
    SaveForSampler,
    SaveWeights,
    UnloadModel,
    compare,
    run,
)
from contract.programs.names import Names
from tests.laws.small_server import small_server

MODEL = (CreateSession(), CreateModel())
worlds = count()


@pytest.fixture
def fated(server):
    """What came of each step."""

    def run_steps(*steps, version="0.38.0"):
        url = f"{server.url}/t/w{next(worlds)}"
        program = Program.of(*steps)
        return run(program, Subject(Driver(url, "tml-x", version), "tinkerproof/pico"), survey=False).events

    return run_steps


def fates(events):
    return [event.fate for event in events]


def test_a_life_of_a_model_gives_results_in_the_programs_words(fated):
    events = fated(*MODEL, ForwardBackward(), OptimStep(), SaveWeights(name="a"), LoadWeights(), GetInfo())

    assert fates(events) == ["answer", *["result"] * 5, "answer"]
    assert events[5].shape == {"model_id": "model 0", "path": "checkpoint 0", "type": "load_weights"}
    assert events[2].shape == {
        "type": "ArrayRecord",
        "outputs": [{"logprobs": "float32 [4]"}],
        "metrics": ["loss:sum", "tokens:sum"],
    }


def test_an_example_of_given_weights_counts_by_them(fated):
    weightless = Example(tokens=(5, 6), weights=(0.0, 0.0))

    assert fated(*MODEL, Forward(data=(weightless,)))[-1].numbers[0] == 0.0


def test_a_sample_is_asked_for_as_it_is_written(fated):
    plain, seeded = Sample(stop=None, topk_logprobs=2), Sample(seed=3)
    events = fated(*MODEL, CreateSampler(), plain, seeded, seeded)

    assert "topk" in events[3].shape["sequences"][0]
    assert events[4].numbers == events[5].numbers


def test_numbers_are_kept_beside_the_shape(fated):
    event = fated(*MODEL, Forward())[-1]

    assert len(event.numbers) == 2 + 4
    assert event.numbers[0] == pytest.approx(-sum(event.numbers[2:]), rel=1e-5)


def test_clients_before_protobuf_are_driven_in_json(fated):
    events = fated(*MODEL, Forward(), ForwardBackward(), Replay(step=3, changed=True), version="0.24.1")

    assert fates(events) == ["answer", "result", "result", "result", "refused"]


def test_what_was_never_made_is_unknown_to_the_server(fated):
    events = fated(
        Forward(model=3), Sample(sampler=1), DeleteCheckpoint(checkpoint=2), CreateModel(session=5)
    )

    assert fates(events) == ["refused"] * 4
    assert [event.status for event in events] == [404, 404, 404, 403]
    assert "no model" in events[0].text


def test_a_failure_has_a_category_and_a_text(fated):
    event = fated(*MODEL, ForwardBackward(loss="no_such_loss"))[-1]

    assert (event.fate, event.category) == ("failure", "user")
    assert "no_such_loss" in str(event)
    assert not event.is_effective


def test_an_operation_that_came_early_is_done_once_the_gap_is_filled(fated):
    events = fated(*MODEL, OptimStep(seq_id=2), ForwardBackward(seq_id=1))

    assert fates(events)[2:] == ["result", "result"]
    assert events[2].numbers[0] > 0  # the gradient norm, of the pass that came later


def test_an_operation_whose_gap_is_never_filled_is_held(fated):
    events = fated(*MODEL, OptimStep(seq_id=2), OptimStep(seq_id=3, wait=False), UnloadModel())

    assert fates(events)[2:] == ["held", "held", "held"]


def test_a_held_operation_fails_with_its_session(fated):
    event = fated(*MODEL, OptimStep(seq_id=2), FinishSession())[2]

    assert (event.fate, event.category) == ("failure", "user")
    assert "has ended" in event.text


def test_a_result_is_fetched_when_it_is_awaited_or_at_the_end(fated):
    steps = (ForwardBackward(wait=False), OptimStep(wait=False), Await(step=2), Await(step=2), Await(step=9))

    assert fates(fated(*MODEL, *steps)) == ["answer", *["result"] * 3, "answer", "nothing", "nothing"]


def test_a_replay_has_the_same_promise_and_the_same_outcome(fated):
    events = fated(
        *MODEL, ForwardBackward(), Replay(step=2), OptimStep(wait=False), Replay(step=4), Replay(step=3)
    )

    assert events[3].shape == {"promise": "the same", "outcome": "the same"}
    assert events[5].shape == {"promise": "the same"}
    assert events[6].shape == {"promise": "the same"}


@pytest.mark.parametrize(
    "step",
    [
        CreateModel(),
        Forward(),
        ForwardBackward(),
        OptimStep(),
        SaveWeights(name="a"),
        SaveForSampler(name="a"),
        OpenSampler(),
        OpenSampler(kind="inflight"),
        LoadWeights(),
        Sample(),
        Logprobs(topk=2),
        CreateSampler(),
        CreateSampler(checkpoint=0),
    ],
    ids=repr,
)
def test_another_body_under_a_used_number_is_refused(fated, step):
    base = (*MODEL, SaveWeights(name="base"), CreateSampler())
    events = fated(*base, step, Replay(step=4, changed=True))

    assert fates(events[-2:]) == ["answer" if isinstance(step, CreateSampler) else "result", "refused"]


def test_what_has_no_number_is_asked_again_as_it_was(fated):
    events = fated(*MODEL, GetInfo(), Replay(step=2, changed=True), Replay(step=7))

    assert events[3].shape == events[2].shape
    assert events[4].fate == "nothing"


def test_an_example_that_no_client_could_write_is_not_sent(fated):
    event = fated(*MODEL, Forward(data=(Example(tokens=(2**40,)),)))[-1]

    assert event.fate == "nothing"
    assert "32 bits" in event.text


def test_a_survey_tells_what_the_server_has_of_the_program(server):
    subject = Subject(Driver(f"{server.url}/t/survey", "tml-x", "0.38.0"), "tinkerproof/pico")
    first = run(Program.of(*MODEL, SaveWeights(name="a"), GetTrainingRun()), subject)
    second = run(Program.of(*MODEL, SaveWeights(name="a"), GetTrainingRun()), subject)

    assert [event.step for event in first.events[4:]] == ["survey"] * 4
    assert compare(first, second, tolerance=0.0) == []


@pytest.mark.parametrize(
    ("answer", "fate", "text"),
    [
        ((200, {"no": "id"}), "malformed", "a promise without a request_id"),
        ((200, b"<html>", "text/html"), "malformed", "a promise without a request_id"),
        ((200, b"{", "application/json"), "malformed", "a promise without a request_id"),
        ((500, {"detail": "oops"}), "refused", "oops"),
        ((400, b"no", "text/plain"), "refused", ""),
    ],
)
def test_a_promise_that_is_none_is_an_event(answer, fate, text):
    with small_server({"create_session": (200, {"session_id": "s"}), "create_model": answer}) as subject:
        event = run(Program.of(*MODEL), subject, survey=False).events[1]

    assert (event.fate, event.text) == (fate, text)


def test_a_result_that_is_none_is_an_event():
    answers = {"create_model": (200, {"request_id": "r"}), "retrieve_future": (200, {"odd": 1})}
    with small_server(answers) as subject:
        event = run(Program.of(CreateModel()), subject, survey=False).events[0]

    assert (event.fate, event.status) == ("malformed", 200)
    assert "model_id" in event.text


def test_no_answer_is_an_event():
    subject = Subject(Driver("http://127.0.0.1:9", "tml-x", "0.38.0"), "base")
    (event,) = run(Program.of(CreateSession()), subject, survey=False).events

    assert (event.fate, event.status) == ("lost", 0)


def test_a_future_that_never_ends_is_lost(monkeypatch):
    monkeypatch.setattr("contract.laws.subject.MOST_POLLS", 2)
    answers = {"create_model": (200, {"request_id": "r"}), "retrieve_future": (408, {})}
    with small_server(answers) as subject:
        (event,) = run(Program.of(CreateModel()), subject, survey=False).events

    assert event.fate == "lost"


def test_a_replay_that_is_promised_something_else_tells_so():
    promises = [(200, {"request_id": "a"}), (200, {"request_id": "b"})]
    answers = {"create_model": promises, "retrieve_future": (200, {"model_id": "m", "type": "create_model"})}
    with small_server(answers) as subject:
        events = run(Program.of(CreateModel(), Replay(step=0)), subject, survey=False).events

    assert events[1].shape["promise"] == "another"


def test_a_held_operation_whose_poll_is_cut_off_is_lost():
    answers = {"create_model": (200, {"request_id": "m"}), "optim_step": (200, {"request_id": "o"})}
    polled = {"retrieve_future": [(200, {"model_id": "m"}), (200, b"", "application/json")]}
    with small_server({**answers, **polled}) as subject:
        events = run(Program.of(CreateModel(), OptimStep(seq_id=2)), subject, survey=False).events

    assert events[1].fate == "lost"


EARLY = (OptimStep(), OptimStep(seq_id=3), Sample(), CreateModel(session=1), CreateSampler(session=1))


def test_what_named_a_thing_before_it_was_there_takes_no_number_of_it(fated):
    made = (CreateModel(session=1), OptimStep(model=1), CreateSampler(session=1), Sample(sampler=1))
    first, second = (CreateSession(),) * 2
    events = fated(first, *EARLY, OptimStep(model=1, seq_id=2), Sample(sampler=1), second, *made)

    assert fates(events)[1:8] == ["refused"] * 7
    assert fates(events)[8:] == ["answer", "result", "result", "answer", "result"]


def test_what_was_counted_for_a_number_is_forgotten_when_a_thing_has_it():
    names = Names("base", "0.38.0")
    for _ in range(2):
        names.place(0, None), names.next_model(0), names.next_sampler(0), names.next_sample(0)
    for kind in ("session", "model", "sampler"):
        names.add(kind)

    assert (names.last_place(0), names.next_model(0), names.next_sampler(0), names.next_sample(0)) == (0,) * 4
