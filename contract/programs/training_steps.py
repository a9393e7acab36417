"""Steps of models: creation, passes, optimizer steps."""

from typing import TYPE_CHECKING, Any, Literal

from contract.codec import PROTOBUF
from contract.ids import ModelID
from contract.programs.data import Example
from contract.programs.step import Ask, Makes, ModelStep, Step, Submission
from contract.training import ForwardBackwardInput, ForwardBackwardRequest

if TYPE_CHECKING:
    from contract.programs.names import Names

__all__ = ["CreateModel", "Forward", "ForwardBackward", "GetInfo", "OptimStep", "UnloadModel"]


class CreateModel(Submission):
    """Create a model with a fresh adapter."""

    op: Literal["create_model"] = "create_model"
    session: int = 0
    rank: int = 8
    seed: int | None = None
    train_attn: bool = True
    train_mlp: bool = True
    train_unembed: bool = True
    base_model: str | None = None
    """None for the one that the program runs on."""

    @property
    def makes(self) -> Makes:
        """A model."""
        return "model"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        flags = ("seed", "train_attn", "train_mlp", "train_unembed")
        given = {name: getattr(self, name) for name in flags if getattr(self, name) is not None}
        body = {
            "session_id": names.session(self.session),
            "model_seq_id": names.next_model(self.session),
            "base_model": names.base_model if self.base_model is None else self.base_model,
            "lora_config": {"rank": self.rank, **given},
        }
        return Ask("create_model", body)


class GetInfo(Step):
    """Ask what a model is."""

    op: Literal["get_info"] = "get_info"
    model: int = 0

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("get_info", {"model_id": names.model(self.model)})


class UnloadModel(Submission):
    """Drop a model."""

    op: Literal["unload_model"] = "unload_model"
    model: int = 0

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return Ask("unload_model", {"model_id": names.model(self.model)})


class ModelPass(ModelStep):
    """A pass over examples."""

    data: tuple[Example, ...] = (Example(),)
    loss: str = "cross_entropy"
    config: dict[str, float | str] | None = None
    """Settings of the loss."""

    def _ask(self, names: "Names", *, forward_only: bool) -> Ask:
        data = [example.datum(self.loss) for example in self.data]
        given = ForwardBackwardInput(data=data, loss_fn=self.loss, loss_fn_config=self.config)
        place = self.place(names)
        model_id, seq_id = ModelID(place["model_id"]), place["seq_id"]
        if names.sends_protobuf:
            request = ForwardBackwardRequest(
                forward_backward_input=given, model_id=model_id, seq_id=seq_id, forward_only=forward_only
            )
            return Ask("forward_backward", place, request, PROTOBUF)
        name = "forward" if forward_only else "forward_backward"
        body: dict[str, Any] = {**place, f"{name}_input": given.model_dump(mode="json", exclude_none=True)}
        return Ask(name, body)


class Forward(ModelPass):
    """Compute a loss, and change nothing."""

    op: Literal["forward"] = "forward"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return self._ask(names, forward_only=True)


class ForwardBackward(ModelPass):
    """Compute a loss, and add its gradients to the model's."""

    op: Literal["forward_backward"] = "forward_backward"

    def ask(self, names: "Names") -> Ask:
        """The request."""
        return self._ask(names, forward_only=False)


class OptimStep(ModelStep):
    """Apply the gradients, and clear them."""

    op: Literal["optim_step"] = "optim_step"
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0
    eps: float | None = None
    """None for the server's own; with a large one the size of a gradient shows, which Adam hides else."""
    family: str | None = None
    """None for Adam, whose hyperparameters these are; else a family by its name."""

    def ask(self, names: "Names") -> Ask:
        """The request."""
        rate = self.learning_rate
        if self.family is not None:
            params = {"optimizer_params": {"type": self.family, "learning_rate": rate}}
        else:
            numbers = {"weight_decay": self.weight_decay, "grad_clip_norm": self.grad_clip_norm}
            eps = {} if self.eps is None else {"eps": self.eps}
            params = {"adam_params": {"learning_rate": rate, **numbers, **eps}}
        return Ask("optim_step", {**self.place(names), **params})
