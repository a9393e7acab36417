"""`Step`: one operation of a program, as data; and what a step asks a server for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from contract.codec import JSON

if TYPE_CHECKING:
    from contract.programs.names import Names

__all__ = ["Ask", "ModelStep", "Step", "Submission"]

Makes = Literal["session", "model", "sampler", "checkpoint"]
"""What a step adds: later steps name it by its number among all that the program makes of the kind."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, once all names in it are a server's own."""

    operation: str
    """Name of a row of `contract.operations`."""
    fields: Mapping[str, Any]
    """Of the path and of the body."""
    request: object = None
    """The body as the contract's type, where its media type is not JSON."""
    media_type: str = JSON


class Step(BaseModel):
    """One operation. Its repr is Python that makes it again; what has its default is left out.

    Numbers of sessions, models, samplers and checkpoints count from 0, in the order in which the steps that
    make them stand in the program. One that no step before makes is a name that the server does not know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    op: str
    """Name of the kind of step, in JSON."""

    @property
    def makes(self) -> Makes | None:
        """What it adds, whether or not it succeeds; None for nothing."""
        return None

    def ask(self, names: "Names") -> Ask:
        """The request.

        Args:
            names: What the server calls the program's sessions, models, samplers and checkpoints. Steps that
                take a number, take the next one there.

        Raises:
            NotImplementedError: for a step about steps, which only `run` can carry out.
        """
        raise NotImplementedError(f"{self!r}: expected a step that asks a server itself; carry it out by run")

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        return [
            (name, value)
            for name, value in ((name, getattr(self, name)) for name in defaults)
            if name != "op" and (value != defaults[name] or type(value) is not type(defaults[name]))
        ]

    def __str__(self) -> str:
        return repr(self)


class Submission(Step):
    """A step that is promised a result. It is fetched before the next step, unless `wait` says otherwise."""

    wait: bool = True
    """Else the result is fetched at an `Await` or at the end; steps that make something always wait."""


class ModelStep(Submission):
    """An operation of a model, which has its place in the model's order."""

    model: int = 0
    """The model's number."""
    seq_id: int | None = None
    """Its place, from 1; None for one more than the highest that the program has sent to the model."""

    def place(self, names: "Names") -> dict[str, Any]:
        """The fields that say which model, and when."""
        return {"model_id": names.model(self.model), "seq_id": names.place(self.model, self.seq_id)}
