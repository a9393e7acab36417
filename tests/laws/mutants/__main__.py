"""`python -m tests.laws.mutants`: every mutant has to be noticed, and every law has to notice one."""

import argparse
import sys

from contract.laws import LAWS
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.hunt import Kill, control, hunt, sweep
from tests.laws.mutants.idle_laws import IDLE_LAWS
from tests.laws.mutants.tally import Tally

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Hunt, report, and say by the exit status whether all is well."""
    chosen = [MUTANTS[name] for name in _options(arguments).only or MUTANTS]
    tally = Tally(control(), LAWS, IDLE_LAWS if len(chosen) == len(MUTANTS) else {})

    def tell(mutant_id: str, found: list[Kill]) -> None:
        line = tally.add(mutant_id, found)
        print(line if found else f"{line}: {MUTANTS[mutant_id].sentence}", flush=True)

    def note(mutant_id: str, found: list[Kill]) -> None:
        for kill in found:
            tally.busy.setdefault(kill.law_id, mutant_id)

    hunt(chosen, tally.sound.fit, tell)
    if len(chosen) == len(MUTANTS):
        sweep(chosen, tally.idle, note)
        tally.swept = True
    print("\n".join(tally.lines()))
    return 0 if tally.is_well else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.laws.mutants", description=__doc__)
    parser.add_argument("only", nargs="*", help="ids of mutants; all where absent, and then the laws, too")
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - set(MUTANTS):
        parser.error(f"expected ids of mutants, got {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
