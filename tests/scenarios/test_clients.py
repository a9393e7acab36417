"""Clients under trial: how they end, and what they said."""

import os
import sys
import threading
import time

import pytest

from fake_server.scenarios.clients import MOST_OUTPUT, Ending, command_client, function_client


def python(code, seconds=30.0, **own):
    return command_client([sys.executable, "-c", code], os.environ)(own, seconds)


def test_a_command_has_the_variables_of_its_scenario_and_those_of_everybody():
    ending = python("import os; print(os.environ['OWN'], 'PATH' in os.environ)", OWN="yes")

    assert (ending.status, ending.output, ending.errors) == (0, "yes True\n", "")
    assert ending.words == "exit status 0"


def test_a_command_that_fails_is_told_with_the_end_of_what_it_said():
    ending = python("import sys; print('x' * 9000); sys.exit('no such model')")

    assert (ending.status, ending.errors) == (1, "no such model\n")
    assert ending.output == "x" * (MOST_OUTPUT - 1) + "\n"
    assert ending.words == "exit status 1"


def test_a_command_that_hangs_is_ended_with_all_that_it_has_started():
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    ending = python(code, seconds=3.0)

    assert ending.status is None
    assert ending.words == "no end within 3 s"
    child = int(ending.output)
    while os.path.exists(f"/proc/{child}/cwd"):  # gone, or a zombie that nobody collects
        time.sleep(0.01)


def test_a_command_that_a_signal_ends_is_told_by_its_name():
    assert python("import os; os.abort()").words == "an end by SIGABRT"
    assert Ending(-99).words == "an end by signal 99"


def test_a_command_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        command_client(["no-such-command-of-anybody"], {})({}, 1.0)


def test_a_function_is_a_client():
    given = []
    ending = function_client(given.append)({"OWN": "yes"}, 10.0)

    assert (ending.status, given) == (0, [{"OWN": "yes"}])


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no"), 1), (SystemExit("no"), 1), (SystemExit(3), 3), (SystemExit(), 0)],
    ids=["exception", "words", "number", "nothing"],
)
def test_an_exception_of_a_function_is_its_end(error, status):
    def fail(_environment):
        raise error

    ending = function_client(fail)({}, 10.0)

    assert ending.status == status
    assert type(error).__name__ in ending.errors


def test_a_function_that_hangs_is_left_behind():
    free = threading.Event()
    ending = function_client(lambda _: free.wait())({}, 0.05)
    free.set()

    assert ending.status is None


def test_a_command_that_runs_is_ended_where_somebody_had_enough():
    client = command_client([sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
    endings = []
    thread = threading.Thread(target=lambda: endings.append(client({}, 60.0)))
    thread.start()
    while thread.is_alive():
        client.end()

    assert endings[0].words == "an end by SIGKILL"


def test_a_function_cannot_be_ended():
    function_client(len).end()
