"""What limits sampling on the 256-wide model: its matrix products alone, against the peak of one core."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.engine_models import cpu_seconds, saved
from benchmarks.figure import Figure
from benchmarks.rounds import interleaved
from reference_engine.config import ModelConfig
from reference_engine.linear import FrozenLinear, Rows

NAME = "256-wide Qwen3"
ROUNDS, STEPS = 9, 10
ROWS = (1, 8, 32)
SQUARE = 1024


def measure() -> list[Figure]:
    """The products of a decoding step for 1, 8 and 32 sequences, and a large square one."""
    with tempfile.TemporaryDirectory() as place:
        matrices = _matrices(saved(NAME, Path(place)))
    square = FrozenLinear(torch.randn(SQUARE, SQUARE), None, Rows(exact=False))
    runs = [_products(matrices, rows) for rows in ROWS] + [_products([square], SQUARE)]
    columns = interleaved(ROUNDS, *map(cpu_seconds, runs))
    *steps, peak = (min(column) for column in columns)
    best = _billions([square], SQUARE) / peak
    figures = []
    for rows, seconds in zip(ROWS, steps, strict=True):
        rate = _billions(matrices, rows) / seconds
        measure = f"matrix products alone, {NAME}, {rows} row{'s' * (rows > 1)}"
        figures.append(
            Figure(measure, rate, "GFLOP/s", compared=("1024 x 1024 x 1024", best), ratio=rate / best)
        )
    return figures


def _matrices(config: ModelConfig) -> list[FrozenLinear]:
    """The matrices of a dense model, all layers and the head."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    layer = [(queries + 2 * keys, hidden), (hidden, queries), (2 * inner, hidden), (hidden, inner)]
    shapes = [*layer * config.num_layers, (config.vocab_size, hidden)]
    return [FrozenLinear(torch.randn(shape), None, Rows(exact=False)) for shape in shapes]


def _products(matrices: list[FrozenLinear], rows: int) -> Callable[[], None]:
    """A run of some steps, each of them all products in order."""
    pairs = [(matrix, torch.randn(rows, matrix.weight.shape[1])) for matrix in matrices]

    @torch.inference_mode()
    def run() -> None:
        for _ in range(STEPS):
            for matrix, x in pairs:
                matrix.forward(x)

    return run


def _billions(matrices: list[FrozenLinear], rows: int) -> float:
    """Multiplications and additions of a run."""
    return 2e-9 * STEPS * rows * sum(matrix.weight.numel() for matrix in matrices)
