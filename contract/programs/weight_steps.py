"""Steps that save and load weights."""

from typing import TYPE_CHECKING, Any, Literal

from contract.programs.step import Ask, Makes, ModelStep, Submission

if TYPE_CHECKING:
    from contract.programs.names import Names

__all__ = ["LoadModel", "LoadWeights", "OpenSampler", "SaveForSampler", "SaveWeights"]


class Save(ModelStep):
    """A step that makes a checkpoint."""

    name: str | None = None
    """None lets the server choose one."""
    ttl_seconds: int | None = None
    """Life in seconds; None for ever."""

    @property
    def makes(self) -> Makes:
        """A checkpoint."""
        return "checkpoint"

    def _body(self, names: "Names") -> dict[str, Any]:
        given = {"path": self.name, "ttl_seconds": self.ttl_seconds}
        return {**self.place(names), **{key: value for key, value in given.items() if value is not None}}


class SaveWeights(Save):
    """Save weights and the optimizer's state, to train on from."""

    op: Literal["save_weights"] = "save_weights"
    overwrite: bool = False

    def ask(self, names: "Names") -> Ask:
        """The request."""
        overwrite = {"overwrite": True} if self.overwrite else {}
        return Ask("save_weights", {**self._body(names), **overwrite})


class SaveForSampler(Save):
    """Save weights to sample from, under a name."""

    op: Literal["save_for_sampler"] = "save_for_sampler"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("save_weights_for_sampler", self._body(names))


class OpenSampler(ModelStep):
    """Save weights without a name, straight into a new sampler of the model's session."""

    op: Literal["open_sampler"] = "open_sampler"
    kind: Literal["snapshot", "inflight"] = "snapshot"

    @property
    def makes(self) -> Makes:
        """A sampler."""
        return "sampler"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        number = names.next_sampler(names.session_of(self.model))
        body = {**self.place(names), "sampling_session_seq_id": number}
        return Ask(
            "save_weights_for_sampler", body if self.kind == "snapshot" else {**body, "kind": self.kind}
        )


class LoadWeights(ModelStep):
    """Load a checkpoint into a model."""

    op: Literal["load_weights"] = "load_weights"
    checkpoint: int = 0
    optimizer: bool = True
    """Whether the optimizer's state comes too."""
    path: str | None = None
    """Another path than the checkpoint's."""

    def ask(self, names: "Names") -> Ask:
        """The request."""
        path = names.checkpoint(self.checkpoint) if self.path is None else self.path
        return Ask("load_weights", {**self.place(names), "path": path, "optimizer": self.optimizer})


class LoadModel(Submission):
    """Create a model from a checkpoint."""

    op: Literal["load_model"] = "load_model"
    session: int = 0
    checkpoint: int = 0
    optimizer: bool = True

    @property
    def makes(self) -> Makes:
        """A model."""
        return "model"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        body = {
            "session_id": names.session(self.session),
            "model_seq_id": names.next_model(self.session),
            "path": names.checkpoint(self.checkpoint),
            "optimizer": self.optimizer,
        }
        return Ask("load_weights", body)
