"""A drift in words, and releases as folders."""

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess
from zipfile import ZipFile

import pytest

from contract.drift import wheels
from contract.drift.change import Change, Drift
from contract.drift.told import as_json, as_markdown, as_table
from contract.drift.wheels import find_wheel, previous_release, unpacked

CHANGES = (
    Change("breaking", "results", "JSON is taken -> refused", "Answer protobuf.", ("asample",), (), True),
    Change("additive", "header a|b", "x" * 400, "Nothing.", tuple("abcdefgh")),
    Change("additive", "step s", "was -> is", "Nothing."),
    Change("compatible", "names", "new: A", "Nothing."),
)
DRIFT = Drift("0.1.0", "0.2.0", CHANGES, laws={0: ("WIRE-01",)})
HEADLINE = "tinker 0.1.0 -> 0.2.0: breaking (1 breaking, 2 additive, 1 compatible)"


def test_the_table_tells_what_breaks_first_and_whom_it_concerns():
    lines = as_table(DRIFT).splitlines()
    assert lines[0] == HEADLINE
    assert lines[2:5] == [
        "  results: JSON is taken -> refused",
        "      Answer protobuf.",
        "      seen in asample; laws WIRE-01",
    ]
    assert "      read in a, b, c, d, e, f and 2 more" in lines
    assert lines[-1] == "  names: new: A"
    assert max(map(len, lines)) <= 108 + 400


def test_what_could_not_be_checked_is_in_the_headline_and_at_the_end():
    text = as_table(Drift("1", "2", (), ("type A: no such name",)))
    assert text.startswith("tinker 1 -> 2: could not be checked as a whole")
    assert text.endswith("could not be checked:\n  type A: no such name")


def test_markdown_is_one_table_and_a_list_that_folds():
    text = as_markdown(Drift("0.1.0", "0.2.0", CHANGES, ("x",), {0: ("WIRE-01",)}))
    assert "| breaking | results | JSON is taken -> refused | Answer protobuf. | asample | WIRE-01 |" in text
    assert "header a\\|b" in text
    assert "- names: new: A" in text
    assert text.endswith("**Could not be checked**\n\n- x")


def test_markdown_of_nothing_is_its_headline():
    assert as_markdown(Drift("1", "2", ())).strip() == (
        "### tinker 1 -> 2: compatible (0 breaking, 0 additive, 0 compatible)"
    )


def test_json_has_everything():
    told = json.loads(as_json(DRIFT))
    assert (told["verdict"], told["checked"], len(told["changes"])) == ("breaking", True, 4)
    assert told["changes"][0]["laws"] == ["WIRE-01"]
    assert told["changes"][1]["operations"] == list("abcdefgh")


def wheel(folder: Path, version: str, member: str = "tinker/__init__.py") -> Path:
    path = folder / f"tinker-{version}-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(member, f"__version__ = {version!r}")
    return path


@pytest.fixture
def said(monkeypatch):
    """What pip says, instead of pip."""
    commands: list[list[str]] = []
    answer = {"status": 1, "out": "", "err": "WARNING: x\nERROR: No matching distribution"}

    def run(command, **_):
        commands.append(command)
        return CompletedProcess(command, answer["status"], answer["out"], answer["err"])

    monkeypatch.setattr(wheels.subprocess, "run", run)
    return answer, commands


def test_a_wheel_that_is_given_or_cached_is_not_fetched(tmp_path, said):
    given, cached = wheel(tmp_path, "0.25.0"), tmp_path / "cache"
    assert find_wheel("0.25.0", [given], cached) == given
    kept = wheel(cached, "0.26.0")
    assert find_wheel("0.26.0", [given], cached) == kept
    assert said[1] == []


def test_a_wheel_is_fetched_by_pip(tmp_path, said):
    answer, commands = said
    answer["status"] = 0
    with pytest.raises(LookupError, match="expected a wheel, got 'ERROR: No matching"):
        find_wheel("0.25.0", [], tmp_path)
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert commands[0][-1] == "tinker==0.25.0"


def test_a_fetched_wheel_is_found(tmp_path, monkeypatch):
    def run(command, **_):
        wheel(tmp_path, "0.25.0")
        return CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheels.subprocess, "run", run)
    assert find_wheel("0.25.0", [], tmp_path).name == "tinker-0.25.0-py3-none-any.whl"


def test_a_release_that_there_is_not_is_told(tmp_path, said):
    said[0]["err"] = ""
    with pytest.raises(
        LookupError, match=r"tinker 9\.9\.9: expected a wheel, got 'none'; give one by --wheel"
    ):
        find_wheel("9.9.9", [], tmp_path)


def test_the_release_before_is_one_that_is_given_or_of_the_index(said):
    given = [Path(f"tinker-{version}-py3-none-any.whl") for version in ("0.9.0", "0.10.0", "0.26.0")]
    assert previous_release("0.25.0", [*given, Path("other.whl")]) == "0.10.0"
    said[0]["out"] = "tinker (0.38.0)\nAvailable versions: 0.38.0, 0.36.0, 0.9.0\n"
    assert previous_release("0.38.0", []) == "0.36.0"


def test_there_is_no_release_before_the_first(said):
    with pytest.raises(LookupError, match="expected a release before it, got none; name one by --against"):
        previous_release("0.1.0", [])


def test_a_wheel_is_unpacked_once(tmp_path):
    path = wheel(tmp_path, "0.25.0")
    folder = unpacked(path, tmp_path)
    path.unlink()
    assert unpacked(path, tmp_path) == folder
    assert (folder / "tinker" / "__init__.py").read_text() == "__version__ = '0.25.0'"


def test_what_is_no_wheel_of_the_sdk_is_told(tmp_path):
    with pytest.raises(ValueError, match="expected a wheel of tinker, got one of something else"):
        unpacked(wheel(tmp_path, "0.1.0", "other/__init__.py"), tmp_path)
    (tmp_path / "tinker-0.2.0-x.whl").write_text("x")
    with pytest.raises(ValueError, match="expected a wheel, got File is not a zip file"):
        unpacked(tmp_path / "tinker-0.2.0-x.whl", tmp_path)
