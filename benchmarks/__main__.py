"""The command: run the measures and print their figures."""

import argparse
import importlib
import sys
import time

from benchmarks import memory, page, requests, scripted, sdk, snapshots, start
from benchmarks.figure import as_markdown

ENGINE = ("engine_training", "engine_sampling", "engine_products", "engine_server")
"""Measures of the torch engine, by name: they need torch, and are run when they are named."""
MEASURES = {
    module.__name__.rpartition(".")[2]: module
    for module in (start, memory, requests, sdk, scripted, snapshots, page)
}


def main() -> None:
    """Run the named measures, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, as ratios.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join((*MEASURES, *ENGINE))}; absent: all but those of the engine",
    )
    names = parser.parse_args().names or list(MEASURES)
    if unknown := [name for name in names if name not in (*MEASURES, *ENGINE)]:
        parser.error(f"NAME: expected some of {', '.join((*MEASURES, *ENGINE))}, got {', '.join(unknown)}")
    figures = []
    for name in names:
        module = MEASURES.get(name) or importlib.import_module(f"benchmarks.{name}")
        _note(f"{name}: {(module.__doc__ or '').splitlines()[0]}")
        began = time.perf_counter()
        figures += module.measure()
        _note(f"{name}: done in {time.perf_counter() - began:.0f} s")
    print(as_markdown(figures))


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
