"""Stubs: canned results and failures, in sequences, matched by field; unused ones are told."""

import pytest

from contract import OptimStepResponse, RequestFailure
from fake_server.stubs import UnusedStub
from tests.fake_server.driver import Driver


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def stubs(driver):
    return driver.controls.stubs


def step(driver, model, number):
    return driver.result("optim_step", driver.step(model, number))


def test_a_sample_has_the_tokens_of_its_stub_in_each_sequence(driver, stubs):
    stubs.on("sample").returns(tokens=[1, 2], logprobs=[-0.5, -1.5])
    sampler = driver.sampler(driver.session())

    result = driver.result("asample", driver.sample(sampler, 0, num_samples=2))

    assert [sequence["tokens"] for sequence in result["sequences"]] == [[1, 2], [1, 2]]


def test_the_first_fails_then_it_works(driver, stubs):
    model = driver.model()
    stubs.on("optim_step").fails("server", "out of memory").then.pass_through()

    first, second = step(driver, model, 1), step(driver, model, 2)

    assert first == {"error": "out of memory", "category": "server"}
    assert second["metrics"]["grad_norm"] == 0


def test_a_category_that_there_is_not_is_refused_with_those_that_there_are(stubs):
    with pytest.raises(
        ValueError, match=r"of optim_step: expected .*, one of server, unknown, user, got 'client'"
    ):
        stubs.on("optim_step", strict=False).fails("client")


def test_a_stub_leaves_the_model_as_it_is(driver, stubs):
    model = driver.model()
    driver.result("forward_backward", driver.train(model, 1))
    stubs.on("optim_step", seq_id=2).returns(OptimStepResponse(metrics={"grad_norm": 9.0}))

    stubbed, real = step(driver, model, 2), step(driver, model, 3)

    assert stubbed["metrics"] == {"grad_norm": 9.0}
    assert real["metrics"]["grad_norm"] not in (0, 9)


def test_a_status_that_is_retried_leaves_the_number_free(driver, stubs):
    model = driver.model()
    stubs.on("optim_step", times=1).fails(error="slow down", status=429, headers={"retry-after": "1"})

    refused = driver.post("optim_step", driver.step(model, 1))

    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert step(driver, model, 1)["metrics"]["grad_norm"] == 0


def test_a_final_status_uses_the_number_up(driver, stubs):
    model = driver.model()
    stubs.on("optim_step", times=1).fails(status=400)

    assert driver.post("optim_step", driver.step(model, 1)).status == 400
    assert step(driver, model, 2)["metrics"]["grad_norm"] == 0


def test_a_replay_is_not_decided_again(driver, stubs):
    model = driver.model()
    stubs.on("optim_step", times=1).fails("user")
    first = step(driver, model, 1)

    assert step(driver, model, 1) == first
    stubs.assert_used()


def test_operations_that_answer_at_once_are_stubbed_too(driver, stubs):
    stubs.on("get_server_capabilities").returns({"supported_models": []}).then.pass_through()

    answers = [driver.get("get_server_capabilities").json["supported_models"] for _ in range(2)]

    assert [bool(models) for models in answers] == [False, True]


def test_a_sample_is_told_by_its_text_and_a_pass_by_its_loss(driver, stubs):
    session = driver.session()
    model, sampler = driver.model(session), driver.sampler(session)
    stubs.on("sample").returns(text="Hi")
    stubs.on("forward_backward").returns(loss=2.5)

    sample = driver.result("asample", driver.sample(sampler, 0))
    passed = driver.result("forward_backward", driver.train(model, 1))

    assert sample["sequences"][0]["tokens"] == [72, 105]
    assert passed["metrics"] == {"loss:sum": 2.5}
    assert passed["loss_fn_outputs"][0]["logprobs"]["data"] == [0, 0, 0]


def test_a_function_of_the_request_answers(driver, stubs):
    model = driver.model()
    stubs.on("optim_step").calls(lambda request: {"metrics": {"n": float(request.seq_id)}})

    assert [step(driver, model, number)["metrics"] for number in (1, 2)] == [{"n": 1.0}, {"n": 2.0}]


def test_a_function_may_fail_or_leave_it(driver, stubs):
    def answer(request):
        if request.seq_id == 1:
            raise RequestFailure("not today")

    model = driver.model()
    stubs.on("optim_step").calls(answer)

    assert [list(step(driver, model, number)) for number in (1, 2)] == [["error", "category"], ["metrics"]]


def test_the_newest_stub_that_fits_decides(driver, stubs):
    model = driver.model()
    stubs.on("optim_step", strict=False).fails("user", "old")
    stubs.on("optim_step", model=model, times=1).fails("user", "new")

    assert [step(driver, model, number)["error"] for number in (1, 2)] == ["new", "old"]


def test_fields_are_found_at_any_depth(driver, stubs):
    model = driver.model()
    stub = stubs.on("forward_backward", loss_fn="cross_entropy").fails("user")
    stubs.on("optim_step", optim_params__learning_rate=lambda rate: rate > 0.5, strict=False).fails("user")

    driver.result("forward_backward", driver.train(model, 1))

    assert stub.used == 1
    assert "error" not in step(driver, model, 2)
    assert "error" in driver.result("optim_step", driver.step(model, 3, learning_rate=0.9))


def test_settings_of_a_loss_are_fields_too(driver, stubs):
    model = driver.model()
    stub = stubs.on("forward_backward", loss_fn_config__beta=0.1).fails("user")

    driver.result("forward_backward", driver.train(model, 1, loss_fn="dro", loss_fn_config={"beta": 0.1}))
    driver.result("forward_backward", driver.train(model, 2, loss_fn="dro", loss_fn_config={}))

    assert (stub.used, stub.nearest) == (1, {"loss_fn_config__beta": None})


def test_an_unused_stub_says_what_missed_it_by_least(driver, stubs):
    model = driver.model()
    stubs.on("forward_backward", loss_fn="ppo", model=model).fails("user")
    for number in (1, 2):
        driver.result("forward_backward", driver.train(model, number))

    with pytest.raises(
        UnusedStub,
        match=r"forward_backward was called 2 times; closest: loss_fn expected 'ppo', got 'cross_entropy'",
    ):
        stubs.assert_used()


def test_a_stub_whose_operation_never_came_says_so(stubs):
    stubs.on("optim_step", lambda request: True).returns(metrics={})

    with pytest.raises(UnusedStub, match="expected 1 uses, got 0; optim_step was never called"):
        stubs.assert_used()


def test_a_predicate_that_says_no_is_told(driver, stubs):
    model = driver.model()
    stubs.on("optim_step", lambda request: False).returns(metrics={})
    step(driver, model, 1)

    with pytest.raises(UnusedStub, match="predicate expected True, got 'False'"):
        stubs.assert_used()


def test_steps_that_never_came_are_told(driver, stubs):
    model = driver.model()
    stubs.on("optim_step").fails("user").then.fails("server")
    step(driver, model, 1)

    with pytest.raises(UnusedStub, match=r"expected 2 uses, got 1; optim_step was called 1 times$"):
        stubs.assert_used()


@pytest.mark.parametrize(
    ("operation", "fields", "match"),
    [
        ("optimstep", {}, "got 'optimstep'; try optim_step"),
        ("retrieve_future", {}, "other than a poll"),
        ("optim_step", {"los_fn": 1}, "got 'los_fn'; it has .*learning_rate"),
    ],
)
def test_what_is_not_there_is_refused(stubs, operation, fields, match):
    with pytest.raises(ValueError, match=match):
        stubs.on(operation, **fields)


def test_results_that_do_not_fit_are_refused(stubs):
    with pytest.raises(ValueError, match="expected OptimStepResponse, got another; metrics"):
        stubs.on("optim_step").returns({"metrics": 3})
    with pytest.raises(ValueError, match="stub of asample: expected tokens"):
        stubs.on("sample").returns(token=[1])
    with pytest.raises(ValueError, match="expected a status from 400 to 599, got 200"):
        stubs.on("optim_step").fails(status=200)
    with pytest.raises(ValueError, match="got None"):
        stubs.on("healthz").fails()


def test_stubs_over_http(driver, stubs):
    model = driver.model()
    steps = [{"category": "user"}, {"result": {"metrics": {"a": 1}}}, {"status": 429}, {}]
    made = driver.post("/-/stubs", {"operation": "optim_step", "where": {"model_id": model}, "steps": steps})
    sampled = driver.post("/-/stubs", {"operation": "sample", "steps": [{"parts": {"tokens": [5]}}]})

    results = [step(driver, model, number) for number in (1, 2)]
    shown = driver.get("/-/stubs").json["stubs"]

    assert (made.status, sampled.status) == (200, 200)
    assert [list(result) for result in results] == [["error", "category"], ["metrics"]]
    assert [(stub["used"], stub["unused"]) for stub in shown] == [(2, True), (0, True)]
    assert driver.call("DELETE", "/-/stubs").status == 204
    assert len(stubs) == 0


def test_a_stub_over_http_that_cannot_be_is_refused_and_not_there(driver, stubs):
    bad = driver.post("/-/stubs", {"operation": "optim_step", "steps": [{"result": {"metrics": 3}}]})
    none = driver.post("/-/stubs", {"operation": "nothing", "steps": [{}]})

    assert (bad.status, none.status, len(stubs)) == (400, 400, 0)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            {"status": 503, "headers": {"a\nb": "c"}},
            "headers: expected ASCII without line ends, got 'a\\nb': 'c'",
        ),
        (
            {"status": 503, "headers": {"a": "\u20ac"}},
            "headers: expected ASCII without line ends, got 'a': '\u20ac'",
        ),
    ],
)
def test_a_failure_that_cannot_be_answered_is_refused_over_http(driver, stubs, step, said):
    refused = driver.post("/-/stubs", {"operation": "optim_step", "steps": [step]})

    assert (refused.status, refused.json["detail"], len(stubs)) == (400, said, 0)


def test_a_sample_without_tokens_is_refused_in_a_line(stubs):
    with pytest.raises(
        ValueError, match=r"^stub of asample: expected tokens, got toks; tokens: Field required$"
    ):
        stubs.on("sample").returns(toks=[1])


def test_what_stands_beside_the_fields_is_not_one_of_them(driver):
    reply = driver.post("/-/stubs", {"operation": "optim_step", "where": {"times": 2}, "steps": [{}]})

    assert (reply.status, reply.json["detail"]) == (
        400,
        "where: expected fields of the request, got times; put it beside `where`",
    )
