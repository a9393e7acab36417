"""Clients that read answers wrongly: too strictly, too carelessly, or another part of them."""

from dataclasses import replace
from http.client import IncompleteRead

from contract.codec import JSON, PROTOBUF
from contract.sampling import SampleResponse
from contract.training import ForwardBackwardOutput
from tests.clients.errors import ClientError, RequestFailed, WrongAnswer
from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo
from tests.clients.readings import decoded
from tests.clients.transport import HttpTransport

__all__ = ["ANSWER_MUTANTS"]

ANSWER_MUTANTS = Zoo()
mutant = ANSWER_MUTANTS.mutant

KNOWN = {"request_id", "model_id", "sample_sequence_ids", "session_id", "type", "path", "metrics", "jwt"}
STATES = ("active", "paused_capacity", "paused_rate_limit")
CATEGORIES = {"user": "user", "server": "server", "unknown": "unknown"}


@mutant("failure-is-a-result", "The failure of a step is taken for its result.", "SCN-32")
class FailureIsAResult(MiniClient):
    def read(self, pending, reply):
        step = pending.operation == "optim_step" and "error" in reply.fields
        return {} if step else super().read(pending, reply)


@mutant("failure-is-a-model", "The failure of a model is taken for the model.", "SCN-09")
class FailureIsAModel(MiniClient):
    def read(self, pending, reply):
        failed = pending.operation == "create_model" and "error" in reply.fields
        return f"{pending.owner}:train:0" if failed else super().read(pending, reply)


@mutant("silence-is-a-sample", "A sample that fails is taken for one without tokens.", "SCN-75")
class SilenceIsASample(MiniClient):
    def read(self, pending, reply):
        failed = pending.operation == "asample" and "error" in reply.fields
        return SampleResponse(sequences=[]) if failed else super().read(pending, reply)


@mutant("save-not-looked-at", "What a save returns is not looked at.", "SCN-63")
class SaveNotLookedAt(MiniClient):
    def read(self, pending, reply):
        if pending.operation.startswith("save_weights") and "error" in reply.fields:
            return f"tinker://{pending.owner}/weights/state"
        return super().read(pending, reply)


@mutant("errors-swallowed", "Whatever goes wrong with a step is passed over.", "SCN-32 SCN-48")
class ErrorsSwallowed(MiniClient):
    def outcome(self, pending):
        try:
            return super().outcome(pending)
        except (ClientError, RequestFailed):
            if pending.operation != "optim_step":
                raise
            return {}


@mutant(
    "refused-pass-left-out",
    "A pass that is refused or fails is left out, and the step made.",
    "SCN-24 SCN-25",
)
class RefusedPassLeftOut(MiniClient):
    def outcome(self, pending):
        try:
            return super().outcome(pending)
        except RequestFailed:
            if pending.operation != "forward_backward":
                raise
            return ForwardBackwardOutput(
                loss_fn_output_type="", loss_fn_outputs=[], metrics={"loss:sum": 0.0}
            )


@mutant("fresh-model-for-lost", "Where a checkpoint cannot be loaded it begins with a fresh model.", "SCN-68")
class FreshModelForLost(MiniClient):
    def load_weights(self, session_id, path, *, optimizer=True):
        pending = super().load_weights(session_id, path, optimizer=optimizer)

        def fetch(own):
            try:
                return self.outcome(own)
            except RequestFailed:
                return self.create_model(session_id, "tinkerproof/pico", seed=1).result()

        pending.fetch = fetch
        return pending


@mutant("nothing-is-a-result", "An empty body is taken for the result of a pass.", "SCN-56")
class NothingIsAResult(MiniClient):
    def read(self, pending, reply):
        if not reply.body:
            return ForwardBackwardOutput(
                loss_fn_output_type="", loss_fn_outputs=[], metrics={"loss:sum": 0.0}
            )
        return super().read(pending, reply)


@mutant("takes-anything", "It does not check that an answer is one to its question.", "SCN-57")
class TakesAnything(MiniClient):
    def read(self, pending, reply):
        if pending.operation != "forward_backward":
            return super().read(pending, reply)
        try:
            output = decoded(ForwardBackwardOutput, "forward_backward", reply)
        except WrongAnswer:
            output = ForwardBackwardOutput(loss_fn_output_type="", loss_fn_outputs=[])
        return output.model_copy(update={"metrics": {"loss:sum": 0.0, **output.metrics}})


@mutant("noise-is-a-result", "What cannot be decoded is taken for a pass without outputs.", "SCN-58")
class NoiseIsAResult(MiniClient):
    def read(self, pending, reply):
        try:
            return super().read(pending, reply)
        except WrongAnswer:
            if pending.operation != "forward_backward":
                raise
            return ForwardBackwardOutput(
                loss_fn_output_type="", loss_fn_outputs=[], metrics={"loss:sum": 0.0}
            )


@mutant("cut-json-is-a-result", "JSON that ends early is taken for a step without metrics.", "SCN-59")
class CutJsonIsAResult(MiniClient):
    def read(self, pending, reply):
        try:
            return super().read(pending, reply)
        except WrongAnswer:
            if pending.operation != "optim_step":
                raise
            return {}


@mutant("promise-not-looked-at", "A step whose promise cannot be read is taken for done.", "SCN-60")
class PromiseNotLookedAt(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        try:
            return super().optim_step(model_id, learning_rate, **adam)
        except WrongAnswer:
            done = super().save_weights_for_sampler(model_id, f"s{self.next_number('seq_id', model_id)}")
            done.fetch = lambda own: (self.outcome(own), {})[1]
            return done


@mutant("half-is-a-result", "An answer that ends in the middle is taken for all of it.", "SCN-39 SCN-31")
class HalfIsAResult(MiniClient):
    def __init__(self, url, *arguments, **named):
        super().__init__(url, *arguments, **{**named, "transport": HalfTransport(url)})


class HalfTransport(HttpTransport):
    """Takes what came."""

    def body_of(self, answer):
        try:
            return super().body_of(answer)
        except IncompleteRead as error:
            return error.partial


@mutant("first-read-is-all", "What the first read of a body gives is taken for all of it.", "SCN-55 SCN-41")
class FirstReadIsAll(MiniClient):
    def __init__(self, url, *arguments, **named):
        super().__init__(url, *arguments, **{**named, "transport": OneReadTransport(url)})


class OneReadTransport(HttpTransport):
    """Reads once."""

    def body_of(self, answer):
        body = answer.read1(65536)
        self.close()
        return body


@mutant("no-new-fields", "A field that it does not know is an error.", "SCN-52")
class NoNewFields(MiniClient):
    def fields_of(self, where, reply):
        fields = super().fields_of(where, reply)
        if new := set(fields) - KNOWN and "from_a_newer_release" in fields:
            raise WrongAnswer(f"{where}: expected fields that are known, got {new}")
        return fields


@mutant("no-new-states", "A state of the queue that it does not know is an error.", "SCN-46")
class NoNewStates(MiniClient):
    def is_early(self, reply):
        early = super().is_early(reply)
        if early and self.queue_state not in STATES:
            raise WrongAnswer(f"queue_state: expected one of {STATES}, got {self.queue_state}")
        return early


@mutant("pause-is-a-failure", "A queue that is paused is an error.", "SCN-44 SCN-45")
class PauseIsAFailure(MiniClient):
    def is_early(self, reply):
        early = super().is_early(reply)
        if early and self.queue_state.startswith("paused"):
            raise WrongAnswer(f"queue: expected it to go on, got {self.queue_state}")
        return early


@mutant("no-new-categories", "A failure's category that it does not know hides what went wrong.", "SCN-50")
class NoNewCategories(MiniClient):
    def failure(self, pending, fields):
        if fields.get("category") not in CATEGORIES:
            return WrongAnswer(f"category: {KeyError(fields.get('category'))!r}")
        return super().failure(pending, fields)


@mutant("whole-content-type", "The content type of a result must be the very text that it knows.", "SCN-54")
class WholeContentType(MiniClient):
    def read(self, pending, reply):
        if reply.headers.get("content-type") not in (JSON, PROTOBUF):
            raise WrongAnswer(f"{pending.operation}: expected JSON, got {reply.headers.get('content-type')}")
        return super().read(pending, reply)


@mutant("offers-gzip", "It says that it reads gzip, and does not.", "SCN-53")
class OffersGzip(MiniClient):
    def headers_of(self, ask, attempt):
        return {**super().headers_of(ask, attempt), "accept-encoding": "gzip"}


@mutant("no-protobuf", "It does not read protobuf, and asks for it.", "SCN-01")
class NoProtobuf(MiniClient):
    def read(self, pending, reply):
        return super().read(pending, replace(reply, headers={"content-type": JSON}))


@mutant("metrics-dropped", "The metrics of a pass are dropped.", "SCN-01")
class MetricsDropped(MiniClient):
    def read(self, pending, reply):
        value = super().read(pending, reply)
        passed = isinstance(value, ForwardBackwardOutput)
        return value.model_copy(update={"metrics": {"loss:sum": 0.0}}) if passed else value


@mutant("prompt-logprobs-off-by-one", "Scores are read one place too early.", "SCN-01")
class PromptLogprobsOffByOne(MiniClient):
    def compute_logprobs(self, sampler_id, tokens):
        scores = super().compute_logprobs(sampler_id, tokens)
        return [*scores[1:], 0.0]


@mutant("logprobs-off-by-one", "The logprobs of a sample are read one place too early.", "SCN-01")
class LogprobsOffByOne(MiniClient):
    def read(self, pending, reply):
        value = super().read(pending, reply)
        if pending.operation != "asample":
            return value
        moved = [s.model_copy(update={"logprobs": [*s.logprobs[1:], s.logprobs[0]]}) for s in value.sequences]
        return value.model_copy(update={"sequences": moved})


@mutant("last-token-lost", "The last token of each sample is lost, its logprob is kept.", "SCN-01")
class LastTokenLost(MiniClient):
    def read(self, pending, reply):
        value = super().read(pending, reply)
        if pending.operation != "asample":
            return value
        cut = [s.model_copy(update={"tokens": s.tokens[:-1]}) for s in value.sequences]
        return value.model_copy(update={"sequences": cut})


@mutant("newest-checkpoint-only", "Of a list of checkpoints it reads the first row.", "SCN-01")
class NewestCheckpointOnly(MiniClient):
    def list_checkpoints(self, model_id):
        return super().list_checkpoints(model_id)[:1]
