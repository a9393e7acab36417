"""Rules of training: for each a client that breaks it, and one that nearly does."""

import pytest

from tests.fake_server.driver import Driver
from tests.fake_server.journals import MODEL, Script, found


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def driver():
    return Driver(control=True)


def test_a_lost_pass_that_comes_again_under_a_new_number_counts_twice(script):
    script.promise("forward_backward", 1, faults=["lose_answer"])
    script.promise("forward_backward", 2)

    (said,) = found(script.journal, "CLI-01")
    assert f"forward_backward seq_id 1 of {MODEL} was taken on and its answer lost" in said
    assert "the same came again as seq_id 2" in said


def test_a_lost_pass_that_comes_again_as_itself_does_not(script):
    script.promise("forward_backward", 1, faults=["lose_answer"])
    script.promise("forward_backward", 1)
    script.promise("forward_backward", 2)

    assert not found(script.journal, "CLI-01")


def test_a_lost_pass_that_its_client_gave_up_does_not(script):
    script.promise("forward_backward", 1, faults=["reset"])
    script.promise("optim_step", 2)
    script.promise("forward_backward", 3)

    assert not found(script.journal, "CLI-01")


def test_a_lost_pass_before_another_batch_does_not(script):
    script.promise("forward_backward", 1, status=503)
    script.promise("forward_backward", 2, request={"data": [2]})

    assert not found(script.journal, "CLI-01")


def test_a_pass_whose_answer_came_late_does_not(script):
    script.promise("forward_backward", 1, faults=["latency"])
    script.promise("forward_backward", 2)

    assert not found(script.journal, "CLI-01")


def test_a_pass_that_was_polled_was_not_lost(script):
    script.promise("forward_backward", 1, faults=["drip", "stall"])
    script.read(1)
    script.promise("forward_backward", 2)

    assert not found(script.journal, "CLI-01")


def test_clients_without_numbers_repeat_by_their_key(script):
    script.promise("optim_step", None, idempotency_key="a:1", faults=["lose_answer"])
    script.promise("optim_step", None, idempotency_key="a:2")

    (said,) = found(script.journal, "CLI-01")
    assert "key a:1" in said


def test_two_requests_under_one_number_are_found(driver):
    model = driver.model()
    driver.result("optim_step", driver.step(model, 1, learning_rate=0.1))
    assert driver.post("optim_step", driver.step(model, 1, learning_rate=0.2)).status == 400

    assert found(driver.controls.journal, "CLI-02") == [f"seq_id 1 of {model} stands for two requests"]


def test_the_same_request_sent_twice_is_not_another(driver):
    model = driver.model()
    for _ in range(2):
        driver.result("optim_step", driver.step(model, 1))

    assert not found(driver.controls.journal, "CLI-02")


def test_two_operations_under_one_number_are_found(driver):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1))
    driver.post("optim_step", driver.step(model, 1))

    assert len(found(driver.controls.journal, "CLI-02")) == 1


def test_two_requests_under_one_key_are_found(driver):
    for path in ("tinker://a/weights/b", "tinker://a/weights/c"):
        driver.post("copy_weights", {"source_path": path}, x_idempotency_key="mine")

    (said,) = found(driver.controls.journal, "CLI-02")
    assert "one X-Idempotency-Key stands for copy_weights" in said


def test_one_request_under_one_key_is_not(driver):
    for _ in range(2):
        driver.post("copy_weights", {"source_path": "tinker://a/weights/b"}, x_idempotency_key="mine")

    assert not found(driver.controls.journal, "CLI-02")


def test_a_number_that_is_sent_late_is_found(driver):
    model = driver.model()
    driver.answer("optim_step", driver.step(model, 2))
    driver.answer("forward_backward", driver.train(model, 1))

    (said,) = found(driver.controls.journal, "CLI-03")
    assert said.startswith(f"forward_backward seq_id 1 of {model} came after optim_step seq_id 2")


def test_chunks_of_one_pass_may_come_in_any_order(driver):
    model = driver.model()
    for seq_id in (2, 3, 1, 4):
        driver.answer("forward_backward", driver.train(model, seq_id))
    driver.answer("forward_backward", driver.train(model, 2))

    assert not found(driver.controls.journal, "CLI-03")


def test_a_number_whose_followers_nobody_answered_is_in_order(script):
    script.promise("optim_step", 2, answered_at=None, status=0)
    script.promise("forward_backward", 1)

    assert not found(script.journal, "CLI-03")


def test_requests_that_cross_on_the_way_are_in_order(script):
    script.promise("optim_step", 2, answered_at=9.0)
    script.promise("forward_backward", 1)
    script.promise("optim_step", None)

    assert not found(script.journal, "CLI-03")


def test_a_number_that_never_comes_is_found(driver):
    model = driver.model()
    for seq_id in (2, 9):
        driver.answer("optim_step", driver.step(model, seq_id))

    assert found(driver.controls.journal, "CLI-04") == [
        f"{model} got seq_ids up to 9, and never 1, 3, 4, 5, 6 …; all after it wait"
    ]


def test_a_number_that_was_refused_is_no_gap(driver):
    model = driver.model()
    driver.answer("forward_backward", driver.train(model, 1))
    assert driver.post("optim_step", {"model_id": model, "seq_id": 2}).status == 422
    driver.answer("forward_backward", driver.train(model, 3))

    assert not found(driver.controls.journal, "CLI-04")


def test_numbers_before_the_journal_began_are_no_gap(driver):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1))
    driver.controls.journal.clear()
    driver.result("optim_step", driver.step(model, 2))
    driver.result("forward_backward", driver.train(model, 3))

    assert not found(driver.controls.journal, "CLI-04")
    assert not found(driver.controls.journal, "CLI-05")


def test_a_step_on_no_gradients_is_found(driver):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1))
    driver.result("optim_step", driver.step(model, 2))
    driver.result("optim_step", driver.step(model, 3))

    assert found(driver.controls.journal, "CLI-05") == [
        f"optim_step seq_id 3 of {model} has no backward pass before it"
    ]


def test_a_step_after_forward_alone_is_found(driver):
    model = driver.model()
    body = driver.train(model, 1)
    body["forward_input"] = body.pop("forward_backward_input")
    driver.result("forward", body)
    driver.result("optim_step", driver.step(model, 2))

    assert len(found(driver.controls.journal, "CLI-05")) == 1


def test_a_step_that_was_sent_before_its_pass_and_comes_after_it_is_fine(driver):
    model = driver.model()
    driver.answer("optim_step", driver.step(model, 2))
    driver.answer("forward_backward", driver.train(model, 1))
    driver.answer("optim_step", driver.step(model, 2))
    driver.post("optim_step", driver.step(model, 0))

    assert not found(driver.controls.journal, "CLI-05")
