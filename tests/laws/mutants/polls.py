"""Servers that mishandle what is sent for many samples at once: numbers, rounds of polls, cancels."""

from dataclasses import replace

from contract import ApiError, BadRequest, FuturesRetrieveResponse, NotFound
from fake_server.futures import CANCELLED, FutureStore
from fake_server.handlers import futures
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["POLL_MUTANTS"]

POLL_MUTANTS = Zoo()
mutant = POLL_MUTANTS.mutant


# Numbers


@mutant("numbers-of-samples-grow", "A sample whose number is below the newest one's is refused.", "FUT SMP")
def numbers_of_samples_grow(bench: Bench) -> None:
    newest: dict[str, int] = {}

    @bench.handler("asample")
    def _(serve, call, request):
        submission = serve(call, request)
        if submission.seq_id < newest.get(submission.owner, 0):
            raise BadRequest(f"seq_id: expected {newest[submission.owner]} or more, got {submission.seq_id}")
        newest[submission.owner] = submission.seq_id
        return submission


# Rounds


@mutant(
    "results-go-with-their-completions",
    "What the cursor of retrieve_futures covers is dropped, results that nobody fetched included.",
    "FUT SMP",
)
def results_go_with_their_completions(bench: Bench) -> None:
    @bench.handler("retrieve_futures")
    async def _(serve, call, request):
        owner = request.target.sampling_session_id
        for future in call.service.futures:
            if future.owner == owner and 0 < future.cursor <= request.prev_cursor:
                call.service.futures._drop(future.request_id)
        return await serve(call, request)


@mutant("anybody-acknowledges", "A result goes when any sampler says that it was read.", "FUT SMP ACC")
def anybody_acknowledges(bench: Bench) -> None:
    @bench.wrap(FutureStore, "forget")
    def _(forget, self, owner, request_ids):
        for future in self:
            if future.request_id in request_ids:
                forget(self, future.owner, [future.request_id])


@mutant("rounds-of-no-sampler", "retrieve_futures of a sampler that is not there tells nothing.", "FUT SMP")
def rounds_of_no_sampler(bench: Bench) -> None:
    @bench.handler("retrieve_futures")
    async def _(serve, call, request):
        try:
            return await serve(call, request)
        except NotFound:
            return FuturesRetrieveResponse(completions=[], cursor=0)


@mutant("short-rounds-wait", "A round that shall be short waits until there is a completion.", "FUT SMP")
def short_rounds_wait(bench: Bench) -> None:
    @bench.handler("retrieve_futures")
    async def _(serve, call, request):
        answer = await serve(call, request)
        short = 0 < (request.timeout or 0.0) < 1
        while short and not answer.completions and not call.service.traffic.ended:
            answer = await serve(call, request)
        return answer


# Cancels


@mutant("late-cancel-breaks", "A cancel that comes when its sample is done is a 500.", "FUT SMP")
def late_cancel_breaks(bench: Bench) -> None:
    @bench.handler("cancel_future")
    def _(serve, call, request):
        future = call.service.futures.find(request.request_id)
        if future is not None and future.outcome is not None:
            raise ApiError("InvalidStateError")
        return serve(call, request)


@mutant("cancel-takes-the-result", "A cancel of a sample that is done takes its result.", "FUT SMP")
def cancel_takes_the_result(bench: Bench) -> None:
    @bench.handler("cancel_future")
    def _(serve, call, request):
        serve(call, request)
        if (future := call.service.futures.find(request.request_id)) is not None:
            _undo(future, CANCELLED)


@mutant("cancelled-sample-waits", "A sample that was cancelled has no outcome, ever.", "FUT SMP")
def cancelled_sample_waits(bench: Bench) -> None:
    @bench.handler("cancel_future")
    def _(serve, call, request):
        serve(call, request)
        if (future := call.service.futures.find(request.request_id)) is not None:
            _undo(future, None)


@mutant("second-cancel-breaks", "A cancel that is sent again is a 500.", "FUT SMP")
def second_cancel_breaks(bench: Bench) -> None:
    cancelled: set[str] = set()

    @bench.handler("cancel_future")
    def _(serve, call, request):
        if request.request_id in cancelled:
            raise ApiError("InvalidStateError")
        cancelled.add(request.request_id)
        return serve(call, request)


@mutant("cancel-takes-the-batch", "A cancel takes back all samples of its sampler.", "FUT SMP")
def cancel_takes_the_batch(bench: Bench) -> None:
    @bench.handler("cancel_future")
    def _(serve, call, request):
        serve(call, request)
        own = call.service.futures.find(request.request_id)
        for future in call.service.futures:
            if own is not None and future.owner == own.owner and future.operation == "asample":
                _undo(future, CANCELLED)


def _undo(future, outcome):
    """Put another outcome in the place of one that shows; none waits for ever."""
    future.outcome, future.released = outcome, outcome is not None
    future.payloads.clear()


# Passes without a number


@mutant(
    "proto3-zero-is-a-number",
    "seq_id 0 in protobuf, which means none, is the number 0: a second pass replays the first.",
    "WIRE FUT TRN",
    "tinker-cloud#59: proto3 seq_id 0 means unset",
)
def proto3_zero_is_a_number(bench: Bench) -> None:
    @bench.handler("forward_backward")
    def _(serve, call, request):
        submission = serve(call, request)
        if request.seq_id is None:
            submission = replace(submission, request_id=f"{request.model_id}:0")
        return submission


@mutant("unnumbered-waits", "A pass without a number waits for a turn that does not come.", "WIRE FUT TRN")
def unnumbered_waits(bench: Bench) -> None:
    @bench.handler("retrieve_future")
    async def _(serve, call, request):
        if ":arrival-" in request.request_id:
            future = call.service.futures.get(request.request_id)
            return futures._not_yet(future)
        return await serve(call, request)
