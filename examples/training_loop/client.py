"""A small client of the Tinker API, written by hand: it numbers, sends, polls, and tries again by itself."""

import json
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Client", "Refused"]

ATTEMPTS = 5
BUSY = frozenset({409, 429, 500, 502, 503, 504})


class Refused(Exception):
    """The service says no."""


class Client:
    """Trains one model. `sleep` is how it waits; a test gives it a clock's `advance`."""

    def __init__(self, url: str, api_key: str, sleep: Callable[[float], Any] = time.sleep) -> None:
        self.url, self.api_key, self.sleep = urlsplit(url), api_key, sleep
        self.numbers = count(1)
        self.credential = api_key
        if self.request("client/config", {"sdk_version": "0.38.0"})["pjwt_auth_enabled"]:
            self.credential = self.token()
        about = {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}
        session = self.request("create_session", about)["session_id"]
        model = {"session_id": session, "model_seq_id": 0, "base_model": "Qwen/Qwen3-8B"}
        promise = self.request("create_model", {**model, "lora_config": {"rank": 8}})
        self.model_id = self.result(promise)["model_id"]

    def step(self, tokens: list[int]) -> float:
        """One step of training on a text; returns its loss."""
        targets = {"data": tokens[1:], "dtype": "int64", "shape": [len(tokens) - 1]}
        chunks = [{"type": "encoded_text", "tokens": tokens[:-1]}]
        datum = {"model_input": {"chunks": chunks}, "loss_fn_inputs": {"target_tokens": targets}}
        given = {"data": [datum], "loss_fn": "cross_entropy"}
        output = self.submit("forward_backward", forward_backward_input=given)
        self.submit("optim_step", adam_params={"learning_rate": 1e-3})
        return float(output["metrics"]["loss:sum"])

    def submit(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Give an operation its number, send it, and fetch its result."""
        body = {"model_id": self.model_id, "seq_id": next(self.numbers), **fields}
        return self.result(self.request(operation, body))

    def result(self, promise: dict[str, Any]) -> dict[str, Any]:
        """Poll until the result is there."""
        outcome = self.request("retrieve_future", {"request_id": promise["request_id"]})
        if "error" in outcome:
            raise Refused(outcome["error"])
        return outcome

    def request(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send until the answer counts: a busy service is asked again, an old token is replaced."""
        attempt = 0
        while True:
            status, headers, answer = self.deliver(path, body)
            if status < 300:
                return answer
            attempt += status != 408  # a poll came too early: not the service's fault, nor ours
            if attempt == ATTEMPTS or not (status == 408 or status in BUSY or self.expired(status, headers)):
                raise Refused(f"{path}: {status} {answer.get('detail')}")
            if status == 401:
                self.credential = self.token()
            elif status in BUSY:
                self.sleep(self.pause(attempt, headers))

    def pause(self, attempt: int, headers: dict[str, str]) -> float:
        """Seconds before the next attempt: as the service asks, or 1, 2, 4 and so on."""
        return float(headers.get("retry-after", 2 ** (attempt - 1)))

    def expired(self, status: int, headers: dict[str, str]) -> bool:
        """Whether the answer says that a new token would do."""
        return status == 401 and "invalid_token" in headers.get("www-authenticate", "")

    def token(self) -> str:
        """A token for the key."""
        self.credential = self.api_key
        return str(self.request("auth/token", {})["jwt"])

    def deliver(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Send the same body until there is an answer: by its number the service knows it again."""
        for attempt in range(ATTEMPTS):
            try:
                return self.send(path, body)
            except (OSError, HTTPException):
                self.sleep(2**attempt)
        return self.send(path, body)

    def send(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
        """One request: status, headers and body of its answer."""
        connection = HTTPConnection(self.url.hostname or "", self.url.port or 80, timeout=60)
        headers = {"x-api-key": self.credential, "content-type": "application/json"}
        try:
            connection.request("POST", f"{self.url.path}/api/v1/{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, named, json.loads(answer.read())
        finally:
            connection.close()
