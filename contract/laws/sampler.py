"""`Sampler`: a sampling session of the server under test."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contract.inputs import ModelInput
from contract.laws.driver import Reply
from contract.laws.law import Broken
from contract.laws.model import promised
from contract.sampling import SampleResponse

if TYPE_CHECKING:
    from contract.laws.subject import Subject

__all__ = ["Sampler"]

PROMPT = (5, 6, 7)


class Sampler:
    """One sampling session; it counts its requests as a client does."""

    def __init__(self, subject: "Subject", sampling_session_id: str) -> None:
        self.id = sampling_session_id
        self._subject = subject
        self._last = -1

    def next(self) -> int:
        """The number of its next request."""
        self._last += 1
        return self._last

    def send(
        self,
        prompt: Sequence[int] = PROMPT,
        num_samples: int = 1,
        *,
        seq_id: int | None = None,
        fields: dict[str, Any] | None = None,
        **params: Any,
    ) -> Reply:
        """Submit a sample; the bare answer. `params` are `SamplingParams`: 8 tokens where it has none."""
        given = {"max_tokens": 8, **params}
        body = {
            "sampling_session_id": self.id,
            "seq_id": self.next() if seq_id is None else seq_id,
            "num_samples": num_samples,
            "prompt": ModelInput.from_ints(list(prompt)).model_dump(mode="json", exclude_none=True),
            "sampling_params": {name: value for name, value in given.items() if value is not None},
            **(fields or {}),
        }
        return self._subject.driver.call("asample", body)

    def sample(self, prompt: Sequence[int] = PROMPT, num_samples: int = 1, **options: Any) -> SampleResponse:
        """A sample's result."""
        reply = self.send(prompt, num_samples, **options)
        answer = self._subject.result(promised(reply, "asample"), SampleResponse)
        if len(answer.sequences) != num_samples:
            raise Broken(f"sequences of a sample: expected {num_samples}, got {len(answer.sequences)}")
        return answer

    def logprobs(self, prompt: Sequence[int]) -> list[float | None]:
        """Of the prompt's own tokens, as `compute_logprobs` asks for them; None for the first."""
        given = self.sample(prompt, max_tokens=1, fields={"prompt_logprobs": True}).prompt_logprobs
        if given is None:
            raise Broken("prompt_logprobs: expected a list, got none")
        return given
