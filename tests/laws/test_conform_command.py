"""`tinkerproof conform server`, `laws` and `explain`: on a right server, a broken one, and none."""

from contextlib import closing
from dataclasses import replace

import pytest

from contract.laws import LAWS
from contract.laws.reports.files import REPORTS
from contract.versions import NEWEST
from fake_server import cli_conform
from fake_server.app import create_app
from fake_server.cli import main
from fake_server.running import LiveServer, bound_socket, url_of
from fake_server.scripted import open_scripted
from fake_server.settings import AuthSettings, Settings
from fake_server.wire import Answer

KEY = "tml-of-a-test"
CAPABILITIES = "get_server_capabilities"


@pytest.fixture
def server():
    settings = Settings(auth=AuthSettings(api_keys=(KEY,)))
    with LiveServer(create_app(open_scripted, settings)) as live:
        yield live


def corrupt(server, operation, change):
    """Let answers of an operation go through `change`."""

    async def intercept(exchange, endpoint, incoming, serve):
        answer = await serve()
        return change(answer) if endpoint.name == operation else answer

    server.app.state.tenants.get().traffic.interceptors.append(intercept)


def conform(url, *options, key=KEY):
    return main(["conform", "server", "--url", url, "--api-key", key, *options])


def broken(server):
    corrupt(server, "retrieve_future", lambda answer: replace(answer, status=500))


def test_a_right_server_has_status_0(server, capsys):
    assert conform(f"{server.url}/", "--law", "FUT") == 0

    captured = capsys.readouterr()
    assert "base model tinkerproof/pico, SDK 0.38.0" in captured.out
    assert "laws hold (100 %)" in captured.out.splitlines()[-1]
    assert captured.err.startswith("FUT   ")


def test_a_broken_server_has_status_1_and_is_told_how(server, capsys):
    broken(server)

    assert conform(server.url, "--law", "FUT-05") == 1
    out = capsys.readouterr().out
    assert f"FUT-05 broken: {LAWS['FUT-05'].statement}\n" in out
    assert "  got       500 " in out
    assert "    POST /api/v1/retrieve_future\n" in out
    assert out.splitlines()[-1].startswith("0 of 1 laws hold (0 %), 1 broken")
    assert KEY not in out


def test_no_server_has_status_2(capsys):
    with closing(bound_socket()) as sock:
        assert conform(url_of(sock)) == 2

    assert "get_server_capabilities: expected an answer, got Connection" in capsys.readouterr().err


def test_a_key_that_is_refused_has_status_2(server, capsys):
    assert conform(server.url, key="tml-another") == 2
    assert "--api-key: expected one that http://127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"supported_models": [{"model_name": "x", "trainable": false}, 1]}']
)
def test_a_server_that_names_no_model_needs_a_base_model(server, body, capsys):
    corrupt(server, CAPABILITIES, lambda answer: replace(answer, body=body))

    assert conform(server.url) == 2
    assert (
        "expected a base model, got status 200 with none; name one with --base-model"
        in capsys.readouterr().err
    )
    assert conform(server.url, "--base-model", "tinkerproof/pico", "--law", "FUT-01") == 0


def test_a_server_without_capabilities_needs_a_base_model(server, capsys):
    corrupt(server, CAPABILITIES, lambda _: Answer(404, b"no"))

    assert conform(server.url) == 2
    assert "got status 404" in capsys.readouterr().err


def test_laws_that_do_not_concern_a_profile_are_skipped_and_prove_nothing(server, monkeypatch, capsys):
    monkeypatch.setitem(LAWS, "FUT-05", replace(LAWS["FUT-05"], since="0.30.0"))

    assert conform(server.url, "--law", "FUT-05", "--profile", "0.25") == 1
    out = capsys.readouterr().out
    assert "FUT-05: holds for clients from 0.30.0 on; the profile is 0.25.0" in out
    assert "no laws were tried, which proves nothing; 1 skipped" in out


def test_another_accounts_key_is_used(server):
    seen = []
    law = replace(LAWS["FUT-05"], check=lambda s: seen.append(s.other_key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LAWS, "FUT-05", law)
        assert conform(server.url, "--law", "FUT-05", "--other-api-key", "tml-theirs") == 0

    assert seen == ["tml-theirs"]


def test_two_keys_are_two(server, capsys):
    assert conform(server.url, "--other-api-key", KEY) == 2
    assert "--other-api-key: expected that of another account, got the same" in capsys.readouterr().err


def test_known_failures_have_status_0_until_they_are_mended(server, tmp_path, capsys):
    known = tmp_path / "known.toml"
    known.write_text('FUT-05 = "polls are answered by 500"')
    options = ["--law", "FUT-05", "FUT-01", "--baseline", str(known)]

    assert conform(server.url, *options) == 1
    assert "FUT-05: it holds now; remove the entry" in capsys.readouterr().out
    corrupt(server, "retrieve_future", lambda a: replace(a, status=500 if a.status == 404 else a.status))
    assert conform(server.url, *options) == 0
    assert "FUT-05: polls are answered by 500" in capsys.readouterr().out


def test_reports_are_written_and_named(server, tmp_path, capsys):
    assert conform(server.url, "--law", "FUT-05", "--report", str(tmp_path / "out")) == 0

    assert {path.name for path in (tmp_path / "out").iterdir()} == set(REPORTS)
    assert f"written: {tmp_path / 'out' / 'report.html'}, " in capsys.readouterr().err


def test_no_key_is_in_any_report(server, tmp_path):
    corrupt(server, "retrieve_future", lambda _: Answer(500, f"no {KEY} and tml-theirs".encode()))
    assert conform(server.url, "--other-api-key", "tml-theirs", "--report", str(tmp_path)) == 1

    for name in REPORTS:
        assert KEY not in (tmp_path / name).read_text("utf-8")
        assert "tml-theirs" not in (tmp_path / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--law", "FUT-1"], "expected an id, a group or a pattern, got 'FUT-1'; near ones are"),
        (["--baseline", "no/such/file"], "No such file"),
        (["--report", __file__], "File exists"),
    ],
)
def test_what_cannot_be_done_has_status_2(server, options, said, capsys):
    assert conform(server.url, *options) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "server",
        "ftp://server",
        "http://",
        "http://x:port",
        "http://[",
        "http://k@server",
        "http://server?a=b",
    ],
)
def test_what_is_no_base_url_is_refused(url, capsys):
    with pytest.raises(SystemExit, match="2"):
        conform(url)
    assert f"expected http(s)://HOST[:PORT][/PREFIX], got '{url}'" in capsys.readouterr().err


def test_what_is_no_release_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        conform("http://server", "--profile", "new")
    assert "expected a release of the SDK such as 0.25, got 'new'" in capsys.readouterr().err


def test_the_usual_profile_is_the_newest_release():
    assert cli_conform.NEWEST == NEWEST
    assert cli_conform._release("0.25") == "0.25.0"


def test_who_interrupts_it_is_told_that_nothing_is_proved(server, monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(LAWS, "FUT-05", replace(LAWS["FUT-05"], check=interrupt))

    assert conform(server.url, "--law", "FUT-01", "FUT-05") == 2
    assert "interrupted after 1 of 2 laws; nothing is proved" in capsys.readouterr().err


def test_laws_are_listed(capsys):
    assert main(["laws"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(LAWS) + 1
    assert main(["laws", "--markdown", "--group", "FUT"]) == 0
    assert "\n| FUT-01 | " in capsys.readouterr().out


def test_an_unknown_group_is_refused(capsys):
    assert main(["laws", "--group", "FU"]) == 2
    assert "tinkerproof: laws: law: expected" in capsys.readouterr().err


def test_a_law_is_explained(capsys):
    assert main(["explain", "FUT-03"]) == 0
    assert "def replay_has_the_first_future(s: Subject) -> None:" in capsys.readouterr().out


def test_a_rule_for_clients_is_explained(capsys):
    assert main(["explain", "cli-06"]) == 0
    assert capsys.readouterr().out.startswith("CLI-06  retried a final error (warning)\n\nwhy  ")
    assert main(["explain", "CLI-99"]) == 2
    assert "rule: expected one of CLI-01 to CLI-" in capsys.readouterr().err


def test_near_laws_are_named_for_an_unknown_one(capsys):
    assert main(["explain", "FUT-3"]) == 2
    assert "near ones are FUT-03" in capsys.readouterr().err
