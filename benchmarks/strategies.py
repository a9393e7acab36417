"""How fast valid values of every model come, how many draws are refused, and whether violations are found.

`python -m benchmarks.strategies [EXAMPLES]` prints the slowest models, the median, and the targets:
at least 200 values per second of processor time in the median, at most 5 % refused.
"""

import inspect
import sys
from statistics import median

from pydantic import BaseModel, TypeAdapter, ValidationError

import contract
from contract.strategies import audit, violations

MODELS = [
    kind
    for kind in (getattr(contract, name) for name in contract.__all__)
    if inspect.isclass(kind) and issubclass(kind, BaseModel)
]


def found(kind: type[BaseModel]) -> tuple[int, int]:
    """How many violations of a type are reported as predicted, and how many there are."""
    adapter: TypeAdapter[BaseModel] = TypeAdapter(kind)
    known, hits = violations(kind).values(), 0
    for violation in known:
        try:
            adapter.validate_json(violation.body)
        except ValidationError as error:
            told = [(each["loc"], each["type"]) for each in error.errors()]
            hits += (violation.loc, violation.type) in told
    return hits, len(known)


def main(examples: int) -> None:
    audits = [audit(kind, examples=examples) for kind in MODELS]
    hits, known = (sum(column) for column in zip(*map(found, MODELS), strict=True))
    for made in sorted(audits, key=lambda each: each.rate)[:5]:
        print(f"{made.name:36} {made.rate:6.0f} values/s")
    name, worst = max((made.worst for made in audits), key=lambda each: each[1].share)
    print(f"{len(audits)} models, {sum(made.examples for made in audits)} values")
    print(f"median {median(made.rate for made in audits):.0f} values/s (target: 200)")
    print(f"most refused: {worst.share:.1%} of {name} (target: 5 %)")
    print(f"violations reported as predicted: {hits} of {known}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
