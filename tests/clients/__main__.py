"""`python -m tests.clients [MUTANT]`: a training loop against TINKER_BASE_URL; status 0 if all is well."""

import json
import os
import sys
from collections.abc import Mapping, Sequence

from tests.clients.life import live_in
from tests.clients.mini import MiniClient
from tests.clients.mutants import MUTANTS

__all__ = ["main"]


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it, and print what came of it as one line of JSON."""
    mutant = MUTANTS.get(arguments[0]) if arguments else None
    if len(arguments) > 1 or (arguments and mutant is None):
        print(f"expected the id of a mutant or nothing, got {' '.join(arguments)}", file=sys.stderr)
        return 2
    report = live_in(environment, mutant.client if mutant else MiniClient)
    print(json.dumps({"mutant": mutant.id if mutant else None, **report}))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
