"""Two releases of the SDK do the same on a server that writes down what they send; `drift_between` compares.

Types do not show which header is sent, when a field is left out, or whether an answer without it is
taken. So the releases are run, each in a process of its own, in a world of our own server for each scene.
"""

from fake_server.drift.between import Release, drift_between

__all__ = ["Release", "drift_between"]
