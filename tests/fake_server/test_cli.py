"""The command: what it prints where, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import pytest

from fake_server.cli import _clocks, _parser, main
from fake_server.clock import SystemClock, VirtualClock
from tests.fake_server.driver import PICO
from tests.fake_server.offers import offer_backend

COMMAND = [sys.executable, "-m", "fake_server.cli"]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*COMMAND, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def fetch(url: str, key: str = "tml-x") -> dict[str, object]:
    request = urllib.request.Request(url, headers={"X-API-Key": key})
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def test_the_first_line_is_the_url_of_a_server_that_answers():
    with serving() as (_, line):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", line)
        assert fetch(f"{line.strip()}/api/v1/healthz") == {"status": "ok"}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(sent):
    with serving() as (process, _):
        process.send_signal(sent)
        rest, log = process.communicate(timeout=10)

    assert (process.returncode, rest) == (0, "")
    assert "serving scripted on http://127.0.0.1:" in log
    assert "Traceback" not in log


def held_poll(url: str) -> socket.socket:
    """A poll of an operation that waits for the one before it; its server has taken it."""
    session = sent(url, "create_session", tags=[], user_metadata={}, sdk_version="0.38.0")["session_id"]
    sent(url, "create_model", session_id=session, model_seq_id=0, base_model=PICO, lora_config={"rank": 2})
    model = f"{session}:train:0"
    future = sent(url, "optim_step", model_id=model, seq_id=2, adam_params={"learning_rate": 0.1})
    body = json.dumps(future).encode()
    poll = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
    poll.sendall(
        b"POST /api/v1/retrieve_future HTTP/1.1\r\nHost: x\r\nX-API-Key: tml-x\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    for _ in range(3):
        fetch(f"{url}/api/v1/healthz")
    return poll


def sent(url: str, operation: str, **body: object) -> dict[str, object]:
    request = urllib.request.Request(
        f"{url}/api/v1/{operation}",
        data=json.dumps(body).encode(),
        headers={"X-API-Key": "tml-x", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_polls_that_wait_are_answered_before_the_server_ends(by):
    with serving() as (process, line):
        polls = [held_poll(line.strip()) for _ in range(3)]
        process.send_signal(by)
        answers = [poll.makefile("rb").read() for poll in polls]
        _, log = process.communicate(timeout=10)
        for poll in polls:
            poll.close()

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 408"] * 3
    assert process.returncode == 0
    assert [text.partition(" ")[0] for text in log.splitlines()] == ["serving", "stopped"]


def test_the_options_reach_the_server():
    with serving("--base-model", "a/b", "--base-model", "c/d", "--api-key", "tml-k", "--seed", "3") as (
        _,
        line,
    ):
        models = fetch(f"{line.strip()}/api/v1/get_server_capabilities", "tml-k")["supported_models"]

    assert [model["model_name"] for model in models] == ["a/b", "c/d"]


@pytest.mark.parametrize(
    ("options", "virtual", "auto"),
    [([], False, False), (["--clock", "virtual"], True, False), (["--clock", "auto"], True, True)],
)
def test_the_clock_of_each_tenant_is_chosen(options, virtual, auto):
    with serving("--control", *options) as (_, line):
        told = fetch(f"{line.strip()}/t/anybody/-/clock")

    assert (told["virtual"], told["auto"]) == (virtual, auto)


def test_a_clock_that_nobody_could_move_is_refused(capsys):
    assert main(["serve", "--clock", "virtual"]) == 2
    assert "--clock virtual: expected --control beside it, got none" in capsys.readouterr().err


def test_a_clock_that_moves_by_itself_needs_no_controls():
    parser_options = _parser().parse_args(["serve", "--clock", "auto"])

    assert isinstance(_clocks(parser_options)(), VirtualClock)
    assert _clocks(_parser().parse_args(["serve"])) is SystemClock


def test_a_backend_that_is_not_there_is_named(capsys):
    assert main(["serve", "--backend", "nope"]) == 2
    assert re.search("backend: expected one of .*scripted.*, got 'nope'", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--model", "a=b"], "--model: expected none, got (('a', 'b'),)"),
        (["--models-root", "hub"], "--models-root: expected none, got 'hub'"),
        (["--device", "cuda"], "--device: expected 'auto' or 'cpu', got 'cuda'"),
        (["--dtype", "bfloat16"], "--dtype: expected 'float32', got 'bfloat16'"),
        (["--mode", "exact"], "--mode: expected 'auto', got 'exact'"),
        (["--compile"], "--compile: expected False, got True"),
        (["--threads", "2"], "--threads: expected none, got 2"),
        (["--memory", "9"], "--memory: expected none, got 9437184"),
        (["--raw-logprobs"], "--raw-logprobs: expected False, got True"),
        (["--strict-losses"], "--strict-losses: expected False, got True"),
    ],
)
def test_what_the_scripted_backend_cannot_honour_is_refused_by_name(capsys, given, words):
    assert main(["serve", *given]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"tinkerproof: serve: {words}; the scripted backend has no network")


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_at_least_one_thread_computes(capsys, count):
    with pytest.raises(SystemExit) as mistake:
        main(["serve", f"--threads={count}"])

    assert mistake.value.code == 2
    assert f"argument --threads: expected 1 or more, got '{count}'" in capsys.readouterr().err


def test_a_model_needs_a_name_and_a_path(capsys):
    with pytest.raises(SystemExit) as mistake:
        main(["serve", "--model", "only-a-name"])

    assert mistake.value.code == 2
    assert "argument --model: expected NAME=PATH, got 'only-a-name'" in capsys.readouterr().err


@pytest.mark.parametrize("error", ["FileNotFoundError", "ValueError", "LookupError"])
def test_what_a_backend_says_of_its_options_is_told(capsys, tmp_path, monkeypatch, error):
    offer_backend(
        tmp_path, monkeypatch, error, f"def open_it(options): raise {error}(f'--model: {{options.models}}')"
    )

    assert main(["serve", "--backend", error, "--model", "a=b=c"]) == 2
    assert capsys.readouterr().err == "tinkerproof: serve: --model: (('a', 'b=c'),)\n"


def test_a_port_that_is_taken_is_told(capsys):
    with serving() as (_, line):
        assert main(["serve", "--port", line.strip().rpartition(":")[2]]) == 2
    assert "tinkerproof: serve: [Errno" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_cannot_be_is_told(capsys, port):
    assert main(["serve", f"--port={port}"]) == 2
    assert "port" in capsys.readouterr().err


def test_a_key_that_no_client_can_send_is_refused_and_not_repeated(capsys):
    with pytest.raises(SystemExit) as mistake:
        main(["serve", "--api-key", "tml-fine", "--api-key", "eyJmine", "--api-key", "secret"])

    err = capsys.readouterr().err
    assert mistake.value.code == 2
    assert "--api-key: expected a key that starts with 'tml-', or a JWT, got another of 6 characters" in err
    assert "secret" not in err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])

    assert done.value.code == 0
    assert capsys.readouterr().out == f"tinkerproof {version('tinkerproof')}\n"


@pytest.mark.parametrize("command", ["openapi", "operations"])
def test_a_reader_that_has_had_enough_ends_the_output_quietly(command):
    reader, writer = os.pipe()
    os.close(reader)

    run = subprocess.run([*COMMAND, command], stdout=writer, stderr=subprocess.PIPE)

    os.close(writer)
    assert (run.returncode, run.stderr) == (0, b"")


def test_openapi_is_printed_as_json(capsys):
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"] == "3.1.0"


def test_operations_are_listed_with_what_is_not_served(capsys):
    assert main(["operations"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert lines[0].split() == [
        "operation",
        "method",
        "path",
        "request",
        "response",
        "deferred",
        "SDK",
        "served",
    ]
    step = next(line for line in lines if line.startswith("optim_step"))
    assert "OptimStepRequest" in step
    assert any("no: no public method of any SDK calls it" in line for line in lines)


def test_operations_are_listed_as_markdown(capsys):
    assert main(["operations", "--markdown"]) == 0

    assert capsys.readouterr().out.startswith("| operation | method |")


def test_drift_prints_nothing_for_the_pinned_sdk(capsys):
    assert main(["drift"]) == 0
    assert capsys.readouterr().out == ""


def test_drift_prints_what_differs(capsys, monkeypatch):
    import contract.drift

    monkeypatch.setattr(contract.drift, "drift", lambda: ["something"])
    monkeypatch.setattr(contract.drift, "report", str)

    assert main(["drift"]) == 1
    assert capsys.readouterr().out == "['something']\n"


def test_drift_without_an_sdk_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinker", None)

    assert main(["drift"]) == 2
    assert "install the SDK with pip install 'tinkerproof[sdk]'" in capsys.readouterr().err


def test_help_and_mistakes_end_as_usual(capsys):
    with pytest.raises(SystemExit) as help_exit:
        main(["--help"])
    with pytest.raises(SystemExit) as mistake:
        main([])

    assert (help_exit.value.code, mistake.value.code) == (0, 2)
    assert "compare the contract with an SDK" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from fake_server.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'pydantic', 'numpy', 'starlette', 'contract.training'} & set(sys.modules), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))

    assert run.stderr.strip() == "set()"


@pytest.mark.parametrize("by_file", [True, False])
@pytest.mark.parametrize("by_seed", [True, False])
def test_faults_come_from_a_file_and_from_a_seed(tmp_path, monkeypatch, capsys, by_file, by_seed):
    served = []
    monkeypatch.setattr("fake_server.running.serve_forever", lambda app, *_: served.append(app))
    file = tmp_path / "faults.json"
    file.write_text('{"faults": [{"kind": "reset"}]}')
    options = [*(["--faults", str(file)] if by_file else []), *(["--faults-seed", "3"] if by_seed else [])]

    assert main(["serve", "--control", *options]) == 0

    kinds = [one.fault.kind for one in served[0].state.tenants.get().controls.faults]
    assert (kinds[:1] == ["reset"]) is by_file
    assert (len(kinds) > 1) is by_seed
    assert ("faults of --faults-seed 3: " in capsys.readouterr().err) is by_seed
