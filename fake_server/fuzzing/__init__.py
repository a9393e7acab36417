"""Servers, fuzzed with schemathesis on the contract's OpenAPI document. Needs the extra `fuzz`."""

from fake_server.fuzzing.finding import Finding
from fake_server.fuzzing.profiles import PROFILES, Profile
from fake_server.fuzzing.run import Report
from fake_server.fuzzing.server import fuzz_server

__all__ = ["PROFILES", "Finding", "Profile", "Report", "fuzz_server"]
