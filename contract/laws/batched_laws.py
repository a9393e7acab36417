"""Laws of polls of many futures at once: completions, cursors, acknowledgement."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from contract.futures import FuturesRetrieveResponse
from contract.laws.expect import expect, expect_equal, expect_final
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.sampler import Sampler
from contract.laws.subject import Subject
from contract.sampling import SampleResponse

__all__ = ["BATCHED_LAWS"]

BATCHED_LAWS = Lawbook()
law = BATCHED_LAWS.law
POLLER = "sdk 0.38.0 lib/session_futures_poller.py"
NEEDS = ("sampling", "batched polls")
MOST_ROUNDS = 15
ROUND_SECONDS = 1.0
"""Ours: samples of two tokens are done within some seconds."""
WAIT_SECONDS = 5.0
CLONE_BLOCK = 10**9
"""Numbers per client of a sampling session. Source: sdk 0.38.0 lib/public_interfaces/sampling_client.py."""


def round_of(
    s: Subject,
    sampler: Sampler,
    cursor: int = 0,
    *,
    client: int = 0,
    timeout: float = 0.0,
    retrieved: Sequence[str] = (),
) -> FuturesRetrieveResponse:
    """One poll of all that a client of a sampler asked for."""
    target = {"type": "sampling_session", "sampling_session_id": sampler.id, "cloned_sampler_id": client}
    fields = {"target": target, "prev_cursor": cursor, "timeout": timeout}
    return s.typed(
        "retrieve_futures", {**fields, "retrieved_request_ids": list(retrieved)}, FuturesRetrieveResponse
    )


def gathered(s: Subject, sampler: Sampler, count: int, client: int = 0) -> tuple[list[tuple[str, str]], int]:
    """Rounds until so many are complete: ids and states as they came, and the last cursor."""
    told: list[tuple[str, str]] = []
    cursor = rounds = 0
    while len(told) < count and rounds < MOST_ROUNDS:
        answer = round_of(s, sampler, cursor, client=client, timeout=ROUND_SECONDS)
        told += [(done.request_id, done.state) for done in answer.completions]
        cursor, rounds = answer.cursor, rounds + 1
    return told, cursor


def samples(sampler: Sampler, count: int) -> list[str]:
    """Ask for some short samples."""
    return [promised(sampler.send(max_tokens=2), "asample") for _ in range(count)]


@law(
    "FUT-50",
    "A client that follows the cursor hears of each completion, and of each once.",
    source=POLLER,
    needs=NEEDS,
    since="0.26.2",
    breaks="gives two completions one cursor: the later is never told, and its sample waits for ever.",
)
def each_once(s: Subject) -> None:
    sampler = s.sampler()
    ids = samples(sampler, 8)
    told, _ = gathered(s, sampler, len(ids))
    expect_equal(sorted(told), sorted((i, "finished") for i in ids), "completions of 8 samples")


@law(
    "FUT-51",
    "A round from the newest cursor tells nothing again, and the cursor does not go back.",
    source=POLLER,
    needs=NEEDS,
    since="0.26.2",
    breaks="tells all from the start in each round: the work of a poll grows with the run.",
)
def nothing_again(s: Subject) -> None:
    sampler = s.sampler()
    _, cursor = gathered(s, sampler, len(samples(sampler, 3)))
    again = round_of(s, sampler, cursor)
    expect_equal(again.completions, [], "completions after the newest cursor")
    expect(again.cursor >= cursor, f"cursor: expected {cursor} or more, got {again.cursor}")


@law(
    "FUT-52",
    "A round that is asked again from the same cursor tells the same completions.",
    source="ours: the answer to a round may be lost as any other",
    needs=NEEDS,
    since="0.26.2",
    breaks="forgets with the answer, not with the next cursor: one lost answer loses all its samples.",
)
def lost_round(s: Subject) -> None:
    sampler = s.sampler()
    for request_id in (ids := samples(sampler, 4)):
        s.poll(request_id)
    first, again = (
        {done.request_id for done in round_of(s, sampler, 0, timeout=ROUND_SECONDS).completions} for _ in "12"
    )
    expect(first and first <= again <= set(ids), f"the same round again: expected {first}, got {again}")


@law(
    "FUT-53",
    "A round with a timeout of 0 is answered at once, also where nothing was asked for.",
    source=POLLER,
    needs=NEEDS,
    since="0.26.2",
    breaks="waits all the same: the poller's acknowledgement times out, and is sent for ever.",
)
def empty_round(s: Subject) -> None:
    answer = round_of(s, s.sampler())
    expect_equal(answer.completions, [], "completions of a sampler that nobody asked")


@law(
    "FUT-54",
    "A round tells one client of a sampler of its own samples only.",
    source=f"{POLLER}: the client is seq_id // 10**9",
    needs=NEEDS,
    since="0.26.2",
    breaks="tells every client of all: each fetches what is not its own, and drops what is.",
)
def own_completions(s: Subject) -> None:
    sampler = s.sampler()
    ids = [promised(sampler.send(seq_id=n * CLONE_BLOCK + 5, max_tokens=2), "asample") for n in (0, 1, 7)]
    for client, request_id in zip((0, 1, 7), ids, strict=True):
        told, _ = gathered(s, sampler, 1, client)
        expect_equal(told, [(request_id, "finished")], f"completions of client {client}")


@law(
    "FUT-55",
    "A sample that fails is told as failed, and a poll of it tells why.",
    source=POLLER,
    needs=NEEDS,
    since="0.26.2",
    breaks="leaves failures out: the client waits for a completion that never comes.",
)
def failed_sample(s: Subject) -> None:
    sampler = s.sampler()
    request_id = s.doomed(sampler.send(max_tokens=-1))
    told, _ = gathered(s, sampler, 1)
    expect_equal(told, [(request_id, "failed")], "completions of a sample that fails")
    s.failure(request_id)


@law(
    "FUT-56",
    "A result can be fetched after its completion was told, and after its cursor was sent back.",
    source=f"{POLLER}: the cursor says that a completion is known, not that its result was read",
    needs=NEEDS,
    since="0.26.2",
    breaks="drops results with their completions.",
)
def result_outlives_its_cursor(s: Subject) -> None:
    sampler = s.sampler()
    ids = samples(sampler, 3)
    _, cursor = gathered(s, sampler, 3)
    round_of(s, sampler, cursor)
    for request_id in ids:
        expect_equal(len(s.result(request_id, SampleResponse).sequences), 1, "sequences")


@law(
    "FUT-57",
    "An acknowledged result may go; those that were not acknowledged stay.",
    source=f"{POLLER}: retrieved_request_ids",
    needs=NEEDS,
    since="0.36.0",
    breaks="takes all that was told for read.",
)
def acknowledged(s: Subject) -> None:
    sampler = s.sampler()
    ids = samples(sampler, 3)
    _, cursor = gathered(s, sampler, 3)
    s.poll(ids[1])
    for _ in range(2):  # it is repeated until a round that has it succeeds
        round_of(s, sampler, cursor, retrieved=[ids[1]])
    for request_id in (ids[0], ids[2]):
        expect_equal(len(s.result(request_id, SampleResponse).sequences), 1, "sequences")


@law(
    "FUT-58",
    "An acknowledgement of what is not the sampler's is without effect.",
    source="ours: an id is no proof of ownership",
    needs=NEEDS,
    since="0.36.0",
    breaks="drops any future by its id: one client's mistake takes another's results.",
)
def foreign_acknowledgement(s: Subject) -> None:
    sampler, other = s.sampler(), s.sampler()
    (request_id,) = samples(sampler, 1)
    gathered(s, sampler, 1)
    round_of(s, other, retrieved=[request_id, "nobody:sample:0:1"])
    expect_equal(len(s.result(request_id, SampleResponse).sequences), 1, "sequences")


@law(
    "FUT-59",
    "A round for a sampler that is not there is refused for good.",
    source=f"{POLLER}: 4xx but 408, 409 and 429 ends the poller, all else is repeated for ever",
    needs=NEEDS,
    since="0.26.2",
    breaks="answers 5xx, or nothing as if there were a sampler: the client polls for ever.",
)
def unknown_sampler(s: Subject) -> None:
    target = {"type": "sampling_session", "sampling_session_id": "nobody:sample:0", "cloned_sampler_id": 0}
    reply = s.driver.call("retrieve_futures", {"target": target, "prev_cursor": 0, "timeout": 0.0})
    expect_final(reply, "retrieve_futures of an unknown sampler")
    expect(reply.status >= 400, f"retrieve_futures of an unknown sampler: expected a refusal, got {reply}")


@law(
    "FUT-60",
    "A round that waits for a completion is answered by it.",
    source=POLLER,
    needs=NEEDS,
    since="0.26.2",
    breaks="looks once and sleeps: every sample lasts as long as a poll.",
)
def waiting_round_is_woken(s: Subject) -> None:
    sampler = s.sampler()
    target = {"type": "sampling_session", "sampling_session_id": sampler.id, "cloned_sampler_id": 0}
    fields = {"target": target, "prev_cursor": 0}
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(s.driver.glance, "retrieve_futures", fields, WAIT_SECONDS)
        ids = samples(sampler, 1)
        s.poll(ids[0])
        reply = waiting.result()
    expect(reply, f"a round that waits: expected its end once a sample is done, got none in {WAIT_SECONDS} s")
    expect_equal(gathered(s, sampler, 1)[0], [(ids[0], "finished")], "completions")


@law(
    "FUT-61",
    "A round without a completion ends when its own time is over.",
    source=f"{POLLER}: `timeout`, in seconds",
    needs=NEEDS,
    since="0.26.2",
    breaks="waits for its own long time, until the client closes the connection.",
)
def round_ends(s: Subject) -> None:
    target = {"type": "sampling_session", "sampling_session_id": s.sampler().id, "cloned_sampler_id": 0}
    fields = {"target": target, "prev_cursor": 0, "timeout": 0.1}
    reply = s.driver.glance("retrieve_futures", fields, WAIT_SECONDS)
    expect(reply is not None, f"a round with a timeout of 0.1 s: expected its end within {WAIT_SECONDS} s")


@law(
    "FUT-62",
    "Samplers have completions of their own, those of one session, too.",
    source=POLLER,
    needs=NEEDS,
    since="0.26.2",
    breaks="keeps one list per session: samplers take each other's completions.",
)
def samplers_apart(s: Subject) -> None:
    session = s.session()
    one, other = (s.sampler(session_id=session, number=n) for n in (0, 1))
    ids = [samples(sampler, 2) for sampler in (one, other)]
    for sampler, own in zip((one, other), ids, strict=True):
        told, _ = gathered(s, sampler, 2)
        expect_equal(sorted(i for i, _ in told), sorted(own), "completions of a sampler beside another")
