"""`tinkerproof drift --sdk`: what it gets, what it prints, and how it ends."""

import json
from zipfile import ZipFile

import pytest

import fake_server.drift
from contract.drift.change import Change, Drift
from contract.versions import NEWEST
from fake_server.cli import main

BREAKS = (Change("breaking", "results", "was -> is", "Answer it."),)


@pytest.fixture
def wheels(tmp_path):
    """Wheels of releases of which nothing is known but the version."""

    def make(*versions):
        paths = [tmp_path / f"tinker-{version}-py3-none-any.whl" for version in versions]
        for path in paths:
            with ZipFile(path, "w") as archive:
                archive.writestr("tinker/__init__.py", "")
        return [word for path in paths for word in ("--wheel", str(path))] + ["--cache", str(tmp_path / "c")]

    return make


@pytest.fixture
def found(monkeypatch):
    """What is found between two releases, instead of running them."""
    drift = {"changes": (), "unchecked": ()}

    def between(older, newer, _tell):
        return Drift(older.version, newer.version, drift["changes"], drift["unchecked"])

    monkeypatch.setattr(fake_server.drift, "drift_between", between)
    return drift


def test_two_releases_without_a_difference_are_compatible(wheels, found, capsys):
    assert main(["drift", "--sdk", "0.25.0", "--against", "0.24.1", *wheels("0.24.1", "0.25.0")]) == 0
    assert (
        capsys.readouterr().out
        == "tinker 0.24.1 -> 0.25.0: compatible (0 breaking, 0 additive, 0 compatible)\n"
    )


def test_what_breaks_is_status_1_and_what_is_unknown_2(wheels, found):
    words = ["drift", "--sdk", "0.25.0", *wheels("0.24.1", "0.25.0")]
    found["changes"] = BREAKS
    assert main(words) == 1
    found["unchecked"] = ("type A",)
    assert main(words) == 2


def test_a_newer_release_is_compared_with_the_contract_s(wheels, found, capsys):
    main(["drift", "--sdk", "9.0.0", "--json", *wheels(NEWEST, "9.0.0")])
    told = json.loads(capsys.readouterr().out)
    assert (told["older"], told["newer"], told["checked"]) == (NEWEST, "9.0.0", True)


def test_an_older_release_is_compared_with_the_one_before(wheels, found, capsys):
    main(["drift", "--sdk", "0.25.0", *wheels("0.24.1", "0.3.0", "0.25.0", NEWEST)])
    assert capsys.readouterr().out.startswith("tinker 0.24.1 -> 0.25.0:")


def test_reports_are_written_in_the_form_of_their_ending(wheels, found, tmp_path):
    paths = [tmp_path / f"drift.{ending}" for ending in ("md", "json", "txt")]
    reports = [word for path in paths for word in ("--report", str(path))]
    main(["drift", "--sdk", "0.25.0", *wheels("0.24.1", "0.25.0"), *reports])
    assert [path.read_text()[:3] for path in paths] == ["###", "{\n ", "tin"]


def test_a_wheel_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["drift", "--sdk", "0.25.0", "--wheel", str(tmp_path / "none.whl")]) == 2
    assert "--wheel: expected a file, got none at" in capsys.readouterr().err


def test_options_of_two_releases_need_the_release(capsys):
    assert main(["drift", "--json"]) == 2
    assert "--json and --report need --sdk VERSION" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sdk", "newest"], "expected a release such as 0.25.0, got 'newest'"),
        (["--report", "x.pdf"], "expected a file that ends in one of .txt, .md, .json, got 'x.pdf'"),
    ],
)
def test_words_that_are_no_options_are_refused(words, told, capsys):
    with pytest.raises(SystemExit):
        main(["drift", *words])
    assert told in capsys.readouterr().err


def test_a_release_that_cannot_be_run_is_status_2_and_no_traceback(wheels, capsys):
    assert main(["drift", "--sdk", "0.25.0", *wheels("0.24.1", "0.25.0")]) == 2
    error = capsys.readouterr().err
    assert "expected a release that can be imported" in error
    assert "Traceback" not in error
