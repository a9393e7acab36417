"""Programs: lists of operations as data, run on any server, and what two servers made of them.

`run(program, subject)` gives a `Transcript`, `compare(one, other)` the differences of two. `Tandem` does the
same step by step.
"""

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
from contract.programs.comparison import Difference, KnownDifference, compare, unexplained
from contract.programs.data import Example
from contract.programs.interpreter import Run, run
from contract.programs.lineage import Lineage, lineage
from contract.programs.program import AnyStep, Program
from contract.programs.replays import Await, Replay
from contract.programs.sampling_steps import CreateSampler, GetSampler, Logprobs, Sample
from contract.programs.session_steps import CreateSession, FinishSession, GetSession, Heartbeat, ListSessions
from contract.programs.step import Ask, ModelStep, Step, Submission
from contract.programs.tandem import Disagreement, Tandem
from contract.programs.training_steps import (
    CreateModel,
    Forward,
    ForwardBackward,
    GetInfo,
    OptimStep,
    UnloadModel,
)
from contract.programs.transcript import Event, Transcript
from contract.programs.weight_steps import LoadModel, LoadWeights, OpenSampler, SaveForSampler, SaveWeights

__all__ = [
    "AnyStep",
    "Ask",
    "Await",
    "CreateModel",
    "CreateSampler",
    "CreateSession",
    "DeleteCheckpoint",
    "Difference",
    "Disagreement",
    "Event",
    "Example",
    "FinishSession",
    "Forward",
    "ForwardBackward",
    "GetInfo",
    "GetSampler",
    "GetSession",
    "GetTrainingRun",
    "Heartbeat",
    "KnownDifference",
    "Lineage",
    "ListAllCheckpoints",
    "ListCheckpoints",
    "ListSessions",
    "ListTrainingRuns",
    "LoadModel",
    "LoadWeights",
    "Logprobs",
    "ModelStep",
    "OpenSampler",
    "OptimStep",
    "Program",
    "PublishCheckpoint",
    "Replay",
    "Run",
    "Sample",
    "SaveForSampler",
    "SaveWeights",
    "SetTtl",
    "Step",
    "Submission",
    "Tandem",
    "Transcript",
    "UnloadModel",
    "UnpublishCheckpoint",
    "WeightsInfo",
    "compare",
    "lineage",
    "run",
    "unexplained",
]
