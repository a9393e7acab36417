"""What is known to go wrong with SDK 0.38.0; `docs/findings.md` has each with a reproduction."""

import re
from collections.abc import Mapping

from fake_server.client_fuzzing.case import Case, Finding

__all__ = ["KNOWN", "is_known"]

BARE = "undocumented error"
KNOWN: Mapping[str, tuple[str, str]] = {
    "a refused poll is a ValueError": (BARE, r"got ValueError: Error retrieving result: "),
    "an expired promise is a RetryableException": (BARE, r"got RetryableException: Promise expired/broken"),
    "an answer that cannot be read is an error of the json module": (BARE, r"got JSONDecodeError: "),
    "an answer that is no text is a UnicodeDecodeError": (BARE, r"got UnicodeDecodeError: "),
    "null for an answer is an AttributeError": (
        BARE,
        r"got AttributeError: 'NoneType' object has no attribute",
    ),
    "another value than an object for an answer is an AttributeError": (
        BARE,
        r"got AttributeError: '(list|str)' object has no attribute",
    ),
    "a result in a form that it has not is a ValueError": (
        BARE,
        r"got ValueError: (Proto deserialization|Server returned a JSON payload)",
    ),
    "a path that is missing in a result is an AssertionError": (BARE, r"SaveForSampler.*got AssertionError"),
    "a sample without its sequences is an AssertionError": (
        BARE,
        r"got AssertionError: \d+ sequence ids for \d+ sequences",
    ),
    "a promise of a sample without its sequences is an AssertionError": (
        BARE,
        r"got AssertionError: asample promises always carry sample_sequence_ids",
    ),
    "an empty result, or a sample, is taken for a pass": (
        "wrong number",
        r"(ForwardBackward|Forward)\(.*'metrics': \{\}",
    ),
    "telemetry of a refused request tells the key": (
        "broke a rule",
        r"CLI-21 .*telemetry has a key in events\.\d+\.event_data\.request_headers",
    ),
}
"""Kind and words of a finding, by its heading in the document."""


def is_known(_case: Case, finding: Finding) -> bool:
    """Whether a finding is listed."""
    return any(
        kind == finding.kind and re.search(words, finding.text, re.DOTALL) for kind, words in KNOWN.values()
    )
