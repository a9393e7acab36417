"""Interception with bare clients of httpx, with an event loop and without."""

import httpx
import pytest
import respx

from contract import OPERATIONS, ClientConfigResponse
from fake_server.fake import Fake
from fake_server.interception import RequestIn, WorldAnswers, add_routes, interception
from fake_server.settings import Settings

SESSION = {"tags": [], "user_metadata": None, "sdk_version": "0.38.0"}
KEY = {"x-api-key": "tml-k"}
HTTPX = Settings(client_config=ClientConfigResponse(use_pyqwest_transport=False))


def test_a_blocking_client_is_answered_by_the_world(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        answer = httpx.post(f"{found.base_url}/api/v1/create_session", json=SESSION, headers=KEY)

    assert tinker_fake.service.store.sessions.find(answer.json()["session_id"]) is not None


async def _asked(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(f"{url}/api/v1/client/config", json={"sdk_version": "0.38.0"}, headers=KEY)


@pytest.mark.parametrize("tinker_settings", [HTTPX], ids=["httpx"])
@pytest.mark.anyio
async def test_an_asynchronous_client_is_answered_in_its_own_loop(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        answer = await _asked(found.base_url)

    assert answer.json()["use_pyqwest_transport"] is False


@pytest.mark.anyio
async def test_a_flag_that_leads_round_respx_is_refused(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        answer = await _asked(found.base_url)

    assert answer.status_code == 400
    assert "client_config.use_pyqwest_transport: expected false" in answer.json()["detail"]


def test_releases_that_know_no_pyqwest_need_no_flag(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        old = KEY | {"x-stainless-package-version": "0.21.0"}
        answer = httpx.post(
            f"{found.base_url}/api/v1/client/config", json={"sdk_version": "0.21.0"}, headers=old
        )

    assert answer.status_code == 200


def test_a_refusal_of_the_world_stays_what_it_is(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        answer = httpx.post(f"{found.base_url}/api/v1/client/config", json={"sdk_version": "0.38.0"})

    assert answer.status_code == 401


def test_there_is_one_route_for_each_operation_by_its_name(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        httpx.get(f"{found.base_url}/api/v1/checkpoints?limit=3", headers=KEY)
        called = {row.name for row in OPERATIONS if found.router[row.name].called}

    assert called == {"list_user_checkpoints"}


def test_what_is_no_operation_is_asked_of_the_world_as_well(tinker_fake: Fake) -> None:
    with interception(tinker_fake) as found:
        answer = httpx.get(f"{found.base_url}/api/v1/nothing", headers=KEY)

    assert answer.status_code == 404
    assert "/api/v1/nothing" in answer.json()["detail"]


def test_the_base_url_may_have_a_path(tinker_fake: Fake) -> None:
    with interception(tinker_fake, "https://gateway.test/tinker") as found:
        answer = httpx.get(f"{found.base_url}/api/v1/healthz")

    assert answer.json() == {"status": "ok"}


def test_a_route_that_was_set_before_wins(tinker_fake: Fake) -> None:
    with respx.mock(assert_all_called=False) as router:
        router.get("https://t.test/api/v1/healthz").respond(503)
        add_routes(router, WorldAnswers(tinker_fake.asgi), "https://t.test")

        assert httpx.get("https://t.test/api/v1/healthz").status_code == 503
        assert httpx.get("https://t.test/api/v1/get_server_capabilities", headers=KEY).status_code == 200


def test_answers_of_ones_own_are_told_the_operation(tinker_fake: Fake) -> None:
    asked: list[RequestIn] = []

    def answers(request: RequestIn) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={})

    with interception(tinker_fake, answers=answers) as found:
        httpx.get(f"{found.base_url}/api/v1/sessions/abc", headers=KEY)

    assert [(request.row and request.row.name, request.path) for request in asked] == [
        ("get_session", "/api/v1/sessions/abc")
    ]


def test_a_router_that_wants_all_routes_called_is_refused() -> None:
    with (
        respx.mock(assert_all_called=True) as router,
        pytest.raises(ValueError, match=r"assert_all_called=False"),
    ):
        add_routes(router, lambda request: httpx.Response(200), "https://t.test")
