"""Markers and checks of the pytest plugin, as pytest shows them."""

import hypothesis  # noqa: F401 # or each run in this process would import it anew
import pytest
import tinker  # noqa: F401 # as above

import fake_server.fixtures  # noqa: F401 # as above
from tests.draws import draws

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester):
    """Runs a test file in a pytest of its own; in another process where an import cannot be repeated."""

    def run(text, *options, process=False):
        pytester.makepyfile(text)
        runner = pytester.runpytest_subprocess if process else pytester.runpytest_inprocess
        return runner("-p", "no:cacheprovider", "-p", "no:schemathesis", "-q", *options)

    return run


SEEDS = """
import pytest

@pytest.mark.tinker_seed(7)
def test_a_seed(tinker_fake):
    assert tinker_fake.service.settings.seed == 7

def test_no_seed(tinker_fake):
    assert tinker_fake.service.settings.seed == 0
"""


def test_a_test_has_the_seed_of_its_marker(run):
    run(SEEDS).assert_outcomes(passed=2)


VERSIONS = """
import pytest

@pytest.mark.tinker_sdk(">=0.1")
def test_here():
    pass

@pytest.mark.tinker_sdk("<0.1")
def test_elsewhere():
    raise AssertionError
"""


def test_a_test_for_other_versions_of_the_sdk_is_skipped_with_a_reason(run):
    result = run(VERSIONS, "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs tinker <0.1; * is installed"])


def test_an_unreadable_version_is_refused(run):
    result = run(VERSIONS.replace(">=0.1", "new"))

    result.stdout.fnmatch_lines(
        ["*tinker_sdk: expected a version specifier such as '>=0.25,<0.38', got 'new'*"]
    )


def test_a_test_is_skipped_where_no_sdk_is_installed(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from fake_server import fixtures

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(fixtures, "version", missing)

    assert fixtures.unfit_sdk(">=0.1") == "needs tinker >=0.1; none is installed"


TIME = """
import pytest

@pytest.mark.tinker_virtual_time
def test_time(tinker_fake, tinker_clock):
    before = tinker_fake.service.clock.now()
    tinker_clock.advance(60)
    assert tinker_fake.service.clock.now() == before + 60
"""


def test_a_marked_test_moves_the_time_itself(run):
    run(TIME).assert_outcomes(passed=1)


BACKENDS = """
import pytest

LOSS = {}

def first_loss(fake):
    import tinker
    from tinker import types

    training = fake.service_client().create_lora_training_client("tinkerproof/pico", rank=4).result()
    datum = types.Datum(
        model_input=types.ModelInput.from_ints([72, 105, 32]),
        loss_fn_inputs={"target_tokens": [105, 32, 33], "weights": [1.0, 1.0, 1.0]},
    )
    return training.forward_backward([datum], "cross_entropy").result().metrics["loss:sum"]

def test_scripted(tinker_fake):
    LOSS["scripted"] = first_loss(tinker_fake)

def test_engine(tinker_engine):
    LOSS["torch"] = first_loss(tinker_engine)

@pytest.mark.tinker_backend("torch")
def test_marked(tinker_fake):
    assert first_loss(tinker_fake) == LOSS["torch"] != LOSS["scripted"]

@pytest.mark.tinker_backend("abacus")
def test_unknown(tinker_fake):
    pass
"""


@pytest.mark.sdk
def test_a_test_chooses_what_computes(run):
    result = run(BACKENDS, "-p", "no:randomly", process=True)

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*backend: expected one of scripted, torch, got 'abacus'*"])


UNREAD = """
import json, pytest, urllib.request

def post(fake, path, body):
    data = json.dumps(body).encode()
    headers = {"x-api-key": fake.api_key, "content-type": "application/json"}
    request = urllib.request.Request(f"{fake.url}/api/v1/{path}", data, headers)
    return json.load(urllib.request.urlopen(request))

def submit(fake):
    session = post(fake, "create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})
    model = {"session_id": session["session_id"], "model_seq_id": 0, "base_model": "tinkerproof/pico"}
    return post(fake, "create_model", model | {"lora_config": {"rank": 4}})["request_id"]

def test_looks(tinker_fake):
    post(tinker_fake, "retrieve_future", {"request_id": submit(tinker_fake)})

def test_never_looks(tinker_fake):
    submit(tinker_fake)

@pytest.mark.tinker_unread
def test_may_look_away(tinker_fake):
    submit(tinker_fake)
"""


def test_a_test_that_never_looks_at_a_result_fails_and_says_which(run):
    result = run(UNREAD, "-p", "no:randomly")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*UnreadFuture: futures: expected each result to be fetched, got 1 *: create_model*"]
    )


def test_a_failed_test_shows_what_the_server_saw(run):
    result = run(UNREAD, "-k", "never_looks")

    result.stdout.fnmatch_lines(
        ["*tinker journal of *-test-never-looks*", "*1 create_session 200 *", "*2 create_model 200 *"]
    )
    result.stdout.fnmatch_lines(["*tinker verdict on the client of *", "CLI-10 warning: never polled"])


EXAMPLES = """
from hypothesis import HealthCheck, given, settings, strategies as st

seen = set()

@settings(max_examples=20, database=None)
@given(tag=st.text(max_size=3))
def test_each_example_has_a_world(tinker_fake_server, tag):
    fake = tinker_fake_server.fresh()
    assert len(fake.service.store.sessions) == 0
    fake.service.open_implicit_session("s")
    seen.add(fake.name)

@settings(max_examples=20, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tag=st.text(max_size=3))
def test_with_the_usual_fixture(tinker_fake, tag):
    fake = tinker_fake.fresh()
    assert len(fake.service.store.sessions) == 0
    fake.service.open_implicit_session("s")
"""


def test_each_example_of_a_property_test_has_a_world_of_its_own(run):
    run(EXAMPLES).assert_outcomes(passed=2)


def test_fresh_worlds_do_not_pile_up(tinker_fake_server):
    tinker_fake_server.forget()  # that of another test
    before = len(tinker_fake_server.app.state.tenants)

    for _ in range(10):
        tinker_fake_server.fresh().fresh()

    tinker_fake_server.forget()
    assert len(tinker_fake_server.app.state.tenants) == before


PARALLEL = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_world(tinker_fake, number):
    service = tinker_fake.service
    service.open_implicit_session(f"canary-{{number}}")
    assert [record.session_id for record in service.store.sessions] == [f"canary-{{number}}"]
    assert len(tinker_fake.journal) == 0
"""


TESTS, WORKERS = draws(200, 1000), draws(3, 8)


@pytest.mark.parametrize("options", [["-n", str(WORKERS)], ["-p", "randomly"]], ids=["parallel", "random"])
def test_hundreds_of_tests_read_nothing_of_each_other(run, options):
    run(PARALLEL.format(tests=TESTS), *options, process=True).assert_outcomes(passed=TESTS)


NETWORK = """
import pytest, socket, threading

def dial():
    socket.create_connection(("192.0.2.1", 80), timeout=0.01)

def test_guarded(tinker_fake):
    dial()

def test_swallowed(tinker_fake):
    try:
        dial()
    except BaseException:
        pass

@pytest.mark.tinker_network
def test_free(tinker_fake):
    with pytest.raises(OSError):
        dial()
"""


def test_nothing_gets_beyond_loopback_unless_the_test_says_so(run):
    result = run(NETWORK)

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*expected only loopback while a fake is in use, got '192.0.2.1'*"])


BARE = """
import pytest
from fake_server.app import create_app
from fake_server.running import LiveServer, find_backend

@pytest.fixture(scope="session")
def tinker_fake_server():
    with LiveServer(create_app(find_backend("scripted"))) as server:
        yield server

def test_fails(tinker_fake):
    assert tinker_fake.service.controls
"""


def test_a_server_of_the_users_own_takes_the_place_of_the_usual_one(run):
    result = run(BARE)

    result.assert_outcomes(failed=1)
    assert "tinker journal" not in result.stdout.str()


DELIVERY = """
import pytest

@pytest.mark.tinker_delivery("optim_step", polls=2)
@pytest.mark.tinker_delivery("save_*", held=True)
def test_marked(tinker_fake):
    rules = [active.rule for active in tinker_fake.delivery.rules]
    assert sorted((rule.operation, rule.polls, rule.held) for rule in rules) == [
        ("optim_step", 2, False), ("save_*", 0, True)
    ]
    tinker_fake.delivery.clear()

@pytest.mark.tinker_delivery("optim_step", polls=2)
def test_vacuous(tinker_fake):
    pass
"""


def test_a_marked_rule_of_delivery_that_never_applies_fails_the_test(run):
    result = run(DELIVERY)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(['*NothingHappened*: delivery {"operation":"optim_step","polls":2}*'])


CASSETTE = """
import pytest

RATE = {rate}

@pytest.mark.tinker_cassette("run.jsonl")
def test_step(tinker_fake):
    raw = tinker_fake.raw
    session = raw.call("create_session", {{"tags": [], "user_metadata": {{}}, "sdk_version": "0.38.0"}})
    model = {{"session_id": session["session_id"], "model_seq_id": 0, "base_model": "tinkerproof/pico"}}
    promise = raw.call("create_model", model | {{"lora_config": {{"rank": 4}}}})
    model_id = raw.result(promise["request_id"])["model_id"]
    step = {{"model_id": model_id, "seq_id": 1, "adam_params": {{"learning_rate": RATE}}}}
    promise = raw.call("optim_step", step)
    if promise.status == 200:
        raw.result(promise["request_id"])
"""


def test_a_cassette_is_recorded_once_and_replayed_from_then_on(run, pytester):
    for _ in range(2):
        run(CASSETTE.format(rate=0.1)).assert_outcomes(passed=1)

    assert "optim_step" in (pytester.path / "run.jsonl").read_text()


def test_a_request_that_was_not_recorded_fails_the_test_and_names_the_field(run):
    run(CASSETTE.format(rate=0.1))
    result = run(CASSETTE.format(rate=0.2))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*learning_rate: expected 0.1, got 0.2*"])


FAULTS = """
import pytest
from fake_server.faults import Schedule

CALL = ("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

@pytest.mark.tinker_faults("status", "create_session", 503, nth=1)
@pytest.mark.tinker_faults("status", "create_session", 502, nth=2)
def test_kinds(tinker_fake):
    assert [tinker_fake.raw.call(*CALL).status for _ in range(3)] == [503, 502, 200]

@pytest.mark.tinker_faults(Schedule.random(7, kinds=["status"], budget=1, calls=1))
def test_schedule(tinker_fake):
    assert tinker_fake.raw.call(*CALL).status in (500, 502, 503)

@pytest.mark.tinker_faults(seed=7, kinds=["status"], budget=1, calls=1)
def test_seed(tinker_fake):
    assert tinker_fake.raw.call(*CALL).status in (500, 502, 503)

@pytest.mark.tinker_faults("status", "optim_step", 503)
def test_vacuous(tinker_fake):
    pass

@pytest.mark.tinker_faults("earthquake")
def test_unknown(tinker_fake):
    pass
"""


def test_marked_faults_strike_or_fail_the_test(run):
    result = run(FAULTS)

    result.assert_outcomes(passed=3, failed=1, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*NothingHappened*optim_step*",
            "*UsageError: tinker_faults: expected a schedule*",
        ]
    )
