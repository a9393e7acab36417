"""The command: run the measures and print their figures."""

import argparse
import sys
import time

from benchmarks import memory, requests, scripted, sdk, start
from benchmarks.figure import as_markdown

MEASURES = {module.__name__.rpartition(".")[2]: module for module in (start, memory, requests, sdk, scripted)}


def main() -> None:
    """Run the named measures, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, as ratios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(MEASURES)}; absent: all")
    names = parser.parse_args().names or list(MEASURES)
    if unknown := [name for name in names if name not in MEASURES]:
        parser.error(f"NAME: expected some of {', '.join(MEASURES)}, got {', '.join(unknown)}")
    figures = []
    for name in names:
        _note(f"{name}: {(MEASURES[name].__doc__ or '').splitlines()[0]}")
        began = time.perf_counter()
        figures += MEASURES[name].measure()
        _note(f"{name}: done in {time.perf_counter() - began:.0f} s")
    print(as_markdown(figures))


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
