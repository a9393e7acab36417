"""Steps of checkpoints and training runs as resources."""

from typing import TYPE_CHECKING, Literal

from contract.programs.step import Ask, Step

if TYPE_CHECKING:
    from contract.programs.names import Names

__all__ = [
    "DeleteCheckpoint",
    "GetTrainingRun",
    "ListAllCheckpoints",
    "ListCheckpoints",
    "ListTrainingRuns",
    "PublishCheckpoint",
    "SetTtl",
    "UnpublishCheckpoint",
    "WeightsInfo",
]


class CheckpointStep(Step):
    """A step that names a checkpoint."""

    checkpoint: int = 0
    """The checkpoint's number."""


class DeleteCheckpoint(CheckpointStep):
    """Delete a checkpoint."""

    op: Literal["delete_checkpoint"] = "delete_checkpoint"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("delete_checkpoint", names.place_of(self.checkpoint))


class PublishCheckpoint(CheckpointStep):
    """Let others read a checkpoint."""

    op: Literal["publish_checkpoint"] = "publish_checkpoint"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("publish_checkpoint", names.place_of(self.checkpoint))


class UnpublishCheckpoint(CheckpointStep):
    """Keep a checkpoint to oneself."""

    op: Literal["unpublish_checkpoint"] = "unpublish_checkpoint"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("unpublish_checkpoint", names.place_of(self.checkpoint))


class SetTtl(CheckpointStep):
    """Give a checkpoint a new life."""

    op: Literal["set_ttl"] = "set_ttl"
    ttl_seconds: int | None = 3600
    """Seconds from now; None for ever."""

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("set_checkpoint_ttl", {**names.place_of(self.checkpoint), "ttl_seconds": self.ttl_seconds})


class WeightsInfo(CheckpointStep):
    """Ask what a checkpoint's model is."""

    op: Literal["weights_info"] = "weights_info"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("weights_info", {"tinker_path": names.checkpoint(self.checkpoint)})


class ListCheckpoints(Step):
    """All checkpoints of a model, newest first."""

    op: Literal["list_checkpoints"] = "list_checkpoints"
    model: int = 0

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("list_checkpoints", {"training_run_id": names.model(self.model)})


class ListAllCheckpoints(Step):
    """A page of all checkpoints, newest first."""

    op: Literal["list_all_checkpoints"] = "list_all_checkpoints"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("list_user_checkpoints", {"limit": names.page})


class ListTrainingRuns(Step):
    """A page of training runs, newest first."""

    op: Literal["list_training_runs"] = "list_training_runs"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("list_training_runs", {"limit": names.page})


class GetTrainingRun(Step):
    """One model as a resource."""

    op: Literal["get_training_run"] = "get_training_run"
    model: int = 0

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("get_training_run", {"training_run_id": names.model(self.model)})
