"""The base models that the scripted backend knows by name, from `base_models.json`.

Vocabulary sizes and end-of-text ids are those that the models' authors publish; context lengths are the
32,768 tokens of the Tinker line-up, and a name may ask for another: `NAME:peft:LENGTH`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from contract import BaseModelInfo, RequestFailure, split_base_model

__all__ = ["BaseModel", "find_base_model", "known_base_models"]

FOLDER = Path(__file__).parent
TOKENIZER_FOLDERS = ("pico",)
"""Tokenizers that come with the package; any other id is a name on the hub."""
SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Facts about a base model. The defaults are those of a name that nobody knows: Qwen3's numbers."""

    name: str
    """Without a context suffix."""
    tokenizer_id: str
    vocab_size: int = 151936
    max_context_length: int = 32768
    arch: str = "unknown"
    end_of_text_ids: tuple[int, ...] = (151643, 151645)
    text_ids: tuple[int, int] = (0, 151643)
    """First id of ordinary text, and the first id after it."""

    @property
    def info(self) -> BaseModelInfo:
        """As the backend's port shows it."""
        return BaseModelInfo(
            name=self.name,
            vocab_size=self.vocab_size,
            max_context_length=self.max_context_length,
            arch=self.arch,
            tokenizer_id=self.tokenizer_id,
            end_of_text_ids=self.end_of_text_ids,
        )


@cache
def _listed() -> Mapping[str, BaseModel]:
    """All models of the data file, by name, in its order; read once."""
    rows = json.loads((FOLDER / "base_models.json").read_text("utf-8"))
    return {row["name"]: _model_of(row) for row in rows}


def _model_of(row: dict[str, object]) -> BaseModel:
    tokenizer = str(row.get("tokenizer_id", row["name"]))
    if tokenizer in TOKENIZER_FOLDERS:
        tokenizer = str(FOLDER / tokenizer)
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    return BaseModel(**{**row, **lists, "tokenizer_id": tokenizer})  # type: ignore[arg-type]


@cache
def known_base_models(names: tuple[str, ...]) -> Mapping[str, BaseModel]:
    """The base models of these names, in this order; all of the data file's where there are none.

    A name that the data file does not have gets the defaults of `BaseModel`.
    """
    if not names:
        return _listed()
    return {name: _listed().get(name) or BaseModel(name=name, tokenizer_id=name) for name in names}


def find_base_model(models: Mapping[str, BaseModel], name: str) -> BaseModel:
    """The base model called `name`, or `NAME:peft:LENGTH`: the same with that context length.

    Raises:
        RequestFailure: if there is none, naming some that there are; if the length is out of range.
    """
    if name in models:
        return models[name]
    try:
        plain, length = split_base_model(name)
    except ValueError as error:
        raise RequestFailure(str(error)) from None
    if plain not in models:
        raise RequestFailure(f"base_model: expected one of {_shown(list(models))}, got {name!r}")
    model = models[plain]
    return replace(model, max_context_length=length or model.max_context_length)


def _shown(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
