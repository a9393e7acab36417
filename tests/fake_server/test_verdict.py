"""The verdict as an object, as JSON and as a command; each rule has files of its own beside this one."""

import json

import pytest

from fake_server.app import create_app
from fake_server.cli import main
from fake_server.clock import VirtualClock
from fake_server.journal_files import as_lines
from fake_server.rules import RULES
from fake_server.running import LiveServer
from fake_server.scripted import open_scripted
from fake_server.verdict import UncleanClient, rule_of
from tests.fake_server.driver import Driver
from tests.fake_server.journals import Script, found, lived


@pytest.fixture
def careless():
    """A driver whose client left a future, and a gap."""
    driver = lived()
    model = driver.controls.journal.calls("optim_step").first().model_id
    driver.answer("forward_backward", driver.train(model, 7))
    return driver


def broken(driver):
    return {finding.rule.id for finding in driver.controls.verdict.findings}


def test_rules_are_numbered_and_say_what_to_do():
    assert [rule.id for rule in RULES] == [f"CLI-{number:02}" for number in range(1, len(RULES) + 1)]
    assert len({rule.title for rule in RULES}) == len(RULES) >= 16
    assert all(rule.why.endswith(".") and rule.fix for rule in RULES)


def test_a_clean_client_passes_with_notes():
    driver = lived()

    driver.controls.verdict.assert_clean()
    assert driver.controls.verdict.is_clean
    assert broken(driver) == {"CLI-16", "CLI-18", "CLI-22"}


def test_notes_count_where_they_are_asked_for():
    with pytest.raises(UncleanClient, match="CLI-18 note: checkpoint never used"):
        lived().controls.verdict.assert_clean(notes=True)


def test_a_careless_client_hears_of_each_rule(careless):
    with pytest.raises(UncleanClient) as caught:
        careless.controls.verdict.assert_clean()
    text = str(caught.value)

    assert text.startswith(
        "the client broke rules: 1 error, 1 warning, 0 notes\nCLI-04 error: a gap in the seq_ids"
    )
    assert "got seq_ids up to 7, and never 6; all after it wait [#14]" in text
    assert "  fix: call .result() on what the operation returned" in text
    assert {finding.rule.id for finding in caught.value.findings} == {"CLI-04", "CLI-10"}


def test_a_full_journal_is_judged_entry_by_entry():
    script = Script()
    for number in range(1, 1501, 2):
        script.promise("forward_backward", number)
        script.promise("optim_step", number + 1)
    compared = 0

    class Counted(int):
        def __lt__(self, other):
            nonlocal compared
            compared += 1
            return int(self) < other

    for exchange in script.journal:
        exchange.request = {**exchange.request, "seq_id": Counted(exchange.request["seq_id"])}
    assert not found(script.journal, "CLI-03")
    assert 1500 < compared < 1500 * 20  # each number among the others by halving, not one by one


def test_rules_may_be_ignored(careless):
    careless.controls.verdict.assert_clean(ignore=["CLI-04", "CLI-10"])
    with pytest.raises(UncleanClient):
        careless.controls.verdict.assert_clean(ignore=["CLI-04"])


def test_a_rule_that_there_is_not_cannot_be_ignored(careless):
    with pytest.raises(LookupError, match=rf"expected one of CLI-01 to CLI-{len(RULES)}, got 'CLI-99'"):
        careless.controls.verdict.assert_clean(ignore=["CLI-99"])


def test_many_findings_of_one_rule_are_counted():
    driver = Driver(control=True)
    session = driver.session()
    for number in range(5):
        driver.answer(
            "create_model", {"session_id": session, "model_seq_id": number, "base_model": "tinkerproof/pico"}
        )

    assert "  and 2 times more\n" in driver.controls.verdict.text()


def test_nothing_to_find_is_said():
    driver = Driver(control=True)

    assert driver.controls.verdict.text() == "clean: no rule was broken"
    assert driver.get("/-/verdict").json == {"clean": True, "findings": []}


def test_the_verdict_is_served_as_json(careless):
    answer = careless.get("/-/verdict").json
    gap = answer["findings"][0]

    assert not answer["clean"]
    assert (gap["rule"], gap["severity"], gap["evidence"]) == ("CLI-04", "error", [14])
    assert (gap["title"], gap["fix"]) == (rule_of("CLI-04").title, rule_of("CLI-04").fix)


def test_the_command_judges_a_file(careless, tmp_path, capsys):
    path = tmp_path / "journal.jsonl"
    path.write_text(as_lines(careless.controls.journal))

    assert main(["verdict", str(path)]) == 1
    assert "CLI-04 error: a gap in the seq_ids" in capsys.readouterr().out
    assert main(["verdict", str(path), "--ignore", "CLI-04", "--ignore", "CLI-10"]) == 0
    assert main(["verdict", str(path), "--ignore", "CLI-04", "--ignore", "CLI-10", "--strict"]) == 1
    assert "CLI-16 note" in capsys.readouterr().out


def test_the_command_writes_json(careless, tmp_path, capsys):
    path = tmp_path / "journal.jsonl"
    path.write_text(as_lines(careless.controls.journal))

    assert main(["verdict", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == careless.get("/-/verdict").json


def test_the_command_judges_a_server(capsys):
    app = create_app(open_scripted, clocks=VirtualClock, control=True)
    with LiveServer(app) as server:
        assert main(["verdict", server.url]) == 2
        assert (
            "expected a journal with entries, got none; let the client run first" in capsys.readouterr().err
        )
        driver = Driver(app=app)
        driver.session()
        assert main(["verdict", server.url]) == 0
        driver.answer("save_weights", {"model_id": driver.model(), "seq_id": 2})
        assert main(["verdict", server.url]) == 1
    assert "CLI-16 note: session never finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a URL or a file, got none"),
        (["no/such/file"], "No such file"),
        (["/dev/null"], "expected a journal with entries, got none"),
        (["http://127.0.0.1:9"], "expected an answer, got"),
        (["/dev/null", "--ignore", "CLI-99"], "got 'CLI-99'"),
    ],
)
def test_the_command_has_a_status_of_its_own_where_it_cannot_judge(arguments, said, capsys):
    assert main(["verdict", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_command_lists_the_rules(capsys):
    assert main(["verdict", "--rules"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(RULES) + 1
