"""Drift: of the contract from the installed SDK, and of one release of the SDK from another.

`drift()` and `report` compare the contract with what is installed. The other modules compare two releases:
`shape` and `sources` read one, `compared` tells their differences as `Change`s, `told` writes them down.
"""

from contract.drift.installed import Deliberate, Difference, Sdk, drift, installed, report

__all__ = ["Deliberate", "Difference", "Sdk", "drift", "installed", "report"]
