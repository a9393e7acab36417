"""`Program`: a list of operations that any client may carry out, and any server be asked for."""

import json
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from contract.programs.checkpoint_steps import (
    DeleteCheckpoint,
    GetTrainingRun,
    ListAllCheckpoints,
    ListCheckpoints,
    ListTrainingRuns,
    PublishCheckpoint,
    SetTtl,
    UnpublishCheckpoint,
    WeightsInfo,
)
from contract.programs.replays import Await, Replay
from contract.programs.sampling_steps import CreateSampler, GetSampler, Logprobs, Sample
from contract.programs.session_steps import CreateSession, FinishSession, GetSession, Heartbeat, ListSessions
from contract.programs.step import Step
from contract.programs.training_steps import (
    CreateModel,
    Forward,
    ForwardBackward,
    GetInfo,
    OptimStep,
    UnloadModel,
)
from contract.programs.weight_steps import LoadModel, LoadWeights, OpenSampler, SaveForSampler, SaveWeights

__all__ = ["AnyStep", "Program"]

AnyStep = Annotated[
    CreateSession
    | Heartbeat
    | FinishSession
    | GetSession
    | ListSessions
    | CreateModel
    | GetInfo
    | UnloadModel
    | Forward
    | ForwardBackward
    | OptimStep
    | SaveWeights
    | SaveForSampler
    | OpenSampler
    | LoadWeights
    | LoadModel
    | CreateSampler
    | GetSampler
    | Sample
    | Logprobs
    | DeleteCheckpoint
    | PublishCheckpoint
    | UnpublishCheckpoint
    | SetTtl
    | WeightsInfo
    | ListCheckpoints
    | ListAllCheckpoints
    | ListTrainingRuns
    | GetTrainingRun
    | Replay
    | Await,
    Field(discriminator="op"),
]


class Program(BaseModel):
    """Steps, in order. Its repr is Python that makes it again, and so does its JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[AnyStep, ...]

    @classmethod
    def of(cls, *steps: Step) -> Self:
        """A program of these steps."""
        return cls.model_validate({"steps": steps})

    def __len__(self) -> int:
        return len(self.steps)

    def walk(self) -> Iterator[Step]:
        """The steps, one by one."""
        return iter(self.steps)

    def __repr__(self) -> str:
        lines = "".join(f"    {step!r},\n" for step in self.steps)
        return f"Program.of(\n{lines})" if lines else "Program.of()"

    def __str__(self) -> str:
        return repr(self)

    def to_json(self) -> str:
        """As JSON, which `model_validate_json` reads; fields that have their default are left out."""
        steps = [{"op": s.op, **s.model_dump(mode="json", exclude_defaults=True)} for s in self.steps]
        return json.dumps({"steps": steps})
