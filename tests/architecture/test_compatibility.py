"""The page of releases says what was measured, and what differs between them is stated in one place."""

import ast
import json
from pathlib import Path

import pytest

from contract.versions import NEWEST, SdkVersion
from tests.sdk.matrix.releases import RELEASES, SLICE
from tools.write_compatibility import BACKENDS, DATA, PAGE, page

ROOT = Path(__file__).parents[2]
MEASURED = json.loads(DATA.read_text(encoding="utf-8"))["releases"]
PROFILES = "contract/versions.py"


def test_the_page_is_made_of_what_was_measured():
    made = page(json.loads(DATA.read_text(encoding="utf-8")))
    assert PAGE.read_text(encoding="utf-8") == made, "run `make docs` (python -m tools.write_compatibility)"


def test_nothing_that_was_measured_has_failed():
    assert set(MEASURED) <= set(RELEASES)
    for release, found in MEASURED.items():
        for name in BACKENDS:
            states = {outcome if isinstance(outcome, str) else outcome[0] for outcome in found[name].values()}
            assert states <= {"ok", "refused", "broken"}, (release, name)


def test_the_newest_release_and_the_slice_have_been_measured():
    assert {NEWEST, *SLICE} <= set(MEASURED)


def test_the_page_names_every_release_that_was_not_measured():
    text = PAGE.read_text(encoding="utf-8")
    assert all(release in text for release in RELEASES)


def test_the_matrix_goes_from_the_oldest_release_to_the_newest():
    assert (RELEASES[0], RELEASES[-1]) == ("0.1.0", NEWEST)
    assert list(RELEASES) == sorted(RELEASES, key=SdkVersion.parse)
    assert (SLICE[0], SLICE[-1]) == (RELEASES[0], RELEASES[-1])
    assert len({version.rpartition(".")[0] for version in RELEASES}) >= 26


@pytest.mark.parametrize("package", ["contract", "fake_server", "reference_engine"])
def test_only_the_profiles_say_what_a_release_does(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        told = [] if where == PROFILES else list(conditions(ast.parse(path.read_text(encoding="utf-8"))))
        assert not told, f"{where}:{told[0]}: a release in numbers; state it in {PROFILES}"


def conditions(tree: ast.AST):
    """Lines that make a release out of numbers, or compare a client's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "SdkVersion":
            yield node.lineno
        if isinstance(node, ast.Compare) and "sdk_version" in ast.unparse(node):
            yield node.lineno


@pytest.mark.parametrize("text", ["SdkVersion(0, 25, 0)", "call.sdk_version < other"])
def test_a_condition_on_a_release_is_found(text):
    assert list(conditions(ast.parse(text))) == [1]
