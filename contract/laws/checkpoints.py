"""A training run's checkpoints, as laws look at them and change them."""

from contract.laws.expect import expect, expect_status
from contract.laws.subject import Subject
from contract.weights import Checkpoint, CheckpointsListResponse

__all__ = ["done", "entry", "listed", "place"]


def place(path: str) -> dict[str, str]:
    """The parts of a path that stand in URLs."""
    parts = path.removeprefix("tinker://").split("/")
    expect(len(parts) == 3, f"path: expected tinker://<run>/<segment>/<name>, got {path!r}")
    return dict(zip(("training_run_id", "segment", "name"), parts, strict=True))


def listed(s: Subject, run: str) -> dict[str, Checkpoint]:
    """A training run's checkpoints by path, as the list has them."""
    answer = s.typed("list_checkpoints", {"training_run_id": run}, CheckpointsListResponse)
    return {each.tinker_path: each for each in answer.checkpoints}


def entry(s: Subject, path: str) -> Checkpoint:
    """A checkpoint, as the list of its run has it.

    Raises:
        Broken: if it is not in there.
    """
    found = listed(s, place(path)["training_run_id"])
    expect(path in found, f"checkpoints of a run: expected {path} among them, got {list(found)}")
    return found[path]


def done(s: Subject, operation: str, path: str, **fields: object) -> None:
    """Do something to a checkpoint that must succeed."""
    expect_status(s.driver.call(operation, {**place(path), **fields}), 200, 201, 202, 204, what=operation)
