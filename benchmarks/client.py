"""A plain JSON client, for what has to be there before something is measured."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from contract import AdamParams, OptimStepRequest
from fake_server.fake import API_KEY

__all__ = ["Client", "raw_request"]

HEADERS = {"x-api-key": API_KEY, "content-type": "application/json"}
LEARNING_RATE = 1e-4


def raw_request(url: str, method: str, path: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = [f"{method} {path} HTTP/1.1", f"host: {urlsplit(url).netloc}"]
    head += [f"{name}: {value}" for name, value in HEADERS.items()]
    head += [f"content-length: {len(body)}"] if body else []
    return "\r\n".join([*head, "", ""]).encode() + body


class Client:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: for any status but 200.
        """
        self._connection.request(method, path, body, HEADERS)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: expected 200, got {answer.status} {content[:500]!r}")
        return content

    def post(self, name: str, **fields: object) -> dict[str, Any]:
        """Call the operation of that name."""
        content = self.call("POST", f"/api/v1/{name}", json.dumps(fields).encode())
        value: dict[str, Any] = json.loads(content)
        return value

    def wait(self, promise: dict[str, Any]) -> dict[str, Any]:
        """The result of a promise."""
        return self.post("retrieve_future", request_id=promise["request_id"])

    def create_model(self, base_model: str = "tinkerproof/pico") -> str:
        """A new model in a session of its own; returns its id."""
        session = self.post("create_session", tags=[], user_metadata=None, sdk_version="0.38.0")
        lora = {"rank": 8}
        promise = self.post(
            "create_model",
            session_id=session["session_id"],
            model_seq_id=0,
            base_model=base_model,
            lora_config=lora,
        )
        model_id: str = self.wait(promise)["model_id"]
        return model_id

    def optim_step(self, model_id: str, seq_id: int) -> dict[str, Any]:
        """Submit an optimizer step; returns the promise."""
        return self.post("optim_step", **optim_step_fields(model_id, seq_id))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def optim_step_fields(model_id: str, seq_id: int) -> dict[str, Any]:
    """An optimizer step as clients send it."""
    request = OptimStepRequest(
        optim_params=AdamParams(learning_rate=LEARNING_RATE), model_id=model_id, seq_id=seq_id
    )
    fields: dict[str, Any] = request.model_dump(mode="json")
    return fields
