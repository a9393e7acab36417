"""`Subject` says what laws ask of a server, and is exact about answers that are wrong."""

import pytest

from contract.laws import Broken, Skipped
from contract.laws.driver import Reply
from contract.laws.model import Model
from contract.laws.sampler import Sampler
from contract.training import CreateModelResponse, OptimStepResponse
from tests.laws.small_server import small_server

FAILURE = {"error": "no such loss", "category": "user"}
PENDING = (408, {"type": "try_again"})
TRY_AGAIN = (200, {"type": "try_again", "request_id": "r", "queue_state": "active"})
DONE = (200, {"model_id": "m"})
DATA = b"\x00"


def polled(*answers):
    return small_server({"retrieve_future": list(answers)})


def reply(status, body=b'{"detail": "no"}', media_type="application/json"):
    return Reply(status, {"content-type": media_type}, body)


def test_a_future_is_polled_until_it_has_an_outcome():
    with polled(PENDING, TRY_AGAIN, DONE) as subject:
        assert subject.result("r", CreateModelResponse).model_id == "m"
        assert len(subject.driver.trace) == 3


def test_polls_come_to_an_end(monkeypatch):
    monkeypatch.setattr("contract.laws.subject.MOST_POLLS", 3)

    with polled(PENDING) as subject, pytest.raises(Broken, match="expected an outcome, got none in 3 polls"):
        subject.poll("r")


def test_a_client_of_protobuf_says_so_when_it_polls(subject):
    model = subject.model()
    request_id = subject.doomed(model.send_backward([subject.datum()]))

    assert subject.poll(request_id).media_type == "application/x-protobuf"
    with subject.as_another(sdk_version="0.12.0"):
        assert subject.poll(request_id).media_type == "application/json"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((500, {}), "retrieve_future: expected 200, got 500"),
        ((200, FAILURE), "expected a result, got the failure {'error': 'no such loss'"),
        ((200, {"metrics": []}), "result: expected OptimStepResponse, got what does not fit"),
        ((200, DATA, "application/x-protobuf"), "result: expected OptimStepResponse, got what does not fit"),
        ((200, b"[", "application/json"), "expected a JSON body, got 1 bytes of application/json"),
    ],
)
def test_what_is_no_result_breaks_a_law(answer, told):
    with polled(answer) as subject, pytest.raises(Broken) as broken:
        subject.result("r", OptimStepResponse)

    assert told in str(broken.value)


def test_a_failure_is_read():
    with polled((200, FAILURE)) as subject:
        assert subject.failure("r").error == "no such loss"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (DONE, "expected a failure with status 200, got 200"),
        ((500, FAILURE), "expected a failure with status 200, got 500"),
        ((200, DATA, "application/x-protobuf"), "expected a failure with status 200, got 200"),
        ((200, {"error": "no", "category": "USER"}), "expected an error and a category, got"),
    ],
)
def test_what_is_no_failure_breaks_a_law(answer, told):
    with polled(answer) as subject, pytest.raises(Broken) as broken:
        subject.failure("r")

    assert told in str(broken.value)


def test_a_refusal_is_a_4xx_or_a_future_that_fails():
    with polled((200, FAILURE)) as subject:
        subject.refused(reply(422))
        subject.refused(reply(200, b'{"request_id": "r"}'))


@pytest.mark.parametrize("answer", [reply(500), reply(204, b""), reply(200, b"[]"), reply(200, b"{}")])
def test_what_is_no_refusal_breaks_a_law(answer):
    with polled(DONE) as subject, pytest.raises(Broken, match=f"expected a refusal, got {answer.status}"):
        subject.refused(answer)


def test_a_promise_that_is_kept_is_no_refusal():
    with polled(DONE) as subject, pytest.raises(Broken, match="expected a failure with status 200"):
        subject.refused(reply(200, b'{"request_id": "r"}'))


def test_a_number_that_was_used_is_refused_or_has_the_first_future():
    with polled(DONE) as subject:
        subject.refused_or_replayed(reply(200, b'{"request_id": "r"}'), "r")
        subject.refused_or_replayed(reply(409), "r")
        with pytest.raises(Broken, match="expected a failure with status 200"):
            subject.refused_or_replayed(reply(200, b'{"request_id": "other"}'), "r")


def test_the_future_of_a_doomed_request_is_there_or_the_law_is_skipped():
    with polled(DONE) as subject:
        assert subject.doomed(reply(200, b'{"request_id": "r"}')) == "r"
        with pytest.raises(Skipped, match="such a request is refused at once, by 400"):
            subject.doomed(reply(400))
        with pytest.raises(Broken, match="expected a promise or a refusal, got 500"):
            subject.doomed(reply(500))


def test_an_answer_that_must_succeed_breaks_a_law_where_it_does_not():
    with small_server({"healthz": (503, {})}) as subject:
        for ask in (subject.answer, lambda name: subject.typed(name, {}, CreateModelResponse)):
            with pytest.raises(Broken, match="healthz: expected 200, got 503"):
                ask("healthz")


def test_an_answer_of_another_type_breaks_a_law():
    told = "healthz: expected CreateModelResponse, got what does not fit"
    with small_server({"healthz": (200, {})}) as subject, pytest.raises(Broken, match=told):
        subject.typed("healthz", {}, CreateModelResponse)


@pytest.mark.parametrize("body", [[], {}, {"request_id": 7}])
def test_a_promise_has_a_request_id(body):
    told = "optim_step: expected a request_id, got"
    with small_server({"optim_step": (200, body)}) as subject, pytest.raises(Broken, match=told):
        subject.promise("optim_step", {})


def test_another_client_of_the_same_server_shares_the_trace(subject):
    own = subject.driver
    with subject.as_another(api_key="tml-others") as other:
        assert (other.driver.api_key, other.driver.url) == ("tml-others", own.url)
        assert other.driver.trace is own.trace

    assert subject.driver is own


def test_an_example_predicts_each_next_token_and_leaves_out_what_is_none(subject):
    inputs = subject.datum((1, 2), advantages=[0.5, 0.5]).loss_fn_inputs

    assert inputs["target_tokens"].data == [2, 9]
    assert "weights" not in inputs
    assert subject.datum((1, 2)).loss_fn_inputs["weights"].data == [1.0, 1.0]
    assert inputs["advantages"].data == [0.5, 0.5]
    assert set(subject.datum((1, 2), weights=None, logprobs=None).loss_fn_inputs) == {"target_tokens"}


def test_a_glance_is_given_up_without_an_answer(subject):
    request_id = subject.doomed(subject.model().send_step(seq_id=2))

    assert subject.glance(request_id, 0.05) is None
    assert subject.driver.trace[-1].status == 0


def test_a_glance_has_the_answer_that_comes_in_time():
    with polled(PENDING) as subject:
        seen = subject.glance("r", 5.0)

    assert seen is not None
    assert seen.pending


@pytest.mark.parametrize(
    ("answer", "pending"),
    [
        (reply(408, b"", ""), True),
        (reply(200, b'{"type": "try_again"}'), True),
        (reply(200, b'{"type": "create_model"}'), False),
        (reply(200, b"[]"), False),
        (reply(200, b"\x00", "application/x-protobuf"), False),
        (reply(500, b"oops", "text/plain"), False),
    ],
)
def test_only_408_and_try_again_say_not_yet(answer, pending):
    assert answer.pending is pending


def test_a_pass_without_its_loss_breaks_a_law():
    done = (200, {"loss_fn_output_type": "x", "loss_fn_outputs": [], "metrics": {"tokens:sum": 4}})
    answers = {"forward_backward": [(200, {"request_id": "r"})], "retrieve_future": [done]}

    with small_server(answers) as subject, pytest.raises(Broken, match="expected loss:sum, got tokens:sum"):
        Model(subject, "m").loss([subject.datum()])


def test_a_named_save_without_a_path_breaks_a_law():
    done = (200, {"type": "save_weights_for_sampler", "sampling_session_id": "s"})
    answers = {"save_weights_for_sampler": [(200, {"request_id": "r"})], "retrieve_future": [done]}

    with small_server(answers) as subject, pytest.raises(Broken, match="expected a path for the name"):
        Model(subject, "m").save_for_sampler("one")


def test_a_sample_that_is_refused_or_has_no_scores_breaks_a_law():
    with (
        small_server({}) as subject,
        pytest.raises(Broken, match="asample: expected 200 and a req"),
    ):
        Sampler(subject, "s").sample()

    one = {"stop_reason": "length", "tokens": [1], "logprobs": [-1.0]}
    answers = {"asample": (200, {"request_id": "r"}), "retrieve_future": (200, {"sequences": [one]})}
    with small_server(answers) as subject, pytest.raises(Broken, match="prompt_logprobs: expected a list"):
        Sampler(subject, "s").logprobs([1, 2])


def test_another_number_of_sequences_than_was_asked_for_breaks_a_law():
    answers = {"asample": (200, {"request_id": "r"}), "retrieve_future": (200, {"sequences": []})}

    with small_server(answers) as subject, pytest.raises(Broken, match="a sample: expected 2, got 0"):
        Sampler(subject, "s").sample(num_samples=2)


@pytest.mark.parametrize(
    ("operation", "ask", "name"),
    [
        ("create_session", lambda subject: subject.session(), "session_id"),
        ("create_sampling_session", lambda s: s.sampler(session_id="s"), "sampling_session_id"),
    ],
)
def test_what_is_opened_has_an_id(operation, ask, name):
    with (
        small_server({operation: (200, {"request_id": "r"})}) as subject,
        pytest.raises(Broken, match=f"{operation}: expected a {name}, got {{'request_id': 'r'}}"),
    ):
        ask(subject)
