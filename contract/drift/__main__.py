"""`python -m contract.drift FOLDER`: the shape of an unpacked release, as JSON. For a process of its own."""

import sys

from contract.drift.shape import main

__all__: list[str] = []

main(sys.argv[1])
