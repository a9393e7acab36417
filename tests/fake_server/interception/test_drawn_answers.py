"""Answers that are drawn by the operations' types."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contract import (
    OPERATIONS,
    ClientConfigResponse,
    CreateSessionResponse,
    SampleResponse,
)
from contract.codec import JSON, PROTOBUF, decode
from contract.strategies import Answer, answer_type, damaged_answers
from fake_server.bindings import FIELD
from fake_server.fake import Fake
from fake_server.interception import RequestIn, interception
from fake_server.interception.drawn_answers import FIXED, DrawnAnswers

ROWS = {row.name: row for row in OPERATIONS}


def asked(drawn: DrawnAnswers, name: str, accept: str = JSON, **body: Any) -> httpx.Response:
    """What comes of a request for an operation, without a client."""
    url = "https://t.test" + FIELD.sub("x", ROWS[name].route)
    request = httpx.Request(ROWS[name].method, url, json=body, headers={"accept": accept})
    return drawn(RequestIn(ROWS[name], "", request))


def polled(drawn: DrawnAnswers, operation: str, accept: str = JSON) -> httpx.Response:
    """What comes of what an operation promises."""
    promise = asked(drawn, operation).json()
    return asked(drawn, "retrieve_future", accept, request_id=promise["request_id"])


def always(body: bytes, **options: Any) -> DrawnAnswers:
    """The same bytes for everything."""
    answer = Answer(body, JSON, "damaged", "these bytes", "error")
    return DrawnAnswers(strategy=lambda *_: st.just(answer), **options)


def is_read(type_: Any, answer: httpx.Response) -> bool:
    """Whether an answer is of a type, whatever fields it has beside."""
    if type_ is type(None):
        return True
    return decode(type_, answer.content, JSON, on_unknown=lambda _: None) is not None


def all_are_read(names: list[str]) -> bool:
    """Whether what comes through httpx is of the operations' types."""
    with interception(answers=DrawnAnswers(5)) as found, httpx.Client(base_url=found.base_url) as client:
        rows = [ROWS[name] for name in names]
        answers = [client.request(row.method, FIELD.sub("x", row.route)) for row in rows]
    return all(
        answer.status_code == 200 and is_read(answer_type(row), answer)
        for row, answer in zip(rows, answers, strict=True)
    )


def test_operations_are_answered_through_httpx_by_what_their_types_allow() -> None:
    assert all_are_read(["healthz", "create_session", "list_sessions", "delete_checkpoint", "optim_step"])


@pytest.mark.slow
def test_every_operation_is_answered_through_httpx_by_what_its_type_allows() -> None:
    assert all_are_read(sorted(set(ROWS) - {"retrieve_future"}))


@pytest.mark.parametrize("name", ["optim_step", "save_weights"])
def test_a_futures_result_is_of_the_operation_that_promised_it(name: str) -> None:
    assert is_read(ROWS[name].response, polled(DrawnAnswers(5), name))


def test_a_result_comes_in_the_form_that_the_request_accepts() -> None:
    drawn = DrawnAnswers(2)
    in_json, in_protobuf = polled(drawn, "asample"), polled(drawn, "asample", f"{PROTOBUF}, {JSON}")

    assert (in_json.headers["content-type"], in_protobuf.headers["content-type"]) == (JSON, PROTOBUF)
    assert isinstance(decode(SampleResponse, in_protobuf.content, PROTOBUF), SampleResponse)


def test_what_has_no_protobuf_is_json_whatever_is_accepted() -> None:
    assert polled(DrawnAnswers(), "optim_step", PROTOBUF).headers["content-type"] == JSON


def test_a_future_has_the_same_result_each_time() -> None:
    drawn = DrawnAnswers(9)
    request_id = asked(drawn, "save_weights").json()["request_id"]
    first, second = (asked(drawn, "retrieve_future", request_id=request_id) for _ in range(2))

    assert first.content == second.content


def test_two_promises_are_two_futures() -> None:
    drawn = DrawnAnswers()

    assert asked(drawn, "optim_step").json()["request_id"] == "optim_step-0"
    assert asked(drawn, "save_weights").json()["request_id"] == "save_weights-1"


def test_a_future_that_was_not_promised_is_not_there() -> None:
    answer = asked(DrawnAnswers(), "retrieve_future", request_id="mine")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "no future 'mine'; 0 were promised here"


def test_what_is_no_operation_is_not_there() -> None:
    answer = DrawnAnswers()(RequestIn(None, "/a", httpx.Request("GET", "https://t.test/a/api/v1/nothing")))

    assert (answer.status_code, answer.json()) == (404, {"detail": "no operation GET /api/v1/nothing"})


def bodies(seed: int, times: int = 3) -> list[bytes]:
    drawn = DrawnAnswers(seed)
    return [asked(drawn, "create_session").content for _ in range(times)]


def test_the_same_seed_gives_the_same_answers_and_another_one_others() -> None:
    assert bodies(3) == bodies(3)
    assert bodies(3) != bodies(4)
    assert len(set(bodies(3))) == 3


def test_the_first_answer_of_seed_0_is_the_simplest() -> None:
    simplest = CreateSessionResponse.model_validate_json(bodies(0)[0])

    assert simplest.session_id == ""


def test_answers_come_again_where_all_were_given() -> None:
    drawn = DrawnAnswers(1)
    many = [asked(drawn, "create_session").content for _ in range(30)]

    assert any(many[period:] == many[:-period] for period in range(1, 11))


@settings(max_examples=2, deadline=None, database=None, phases=[Phase.generate])
@given(st.integers(0, 5))
def test_a_seed_may_be_drawn_by_a_test_of_hypothesis(seed: int) -> None:
    assert bodies(seed, times=1)


@settings(max_examples=5, deadline=None, database=None, phases=[Phase.generate])
@given(st.data())
def test_answers_may_be_drawn_by_the_test_itself(data: st.DataObject) -> None:
    seen: list[Answer] = []

    def draw(strategy: st.SearchStrategy[Answer]) -> Answer:
        seen.append(data.draw(strategy))
        return seen[-1]

    answer = asked(DrawnAnswers(draw=draw), "healthz")

    assert [drawn.body for drawn in seen] == [answer.content]


def test_other_strategies_break_what_they_answer() -> None:
    drawn = DrawnAnswers(1, strategy=damaged_answers)
    broken = [body for body in (asked(drawn, "healthz").content for _ in range(10)) if not _is_json(body)]

    assert broken


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("body", [b'{"request_id": 5}', b"[]", b"no json"])
def test_a_promise_that_is_none_is_sent_as_it_is(body: bytes) -> None:
    assert asked(always(body), "optim_step").content == body


def test_some_operations_may_have_answers_that_are_given() -> None:
    given = {**FIXED, "create_session": CreateSessionResponse(session_id="mine")}

    assert asked(DrawnAnswers(fixed=given), "create_session").json()["session_id"] == "mine"


def config(drawn: DrawnAnswers) -> httpx.Response:
    """The flags, through respx."""
    with interception(answers=drawn) as found:
        return httpx.post(f"{found.base_url}/api/v1/client/config", json={})


@pytest.mark.parametrize("flags", [b"[]", b"no json"])
def test_flags_that_are_none_lead_nowhere(flags: bytes) -> None:
    assert config(always(flags, fixed={})).content == flags


def test_drawn_flags_that_lead_round_respx_are_refused() -> None:
    assert config(always(ClientConfigResponse().model_dump_json().encode(), fixed={})).status_code == 400


def test_a_world_may_lend_its_name(tinker_fake: Fake) -> None:
    with interception(tinker_fake, answers=DrawnAnswers()) as found:
        assert found.base_url == f"https://{tinker_fake.name}.test"


def test_something_has_to_answer() -> None:
    with (
        pytest.raises(ValueError, match="interception: expected a world or answers, got neither"),
        interception(),
    ):
        pass
