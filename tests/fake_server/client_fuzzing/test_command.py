"""A client that says itself what it does, under faults that are drawn."""

import sys
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from fake_server.cli import main
from fake_server.client_fuzzing import sdk_hunt
from fake_server.client_fuzzing.command import fuzz_command, places_in
from fake_server.client_fuzzing.fates import Place
from fake_server.client_fuzzing.sdk_hunt import SdkHunted
from fake_server.client_fuzzing.tally import Tally
from fake_server.fake import FakeServer
from fake_server.raw import Raw
from fake_server.scenarios.clients import Client, function_client
from tests.clients.life import live_in
from tests.clients.mutants import MUTANTS

SHORT = 20.0


def calls(*operations: str) -> Client:
    def call(environment: Mapping[str, str]) -> None:
        raw = Raw(environment["TINKER_BASE_URL"], environment["TINKER_API_KEY"])
        for operation in operations:
            assert raw.call(operation).status == 200

    return function_client(call)


def test_a_sound_command_is_not_accused(server: FakeServer) -> None:
    told: list[str] = []
    hunted = fuzz_command(
        function_client(live_in),
        server,
        runs=4,
        seed_number=3,
        seconds=SHORT,
        kinds=["latency", "lose_answer"],
        on_run=lambda outcome: told.append(outcome.verdict),
    )

    assert hunted.found is None
    assert (len(told), hunted.empty) == (hunted.runs, "")
    assert sum(hunted.struck.values()) >= hunted.effective > 0


def test_a_broken_command_is_found_with_the_least_that_breaks_it(server: FakeServer) -> None:
    client = function_client(partial(live_in, kind=MUTANTS["gives-up-without-answer"].client))

    hunted = fuzz_command(client, server, runs=6, seed_number=0, seconds=SHORT, kinds=["drop_request"])

    assert hunted.found is not None
    assert len(hunted.found.schedule.faults) == 1
    assert "while this happens:\n  drop_request on " in str(hunted.found)


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (calls("list_sessions", "get_info"), "expected it to do well where nothing goes wrong"),
        (calls("healthz"), "expected requests that may be struck, got none"),
    ],
)
def test_what_cannot_be_fuzzed_is_said(server: FakeServer, client: Client, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fuzz_command(client, server, runs=1, seed_number=0, seconds=SHORT)


def test_faults_that_never_strike_prove_nothing(server: FakeServer) -> None:
    runs = iter([["list_sessions"], ["list_sessions"]])

    def once(environment: Mapping[str, str]) -> None:
        for operation in next(runs, ["healthz"]):
            assert (
                Raw(environment["TINKER_BASE_URL"], environment["TINKER_API_KEY"]).call(operation).status
                == 200
            )

    hunted = fuzz_command(
        function_client(once), server, runs=1, seed_number=0, seconds=SHORT, kinds=["latency"]
    )

    assert hunted.empty == f"runs: expected some in which a fault struck, got none of {hunted.runs}"


def test_polls_are_places_by_what_they_poll(tinker_fake) -> None:
    raw = tinker_fake.raw
    fields = {"tags": [], "user_metadata": None, "sdk_version": "0.38.0"}
    session = raw.call("create_session", fields)["session_id"]
    model = {
        "session_id": session,
        "model_seq_id": 0,
        "base_model": "tinkerproof/pico",
        "lora_config": {"rank": 4},
    }
    raw.result(raw.call("create_model", model)["request_id"])
    raw.call("retrieve_future", {"request_id": "nobody's"})

    assert places_in(tinker_fake.journal.history()) == [
        Place("create_session"),
        Place("create_model"),
        Place("retrieve_future", "create_model"),
    ]


BRITTLE = """
import os, sys
from fake_server.raw import Raw
raw = Raw(os.environ["TINKER_BASE_URL"], os.environ["TINKER_API_KEY"])
sys.exit(raw.call("list_sessions")["sessions"] != [])
"""
PATIENT = """
import os, sys
from fake_server.raw import Raw
raw = Raw(os.environ["TINKER_BASE_URL"], os.environ["TINKER_API_KEY"])
for _ in range(9):
    try:
        sys.exit(raw.call("list_sessions")["sessions"] != [])
    except Exception as error:
        print(error)
"""


def test_the_command_line_tells_what_was_found_and_how_to_repeat_it(capsys) -> None:
    status = main(["fuzz", "client", "--cases", "8", "--seed", "1", "--", sys.executable, "-c", BRITTLE])

    told = capsys.readouterr().out
    assert status == 1
    assert "found, shrunk:\n" in told
    assert '{"faults": [{"kind": "' in told
    assert "again: tinkerproof fuzz client --cases 8 --seed 1 -- " in told


def test_the_command_line_tells_that_nothing_was_found(capsys) -> None:
    status = main(["fuzz", "client", "--cases", "2", "--timeout", "30", "--", sys.executable, "-c", PATIENT])

    assert (status, "nothing was found\nagain: " in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "expected either --sdk or a command behind --"),
        (["--sdk", "--", "true"], "expected either --sdk or a command behind --"),
        (["--", "no-such-program"], "No such file"),
        (["--timeout", "nan", "--", "true"], "expected a number of seconds above 0, got 'nan'"),
        (["--timeout", "soon", "--", "true"], "expected a number of seconds above 0, got 'soon'"),
        (["--cases", "0", "--", "true"], "expected 1 or more, got '0'"),
    ],
)
def test_what_cannot_be_done_is_told(capsys, options, words) -> None:
    try:
        status = main(["fuzz", "client", *options])
    except SystemExit as error:
        status = error.code

    assert status == 2
    assert words in capsys.readouterr().err


def hunted_as(hunted: SdkHunted, error: BaseException | None = None) -> Callable[..., SdkHunted]:
    def hunt(cases, seed, *, jobs, database, on_share):
        if error is not None:
            raise error
        on_share(hunted.tally)
        return hunted

    return hunt


@pytest.mark.parametrize(
    ("hunted", "status", "words"),
    [
        (
            SdkHunted(Tally(cases=3, effective=3)),
            0,
            "again: tinkerproof fuzz client --sdk --cases 3 --seed 0",
        ),
        (SdkHunted(Tally(cases=3, effective=3), found=["hang: here"]), 1, "found, shrunk:\nhang: here"),
        (SdkHunted(Tally(cases=3), empty=["no case"]), 2, "proves nothing: no case"),
    ],
)
def test_what_comes_of_the_sdk_is_told(capsys, monkeypatch, hunted, status, words) -> None:
    monkeypatch.setattr(sdk_hunt, "hunt_sdk", hunted_as(hunted))

    assert main(["fuzz", "client", "--sdk", "--cases", "3"]) == status
    assert words in capsys.readouterr().out


def test_who_has_enough_of_it_is_told_that_nothing_is_proved(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sdk_hunt, "hunt_sdk", hunted_as(SdkHunted(), KeyboardInterrupt()))

    assert main(["fuzz", "client", "--sdk"]) == 2
    assert "interrupted; nothing is proved" in capsys.readouterr().err
