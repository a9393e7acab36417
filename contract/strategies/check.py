"""`Check`: pydantic's own judgement of a part of a type, and how often it refused what was drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import CoreConfig, SchemaValidator, core_schema, to_json

from contract.strategies.form import Tree, Violation

__all__ = ["Check", "Tally"]


@dataclass(slots=True)
class Tally:
    """How many trees were judged, and how many refused."""

    tried: int = 0
    refused: int = 0

    @property
    def share(self) -> float:
        """The share that was refused, 0 to 1."""
        return self.refused / self.tried if self.tried else 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Check:
    """Judges trees; a filter of strategies."""

    name: str
    """The part of the type, for example `Datum.check_spans`."""
    validator: SchemaValidator
    tally: Tally

    @classmethod
    def of(
        cls,
        name: str,
        schema: Mapping[str, Any],
        definitions: list[Any],
        config: Mapping[str, Any],
        tally: Tally,
    ) -> "Check":
        """The check of a core schema that refers to `definitions`."""
        inner: Any = schema
        whole = core_schema.definitions_schema(inner, definitions) if definitions else inner
        return cls(name, SchemaValidator(whole, cast("CoreConfig", dict(config)) if config else None), tally)

    def __repr__(self) -> str:
        return f"check of {self.name}"

    def __call__(self, tree: Tree) -> bool:
        """Whether a drawn tree fits; counted."""
        fits = self.allows(tree)
        self.tally.tried += 1
        self.tally.refused += not fits
        return fits

    def allows(self, tree: Tree) -> bool:
        """Whether a tree fits; a validator that stumbles refuses it."""
        try:
            self.validator.validate_json(to_json(tree))
        except Exception:
            return False
        return True

    def refuses(self, violation: Violation) -> bool:
        """Whether the violation of the simplest tree is refused for its reason at its place.

        What a validator stumbles over counts as well: whoever sends it finds the mistake in the validator.
        """
        try:
            self.validator.validate_json(to_json(violation.edit(None)))
        except ValidationError as error:
            return any(
                (found["loc"], found["type"]) == (violation.loc, violation.type)
                for found in error.errors(include_url=False, include_context=False, include_input=False)
            )
        except Exception:
            return True
        return False
