"""Servers that mishandle futures: promises, polls, replays, order, failures."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count

from contract import ApiError, BadRequest, RequestErrorCategory, RequestFailedResponse, RequestFailure
from fake_server import app as apps
from fake_server.futures import FutureStore
from fake_server.handlers import futures
from fake_server.lanes import Lanes
from fake_server.service import Service
from fake_server.traffic import ClientGone
from fake_server.wire import Answer
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["FUTURE_MUTANTS"]

FUTURE_MUTANTS = Zoo()
mutant = FUTURE_MUTANTS.mutant

TRAINING = ("forward_backward", "optim_step", "save_weights", "save_weights_for_sampler", "load_weights")


def _as_json(answer, change):
    """The same answer, its JSON changed; others as they are."""
    if answer.media_type != "application/json" or not answer.body:
        return answer
    return replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())


# Promises


@mutant("result-in-the-promise", "A step is answered with its result, not with a promise.", "FUT TRN")
def result_in_the_promise(bench: Bench) -> None:
    @bench.answer("optim_step")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return answer if answer.status != 200 else Answer(200, b'{"metrics":{},"type":"optim_step"}')


@mutant("promise-as-number", "request_id is a number.", "FUT WIRE", "SkyRL before SDK 0.6")
def promise_as_number(bench: Bench) -> None:
    @bench.answer("optim_step", "forward_backward", "asample")
    async def _(serve, exchange, incoming):
        return _as_json(
            await serve(), lambda body: {**body, "request_id": 17} if "request_id" in body else body
        )


@mutant(
    "no-sequence-ids",
    "A sample's promise has no sample_sequence_ids.",
    "SMP FUT",
    "SkyRL, TuFT and open-rl with SDK 0.26 and later: AssertionError",
)
def no_sequence_ids(bench: Bench) -> None:
    @bench.answer("asample")
    async def _(serve, exchange, incoming):
        return _as_json(
            await serve(), lambda body: {k: v for k, v in body.items() if k != "sample_sequence_ids"}
        )


@mutant("one-sequence-id", "A sample has one sequence id, however many sequences.", "SMP FUT")
def one_sequence_id(bench: Bench) -> None:
    @bench.answer("asample")
    async def _(serve, exchange, incoming):
        def first(body):
            ids = body.get("sample_sequence_ids")
            return {**body, "sample_sequence_ids": ids[:1]} if ids else body

        return _as_json(await serve(), first)


# Polls


@mutant("read-once", "A result is gone once it was fetched.", "FUT", "SkyRL#2162: evicted, then a fatal 404")
def read_once(bench: Bench) -> None:
    @bench.wrap(futures, "_outcome")
    def _(outcome, call, future, **named):
        answer = outcome(call, future, **named)
        call.service.futures._drop(future.request_id)
        return answer


@mutant(
    "abandoned-poll-takes-the-result",
    "A poll that ended without an outcome takes the later one with it.",
    "FUT",
    "SkyRL#2162: an abandoned poll drops the result",
)
def abandoned_poll_takes_the_result(bench: Bench) -> None:
    abandoned = set()

    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        request_id = json.loads(incoming.body)["request_id"]
        if request_id in abandoned:
            return Answer(404, b'{"detail":"no such request"}')
        try:
            answer = await serve()
        except ClientGone:
            abandoned.add(request_id)
            raise
        if answer.status == 408:
            abandoned.add(request_id)
        return answer


@mutant("answers-swapped", "Two polls of one model's results get each other's.", "FUT MET", "tinker-cloud#18")
def answers_swapped(bench: Bench) -> None:
    @bench.wrap(futures, "_outcome")
    def _(outcome, call, future, **named):
        others = [
            other
            for other in call.service.futures
            if other.owner == future.owner and other.operation == future.operation and other.released
        ]
        place = others.index(future) ^ 1 if future in others else 0
        return outcome(call, others[place] if place < len(others) else future, **named)


@mutant(
    "int-of-request-id",
    "An id that is no number breaks the server.",
    "FUT WIRE",
    "SkyRL#1978: int(request_id) → 500",
)
def int_of_request_id(bench: Bench) -> None:
    @bench.wrap(FutureStore, "get")
    def _(get, self, request_id):
        return get(self, request_id) if request_id in self._futures else int(request_id)


@mutant("unknown-future-waits", "A future that nobody asked for is polled for ever.", "FUT", "open-rl blocks")
def unknown_future_waits(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status != 404:
            return answer
        return Answer(408, b'{"type":"try_again","request_id":"x","queue_state":"active"}')


@mutant("unknown-future-succeeds", "A future that nobody asked for has an empty result.", "FUT")
def unknown_future_succeeds(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(200, b"{}") if answer.status == 404 else answer


@mutant("pending-is-404", "A future that waits for its turn is answered by 404.", "FUT")
def pending_is_404(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(404, b'{"detail":"not ready"}') if answer.status == 408 else answer


@mutant("try-again-without-type", "What says that there is no outcome yet does not say so.", "FUT WIRE")
def try_again_without_type(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(200, b'{"status":"pending"}') if answer.status == 408 else answer


# Failures


@mutant(
    "failure-as-500",
    "A failed operation is answered by 500.",
    "FUT TRN",
    "feedback#80: bare 500s are retried",
)
def failure_as_500(bench: Bench) -> None:
    @bench.wrap(futures, "_outcome")
    def _(outcome, call, future, **named):
        answer = outcome(call, future, **named)
        return replace(answer, status=500) if future.failed else answer


@mutant("failure-as-400", "A failed operation is answered by 400.", "FUT TRN")
def failure_as_400(bench: Bench) -> None:
    @bench.wrap(futures, "_outcome")
    def _(outcome, call, future, **named):
        answer = outcome(call, future, **named)
        return replace(answer, status=400) if future.failed else answer


@mutant(
    "failure-of-the-server", "Every failure is the server's fault.", "FUT TRN", "cookbook#372: opaque errors"
)
def failure_of_the_server(bench: Bench) -> None:
    @bench.wrap(FutureStore, "resolve")
    def _(resolve, self, future, outcome):
        if isinstance(outcome, RequestFailedResponse):
            outcome = outcome.model_copy(update={"category": RequestErrorCategory.Server})
        return resolve(self, future, outcome)


@mutant("failure-without-words", "A failure does not say why.", "FUT TRN", "cookbook#372: opaque errors")
def failure_without_words(bench: Bench) -> None:
    @bench.wrap(FutureStore, "resolve")
    def _(resolve, self, future, outcome):
        if isinstance(outcome, RequestFailedResponse):
            outcome = outcome.model_copy(update={"error": ""})
        return resolve(self, future, outcome)


@mutant(
    "rejection-poisons",
    "After a request that was refused the model takes no more.",
    "FUT TRN WIRE",
    "TuFT: `Sequence conflict: expected 262, got 263` on everything after",
)
def rejection_poisons(bench: Bench) -> None:
    bench.patch(apps, "_use_up", lambda service, incoming: None)


@mutant("failure-poisons", "After an operation that failed all later ones fail, too.", "FUT TRN MET")
def failure_poisons(bench: Bench) -> None:
    poisoned = set()

    @bench.wrap(FutureStore, "resolve")
    def _(resolve, self, future, outcome):
        if future.owner in poisoned:
            outcome = RequestFailedResponse(error="an earlier operation failed", category="user")
        if isinstance(outcome, RequestFailedResponse) and future.operation in TRAINING:
            poisoned.add(future.owner)
        return resolve(self, future, outcome)


# Order and replays


@mutant(
    "order-of-arrival", "Operations run as they come, whatever their numbers.", "FUT MET", "tinker-cloud#18"
)
def order_of_arrival(bench: Bench) -> None:
    @bench.wrap(Lanes, "push")
    def _(push, self, owner, seq_id, job):
        if job is not None:
            self._run(job)

    @bench.wrap(Lanes, "takes")
    def _(takes, self, owner, seq_id):
        return True


@mutant("gaps-refused", "A number that comes before its turn is refused.", "FUT", "TuFT: strict numbers")
def gaps_refused(bench: Bench) -> None:
    @bench.wrap(Lanes, "takes")
    def _(takes, self, owner, seq_id):
        if seq_id > self._lane(owner).sequencer.next_seq_id:
            raise BadRequest(f"Sequence conflict: got {seq_id}")
        return takes(self, owner, seq_id)


@mutant(
    "replay-applied-twice",
    "A request that comes again is a new one.",
    "FUT MET",
    "SkyRL#2035: retried requests were applied twice",
)
def replay_applied_twice(bench: Bench) -> None:
    arrivals = count()

    @bench.wrap(Service, "submit")
    def _(submit, self, submission, operation, digest):
        if submission.ordered:
            renamed = f"{submission.request_id}-{next(arrivals)}"
            known = not self.lanes.takes(submission.owner, submission.seq_id)
            submission = replace(submission, request_id=renamed, ordered=not known)
        return submit(self, submission, operation, digest)


@mutant("replay-applied-under-its-id", "A replay has the first future, and is applied again.", "FUT MET")
def replay_applied_under_its_id(bench: Bench) -> None:
    @bench.wrap(FutureStore, "open")
    def _(open_, self, future):
        found, new = open_(self, future)
        if not new:
            again.append(found)
        return found, new

    again = []

    @bench.wrap(Service, "submit")
    def _(submit, self, submission, operation, digest):
        future = submit(self, submission, operation, digest)
        if again:
            again.clear()
            self._work(self.executor, partial(_tried, submission.work))
        return future


def _tried(work):
    """Work whose result nobody asks for, nor why there is none."""
    with suppress(ApiError, RequestFailure):
        work()


@mutant("replay-refused", "A request that comes again is refused.", "FUT", "TuFT: no idempotent retry")
def replay_refused(bench: Bench) -> None:
    @bench.wrap(FutureStore, "open")
    def _(open_, self, future):
        found, new = open_(self, future)
        if not new:
            raise BadRequest("seq_id: was used")
        return found, new


@mutant("numbers-of-all-models", "Numbers are counted for the server, not for each model.", "FUT MET TRN")
def numbers_of_all_models(bench: Bench) -> None:
    @bench.wrap(FutureStore, "open")
    def _(open_, self, future):
        if future.operation in TRAINING:
            number = future.request_id.rpartition(":")[2]
            for other in self._futures.values():
                same = other.operation == future.operation and other.request_id.endswith(f":{number}")
                if same and other.request_id != future.request_id:
                    return other, False
        return open_(self, future)


# Many at once


@mutant(
    "cursor-lost",
    "retrieve_futures tells what was completed since its start, whatever the cursor.",
    "FUT SMP",
)
def cursor_lost(bench: Bench) -> None:
    @bench.handler("retrieve_futures")
    async def _(serve, call, request):
        target = request.target
        done = [f for f in call.service.futures if f.owner == target.sampling_session_id and f.released]
        completions = call.service.futures.completions(target.sampling_session_id, target.cloned_sampler_id)
        completions.events.update({future.cursor: future for future in done})
        return await serve(call, request.model_copy(update={"prev_cursor": 0}))


@mutant("cursor-stands", "The cursor of retrieve_futures never moves.", "FUT SMP")
def cursor_stands(bench: Bench) -> None:
    @bench.handler("retrieve_futures")
    async def _(serve, call, request):
        answer = await serve(call, request)
        return answer.model_copy(update={"cursor": request.prev_cursor})


@mutant("completions-of-neighbours", "retrieve_futures tells what other samplers completed.", "FUT SMP ACC")
def completions_of_neighbours(bench: Bench) -> None:
    @bench.wrap(FutureStore, "completions")
    def _(completions, self, sampling_session_id, client):
        return completions(self, "all", 0)
