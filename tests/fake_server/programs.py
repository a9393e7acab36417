"""Random programs of a client, as lists of requests; run on a driver, request by request."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.fake_server.driver import Driver, Reply

PROTOBUF = {"accept": "application/x-protobuf, application/json"}
KINDS = (
    "session",
    "model",
    "train",
    "step",
    "save",
    "save_sampler",
    "inflight",
    "load",
    "sampler",
    "sample",
    "poll",
    "poll_all",
    "advance",
    "copy",
    "finish",
    "unload",
    "delete",
    "urls",
    "usage",
)

programs = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 7)), min_size=1, max_size=25)


@dataclass
class Run:
    """A program on its way: what its client remembers. Two runs that remember alike ask alike."""

    driver: Driver
    sessions: list[str] = field(default_factory=list)
    models: dict[str, int] = field(default_factory=dict)
    """Next numbers."""
    samplers: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    numbers: int = 0

    def on(self, driver: Driver) -> "Run":
        """The same client, at another server from now on."""
        return Run(
            driver,
            list(self.sessions),
            dict(self.models),
            list(self.samplers),
            list(self.checkpoints),
            list(self.requests),
            self.numbers,
        )

    def run(self, program: list[tuple[str, int]]) -> list[Reply]:
        """The answers to all requests."""
        return [reply for kind, choice in program for reply in getattr(self, kind)(choice)]

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def _promised(self, path: str, body: dict[str, Any]) -> list[Reply]:
        reply = self.driver.post(path, body)
        if reply.status != 200:
            return [reply]
        self.requests.append(reply.json["request_id"])
        poll = self.driver.poll(self.requests[-1])
        for key, kept in (("model_id", self.models), ("sampling_session_id", self.samplers)):
            if (
                poll.status == 200
                and poll.json.get(key)
                and path in ("create_model", "save_weights_for_sampler")
            ):
                kept.update({poll.json[key]: 1}) if isinstance(kept, dict) else kept.append(poll.json[key])
        if poll.status == 200 and str(poll.json.get("path", "")).startswith("tinker://"):
            self.checkpoints.append(poll.json["path"])
        return [reply, poll]

    def _numbered(self, choice: int) -> dict[str, Any]:
        model = _pick(list(self.models), choice)
        number = self.models[model]
        self.models[model] += 1
        return {"model_id": model, "seq_id": number}

    def session(self, choice: int) -> list[Reply]:
        body = {"tags": [str(choice)], "user_metadata": {"n": choice}, "sdk_version": "0.38.0"}
        reply = self.driver.post("create_session", body)
        self.sessions.append(reply.json["session_id"])
        return [reply]

    def model(self, choice: int) -> list[Reply]:
        if not self.sessions:
            return self.session(choice)
        body = {
            "session_id": _pick(self.sessions, choice),
            "model_seq_id": self._number(),
            "base_model": "tinkerproof/pico",
            "lora_config": {"rank": 1 + choice},
        }
        return self._promised("create_model", body)

    def train(self, choice: int) -> list[Reply]:
        if not self.models:
            return self.model(choice)
        named = self._numbered(choice)
        loss = ("cross_entropy", "no such loss")[choice == 7]
        return self._promised(
            "forward_backward", self.driver.train(named["model_id"], named["seq_id"], loss_fn=loss)
        )

    def step(self, choice: int) -> list[Reply]:
        if not self.models:
            return self.model(choice)
        return self._promised(
            "optim_step", {**self._numbered(choice), "adam_params": {"learning_rate": 0.01}}
        )

    def save(self, choice: int) -> list[Reply]:
        if not self.models:
            return self.model(choice)
        body = {**self._numbered(choice), "path": f"saved-{choice}", "ttl_seconds": 3600 * (1 + choice)}
        return self._promised("save_weights", body)

    def save_sampler(self, choice: int) -> list[Reply]:
        if not self.models:
            return self.model(choice)
        return self._promised("save_weights_for_sampler", self._numbered(choice))

    def inflight(self, choice: int) -> list[Reply]:
        if not self.models:
            return self.model(choice)
        body = {**self._numbered(choice), "sampling_session_seq_id": self._number(), "kind": "inflight"}
        return self._promised("save_weights_for_sampler", body)

    def load(self, choice: int) -> list[Reply]:
        if not (self.models and self.checkpoints):
            return self.save(choice)
        body = {
            **self._numbered(choice),
            "path": _pick(self.checkpoints, choice),
            "optimizer": choice % 2 == 0,
        }
        return self._promised("load_weights", body)

    def sampler(self, choice: int) -> list[Reply]:
        if not self.sessions:
            return self.session(choice)
        body = {"session_id": _pick(self.sessions, choice), "sampling_session_seq_id": self._number()}
        source = {"base_model": "tinkerproof/pico"}
        if self.checkpoints and choice % 2:
            source = {"model_path": _pick(self.checkpoints, choice)}
        reply = self.driver.post("create_sampling_session", {**body, **source})
        if reply.status == 200:
            self.samplers.append(reply.json["sampling_session_id"])
        return [reply]

    def sample(self, choice: int) -> list[Reply]:
        if not self.samplers:
            return self.sampler(choice)
        sampler = _pick(self.samplers, choice)
        body = self.driver.sample(sampler, self._number(), num_samples=1 + choice % 2, prompt_logprobs=True)
        return self._promised("asample", body)

    def poll(self, choice: int) -> list[Reply]:
        if not self.requests:
            return self.session(choice)
        wanted = _pick(self.requests, choice)
        return [self.driver.poll(wanted), self.driver.poll(wanted, **PROTOBUF)]

    def poll_all(self, choice: int) -> list[Reply]:
        if not self.samplers:
            return self.sampler(choice)
        target = {"sampling_session_id": _pick(self.samplers, choice), "cloned_sampler_id": 0}
        return [
            self.driver.post("retrieve_futures", {"target": target, "prev_cursor": choice // 4, "timeout": 0})
        ]

    def advance(self, choice: int) -> list[Reply]:
        self.driver.clock.advance(60 * 10**choice / 1000)
        return []

    def copy(self, choice: int) -> list[Reply]:
        if not self.checkpoints:
            return self.save(choice)
        body = {"source_path": _pick(self.checkpoints, choice), "destination_project_id": "p"}
        return [self.driver.post("copy_weights", body, x_idempotency_key=f"key-{choice}")]

    def finish(self, choice: int) -> list[Reply]:
        if choice != 7 or not self.sessions:
            return self.session(choice)
        path = f"sessions/{_pick(self.sessions, choice)}/finish"
        return [self.driver.post(path, {"status": {"type": "completed"}})]

    def unload(self, choice: int) -> list[Reply]:
        if choice != 7 or not self.models:
            return self.model(choice)
        return self._promised("unload_model", {"model_id": _pick(list(self.models), choice)})

    def delete(self, choice: int) -> list[Reply]:
        if choice < 5 or not self.checkpoints:
            return self.save(choice)
        where = _pick(self.checkpoints, choice).removeprefix("tinker://").replace("/", "/checkpoints/", 1)
        return [self.driver.call("DELETE", f"training_runs/{where}")]

    def urls(self, choice: int) -> list[Reply]:
        if not self.checkpoints:
            return self.save(choice)
        where = _pick(self.checkpoints, choice).removeprefix("tinker://").replace("/", "/checkpoints/", 1)
        return [self.driver.get(f"training_runs/{where}/archive"), self.driver.get("checkpoints")]

    def usage(self, choice: int) -> list[Reply]:
        paths = (
            "sessions",
            "training_runs",
            "audit",
            "billing/usage/events",
            "checkpoints",
            "auth/apikey/me",
        )
        return [self.driver.get(paths[choice % len(paths)])]


def _pick(known: list[str], choice: int) -> str:
    return known[choice % len(known)]
