import json
import sys

import pytest

from fake_server import cli_fuzz
from fake_server.cli import main
from fake_server.fuzzing import PROFILES, Profile, run
from fake_server.running import LiveServer
from tests.fake_server.fuzzing.test_server import own
from tests.laws.mutants import MUTANTS
from tests.laws.mutants.bench import serving_app

pytestmark = pytest.mark.filterwarnings("ignore::fake_server.wire.UnknownFieldWarning")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """So little that a few rejected examples are a large share."""
    monkeypatch.setattr(run, "MOST_REJECTED", 0.5)
    monkeypatch.setitem(PROFILES, "quick", Profile(examples=15, flows=1, steps=3, patience=3))


def test_a_sound_server_passes_and_the_run_can_be_repeated(capsys, tmp_path):
    with LiveServer(own()) as server:
        words = ["fuzz", "server", "--url", server.url, "--seed", "3", "--operation", "get_info"]
        status = main([*words, "--base-model", "tinkerproof/pico", "--report", str(tmp_path)])
    out, err = capsys.readouterr()
    assert (status, "passed; 16 examples of 1 kinds" in out) == (0, True)
    assert "seed 3, profile quick; the same again: tinkerproof fuzz server --url" in err
    assert json.loads((tmp_path / "report.json").read_text())["passed"]


def test_all_operations_and_sequences_are_tried_where_none_is_named(capsys, monkeypatch):
    monkeypatch.setitem(PROFILES, "quick", Profile(examples=1, flows=1, steps=2, patience=3))
    with LiveServer(own()) as server:
        main(["fuzz", "server", "--url", server.url])
    out, err = capsys.readouterr()
    assert "flow  1 tried" in err
    assert "left out: delete_api_key" in out


def test_a_finding_is_shown_written_and_repeated(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with serving_app(MUTANTS["heartbeat-of-anybody"].breaks) as app, LiveServer(app) as server:
        words = ["fuzz", "server", "--url", server.url]
        first = main([*words, "--operation", "session_heartbeat"])
        shown = capsys.readouterr().out
        file = tmp_path / "fuzz-findings" / "session_heartbeat-SES-04.json"
        again = main([*words, "--replay", str(file), "--api-key", "tml-of-mine"])
    assert (first, again) == (1, 1)
    assert "session_heartbeat breaks SES-04" in shown
    assert f"--replay {file.relative_to(tmp_path)}" in shown
    assert "--api-key" not in shown
    repeated = capsys.readouterr().out
    assert "breaks SES-04" in repeated
    assert repeated.rstrip().endswith("--api-key $TINKER_API_KEY")
    with LiveServer(own()) as sound:
        assert main(["fuzz", "server", "--url", sound.url, "--replay", str(file)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--operation", "nothing"], "expected a name or a pattern"),
        (["--replay", "/nowhere.json"], "No such file"),
        ([], "expected an answer"),
    ],
)
def test_what_cannot_be_tried_is_told(capsys, more, told):
    assert main(["fuzz", "server", "--url", "http://127.0.0.1:9", *more]) == 2
    assert told in capsys.readouterr().err


def test_another_file_is_no_finding(capsys, tmp_path):
    (tmp_path / "f.json").write_text("[]")
    assert main(["fuzz", "server", "--url", "http://127.0.0.1:9", "--replay", str(tmp_path / "f.json")]) == 2
    assert "expected a finding of `fuzz server`" in capsys.readouterr().err


def test_without_schemathesis_the_extra_is_named(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fake_server.fuzzing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "schemathesis", None)
    assert main(["fuzz", "server", "--url", "http://127.0.0.1:9"]) == 2
    assert "pip install 'tinkerproof[fuzz]'" in capsys.readouterr().err


def test_an_interrupted_run_proves_nothing(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_fuzz, "_fuzz", interrupted)
    assert main(["fuzz", "server", "--url", "http://127.0.0.1:9"]) == 2
    assert "nothing is proved" in capsys.readouterr().err
