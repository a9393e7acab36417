import json

import pytest

from contract.laws.driver import Driver, Reply
from fake_server.fuzzing.fault import OPENAPI, Fault
from fake_server.fuzzing.finding import found
from fake_server.fuzzing.judge import Judge
from fake_server.fuzzing.plain import plain
from fake_server.fuzzing.request import LATER, NEXT, Request
from fake_server.fuzzing.trial import Bench, Trial

STEP = {"model_id": "m", "adam_params": {}}
NUMBERED = {**STEP, "seq_id": NEXT}
PROMISE, OTHER = {"request_id": "r"}, {"request_id": "s"}
DONE, DONE_OTHERWISE = {"metrics": {"a": 1.0}}, {"metrics": {"a": 2.0}}
FAILED = {"error": "no", "category": "user"}
WAITS = (408, {"type": "try_again", "request_id": "r", "queue_state": "active"})
SAMPLE = {"sequences": [{"stop_reason": "stop", "tokens": [1]}] * 2, "type": "sample"}
MADE = ({"session_id": "s-1"}, {"request_id": "c"}, {"model_id": "s-1:train:0", "type": "create_model"})
NO_PATH = [*MADE, {"request_id": "w"}, {"type": "save_weights_for_sampler"}]
REFUSAL = (400, {"detail": "no"})
STEP_OF_A_MODEL = plain("optim_step").having("x", "either", "")
EARLY = plain("optim_step").having("early", "taken", "FUT-22")
EARLY.fields["seq_id"] = LATER


class Canned(Driver):
    """A driver whose answers are there before the requests."""

    def answering(self, *answers):
        self.answers = [answer if isinstance(answer, tuple) else (200, answer) for answer in answers]
        return self

    __slots__ = ("answers",)

    def send(self, *_, **__):
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(body, Exception):
            raise body
        return Reply(status, {"content-type": "application/json"}, json.dumps(body).encode())


@pytest.fixture(scope="module")
def judge():
    return Judge("http://127.0.0.1:1")


def bench_of(judge, *answers, **named):
    driver = Canned("http://127.0.0.1:1", "tml-x", "0.38.0").answering(*answers)
    return Bench(driver, "base", judge, **{"patience": -1.0, **named})


@pytest.mark.parametrize(
    ("request_", "answers", "law"),
    [
        (Request("optim_step", STEP), [PROMISE, DONE, DONE_OTHERWISE], "FUT-02"),
        (Request("optim_step", NUMBERED), [PROMISE, DONE, DONE, OTHER], "FUT-03"),
        (Request("optim_step", NUMBERED), [PROMISE, DONE, DONE, PROMISE, DONE_OTHERWISE], "FUT-14"),
        (Request("optim_step", STEP, law="TRN-14"), [PROMISE, FAILED], "TRN-14"),
        (Request("optim_step", STEP, expected="refused", law="TRN-05"), [PROMISE, DONE], "TRN-05"),
        (
            Request("optim_step", STEP),
            [PROMISE, WAITS],
            "FUT-41",
        ),
        (Request("asample", {"prompt": 1}), [PROMISE], "SMP-14"),
        (Request("asample", {}), [{**PROMISE, "sample_sequence_ids": ["q"]}, SAMPLE], "SMP-13"),
        (
            plain("load_weights").having("x", "refused", "", fields={"path": "«sampler_path»"}),
            NO_PATH,
            OPENAPI,
        ),
        (
            plain("optim_step").having("x", "either", ""),
            [*MADE, MADE[1], {"model_id": "s-1:train:0"}, (400, {"detail": "no"}), OTHER, FAILED],
            None,
        ),
    ],
)
def test_what_comes_of_a_request_breaks_a_law(judge, request_, answers, law):
    with pytest.raises(Fault) as told:
        Trial(bench_of(judge, *answers)).run(request_)
    assert law is None or told.value.law == law


@pytest.mark.parametrize(
    ("request_", "answers", "law"),
    [
        (STEP_OF_A_MODEL, [REFUSAL, OTHER, FAILED], "FUT-25"),
        (STEP_OF_A_MODEL, [REFUSAL, OTHER, WAITS], "FUT-25"),
        (STEP_OF_A_MODEL, [REFUSAL, (500, {"detail": "no"})], "TRN-14"),
        (STEP_OF_A_MODEL, [PROMISE, FAILED, FAILED, PROMISE, FAILED, OTHER, FAILED], "FUT-27"),
        (EARLY, [PROMISE, DONE], "FUT-22"),
        (EARLY, [PROMISE, WAITS, OTHER, FAILED, WAITS], "FUT-41"),
        (EARLY, [PROMISE, (0, TimeoutError()), OTHER, DONE, WAITS], "FUT-41"),
    ],
)
def test_what_comes_after_a_request_breaks_a_law(judge, request_, answers, law):
    with pytest.raises(Fault) as told:
        Trial(bench_of(judge, *MADE[:1], {"request_id": "m"}, MADE[2], *answers, picture=lambda: b"")).run(
            request_
        )
    assert told.value.law == law


def test_a_pending_future_is_asked_for_again(judge):
    bench = bench_of(judge, PROMISE, WAITS, WAITS, DONE, patience=60)
    assert Trial(bench).run(Request("optim_step", STEP)).reply.status == 200
    assert bench.driver.answers == [(200, DONE)]


def test_an_id_of_another_request_breaks_a_law(judge):
    bench = bench_of(judge, PROMISE, DONE)
    bench.request_ids.add("r")
    with pytest.raises(Fault, match="of its own, got r again"):
        Trial(bench).run(Request("optim_step", NUMBERED))


def test_a_refused_request_that_changes_something_breaks_a_law(judge):
    pictures = iter([b"before", b"after"])
    bench = bench_of(judge, (400, {"detail": "no"}), picture=lambda: next(pictures))
    with pytest.raises(Fault, match="it changed what the server has"):
        Trial(bench).run(Request("get_info", expected="refused"))


def test_a_server_that_does_not_answer_breaks_a_law(judge):
    trial = Trial(Bench(Driver("http://127.0.0.1:9", "tml-x", "0.38.0"), "base", judge, 1.0))
    with pytest.raises(Fault, match="expected an answer") as told:
        trial.run(Request("healthz"))
    text = found(told.value, trial, "http://127.0.0.1:9").as_text("so")
    assert text.startswith("healthz breaks WIRE-17")
    assert "curl" not in text
    assert "curl" not in found(told.value, trial, "http://127.0.0.1:9").as_json()


def test_a_round_lasts_no_longer_than_it_asks_for(judge):
    bench = bench_of(judge, (0, TimeoutError()))
    with pytest.raises(Fault, match=r"after the 0\.2 s asked for, got none in 15 s more") as told:
        Trial(bench).run(Request("retrieve_futures", {"timeout": 0.2}))
    assert told.value.law == "FUT-53"
