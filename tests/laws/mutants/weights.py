"""Servers that lose, share or mix up what was saved."""

from dataclasses import replace

from contract import ApiError, RequestFailure
from fake_server.handlers import weights
from fake_server.scripted import ScriptedBackend
from fake_server.scripted_weights import ScriptedWeights
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["WEIGHT_MUTANTS"]

WEIGHT_MUTANTS = Zoo()
mutant = WEIGHT_MUTANTS.mutant


# Saving


@mutant(
    "save-shares-live-weights",
    "What was saved goes on learning with its model.",
    "WGT MET SMP",
    "feedback#143",
)
def save_shares_live_weights(bench: Bench) -> None:
    saved: dict[str, list[ScriptedWeights]] = {}

    @bench.wrap(ScriptedBackend, "save_weights")
    def _(save, self, model_id, **named):
        found = save(self, model_id, **named)
        found = replace(found)  # a checkpoint of its own, which the step below changes
        saved.setdefault(model_id, []).append(found)
        return found

    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        answer = step(self, model_id, params)
        for earlier in saved.get(model_id, ()):
            object.__setattr__(earlier, "pairs", self._models[model_id].weights.pairs)
            if earlier.moments is not None:
                object.__setattr__(earlier, "moments", self._models[model_id].weights.moments)
        return answer


@mutant("save-is-a-step-late", "What is saved are the weights before the last step.", "WGT MET")
def save_is_a_step_late(bench: Bench) -> None:
    before: dict[str, ScriptedWeights] = {}

    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        before[model_id] = self._models[model_id].weights
        return step(self, model_id, params)

    @bench.wrap(ScriptedBackend, "save_weights")
    def _(save, self, model_id, *, optimizer):
        found = before.get(model_id) or save(self, model_id, optimizer=True)
        return found if optimizer else found.without_optimizer()


@mutant("save-clears-gradients", "Saving drops the gradients of the passes before it.", "WGT MET")
def save_clears_gradients(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "save_weights")
    def _(save, self, model_id, **named):
        found = save(self, model_id, **named)
        self._models[model_id] = replace(self._models[model_id], pending=())
        return found


@mutant("save-overwrites", "A name that is taken is overwritten in silence.", "WGT")
def save_overwrites(bench: Bench) -> None:
    @bench.wrap(weights.Saved, "put")
    def _(put, self, service, found):
        return put(replace(self, overwrite=True), service, found)


@mutant("overwrite-refused", "overwrite does nothing.", "WGT")
def overwrite_refused(bench: Bench) -> None:
    @bench.wrap(weights.Saved, "put")
    def _(put, self, service, found):
        return put(replace(self, overwrite=False), service, found)


@mutant("names-unchecked", "A name with slashes is taken.", "WGT")
def names_unchecked(bench: Bench) -> None:
    bench.patch(weights, "_check_name", lambda name: None)


@mutant("name-ignored", "Checkpoints have the server's own names.", "WGT")
def name_ignored(bench: Bench) -> None:
    @bench.wrap(weights.Saved, "put")
    def _(put, self, service, found):
        return put(replace(self, name=None), service, found)


@mutant(
    "path-of-its-own",
    "Paths are no tinker:// paths.",
    "WGT",
    "SkyRL: sampler paths that RestClient cannot read",
)
def path_of_its_own(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, body=answer.body.replace(b'"path":"tinker://', b'"path":"file:///'))


# Loading


@mutant("load-forgets-the-optimizer", "Loading with the optimizer starts it afresh.", "WGT MET")
def load_forgets_the_optimizer(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "load_weights")
    def _(load, self, model_id, given, *, optimizer):
        load(self, model_id, given, optimizer=False)


@mutant("load-keeps-the-optimizer", "Loading without the optimizer loads it all the same.", "WGT MET")
def load_keeps_the_optimizer(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "load_weights")
    def _(load, self, model_id, given, *, optimizer):
        load(self, model_id, given, optimizer=given.moments is not None)


@mutant("load-does-nothing", "load_weights succeeds and changes nothing.", "WGT MET")
def load_does_nothing(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "load_weights")
    def _(load, self, model_id, given, **named):
        self._model(model_id)


@mutant("load-ties-models", "A model and the checkpoint it was loaded from are one.", "WGT MET")
def load_ties_models(bench: Bench) -> None:
    tied: dict[str, str] = {}
    origin: dict[int, str] = {}

    @bench.wrap(ScriptedBackend, "save_weights")
    def _(save, self, model_id, **named):
        found = replace(save(self, model_id, **named))
        origin[id(found)] = model_id
        return found

    @bench.wrap(ScriptedBackend, "load_weights")
    def _(load, self, model_id, given, **named):
        load(self, model_id, given, **named)
        tied[model_id] = origin.get(id(given), model_id)

    @bench.wrap(ScriptedBackend, "optim_step")
    def _(step, self, model_id, params):
        answer = step(self, model_id, params)
        source = tied.get(model_id)
        if source in self._models:
            trained = self._models[model_id].weights
            self._models[source] = replace(self._models[source], weights=trained)
        return answer


@mutant("load-of-another-shape", "A checkpoint of another rank is loaded.", "WGT")
def load_of_another_shape(bench: Bench) -> None:
    @bench.wrap(ScriptedBackend, "load_weights")
    def _(load, self, model_id, given, **named):
        ours = self._models[model_id].weights
        load(self, model_id, replace(given, rank=ours.rank, parts=ours.parts), **named)


@mutant("load-of-nothing", "Loading a path that is not there succeeds.", "WGT")
def load_of_nothing(bench: Bench) -> None:
    from contract import LoadWeightsResponse

    @bench.handler("load_weights")
    def _(serve, call, request):
        submission = serve(call, request)

        def work():
            try:
                return submission.work()
            except (ApiError, RequestFailure):
                return LoadWeightsResponse(path=request.path, model_id=request.model_id, type="load_weights")

        return replace(submission, work=work)


@mutant("load-breaks", "Loading a path that is not there is the server's fault.", "WGT FUT")
def load_breaks(bench: Bench) -> None:
    @bench.handler("load_weights")
    def _(serve, call, request):
        submission = serve(call, request)

        def work():
            try:
                return submission.work()
            except ApiError as error:
                raise RuntimeError from error

        return replace(submission, work=work)


@mutant("sampler-weights-loaded", "One can train on from weights that were saved for a sampler.", "WGT")
def sampler_weights_loaded(bench: Bench) -> None:
    bench.patch(weights, "_trained", lambda service, path: service.checkpoint(path))

    @bench.wrap(ScriptedBackend, "load_weights")
    def _(load, self, model_id, given, *, optimizer):
        load(self, model_id, given, optimizer=optimizer and given.moments is not None)


@mutant("created-from-nothing", "A model made from a checkpoint is a fresh one.", "WGT MET", "twinkle")
def created_from_nothing(bench: Bench) -> None:
    @bench.handler("load_weights")
    def _(serve, call, request):
        submission = serve(call, request)
        if request.session_id is None:
            return submission

        def work():
            answer = submission.work()
            model = call.service.store.models.get(answer.model_id)
            call.service.backend.create_model(model.model_id, model.base_model, model.lora, model.optimizer)
            return answer

        return replace(submission, work=work)
