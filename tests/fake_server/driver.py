"""A raw client of the app: in process, on a virtual clock, without the SDK."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from fake_server.app import create_app
from fake_server.clock import VirtualClock
from fake_server.controls import Controls
from fake_server.scripted import open_scripted
from fake_server.service import Service
from fake_server.settings import Settings

KEY = {"x-api-key": "tml-test"}
PICO = "tinkerproof/pico"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def exchange(
    app: ASGIApp,
    method: str,
    path: str,
    parts: list[bytes],
    headers: dict[str, str],
    left: asyncio.Event | None = None,
) -> Reply:
    """One HTTP request to an ASGI app; the body comes in parts.

    The client leaves once the event `left` is set, and where it has no parts at once.
    """
    leaving = left or asyncio.Event()
    plain, _, query = path.partition("?")
    inbox: list[Message] = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]
    outbox: list[Message] = []

    async def receive() -> Message:
        if inbox:
            return inbox.pop(0)
        if parts:
            await leaving.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        outbox.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in {"host": "fake.test", **headers}.items()],
        "server": ("fake.test", 80),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    start = outbox[0]
    body = b"".join(message.get("body", b"") for message in outbox[1:])
    return Reply(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body)


class Driver:
    """Talks to an app of its own."""

    def __init__(
        self,
        settings: Settings | None = None,
        prefix: str = "",
        app: ASGIApp | None = None,
        *,
        control: bool = False,
    ) -> None:
        self.app = app or create_app(open_scripted, settings, clocks=VirtualClock, control=control)
        self.prefix = prefix
        self.headers = dict(KEY)

    @property
    def clock(self) -> VirtualClock:
        return cast("VirtualClock", self.service.clock)

    @property
    def controls(self) -> Controls:
        assert self.service.controls
        return self.service.controls

    @property
    def service(self) -> Service:
        return self.app.state.tenants.get()

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        full = path if path.startswith("/") else f"/api/v1/{path}"
        return await exchange(self.app, method, self.prefix + full, [raw], {**self.headers, **named})

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return asyncio.run(self.send(method, path, body, **headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.call("POST", path, {} if body is None else body, **headers)

    def get(self, path: str, **headers: str) -> Reply:
        return self.call("GET", path, **headers)

    def answer(self, path: str, body: Any, **headers: str) -> Any:
        """The JSON of a request that must succeed."""
        reply = self.post(path, body, **headers)
        assert reply.status == 200, reply
        return reply.json

    def result(self, path: str, body: Any, **headers: str) -> Any:
        """The result of a deferred operation, JSON."""
        return self.poll(self.answer(path, body, **headers)["request_id"]).json

    def poll(self, request_id: str, **headers: str) -> Reply:
        return self.post("retrieve_future", {"request_id": request_id}, **headers)

    def poll_while(self, request_id: str, act: Callable[[], object]) -> Reply:
        """Poll; once the poll waits, `act`; then the answer."""

        async def both() -> Reply:
            poll = asyncio.create_task(self.send("POST", "retrieve_future", {"request_id": request_id}))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not poll.done()
            act()
            return await poll

        return asyncio.run(both())

    def session(self, **fields: Any) -> str:
        body = {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0", **fields}
        return self.answer("create_session", body)["session_id"]

    def model(self, session_id: str | None = None, number: int = 0, **fields: Any) -> str:
        body = {
            "session_id": session_id or self.session(),
            "model_seq_id": number,
            "base_model": PICO,
            "lora_config": {"rank": 8},
            **fields,
        }
        return self.result("create_model", body)["model_id"]

    def train(self, model_id: str, seq_id: int | None, **fields: Any) -> dict[str, Any]:
        """The body of a training pass, in the JSON that clients up to 0.24.1 send."""
        return {
            "model_id": model_id,
            "seq_id": seq_id,
            "forward_backward_input": {"data": [datum()], "loss_fn": "cross_entropy", **fields},
        }

    def step(self, model_id: str, seq_id: int | None, learning_rate: float = 1e-3) -> dict[str, Any]:
        """The body of an optimizer step."""
        return {"model_id": model_id, "seq_id": seq_id, "adam_params": {"learning_rate": learning_rate}}

    def sampler(self, session_id: str, number: int = 0, **fields: Any) -> str:
        body = {"session_id": session_id, "sampling_session_seq_id": number, "base_model": PICO, **fields}
        return self.answer("create_sampling_session", body)["sampling_session_id"]

    def sample(self, sampler_id: str, seq_id: int, **fields: Any) -> dict[str, Any]:
        """The body of a sample."""
        return {
            "sampling_session_id": sampler_id,
            "seq_id": seq_id,
            "prompt": {"chunks": [{"tokens": [72, 105], "type": "encoded_text"}]},
            "sampling_params": {"max_tokens": 4},
            **fields,
        }


def datum(tokens: tuple[int, ...] = (1, 2, 3), **inputs: Any) -> dict[str, Any]:
    """A training example that predicts the next token."""
    length = len(tokens)
    targets = [*tokens[1:], 9]
    return {
        "model_input": {"chunks": [{"tokens": list(tokens), "type": "encoded_text"}]},
        "loss_fn_inputs": {
            "target_tokens": {"data": targets, "dtype": "int64", "shape": [length]},
            "weights": {"data": [1.0] * length, "dtype": "float32", "shape": [length]},
            **inputs,
        },
    }
