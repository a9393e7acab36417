"""Servers that lose track of sessions and of what belongs to them."""

from dataclasses import replace
from itertools import count

from contract import ApiError, Forbidden, NotFound, SessionHeartbeatResponse
from fake_server.handlers import numbers, sessions, training, weights
from fake_server.ids import Ids
from fake_server.service import Service
from fake_server.wire import Answer
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["SESSION_MUTANTS"]

SESSION_MUTANTS = Zoo()
mutant = SESSION_MUTANTS.mutant


# Lives


@mutant(
    "heartbeat-of-anybody", "A heartbeat of a session that is not there is fine.", "SES", "hatchery takes any"
)
def heartbeat_of_anybody(bench: Bench) -> None:
    @bench.handler("session_heartbeat")
    def _(serve, call, request):
        try:
            return serve(call, request)
        except NotFound:
            return SessionHeartbeatResponse()


@mutant(
    "heartbeat-breaks",
    "A heartbeat of a session that is not there is a 500.",
    "SES WIRE",
    "TuFT: KeyError → 500",
)
def heartbeat_breaks(bench: Bench) -> None:
    @bench.handler("session_heartbeat")
    def _(serve, call, request):
        try:
            return serve(call, request)
        except NotFound as error:
            raise ApiError("KeyError") from error


@mutant("heartbeat-after-the-end", "A heartbeat of a session that has ended is fine.", "SES")
def heartbeat_after_the_end(bench: Bench) -> None:
    @bench.answer("session_heartbeat")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(200, b"{}") if answer.status == 410 else answer


@mutant("finish-does-nothing", "A session that was finished goes on.", "SES")
def finish_does_nothing(bench: Bench) -> None:
    @bench.handler("finish_session")
    def _(serve, call, request):
        call.service.store.sessions.get(request.session_id)


@mutant("last-finish-counts", "A second end of a session is an error.", "SES")
def last_finish_counts(bench: Bench) -> None:
    @bench.handler("finish_session")
    def _(serve, call, request):
        session = call.service.store.sessions.get(request.session_id)
        if session.ended is not None:
            raise ApiError("already finished")
        return serve(call, request)


@mutant("second-finish-overwrites", "The last end of a session counts, not the first.", "SES")
def second_finish_overwrites(bench: Bench) -> None:
    @bench.handler("finish_session")
    def _(serve, call, request):
        store = call.service.store.sessions
        session = store.get(request.session_id)
        store.put(request.session_id, replace(session, ended=None))
        return serve(call, request)


@mutant("end-forgets-results", "After a session's end its results are pending for ever.", "SES FUT")
def end_forgets_results(bench: Bench) -> None:
    @bench.handler("finish_session")
    def _(serve, call, request):
        serve(call, request)
        for future in call.service.futures:
            if future.owner.startswith(request.session_id):
                future.outcome, future.released = None, False


@mutant("telemetry-looks-sessions-up", "Telemetry without a session is refused.", "SES WIRE")
def telemetry_looks_sessions_up(bench: Bench) -> None:
    @bench.handler("telemetry")
    def _(serve, call, request):
        call.service.store.sessions.get(request.session_id)
        return serve(call, request)


@mutant("telemetry-limited", "Telemetry of more than 32 kB is refused.", "SES WIRE")
def telemetry_limited(bench: Bench) -> None:
    @bench.answer("telemetry")
    async def _(serve, exchange, incoming):
        too_long = len(incoming.body) > 32_000
        return Answer(413, b'{"detail":"too long"}') if too_long else await serve()


@mutant("finish-of-anybody", "A session that is not there can be finished.", "SES")
def finish_of_anybody(bench: Bench) -> None:
    @bench.handler("finish_session")
    def _(serve, call, request):
        if call.service.store.sessions.find(request.session_id) is not None:
            serve(call, request)


@mutant("one-session-for-all", "Every create_session answers the same session.", "SES ACC")
def one_session_for_all(bench: Bench) -> None:
    numbers_ = count()

    @bench.handler("create_session")
    def _(serve, call, request):
        first = next(iter(call.service.store.sessions), None)
        if first is None or not next(numbers_):
            return serve(call, request)
        return serve(call, request).model_copy(update={"session_id": first.session_id})


@mutant("session-id-as-number", "session_id is a number.", "SES WIRE")
def session_id_as_number(bench: Bench) -> None:
    @bench.answer("create_session")
    async def _(serve, exchange, incoming):
        return Answer(200, b'{"session_id":7}')


@mutant(
    "any-session",
    "Models are made in sessions that are not there.",
    "SES TRN",
    "TuFT: 202 for what is not there",
)
def any_session(bench: Bench) -> None:
    @bench.wrap(Service, "session")
    def _(session, self, session_id):
        try:
            return session(self, session_id)
        except Forbidden:
            return self.open_implicit_session(session_id)


# Models


@mutant(
    "unknown-model-promised", "An operation of a model that is not there is promised.", "TRN SES", "TuFT: 202"
)
def unknown_model_promised(bench: Bench) -> None:
    @bench.answer("optim_step", "forward_backward", "save_weights")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(200, b'{"request_id":"nobody:1"}') if answer.status == 404 else answer


@mutant("unknown-model-breaks", "An operation of a model that is not there is a 500.", "TRN SES WIRE")
def unknown_model_breaks(bench: Bench) -> None:
    @bench.answer("optim_step", "forward_backward", "save_weights", "get_info")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(500, b'{"detail":"KeyError"}') if answer.status == 404 else answer


@mutant("model-numbers-collide", "A number that a model has makes another model in its place.", "SES TRN")
def model_numbers_collide(bench: Bench) -> None:
    bench.patch(numbers, "check_free", lambda service, model_id: None)

    @bench.wrap(Service, "submit")
    def _(submit, self, submission, operation, digest):
        if operation == "create_model":
            submission = replace(submission, request_id=f"{submission.request_id}:{digest.hex()}")
        return submit(self, submission, operation, digest)

    from fake_server.store import MemoryTable

    bench.wrap(MemoryTable, "add")(lambda add, self, key, record: self.put(key, record))


@mutant("model-replay-refused", "A create_model that comes again is refused.", "SES TRN FUT")
def model_replay_refused(bench: Bench) -> None:
    @bench.wrap(Service, "submit")
    def _(submit, self, submission, operation, digest):
        if operation == "create_model" and self.futures.known(submission.request_id):
            raise Forbidden("model_seq_id: was used")
        return submit(self, submission, operation, digest)


@mutant(
    "model-id-of-its-own",
    "The id of a loaded model does not follow from its session.",
    "SES TRN",
    "SDK 0.38 computes it",
)
def model_id_of_its_own(bench: Bench) -> None:
    bench.patch(weights, "model_id_of", lambda session_id, number: f"model-{abs(hash(session_id))}-{number}")


@mutant("rank-forgotten", "get_info tells another rank.", "TRN SES")
def rank_forgotten(bench: Bench) -> None:
    @bench.handler("get_info")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"lora_rank": 32})


@mutant("info-without-tokenizer", "get_info has no model data.", "TRN SES", "get_tokenizer() of SDK 0.38")
def info_without_tokenizer(bench: Bench) -> None:
    @bench.handler("get_info")
    def _(serve, call, request):
        answer = serve(call, request)
        data = answer.model_data.model_copy(update=dict.fromkeys(("arch", "model_name", "tokenizer_id")))
        return answer.model_copy(update={"model_data": data, "model_name": None})


@mutant("rank-zero-taken", "An adapter of rank 0 is made.", "TRN SES", "open-rl takes rank 100000")
def rank_zero_taken(bench: Bench) -> None:
    bench.patch(training, "check_lora", lambda lora: None)
    from fake_server import scripted

    bench.patch(scripted, "check_adapter", lambda lora: None)


@mutant(
    "any-base-model", "A base model that is not there is replaced by one that is.", "TRN SES SMP", "open-rl"
)
def any_base_model(bench: Bench) -> None:
    @bench.wrap(Service, "base_model")
    def _(base_model, self, name):
        try:
            return base_model(self, name)
        except ApiError:
            return base_model(self, "tinkerproof/pico")


# Lists


@mutant("session-shows-all-models", "A session shows the models of all sessions.", "SES ACC")
def session_shows_all_models(bench: Bench) -> None:
    @bench.handler("get_session")
    def _(serve, call, request):
        runs = [model.model_id for model in call.service.store.models]
        return serve(call, request).model_copy(update={"training_run_ids": runs})


@mutant("session-shows-no-models", "A session shows nothing that it has.", "SES")
def session_shows_no_models(bench: Bench) -> None:
    @bench.handler("get_session")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"training_run_ids": [], "sampler_ids": []})


@mutant("metadata-dropped", "User metadata of sessions and models is dropped.", "SES TRN WGT")
def metadata_dropped(bench: Bench) -> None:
    for module in (sessions, training):
        bench.patch(module, "texts", lambda metadata: None)


@mutant("offset-ignored", "Every page of a list is its first.", "SES WGT")
def offset_ignored(bench: Bench) -> None:
    @bench.handler("list_sessions", "list_training_runs", "list_user_checkpoints")
    def _(serve, call, request):
        return serve(call, request.model_copy(update={"offset": 0}))


@mutant("limit-ignored", "Every page of a list has all of it.", "SES WGT")
def limit_ignored(bench: Bench) -> None:
    @bench.handler("list_sessions", "list_training_runs", "list_user_checkpoints")
    def _(serve, call, request):
        return serve(call, request.model_copy(update={"limit": 1000}))


@mutant("search-finds-all", "A search of sessions finds all.", "SES")
def search_finds_all(bench: Bench) -> None:
    bench.patch(sessions, "_matches", lambda *given: True)


@mutant("status-stays-active", "A search shows every session as active.", "SES")
def status_stays_active(bench: Bench) -> None:
    from contract import SessionActive

    @bench.wrap(sessions, "_summary")
    def _(summary, service, session):
        return summary(service, session).model_copy(update={"status": SessionActive()})


@mutant("ids-repeat", "Ids of sessions repeat after two.", "SES ACC")
def ids_repeat(bench: Bench) -> None:
    numbers_ = count()

    @bench.wrap(Ids, "next")
    def _(next_, self, kind):
        found = next_(self, kind)
        return "00000000-0000-4000-8000-000000000000" if next(numbers_) % 3 == 2 else found
