"""Late, doubled and broken requests, as a bare socket sees them."""

import select

import pytest

from fake_server.clock import VirtualClock
from tests.fake_server.raw_client import RawClient, parked, until

OK = b'{"status":"ok"}'


@pytest.fixture
def tinker_clock():
    return VirtualClock()


@pytest.fixture
def faults(tinker_fake):
    return tinker_fake.faults


@pytest.fixture
def client(tinker_fake):
    return RawClient(tinker_fake)


def test_a_late_request_waits_on_the_tenants_clock(tinker_fake, tinker_clock, faults, client):
    faults.latency("healthz", 30)
    sock = client.send("healthz", method="GET")

    assert parked(tinker_fake).until == tinker_clock.now() + 30
    assert client.read(client.send("client/config", {"sdk_version": "0.38.0"})).status == 200
    tinker_clock.advance(30)

    assert client.read(sock).json == {"status": "ok"}


def test_jitter_is_rolled_from_the_seed(tinker_fake, tinker_clock, faults, client):
    fault = faults.latency("healthz", 10, jitter=5, seed=3).fault
    delays = []
    for _ in range(3):
        sock = client.send("healthz", method="GET")
        delays.append(parked(tinker_fake).until - tinker_clock.now())
        tinker_clock.advance(15)
        client.read(sock)

    assert delays == pytest.approx([fault.seconds_of(call) for call in (1, 2, 3)])
    assert len(set(delays)) == 3
    assert all(10 <= delay < 15 for delay in delays)


def test_a_dripping_body_comes_piece_by_piece(tinker_fake, tinker_clock, faults, client):
    faults.drip("healthz", chunk=6, every=2)
    sock = client.send("healthz", method="GET")
    pieces = []
    for _ in range(2):
        assert parked(tinker_fake).until == tinker_clock.now() + 2
        pieces.append(sock.recv(65536))
        tinker_clock.advance(2)

    pieces.append(client.read_rest(sock))
    assert pieces[0].endswith(b"\r\n\r\n" + OK[:6])
    assert pieces[1:] == [OK[6:12], OK[12:]]


def test_a_clock_that_moves_by_itself_lets_a_body_drip(tinker_fake, tinker_clock, faults, client):
    tinker_clock.auto = True
    faults.drip("healthz", chunk=6, every=2)
    start = tinker_clock.now()

    assert client.get("healthz").body == OK
    assert tinker_clock.now() == start + 4


def test_a_stall_before_the_first_byte(tinker_fake, faults, client):
    faults.stall("healthz")
    sock = client.send("healthz", method="GET")

    assert parked(tinker_fake).until == float("inf")
    assert client.read(sock, patience=0.01).end == "silent"
    until(lambda: not tinker_fake.service.traffic.waits)  # its client left


def test_a_stall_half_way_ends_when_the_fault_is_cleared(tinker_fake, faults, client):
    faults.stall("healthz", at=0.4)
    sock = client.send("healthz", method="GET")
    parked(tinker_fake)

    begun = sock.recv(65536)
    faults.clear()

    assert begun.endswith(b"\r\n\r\n" + OK[:6])
    assert client.read_rest(sock) == OK[6:]


def test_a_stall_ends_at_its_time(tinker_fake, tinker_clock, faults, client):
    faults.stall("healthz", seconds=60)
    sock = client.send("healthz", method="GET")
    parked(tinker_fake)

    tinker_clock.advance(60)

    assert client.read(sock).body == OK


def test_what_was_cut_may_stall_before_it_closes(tinker_fake, tinker_clock, faults, client):
    faults.truncate("healthz", at=0.4)
    faults.stall("healthz", at=0.8, seconds=5)
    sock = client.send("healthz", method="GET")
    parked(tinker_fake)
    tinker_clock.advance(5)

    reply = client.read(sock)

    assert (reply.body, reply.end) == (OK[:6], "closed")


def test_a_lost_answer_is_work_and_an_orderly_end(tinker_fake, faults, client):
    faults.lose_answer("create_session")

    reply = client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    assert (reply.raw, reply.end) == (b"", "closed")
    assert len(tinker_fake.service.store.sessions) == 1


def test_a_dropped_request_is_no_work(tinker_fake, faults, client):
    faults.drop_request("create_session")

    reply = client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    assert (reply.raw, reply.end) == (b"", "closed")
    assert len(tinker_fake.service.store.sessions) == 0


@pytest.mark.parametrize("work", [True, False])
def test_a_reset_is_a_reset(tinker_fake, faults, client, work):
    faults.reset("create_session", work=work)

    reply = client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    assert (reply.raw, reply.end) == (b"", "reset")
    assert len(tinker_fake.service.store.sessions) == work


def test_a_reset_half_way(faults, client):
    faults.reset("healthz", at=0.4)

    reply = client.get("healthz")

    assert (reply.body, reply.end) == (OK[:6], "reset")


@pytest.mark.parametrize(("at", "body"), [(0, b""), (0.4, OK[:6]), (0.99, OK[:14])])
def test_a_truncated_body_is_shorter_than_it_said(faults, client, at, body):
    faults.truncate("healthz", at=at)

    reply = client.get("healthz")

    assert (reply.body, reply.headers["content-length"], reply.end) == (body, "15", "closed")


def test_an_empty_body_cannot_be_cut_and_is_closed_after(faults, client):
    faults.truncate("healthz")
    faults.empty_body("healthz")

    assert client.get("healthz").status == 200


def test_noise_that_is_no_http(faults, client):
    faults.bad_http("healthz", size=40)

    reply = client.get("healthz")

    assert (len(reply.raw), reply.raw[:1], reply.end) == (40, b"\xff", "closed")


def test_a_duplicate_is_served_twice_and_answered_once(tinker_fake, faults, client):
    faults.duplicate("create_session", copies=3)

    reply = client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    sessions = [record.session_id for record in tinker_fake.service.store.sessions]
    (entry,) = tinker_fake.journal
    assert (len(sessions), sessions.index(reply.json["session_id"])) == (3, 0)
    assert entry.answer.session_id == sessions[0]


def test_the_last_of_two_answers_may_be_the_one_that_arrives(tinker_fake, faults, client):
    faults.duplicate("create_session", answer="last")

    reply = client.post("create_session", {"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"})

    sessions = [record.session_id for record in tinker_fake.service.store.sessions]
    assert sessions.index(reply.json["session_id"]) == 1


def test_requests_are_served_in_the_reverse_order(tinker_fake, faults, client):
    faults.reorder("create_session", window=3)
    sockets = []
    for number in range(3):
        asked = {"tags": [str(number)], "user_metadata": {}, "sdk_version": "0.38.0"}
        sockets.append(client.send("create_session", asked))
        until(lambda: len(tinker_fake.service.traffic.waits) == len(sockets) or len(sockets) == 3)

    assert [client.read(sock).status for sock in sockets] == [200] * 3
    assert [entry.request.tags for entry in tinker_fake.journal] == [["2"], ["1"], ["0"]]


def test_whoever_waits_for_others_in_vain_goes_on_alone(tinker_fake, tinker_clock, faults, client):
    faults.reorder("healthz", window=3, patience=4)
    sock = client.send("healthz", method="GET")
    parked(tinker_fake)

    tinker_clock.advance(4)

    assert client.read(sock).body == OK


def test_one_who_leaves_the_queue_holds_nobody_back(tinker_fake, tinker_clock, faults, client):
    faults.reorder("healthz", window=3, patience=4)
    first = client.send("healthz", method="GET")
    parked(tinker_fake)
    client.send("healthz", method="GET").close()
    until(lambda: any(entry.status == 0 for entry in tinker_fake.journal))

    tinker_clock.advance(4)

    assert client.read(first).body == OK


def test_faults_add_up_on_one_request(tinker_fake, tinker_clock, faults, client):
    faults.latency("healthz", 5)
    faults.reset("healthz", at=0.8)
    faults.drip("healthz", chunk=3, every=1)
    faults.status("healthz", 500, body={"a": 1})
    sock = client.send("healthz", method="GET")
    for seconds in (5, 1):
        assert parked(tinker_fake).until == tinker_clock.now() + seconds
        tinker_clock.advance(seconds)

    reply = client.read(sock)
    (entry,) = tinker_fake.journal

    assert (reply.status, reply.body, reply.end) == (500, b'{"a": ', "reset")
    assert entry.faults == ["latency", "reset", "drip", "status"]


def test_what_is_lost_is_not_sent_half(faults, client):
    faults.truncate("healthz")
    faults.drip("healthz", chunk=1, every=0)
    faults.drop_request("healthz")

    reply = client.get("healthz")

    assert (reply.raw, reply.end) == (b"", "closed")


def test_of_two_cuts_the_shorter_counts(faults, client):
    faults.truncate("healthz", at=0.8)
    faults.reset("healthz", at=0.4)

    reply = client.get("healthz")

    assert (reply.body, reply.end) == (OK[:6], "closed")


def test_the_connection_lives_on_after_what_does_not_break_it(faults, client):
    faults.drip("healthz", chunk=4, every=0)
    sock = client.send("healthz", method="GET")
    first = client.read_rest(sock, whole=True)
    sock.sendall(f"GET /{client.prefix}/api/v1/healthz HTTP/1.1\r\nhost: x\r\n\r\n".encode())

    assert first.endswith(OK)
    assert client.read(sock).body == OK


def test_one_who_does_not_read_is_reset_all_the_same(tinker_fake, faults, client):
    faults.reset("healthz", at=0.9)
    faults.status("healthz", 500, body="x" * 30_000_000)

    sock = client.send("healthz", method="GET")
    until(lambda: len(tinker_fake.journal))
    until(lambda: is_reset(sock))

    assert client.read(sock).end == "reset"


def is_reset(sock):
    """Whether the connection is over, without reading."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
