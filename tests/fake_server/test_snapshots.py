"""Snapshots: taken, put back, forked, kept as files; a program goes on as if nothing had happened."""

import threading

import pytest
from hypothesis import given, settings

from contract import BackendOptions, BadRequest, RequestFailure
from fake_server.app import create_app
from fake_server.clock import SystemClock
from fake_server.fake import Fake
from fake_server.running import LiveServer
from fake_server.scripted import ScriptedBackend, open_scripted
from fake_server.settings import AuthSettings, Settings
from fake_server.snapshots import Snapshot, reset, restore, take
from fake_server.world import empty_world
from tests.fake_server.driver import Driver
from tests.fake_server.programs import Run, programs

AT_ONCE = Settings(long_poll_seconds=0)
"""A poll of what waits for a missing number is answered."""


@pytest.fixture
def driver():
    return Driver(control=True)


@pytest.fixture
def world():
    with LiveServer(create_app(open_scripted, control=True)) as server:
        fake = Fake(server, "world")
        yield fake
        fake.close()


@given(programs, programs)
@settings(deadline=None, max_examples=40)
def test_a_program_goes_on_alike_after_the_way_through_a_file(before, after):
    one, other = Driver(AT_ONCE), Driver(AT_ONCE)
    run = Run(one)
    run.run(before)
    same = run.on(other)
    content = take(one.service).to_bytes()

    restore(other.service, Snapshot.of_bytes(content))

    assert take(other.service).to_bytes() == content
    assert run.run(after) == same.run(after)


@given(programs, programs)
@settings(deadline=None, max_examples=20)
def test_a_restored_tenant_answers_as_it_would_have(before, after):
    driver = Driver(AT_ONCE)
    run = Run(driver)
    run.run(before)
    snapshot = take(driver.service)
    again = run.on(driver)
    first = run.run(after)

    restore(driver.service, snapshot)

    assert again.run(after) == first


def test_a_fork_and_its_origin_do_not_see_each_other(driver):
    model = driver.model()
    driver.post("/-/fork", {"tenant": "other"})
    other = Driver(app=driver.app, prefix="/t/other")

    driver.result("forward_backward", driver.train(model, 1))
    moved = driver.result("optim_step", driver.step(model, 2))
    still = [other.result("optim_step", other.step(model, number)) for number in (1, 2)]

    assert moved["metrics"]["grad_norm"] > 0
    assert [step["metrics"]["grad_norm"] for step in still] == [0, 0]


def test_a_fork_has_the_settings_of_its_origin_and_a_clock_of_its_own():
    driver = Driver(Settings(auth=AuthSettings(api_keys=("tml-test",))), control=True)
    driver.clock.advance(7)
    name = driver.controls.snapshots.fork()
    other = driver.app.state.tenants.get(name)

    driver.clock.advance(5)

    assert (name, other.settings) == ("default-fork-1", driver.service.settings)
    assert driver.clock.now() - other.clock.now() == 5


def test_a_fork_of_a_tenant_on_the_machines_clock_is_on_it_too():
    driver = Driver(app=create_app(open_scripted, clocks=SystemClock, control=True))

    other = driver.app.state.tenants.get(driver.controls.snapshots.fork("other"))

    assert other.clock is driver.service.clock


def test_a_reset_world_is_as_a_new_one(driver):
    first = driver.session()
    driver.model(first)

    assert driver.post("/-/reset").status == 204

    assert driver.session() == first
    assert len(take(driver.service)) == 1


def test_another_seed_gives_other_ids_and_other_numbers(driver):
    def life() -> tuple[str, list[int]]:
        session = driver.session()
        sample = driver.result("asample", driver.sample(driver.sampler(session), 0))
        return session, sample["sequences"][0]["tokens"]

    first = life()
    driver.post("/-/seed", {"seed": 5})
    second = life()
    reset(driver.service, 0)

    assert first[0] != second[0]
    assert first[1] != second[1]
    assert life() == first


def test_what_waits_for_a_missing_number_is_named_and_keeps_a_snapshot_from_being_taken(driver):
    model = driver.model()
    driver.post("optim_step", driver.step(model, 2))

    reply = driver.post("/-/snapshot", {"wait_seconds": 0})

    assert reply.status == 400
    assert f"got optim_step {model}:2 (waits for seq_id 1) after 0 s" in reply.json["detail"]


def test_a_snapshot_waits_for_a_number_that_comes(driver):
    model = driver.model()
    driver.post("optim_step", driver.step(model, 2))
    late = threading.Timer(0.05, lambda: driver.post("optim_step", driver.step(model, 1)))
    late.start()

    snapshot = take(driver.service)
    late.join()

    assert snapshot.world.lanes[model][0] == 3


def test_an_empty_world_is_a_file_too(driver):
    content = Snapshot(empty_world(driver.service, 3)).to_bytes()
    driver.model()

    restore(driver.service, Snapshot.of_bytes(content))

    assert (len(take(driver.service)), driver.service.settings.seed) == (0, 3)


def test_what_waits_for_a_missing_number_is_forgotten_when_a_snapshot_is_put_back(driver):
    model = driver.model()
    snapshot = take(driver.service)
    request_id = driver.answer("optim_step", driver.step(model, 2))["request_id"]

    restore(driver.service, snapshot)

    assert driver.poll(request_id).status == 404
    assert driver.result("optim_step", driver.step(model, 1))["metrics"]["grad_norm"] == 0


def test_a_held_outcome_stays_held_in_a_snapshot(driver):
    driver.controls.delivery().held()
    request_id = driver.answer("create_model", _model_of(driver))["request_id"]
    content = take(driver.service).to_bytes()
    driver.controls.delivery.release()

    restore(driver.service, Snapshot.of_bytes(content))
    reply = driver.poll_while(request_id, driver.controls.delivery.release)

    assert reply.status == 200


def test_a_sample_that_is_held_is_among_those_to_come(driver):
    sampler = driver.sampler(driver.session())
    driver.controls.delivery("asample").held()
    driver.answer("asample", driver.sample(sampler, 0))
    target = {"target": {"sampling_session_id": sampler, "cloned_sampler_id": 0}, "prev_cursor": 0}

    restore(driver.service, take(driver.service))
    before = driver.post("retrieve_futures", {**target, "timeout": 0}).json
    driver.controls.delivery.release()
    after = driver.post("retrieve_futures", {**target, "timeout": 0}).json

    assert [len(poll["completions"]) for poll in (before, after)] == [0, 1]


def _model_of(driver):
    return {"session_id": driver.session(), "model_seq_id": 0, "base_model": "tinkerproof/pico"}


def test_a_poll_that_waits_looks_again_when_a_snapshot_is_put_back(driver):
    driver.controls.delivery().held()
    empty = take(driver.service)
    request_id = driver.answer("create_model", _model_of(driver))["request_id"]

    reply = driver.poll_while(request_id, lambda: restore(driver.service, empty))

    assert reply.status == 404


def test_a_virtual_clock_goes_back_with_its_world(driver):
    before = driver.clock.now()
    snapshot = take(driver.service)
    driver.clock.advance(100)

    restore(driver.service, snapshot)

    assert driver.clock.now() == before


def test_a_deleted_key_stays_deleted_and_is_not_in_the_file(driver):
    driver.call("DELETE", "auth/apikey/me")
    content = take(driver.service).to_bytes()
    other = Driver()

    restore(other.service, Snapshot.of_bytes(content))

    assert other.get("auth/apikey/me").status == 401
    assert b"tml-test" not in content


def test_a_fixture_has_it_all(world, tmp_path):
    world.service.open_implicit_session("s")
    snapshot = world.snapshot()
    snapshot.save(tmp_path / "one.snapshot")
    fork = world.fork()
    world.reset()
    world.restore(Snapshot.load(tmp_path / "one.snapshot"))
    world.seed(3)

    assert repr(snapshot) == "Snapshot(1 objects, seed 0)"
    assert [len(each.snapshot()) for each in (fork, world)] == [1, 0]
    assert fork.url.endswith("/t/world-fork-1")


def test_a_fork_goes_with_its_origin(world):
    fork = world.fork("other")

    world.close()

    assert fork.name not in {service.name for service in world._tenants}


class Slow(ScriptedBackend):
    """Leaves the event loop, and takes its time."""

    concurrent = True

    def __init__(self, options):
        super().__init__(options)
        self.gate = threading.Event()

    def optim_step(self, model_id, params):
        assert self.gate.wait(10)
        return super().optim_step(model_id, params)


@pytest.fixture
def slow():
    driver = Driver(app=create_app(Slow, clocks=Driver().service.clock.__class__, control=True))
    yield driver
    driver.service.backend.gate.set()
    driver.app.state.tenants.close()


def test_a_snapshot_waits_for_the_work_under_way(slow):
    model = slow.model()
    slow.post("optim_step", slow.step(model, 1))
    threading.Timer(0.05, slow.service.backend.gate.set).start()

    take(slow.service)

    assert slow.poll(f"{model}:1").status == 200


def test_work_that_does_not_end_is_named(slow):
    model = slow.model()
    slow.post("optim_step", slow.step(model, 1))

    with pytest.raises(BadRequest, match=f"expected no operation under way, got optim_step {model}:1 after"):
        take(slow.service, wait_seconds=0.01)


def test_an_executors_own_work_is_waited_for(slow):
    gate = threading.Event()
    slow.service.executor.submit(lambda: gate.wait(10))

    with pytest.raises(BadRequest, match="got what its executors do after"):
        take(slow.service, wait_seconds=0.01)
    gate.set()
    take(slow.service)


def test_base_models_that_are_not_there_are_refused_and_nothing_is_changed(driver):
    driver.model()
    content = take(driver.service).to_bytes()
    options = BackendOptions(base_models=("Qwen/Qwen3-8B",))
    other = Driver(app=create_app(open_scripted, options=options, control=True))
    other.session()
    before = take(other.service).to_bytes()

    with pytest.raises(RequestFailure, match="expected one of Qwen/Qwen3-8B, got 'tinkerproof/pico'"):
        restore(other.service, Snapshot.of_bytes(content))

    assert take(other.service).world.tables == Snapshot.of_bytes(before).world.tables


def test_the_backend_itself_refuses_base_models_that_it_does_not_have(driver):
    driver.model()
    other = ScriptedBackend(BackendOptions(base_models=("Qwen/Qwen3-8B",)))

    with pytest.raises(RequestFailure, match="got 'tinkerproof/pico'"):
        other.restore(driver.service.backend.state())


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "a/b"}, {"name": "a\n"}, {"wait_seconds": -1}])
def test_a_snapshot_that_no_path_could_name_is_not_taken(fields):
    driver = Driver(control=True)

    reply = driver.post("/-/snapshot", fields)

    assert reply.status == 422
    assert f"{next(iter(fields))}: expected" in reply.json["detail"]
    assert not driver.controls.snapshots
