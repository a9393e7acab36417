"""`tinkerproof conform client`, and scenarios in `laws` and `explain`."""

import json
import os
import sys
from contextlib import closing

import pytest

from contract.laws.reports.files import REPORTS
from fake_server import cli_scenarios
from fake_server.cli import main
from fake_server.running import bound_socket
from fake_server.scenarios import SCENARIOS
from fake_server.scenarios.trial import SECONDS
from tests.scenarios import small_client

SOUND = [sys.executable, small_client.__file__]
DEAF = [sys.executable, "-c", "raise SystemExit(4)"]


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def conform(*options, command=SOUND):
    return main(["conform", "client", *options, "--", *command])


def test_a_right_client_has_status_0(capsys):
    assert conform("--scenario", "SCN-18", "--scenario", "SCN-69", "--timeout", "90.5") == 0

    captured = capsys.readouterr()
    assert captured.out.startswith(f"client {sys.executable} ")
    assert "SCN-69: the command did nothing that this would strike" in captured.out
    assert "2 of 2 scenarios hold (100 %), 1 skipped" in captured.out.splitlines()[-1]
    assert captured.err.startswith("SCN   3 tried, 0 failed")


def test_a_wrong_client_has_status_1_and_is_told_how(capsys):
    assert conform("--scenario", "SCN-16") == 1

    out = capsys.readouterr().out
    assert f"SCN-16 broken: {SCENARIOS['SCN-16'].statement}\n" in out
    assert "  got       exit status 1\n" in out
    assert "JSONDecodeError" in out
    assert "forward_backward 3: 502, struck by rewrite" in out


def test_a_client_that_fails_where_nothing_goes_wrong_is_not_tried_further(capsys):
    assert conform("--scenario", "pass", command=DEAF) == 1

    out = capsys.readouterr().out
    assert "SCN-01 broken: Nothing goes wrong." in out
    assert "0 of 1 scenarios hold (0 %), 1 broken, 13 skipped" in out


def test_reports_are_written_for_people_and_machines(tmp_path, capsys):
    assert conform("--scenario", "SCN-16", "--report", str(tmp_path / "out"), "--jobs", "2") == 1

    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert written.keys() == REPORTS.keys()
    report = json.loads(written["report.json"])
    row = report["rows"][1]
    assert (report["kind"], row["id"], row["verdict"]) == ("client", "SCN-16", "broken")
    assert row["details"]["ended"].startswith("exit status 1 after")
    assert "JSONDecodeError" in written["report.html"]
    assert "tml-scn-16" not in json.dumps(report["rows"])
    assert "written: " in capsys.readouterr().err


def test_known_failures_have_status_0_until_they_are_mended(tmp_path, capsys):
    known = tmp_path / "known.toml"
    known.write_text('SCN-16 = "reads pages as JSON"')
    assert conform("--scenario", "SCN-16", "--baseline", str(known)) == 0

    known.write_text('SCN-18 = "was so"\nSCN-00 = "never was"')
    assert conform("--scenario", "SCN-18", "--baseline", str(known)) == 1
    out = capsys.readouterr().out
    assert "SCN-18: it holds now; remove the entry" in out
    assert "SCN-00: there is none of that id; remove the entry" in out


@pytest.mark.parametrize(
    ("options", "command", "said"),
    [
        (["--scenario", "SCN-00"], SOUND, "expected an id, a phase or a pattern, got 'SCN-00'"),
        ([], [], "expected a command behind --, got none"),
        ([], ["no-such-command-of-anybody"], "No such file or directory: 'no-such-command-of-anybody'"),
        (["--baseline", "no-such-file"], SOUND, "no-such-file"),
        (["--listen", "70000"], SOUND, "port must be 0-65535"),
    ],
)
def test_what_cannot_be_tried_has_status_2(options, command, said, capsys):
    assert conform(*options, command=command) == 2

    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_has_status_2(capsys):
    with closing(bound_socket()) as sock:
        sock.listen()
        assert conform("--listen", str(sock.getsockname()[1])) == 2

    assert "conform client: " in capsys.readouterr().err


def test_who_has_enough_of_it_has_proved_nothing(monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("fake_server.scenarios.trial.try_scenarios", interrupted)

    assert conform() == 2
    assert f"interrupted after 0 of {len(SCENARIOS)} scenarios; nothing is proved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--jobs", "0", "expected 1 or more, got '0'"),
        ("--timeout", "soon", "expected a number of seconds above 0, got 'soon'"),
        ("--timeout", "inf", "expected a number of seconds above 0, got 'inf'"),
    ],
)
def test_options_that_cannot_be_are_refused(option, value, said, capsys):
    with pytest.raises(SystemExit):
        conform(option, value)

    assert said in capsys.readouterr().err


def test_the_scenarios_are_listed(capsys):
    assert conform("--list", command=[]) == 0
    assert main(["laws", "--clients", "--markdown"]) == 0
    assert main(["laws", "--clients", "--group", "start"]) == 0

    out = capsys.readouterr().out
    assert out.count("SCN-87") == 2
    assert "| SCN-13 | A backward pass is answered by 503, twice. | pass | with status 0 | " in out


def test_a_scenario_is_explained(capsys):
    assert main(["explain", "scn-18"]) == 0
    assert "SCN-18  A backward pass is taken on, and the answer to it is lost." in capsys.readouterr().out
    assert main(["explain", "SCN-00"]) == 2
    assert "explain: scenario: expected an id, got 'SCN-00'" in capsys.readouterr().err


def test_the_usual_time_limit_is_that_of_the_library():
    assert cli_scenarios.SECONDS == SECONDS
