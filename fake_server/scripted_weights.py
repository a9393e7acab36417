"""The scripted backend's weights: a sorted sparse table of learned numbers, and AdamW's state for it.

Immutable: a step makes new arrays, so a checkpoint shares the arrays of the model that it was made of.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from contract import LoraConfig, RequestFailure
from fake_server.elementary import Floats, Ints, digest
from fake_server.language import START, TOKEN_BITS, Index, Language, Table
from fake_server.safetensors_files import read_tensors, tensors_size, write_tensors

__all__ = ["LARGEST_LOGIT", "Moments", "Pairs", "ScriptedWeights", "fresh_weights", "read_weights"]

CONFIG, ADAPTER, OPTIMIZER = "adapter_config.json", "adapter_model.safetensors", "optimizer.safetensors"
LOWEST_GAIN, GAIN_SPREAD = 75.0, 50.0
"""Learned numbers are multiplied by 75 to 125. Source: ours: Adam moves a number by about the learning rate
a step, so rates of 1e-4 to 1e-2 move a logit by 0.01 to 1."""
LARGEST_LOGIT = 1e100
"""Weights that add more to a logit are refused. Source: ours: far from where float64 overflows."""
KEPT_TABLES = 4
"""Tables kept per weights. Source: ours: temperature 1 for scores, and a few that samplers use."""


@dataclass(frozen=True, eq=False)
class Moments:
    """AdamW's state: running means of the gradients and of their squares, `[P]` each."""

    means: Floats
    squares: Floats
    steps: int = 0


@dataclass(frozen=True, eq=False)
class Pairs:
    """What was learned: one number for each (context, token) pair."""

    keys: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """`context << TOKEN_BITS | token`, rising, `[P]`."""
    deltas: Floats = field(default_factory=lambda: np.empty(0))
    """Learned numbers, `[P]`; times the gain they add to logits."""
    _tables: dict[tuple[Language, float], Table] = field(default_factory=dict, repr=False)
    _indexes: dict[Language, Index] = field(default_factory=dict, repr=False)

    def table(self, language: Language, temperature: float, gain: float) -> Table:
        """The distribution at a temperature; the latest few are kept."""
        wanted = (language, temperature)
        if wanted not in self._tables:
            if len(self._tables) >= KEPT_TABLES:
                del self._tables[next(iter(self._tables))]
            self._tables[wanted] = self._table(language, temperature, gain)
        return self._tables[wanted]

    def _table(self, language: Language, temperature: float, gain: float) -> Table:
        moved = self.deltas != 0  # 0 is as if the pair were absent
        if not moved.any():
            return language.table(temperature)
        if not moved.all():
            return Table(language, temperature, Index(language, self.keys[moved]), gain * self.deltas[moved])
        if language not in self._indexes:  # that of all pairs is made once
            self._indexes[language] = Index(language, self.keys)
        return Table(language, temperature, self._indexes[language], gain * self.deltas)

    def with_deltas(self, keys: Ints, deltas: Floats) -> "Pairs":
        """Other learned numbers; where the pairs are the same, what is known of them is kept."""
        return Pairs(keys, deltas, _indexes=self._indexes if keys is self.keys else {})


@dataclass(frozen=True, eq=False)
class ScriptedWeights:
    """An adapter on a base model, and perhaps its optimizer's state."""

    base_model: str
    """Without a context suffix."""
    rank: int
    parts: tuple[str, ...]
    """Which of `unembed`, `mlp` and `attn` are trained."""
    gain: float
    pairs: Pairs
    moments: Moments | None

    def table(self, language: Language, temperature: float = 1.0) -> Table:
        """The distribution at a temperature."""
        return self.pairs.table(language, temperature, self.gain)

    def without_optimizer(self) -> "ScriptedWeights":
        """The same weights, no optimizer state."""
        return replace(self, moments=None)

    @cached_property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return len(self._config) + sum(map(tensors_size, self._tensors.values()))

    def files(self) -> Mapping[str, bytes]:
        """Files in the safetensors format and their JSON description; equal weights give equal bytes."""
        tensors = {name: write_tensors(content) for name, content in self._tensors.items()}
        return {CONFIG: self._config, **tensors}

    @property
    def _config(self) -> bytes:
        config = {
            "base_model_name_or_path": self.base_model,
            "format": "tinkerproof scripted 1",
            "gain": self.gain,
            "r": self.rank,
            "steps": None if self.moments is None else self.moments.steps,
            "target_modules": list(self.parts),
        }
        return json.dumps(config, indent=1, sort_keys=True).encode()

    @property
    def _tensors(self) -> dict[str, dict[str, Any]]:
        files: dict[str, dict[str, Any]] = {
            ADAPTER: {"deltas": self.pairs.deltas, "keys": self.pairs.keys},
        }
        if self.moments is not None:
            files[OPTIMIZER] = {"means": self.moments.means, "squares": self.moments.squares}
        return files


def fresh_weights(seed: int, base_model: str, lora: LoraConfig) -> ScriptedWeights:
    """The weights of a new adapter: nothing learned, so it equals its base model.

    The gain is a function of the adapter's seed (where it has none, the backend's), rank and trained parts:
    another adapter learns at another speed.
    """
    flags = {"unembed": lora.train_unembed, "mlp": lora.train_mlp, "attn": lora.train_attn}
    parts = tuple(name for name, trained in flags.items() if trained)
    origin = ("backend", seed) if lora.seed is None else ("adapter", lora.seed)
    share = digest("gain", *origin, lora.rank, *parts) / 2**64
    gain = LOWEST_GAIN + GAIN_SPREAD * share
    return ScriptedWeights(base_model, lora.rank, parts, gain, Pairs(), Moments(np.empty(0), np.empty(0)))


def read_weights(files: Mapping[str, bytes]) -> ScriptedWeights:
    """The weights that `ScriptedWeights.files` gave.

    Raises:
        RequestFailure: naming the file that is missing or malformed.
    """
    reading = CONFIG
    try:
        config = json.loads(files[reading])
        parts = tuple(map(str, config["target_modules"]))
        base_model, rank, gain = (
            str(config["base_model_name_or_path"]),
            int(config["r"]),
            float(config["gain"]),
        )
        if not 0 < gain < inf:
            raise ValueError(f"gain: expected a positive number, got {gain}")
        reading = ADAPTER
        adapter = read_tensors(files[reading], {"deltas": "F64", "keys": "I64"})
        pairs = Pairs(adapter["keys"], adapter["deltas"])
        _check_columns(pairs.keys, pairs.deltas)
        if (np.abs(pairs.deltas) > LARGEST_LOGIT / gain).any():
            raise ValueError(f"expected learned logits of at most {LARGEST_LOGIT}, got larger ones")
        moments = None
        if config["steps"] is not None:
            reading = OPTIMIZER
            state = read_tensors(files[reading], {"means": "F64", "squares": "F64"})
            moments = Moments(state["means"], state["squares"], int(config["steps"]))
            _check_columns(pairs.keys, moments.means, moments.squares)
    except KeyError as error:
        raise RequestFailure(
            f"weights file {reading!r}: expected it to be there with {error}, got none"
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestFailure(f"weights file {reading!r}: {error}") from None
    return ScriptedWeights(base_model, rank, parts, gain, pairs, moments)


def _check_columns(keys: Ints, *columns: Floats) -> None:
    highest = START << (2 * TOKEN_BITS + 1) | START << TOKEN_BITS | (START - 1)
    if (np.diff(keys) <= 0).any() or (keys[:1] < 0).any() or (keys[-1:] > highest).any():
        raise ValueError(f"expected {len(keys)} rising keys from 0 to {highest}, got others")
    for column in columns:
        if len(column) != len(keys) or not np.isfinite(column).all():
            raise ValueError(f"expected {len(keys)} finite numbers, one per key, got {len(column)}")
