"""`Finding`: a law that a server breaks, with the least that one has to send it to see so."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_server.fuzzing.fault import Fault
from fake_server.fuzzing.request import Request
from fake_server.fuzzing.trial import Step, Trial

__all__ = ["Finding", "found", "read_requests", "write_requests"]

MOST_SHOWN = 600


@dataclass(frozen=True, slots=True)
class Finding:
    """One law, broken."""

    operation: str
    law: str
    """Its id; `OpenAPI` where the document alone says so."""
    text: str
    """What was expected, and what came."""
    requests: tuple[Request, ...]
    """What does it, in this order, on any server."""
    url: str
    step: Step | None
    """The last of them as it was sent; None where nothing was."""
    last: Step | None
    """What was answered wrongly, where it is another: a poll, say."""

    @property
    def file_name(self) -> str:
        """Of the file that repeats it."""
        return f"{self.operation}-{self.law}.json"

    def as_text(self, replay: str) -> str:
        """For people; `replay` is the command."""
        lines = [f"{self.operation} breaks {self.law}: {self.text}"]
        lines += [f"  {place + 1}. {_told(request)}" for place, request in enumerate(self.requests)]
        if self.step is not None:
            lines += ["", *_answered(self.step, self.url), "", self.step.sent.python(self.url)]
        if self.last is not None and self.last is not self.step:
            lines += ["", "and then", "", *_answered(self.last, self.url)]
        return "\n".join([*lines, "", f"again: {replay}"])

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        told: dict[str, Any] = {"operation": self.operation, "law": self.law, "text": self.text}
        told["requests"] = [request.as_json() for request in self.requests]
        if self.step is not None:
            told["curl"], told["status"] = self.step.sent.curl(self.url), self.step.reply.status
        return told


def found(fault: Fault, trial: Trial, url: str) -> Finding:
    """What a trial found."""
    step = trial.steps[trial.place] if trial.place < len(trial.steps) else None
    last = trial.steps[-1] if trial.steps else None
    return Finding(fault.operation, fault.law, fault.text, tuple(trial.asked), url, step, last)


def write_requests(folder: Path, finding: Finding) -> Path:
    """Write what repeats a finding into a folder; the file.

    Raises:
        OSError: if it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / finding.file_name
    path.write_text(json.dumps(finding.as_json(), indent=1, ensure_ascii=False) + "\n")
    return path


def read_requests(path: Path) -> list[Request]:
    """The requests in such a file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is none.
    """
    try:
        told = json.loads(path.read_bytes())["requests"]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path}: expected a finding of `fuzz server`, got another file") from None
    return [Request.of_json(request) for request in told]


def _answered(step: Step, url: str) -> list[str]:
    return [step.sent.curl(url), f"-> {step.reply.status} {_shown(step.reply.body)}"]


def _told(request: Request) -> str:
    fields = json.dumps(request.fields, ensure_ascii=False)
    return f"{request.operation} {request.what}: {_cut(fields)}"


def _shown(body: bytes) -> str:
    return _cut(body.decode("utf-8", "backslashreplace"))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text)} characters)"
