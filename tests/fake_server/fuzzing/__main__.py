"""`python -m tests.fake_server.fuzzing`: our own server, all operations, both backends, by some seeds."""

import argparse
import secrets
import sys
from pathlib import Path

from fake_server.app import create_app
from fake_server.fuzzing import fuzz_server
from fake_server.fuzzing.text import as_text
from fake_server.running import find_backend
from fake_server.settings import Settings

__all__ = ["main"]


def main() -> int:
    """0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_server.fuzzing", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first one; random where absent")
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other (1)")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--backend", choices=("scripted", "torch"), nargs="+", default=["scripted", "torch"])
    parser.add_argument("--folder", type=Path, help="keeps examples that found something")
    options = parser.parse_args()
    first = secrets.randbelow(10**6) if options.seed is None else options.seed
    failed = 0
    for seed in range(first, first + options.seeds):
        for backend in options.backend:
            app = create_app(find_backend(backend), Settings(long_poll_seconds=0.35))
            folder = options.folder and options.folder / backend
            report = fuzz_server(app, profile=options.profile, seed=seed, folder=folder)
            again = f"make fuzz-slice, with --seed {seed} --backend {backend}"
            print(f"{backend}: {as_text(report, [again] * len(report.findings))}", flush=True)
            failed += not report.passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
