"""`WorldAnswers`: a world of the fake answers, in process, without a socket."""

import asyncio
from collections.abc import Awaitable

import httpx
from starlette.types import ASGIApp

from fake_server.interception.answers import RequestIn

__all__ = ["WorldAnswers"]


class WorldAnswers:
    """Whatever an app answers, `tinker_fake.asgi` for example: futures, faults and journal included.

    A client without an event loop waits for its answer in the calling thread. A blocking client on a thread
    whose loop runs cannot be told from an asynchronous one; respx then fails.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, request: RequestIn) -> httpx.Response | Awaitable[httpx.Response]:
        """The app's answer."""
        answer = self._answer(request)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(answer)
        return answer

    async def _answer(self, request: RequestIn) -> httpx.Response:
        asked = request.http
        target = asked.url.raw_path.removeprefix(request.prefix.encode())
        below = httpx.Request(
            asked.method, asked.url.copy_with(raw_path=target), headers=asked.headers, content=asked.content
        )
        transport = httpx.ASGITransport(self._app, root_path=request.prefix)
        answer = await transport.handle_async_request(below)
        return httpx.Response(answer.status_code, headers=answer.headers.raw, content=await answer.aread())
