"""Ids, executors, usage, tables of records and tenants."""

import asyncio
import threading

import pytest

from contract import BackendOptions, BadRequest, ImageChunk, ModelInput, NotFound, TooManyRequests
from fake_server import store as store_module
from fake_server import tenants as tenants_module
from fake_server.clock import Clock, VirtualClock
from fake_server.executors import Inline, Load, Worker
from fake_server.handlers.numbers import known_length
from fake_server.ids import Ids
from fake_server.scripted import open_scripted
from fake_server.service import Service
from fake_server.settings import Settings
from fake_server.store import MemoryTable
from fake_server.tenants import Tenants
from fake_server.usage import Usage


def test_ids_repeat_for_the_same_seed_and_tenant_and_differ_otherwise():
    first, again, other = Ids(1, "a"), Ids(1, "a"), Ids(1, "b")

    ids = [first.next("session"), first.next("session")]

    assert ids == [again.next("session"), again.next("session")]
    assert len({*ids, other.next("session")}) == 3


def test_numbers_count_each_kind_from_zero():
    ids = Ids(0, "a")

    assert [ids.number("x"), ids.number("x"), ids.number("y")] == [0, 1, 0]


def test_secrets_differ_by_purpose():
    assert Ids(0, "a").secret("one") != Ids(0, "a").secret("two")


def test_an_inline_job_runs_at_once_where_there_is_no_event_loop():
    executor, seen = Inline(threading.RLock()), []

    executor.submit(lambda: seen.append(threading.current_thread()))
    executor.close()

    assert seen == [threading.current_thread()]


def test_jobs_of_several_event_loops_run_in_the_order_they_came():
    executor, seen = Inline(threading.RLock()), []

    async def late() -> None:
        executor.submit(lambda: seen.append("second"))

    async def early() -> None:
        executor.submit(lambda: seen.append("first"))
        other = threading.Thread(target=asyncio.run, args=[late()])
        other.start()
        other.join()
        executor.submit(lambda: seen.append("third"))

    asyncio.run(early())
    assert seen == ["first", "second", "third"]


def test_a_job_without_an_event_loop_does_not_overtake_one_with():
    executor, seen = Inline(threading.RLock()), []

    async def early() -> None:
        executor.submit(lambda: seen.append("first"))
        other = threading.Thread(target=executor.submit, args=[lambda: seen.append("second")])
        other.start()
        other.join()

    asyncio.run(early())
    assert seen == ["first", "second"]


def test_a_worker_runs_jobs_in_order_on_another_thread():
    worker, seen = Worker("test"), []
    for number in range(5):
        worker.submit(lambda number=number: seen.append((number, threading.current_thread())))

    done = threading.Event()
    worker.submit(done.set)
    done.wait()
    worker.close()

    assert [number for number, _ in seen] == [0, 1, 2, 3, 4]
    assert {thread for _, thread in seen} != {threading.current_thread()}


def test_a_worker_that_was_closed_takes_nothing_more():
    worker, seen = Worker("test"), []
    worker.close()

    worker.submit(lambda: seen.append("run"))

    assert seen == []


def test_usage_is_counted_by_hour_and_listed_largest_first():
    usage = Usage(threading.Lock())
    usage.add(3600.0, "training", "m", "s", 10)
    usage.add(3601.0, "training", "m", "s", 5)
    usage.add(3602.0, "sampling_sample", "m", "s", 99)
    usage.add(7200.0, "training", "m", "s", 1)
    usage.add(7200.0, "checkpoint", "m", "s", 0)

    rows = [(bucket.hour, bucket.kind, count) for bucket, count in usage.between(3600, 7200)]

    assert rows == [(3600, "sampling_sample", 99), (3600, "training", 15)]


def test_a_missing_record_is_named_with_a_few_that_exist():
    table = MemoryTable[int]("model")
    with pytest.raises(NotFound, match="no model 'x'; this server has none"):
        table.get("x")
    for number in range(7):
        table.add(f"m{number}", number)

    with pytest.raises(NotFound, match="this server has m2, m3, m4, m5, m6 and 2 more"):
        table.get("x")
    assert len(table) == 7


def test_an_id_is_given_only_once():
    table = MemoryTable[int]("model")
    table.add("m", 1)

    with pytest.raises(BadRequest, match="model 'm' already exists"):
        table.add("m", 2)


def test_work_is_counted_until_it_is_done():
    load = Load()
    for count in (load.begin, load.begin, load.end):
        count()

    assert (load.now, load.begun) == (1, 2)
    load.end()
    assert (load.now, load.begun) == (0, 2)


def make_tenants() -> Tenants:
    def make(name: str, own: Settings | None = None, clock: Clock | None = None) -> Service:
        backend = open_scripted(BackendOptions())
        return Service(name, own or Settings(), backend, clock or VirtualClock())

    return Tenants(make)


def test_a_url_prefix_names_a_tenant():
    tenants = make_tenants()

    assert tenants.split("/api/v1/healthz") == ("default", "", "/api/v1/healthz")
    assert tenants.split("/t/a-1/api/v1/healthz") == ("a-1", "/t/a-1", "/api/v1/healthz")
    assert tenants.split("/t/a") == ("a", "/t/a", "")


def test_a_tenant_is_made_once_and_can_be_dropped():
    tenants = make_tenants()
    first = tenants.get("a")

    assert tenants.get("a") is first
    tenants.drop("a")
    tenants.drop("a")
    assert tenants.get("a") is not first
    assert [service.name for service in tenants] == ["a"]
    tenants.close()
    assert len(tenants) == 0


def test_a_tenant_that_is_added_takes_the_place_of_one_of_its_name():
    tenants = make_tenants()
    first = tenants.get("a")

    second = tenants.add("a")

    assert tenants.get("a") is second is not first
    assert first.traffic.ended


def test_a_tenant_may_have_settings_and_a_clock_of_its_own():
    tenants, settings, clock = make_tenants(), Settings(seed=5), VirtualClock(start=1.0)

    service = tenants.add("a", settings, clock)

    assert service is tenants.get("a")
    assert (service.settings, service.clock) == (settings, clock)
    assert tenants.get("b").settings == Settings()


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 65, "ü"])
def test_a_tenant_needs_a_plain_name(name):
    with pytest.raises(BadRequest, match="tenant: expected 1 to 64 letters"):
        make_tenants().get(name)


def test_there_is_an_end_to_the_number_of_tenants(monkeypatch):
    monkeypatch.setattr(tenants_module, "MOST_TENANTS", 1)
    tenants = make_tenants()
    tenants.get("a")

    with pytest.raises(TooManyRequests, match="tenant: expected at most 1, got 'b'"):
        tenants.get("b")


def test_tokens_are_counted_where_an_image_does_not_tell_its_own():
    image = ImageChunk(data=b"\x89PNG", format="png")

    assert known_length(ModelInput.from_ints([1, 2, 3]).append(image)) == 3


def test_only_so_many_removed_records_are_told_from_those_that_never_were(monkeypatch):
    monkeypatch.setattr(store_module, "REMEMBERED_KEYS", 2)
    table = MemoryTable[int]("model")
    for name in "abc":
        table.add(name, 1)
        table.remove(name, "was unloaded")

    with pytest.raises(NotFound, match="no model 'a'"):
        table.get("a")
    for name in "bc":
        with pytest.raises(NotFound, match=f"^model '{name}' was unloaded$"):
            table.get(name)
