"""Scenarios, tried on small clients: right ones, wrong ones, and none."""

import pytest

from fake_server.scenarios import CLEAN, SCENARIOS
from fake_server.scenarios.clients import function_client
from fake_server.scenarios.judgement import SPOILT
from fake_server.scenarios.trial import refer, try_scenario, try_scenarios
from tests.scenarios.small_client import Hangs, NumbersAnew, Small, TakesEverything, connected, train


def judged(trials, *names, kind=None, call=None, seconds=30.0):
    client = function_client(call or (lambda environment: train(environment, *([kind] if kind else []))))
    outcomes = try_scenarios(
        [SCENARIOS[name] for name in names], SCENARIOS[CLEAN], client, trials, jobs=8, seconds=seconds
    )
    return {outcome.id: outcome for outcome in outcomes}


NUMBERS = (
    2,
    4,
    5,
    6,
    7,
    11,
    12,
    13,
    14,
    15,
    17,
    18,
    19,
    20,
    21,
    26,
    28,
    29,
    30,
    31,
    34,
    36,
    37,
    38,
    40,
    41,
    43,
)
SURVIVED = [f"SCN-{number:02}" for number in (*NUMBERS, 44, 45, 46, 47, 52, 53, 54, 55)]
GIVEN_UP = [f"SCN-{number:02}" for number in (8, 9, 10, 23, 24, 25, 32, 33, 48, 49, 50, 60, 81)]


def test_a_small_right_client_comes_out_of_all_that_concern_training(trials):
    outcomes = judged(trials, *SURVIVED, *GIVEN_UP)

    assert {name: one.text for name, one in outcomes.items() if one.verdict != "holds"} == {}
    assert len(outcomes) == len(SURVIVED) + len(GIVEN_UP) + 1


def test_what_a_client_has_no_use_for_is_skipped_with_the_reason(trials):
    outcomes = judged(trials, "SCN-51", "SCN-69", "SCN-84", "SCN-85")

    assert {one.verdict for name, one in outcomes.items() if name != CLEAN} == {"skipped"}
    assert outcomes["SCN-69"].text == (
        "the command did nothing that this would strike: rate_limit on asample, times=2"
    )


def test_a_client_that_gives_lost_operations_another_number_is_caught(trials):
    outcome = judged(trials, "SCN-18", kind=NumbersAnew)["SCN-18"]

    assert outcome.verdict == "broken"
    assert outcome.text.startswith("CLI-01 double apply after a lost answer: expected a client that keeps")
    assert "struck by lose_answer" in outcome.details["requests"]
    assert outcome.details["ended"].startswith("exit status 0 after ")
    assert {each.answer.partition("] ")[0] for each in outcome.trace} >= {"[lose_answer"}


def test_a_client_that_reads_the_page_of_a_proxy_as_json_is_caught(trials):
    outcome = judged(trials, "SCN-16")["SCN-16"]

    assert outcome.text == "the command: expected exit status 0, got exit status 1"
    assert "JSONDecodeError" in outcome.details["standard error"]


def test_a_client_that_takes_a_failure_for_a_result_is_caught(trials):
    outcome = judged(trials, "SCN-24", kind=TakesEverything)["SCN-24"]

    assert (
        outcome.text
        == "the command: expected a failure that is told, got exit status 0; it went by unnoticed"
    )


def test_a_client_that_hangs_is_named(trials):
    client = function_client(lambda environment: train(environment, Hangs))
    reference = refer(*(try_scenario(SCENARIOS[CLEAN], client, trials) for _ in range(2)))
    outcome = try_scenario(SCENARIOS["SCN-23"], client, trials, reference, seconds=1.0)
    Hangs.free.set()

    assert "it hangs, and was ended" in outcome.text
    assert outcome.details["ended"].startswith("no end within 1 s")


def test_a_client_that_fails_before_anything_strikes_is_told_so(trials):
    reference = refer(*(try_scenario(SCENARIOS[CLEAN], function_client(train), trials) for _ in range(2)))
    outcome = try_scenario(
        SCENARIOS["SCN-69"], function_client(lambda variables: variables["NO SUCH NAME"]), trials, reference
    )

    assert outcome.text.startswith(
        "the command: expected exit status 0, got exit status 1; also the command did"
    )


def test_a_client_that_goes_on_with_a_spoilt_result_is_caught(trials):
    class Careless(Small):
        def send(self, path, body):
            try:
                return super().send(path, body)
            except ValueError:
                return 200, {}, {"metrics": {"loss:sum": 0.0}}

    outcomes = judged(trials, "SCN-56", "SCN-59", kind=Careless)

    assert "empty_body" in SPOILT
    assert {outcomes[name].verdict for name in ("SCN-56", "SCN-59")} == {"broken"}
    assert "expected a result that is no result to be polled again" in outcomes["SCN-56"].text


def test_a_client_that_polls_again_for_a_spoilt_result_is_right(trials):
    class Careful(Small):
        def send(self, path, body):
            try:
                return super().send(path, body)
            except ValueError as error:
                raise OSError from error

    outcomes = judged(trials, "SCN-56", "SCN-59", kind=Careful)

    assert {outcomes[name].verdict for name in ("SCN-56", "SCN-59")} == {"holds"}


def test_a_client_that_never_comes_is_broken_and_nothing_else_is_tried(trials):
    outcomes = judged(trials, "SCN-13", call=lambda _: None)
    failing = judged(trials, "SCN-13", call=lambda environment: environment["NO SUCH NAME"])

    assert outcomes[CLEAN].text == "the command: expected requests to TINKER_BASE_URL, got none"
    assert failing[CLEAN].text == "the command: expected exit status 0, got exit status 1"
    assert failing["SCN-13"].verdict == "skipped"
    assert "who fails where nothing goes wrong cannot be judged" in failing["SCN-13"].text


def test_a_client_that_does_nothing_where_something_should_strike_is_skipped(trials):
    assert judged(trials, "SCN-13", call=lambda _: None)["SCN-13"].verdict == "skipped"


def test_what_two_clean_runs_do_not_have_in_common_is_not_compared(trials):
    clean = SCENARIOS[CLEAN]

    def steps(count, first):
        def call(environment):
            client = connected(environment)
            for _ in range(count):
                client.step([first, 2, 3])

        return try_scenario(clean, function_client(call), trials)

    one, other, longer = steps(1, 1), steps(1, 9), steps(2, 1)

    assert refer(one, one).weights
    assert (refer(one, other).operations, refer(one, other).weights) == (True, False)
    assert (refer(one, longer).operations, refer(one, longer).weights) == (False, False)


def test_a_long_body_is_cut_in_the_trace(trials):
    def long(environment):
        client = connected(environment)
        client.step(list(range(1, 1000)))
        raise ValueError

    outcome = try_scenario(SCENARIOS[CLEAN], function_client(long), trials)

    assert any(each.request.endswith(" characters)") for each in outcome.trace)


class Counting:
    """A client that counts its runs, and hears of the end."""

    def __init__(self):
        self.runs, self.ended = 0, 0
        self.inner = function_client(train)

    def __call__(self, environment, seconds):
        self.runs += 1
        return self.inner(environment, seconds)

    def end(self):
        self.ended += 1


def test_trials_that_are_not_waited_for_are_not_begun_and_those_that_run_are_ended(trials):
    client = Counting()
    chosen = [SCENARIOS[name] for name in ("SCN-13", "SCN-26", "SCN-36", "SCN-37", "SCN-06")]
    running = try_scenarios(chosen, SCENARIOS[CLEAN], client, trials, jobs=1)
    next(running)
    next(running)
    running.close()

    assert (client.runs < 2 + len(chosen), client.ended) == (True, 1)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_is_one_sentence_with_a_reason_and_a_warning(scenario):
    assert scenario.statement.endswith(".")
    assert scenario.breaks.endswith(".")
    assert scenario.source
    assert scenario.ends != "badly" or scenario.says
