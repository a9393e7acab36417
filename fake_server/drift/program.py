"""What a release does in every scene. Runs in a process that has the release; prints JSON.

A step is one call of the SDK as a user writes it. Before each, the server is told its name, so that it can
say which requests a step has led to.
"""

import importlib
import inspect
import json
import sys
import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypedDict

__all__ = ["NO_END", "Plan", "run_plans"]

API_KEY = "tml-tinkerproof"
PICO = "tinkerproof/pico"
TOKENS = [1, 2, 3, 4]
NO_END = "no end"
"""The outcome of a step that was given up: on a busy machine it says nothing about the release."""
MOST_WORDS = 200
"""Characters of what an error says."""
PATIENCE_SECONDS = 120.0
"""Ours: for one step; the longest pause of any release here is 5 s, before a bill is paid."""
HEARTBEAT_SECONDS = 50.0
"""Ours: five times that between two heartbeats. Source: sdk 0.38.0 lib/internal_client_holder.py."""


class Plan(TypedDict):
    """A scene, as the process that runs it is told."""

    scene: str
    url: str
    steps: list[str]


class Absent(Exception):
    """This release has no such method."""


class Waits(Exception):
    """A step needs what another one, which failed, would have made."""


class Program:
    """One client, and everything that it has made so far."""

    def __init__(self, url: str) -> None:
        self.tinker = importlib.import_module("tinker")
        self.types = importlib.import_module("tinker.types")
        self.url = url
        self.made: dict[str, Any] = {}

    def run(self, step: str) -> str:
        """Do a step; `ok`, `absent`, or what it ended with."""
        self._tell(step)
        told: list[str] = []

        def work() -> None:
            told.append(self._outcome(step))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        return told[0] if told else NO_END

    def _outcome(self, step: str) -> str:
        name, _, argument = step.partition(" ")
        try:
            getattr(self, f"do_{name}")(*[argument] if argument else [])
        except Absent:
            return "absent"
        except Waits as error:
            return f"not tried: needs {error}"
        except BaseException as error:  # releases raise what they like; each is a finding
            return _ending(error)
        return "ok"

    def _tell(self, step: str) -> None:
        quoted = step.replace(" ", "%20")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with suppress(OSError), opener.open(f"{self.url}/step/{quoted}", timeout=10) as answer:
            answer.read()

    def _need(self, name: str) -> Any:
        if name not in self.made:
            raise Waits(name)
        return self.made[name]

    @staticmethod
    def _end(made: Any) -> Any:
        """The thing itself: releases differ in whether a method answers a future."""
        return made.result() if hasattr(made, "result") else made

    def _call(self, owner: str, method: str, *values: Any, **named: Any) -> Any:
        """Call a method of what was made, and wait for its end."""
        bound = getattr(self._need(owner), method, None)
        if bound is None:
            raise Absent(method)
        try:
            inspect.signature(bound).bind(*values, **named)
        except TypeError:
            raise Absent(f"{method} with these arguments") from None
        return self._end(bound(*values, **named))

    def _datum(self, **inputs: list[float]) -> Any:
        torch_free = {"target_tokens": ([2, 3, 4, 5], "int64")}
        torch_free.update({name: (values, "float32") for name, values in inputs.items()})  # type: ignore[misc]
        tensors = {
            name: self.types.TensorData(data=values, dtype=dtype, shape=[len(values)])
            for name, (values, dtype) in torch_free.items()
        }
        return self.types.Datum(model_input=self._input(), loss_fn_inputs=tensors)

    def _input(self) -> Any:
        return self.types.ModelInput.from_ints(TOKENS)

    def do_service(self) -> None:
        self.made["service"] = self.tinker.ServiceClient(base_url=self.url, api_key=API_KEY)

    def do_model(self) -> None:
        method = "create_lora_training_client"
        self.made["model"] = self._call("service", method, base_model=PICO, rank=8, seed=7)

    def do_info(self) -> None:
        self._call("model", "get_info")

    def do_forward(self) -> None:
        self._call("model", "forward", [self._datum(weights=[1.0] * 4)], "cross_entropy")

    def do_forward_backward(self) -> None:
        output = self._call("model", "forward_backward", [self._datum(weights=[1.0] * 4)], "cross_entropy")
        if len(output.loss_fn_outputs) != 1:
            raise ValueError(f"forward_backward: expected 1 output, got {len(output.loss_fn_outputs)}")

    def do_forward_backward_with_config(self) -> None:
        datum = self._datum(logprobs=[-1.0] * 4, advantages=[1.0] * 4)
        self._call("model", "forward_backward", [datum], "ppo", {"clip_low_threshold": 0.8})

    def do_custom_loss(self) -> None:
        def loss(_data: list[Any], logprobs: list[Any]) -> tuple[Any, dict[str, float]]:
            total = -sum(row.sum() for row in logprobs)
            return total, {"mine": 1.0}

        self._call("model", "forward_backward_custom", [self._datum(weights=[1.0] * 4)], loss)

    def do_optim_step(self, _why: str = "") -> None:
        self._call("model", "optim_step", self.types.AdamParams(learning_rate=1e-3))

    def do_save_state(self, _why: str = "") -> None:
        self.made["state"] = self._call("model", "save_state", "state").path

    def do_save_weights_for_sampler(self) -> None:
        self.made["weights"] = self._call("model", "save_weights_for_sampler", "weights").path

    def do_load_state(self) -> None:
        self._call("model", "load_state", self._need("state"))

    def do_model_from_state(self) -> None:
        self._call("service", "create_training_client_from_state", self._need("state"))

    def do_model_from_state_with_optimizer(self) -> None:
        self._call("service", "create_training_client_from_state_with_optimizer", self._need("state"))

    def do_sampler(self) -> None:
        weights = self._need("weights")
        self.made["sampler"] = self._call("service", "create_sampling_client", model_path=weights)

    def do_sampler_of_base_model(self) -> None:
        self._call("service", "create_sampling_client", base_model=PICO)

    def do_sampler_of_model(self) -> None:
        method = getattr(self._need("model"), "save_weights_and_get_sampling_client", None)
        if method is None:
            raise Absent
        name = inspect.signature(method).parameters.get("name")
        self._end(method("unnamed") if name is not None and name.default is name.empty else method())

    def do_sample(self, _why: str = "") -> None:
        params = self.types.SamplingParams(max_tokens=3, temperature=0.5, seed=1, stop=["\n"])
        answer = self._call("sampler", "sample", prompt=self._input(), num_samples=2, sampling_params=params)
        if len(answer.sequences) != 2:
            raise ValueError(f"sample: expected 2 sequences, got {len(answer.sequences)}")

    def do_sample_by_default(self) -> None:
        params = self.types.SamplingParams(max_tokens=2)
        self._call("sampler", "sample", prompt=self._input(), num_samples=1, sampling_params=params)

    def do_logprobs(self) -> None:
        self._call("sampler", "compute_logprobs", self._input())

    def do_capabilities(self) -> None:
        self._call("service", "get_server_capabilities")

    def do_rest(self) -> None:
        if not hasattr(self._need("service"), "create_rest_client"):
            raise Absent
        self.made["rest"] = self.made["service"].create_rest_client()

    def _run_id(self) -> str:
        return str(self._need("state")).split("/")[2]

    def do_list_runs(self) -> None:
        self._call("rest", "list_training_runs")

    def do_run(self) -> None:
        self._call("rest", "get_training_run", self._run_id())

    def do_list_checkpoints(self) -> None:
        self._call("rest", "list_checkpoints", self._run_id())

    def do_list_all_checkpoints(self) -> None:
        self._call("rest", "list_user_checkpoints")

    def do_weights_info(self) -> None:
        self._call("rest", "get_weights_info_by_tinker_path", self._need("state"))

    def do_publish(self) -> None:
        self._call("rest", "publish_checkpoint_from_tinker_path", self._need("state"))

    def do_unpublish(self) -> None:
        self._call("rest", "unpublish_checkpoint_from_tinker_path", self._need("state"))

    def do_ttl(self) -> None:
        self._call("rest", "set_checkpoint_ttl_from_tinker_path", self._need("state"), 3600)

    def do_archive(self) -> None:
        self._call("rest", "get_checkpoint_archive_url", self._run_id(), "weights/state")

    def do_list_sessions(self) -> None:
        self._call("rest", "list_sessions")

    def do_session(self) -> None:
        listed = self._call("rest", "list_sessions").sessions
        self._call("rest", "get_session", listed[0])

    def do_delete(self) -> None:
        self._call("rest", "delete_checkpoint", self._run_id(), "weights/state")

    def do_heartbeat(self) -> None:
        """Wait until the server has seen one, which it then answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/heartbeat", timeout=HEARTBEAT_SECONDS) as answer:
            if answer.status == 204:
                raise Absent

    def do_close(self) -> None:
        self._call("service", "close", "success", "done")


def _ending(error: BaseException) -> str:
    """The kind of an error, before a colon, and the first line of what it says."""
    category = getattr(error, "category", None)
    kind = type(error).__name__ if category is None else f"{type(error).__name__} ({category})"
    return f"{kind}: {(str(error).splitlines() or [''])[0][:MOST_WORDS]}"


def run_plans(folder: str, plans: Sequence[Plan]) -> dict[str, dict[str, str]]:
    """The outcome of each step, by scene. Scenes run at once.

    Raises:
        ImportError: if the release in `folder` cannot be imported.
    """
    sys.path.insert(0, folder)
    importlib.import_module("tinker")
    told: dict[str, dict[str, str]] = {plan["scene"]: {} for plan in plans}

    def play(plan: Plan) -> None:
        program = Program(plan["url"])
        for step in plan["steps"]:
            told[plan["scene"]][step] = program.run(step)

    threads = [threading.Thread(target=play, args=[plan], daemon=True) for plan in plans]
    start: Callable[[threading.Thread], None] = threading.Thread.start
    for thread in threads:
        start(thread)
    for thread in threads:
        thread.join()
    return told


def main(folder: str) -> None:
    """Read plans from standard input, as JSON; print the outcomes as its last line."""
    outcomes = run_plans(folder, json.load(sys.stdin))
    print(f"\n{json.dumps(outcomes)}", flush=True)
