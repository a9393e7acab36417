"""Steps of samplers."""

from typing import TYPE_CHECKING, Any, Literal

from contract.inputs import ModelInput
from contract.programs.step import Ask, Makes, Step, Submission

if TYPE_CHECKING:
    from contract.programs.names import Names

__all__ = ["CreateSampler", "GetSampler", "Logprobs", "Sample"]


class CreateSampler(Step):
    """Open a sampler on the base model, or on a checkpoint."""

    op: Literal["create_sampler"] = "create_sampler"
    session: int = 0
    checkpoint: int | None = None
    """None for the base model."""

    @property
    def makes(self) -> Makes:
        """A sampler."""
        return "sampler"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        body = {
            "session_id": names.session(self.session),
            "sampling_session_seq_id": names.next_sampler(self.session),
        }
        if self.checkpoint is None:
            return Ask("create_sampling_session", {**body, "base_model": names.base_model})
        path = names.checkpoint(self.checkpoint)
        return Ask("create_sampling_session", {**body, "model_path": path})


class GetSampler(Step):
    """Ask what a sampler samples from."""

    op: Literal["get_sampler"] = "get_sampler"
    sampler: int = 0

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("get_sampler", {"sampling_session_id": names.sampler(self.sampler)})


class SamplerStep(Submission):
    """A request to a sampler."""

    sampler: int = 0
    """The sampler's number."""
    prompt: tuple[int, ...] = (5, 6, 7)
    """Token ids."""

    def _ask(self, names: "Names", body: dict[str, Any]) -> Ask:
        prompt = ModelInput.from_ints(list(self.prompt))
        fields = {
            "sampling_session_id": names.sampler(self.sampler),
            "seq_id": names.next_sample(self.sampler),
            "prompt": prompt.model_dump(mode="json", exclude_none=True),
        }
        return Ask("asample", {**fields, **body})


class Sample(SamplerStep):
    """Sample after a prompt. Stops are none where not given, so that lengths are known."""

    op: Literal["sample"] = "sample"
    num_samples: int = 1
    max_tokens: int = 4
    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[int, ...] | None = ()
    """Token ids that end a sequence; None for the end of text."""
    topk_logprobs: int = 0
    """How many of the likeliest tokens to report at each position."""

    def ask(self, names: "Names") -> Ask:
        """The request."""
        params: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
        }
        if self.seed is not None:
            params["seed"] = self.seed
        if self.stop is not None:
            params["stop"] = list(self.stop)
        body: dict[str, Any] = {"num_samples": self.num_samples, "sampling_params": params}
        if self.topk_logprobs:
            body["topk_sample_logprobs"] = self.topk_logprobs
        return self._ask(names, body)


class Logprobs(SamplerStep):
    """Score a prompt, as `compute_logprobs` does."""

    op: Literal["logprobs"] = "logprobs"
    topk: int = 0
    """How many of the likeliest tokens to report at each position."""

    def ask(self, names: "Names") -> Ask:
        """The request."""
        body: dict[str, Any] = {"sampling_params": {"max_tokens": 1, "stop": []}, "prompt_logprobs": True}
        if self.topk:
            body["topk_prompt_logprobs"] = self.topk
        return self._ask(names, {"num_samples": 1, **body})
