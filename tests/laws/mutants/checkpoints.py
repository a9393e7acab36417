"""Servers whose checkpoints, as things to list, share, keep and delete, are not what they say."""

from dataclasses import replace

from contract import NotFound
from fake_server.handlers import checkpoints, files, weights
from fake_server.store import CheckpointRecord
from fake_server.wire import Answer
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["CHECKPOINT_MUTANTS"]

CHECKPOINT_MUTANTS = Zoo()
mutant = CHECKPOINT_MUTANTS.mutant


@mutant("delete-does-nothing", "A checkpoint that was deleted is still there.", "WGT")
def delete_does_nothing(bench: Bench) -> None:
    @bench.handler("delete_checkpoint")
    def _(serve, call, request):
        checkpoints._named(call, request)


@mutant("delete-of-nothing", "A checkpoint that is not there can be deleted.", "WGT")
def delete_of_nothing(bench: Bench) -> None:
    @bench.handler("delete_checkpoint")
    def _(serve, call, request):
        try:
            return serve(call, request)
        except NotFound:
            return None


@mutant("delete-takes-the-run", "Deleting one checkpoint deletes all of its run.", "WGT")
def delete_takes_the_run(bench: Bench) -> None:
    @bench.handler("delete_checkpoint")
    def _(serve, call, request):
        serve(call, request)
        for record in call.service.store.checkpoints:
            if record.run_id == request.training_run_id:
                call.service.store.checkpoints.remove(record.path, "was deleted")


@mutant("delete-ends-samplers", "A sampler ends with the checkpoint that it was opened on.", "WGT SMP")
def delete_ends_samplers(bench: Bench) -> None:
    @bench.handler("delete_checkpoint")
    def _(serve, call, request):
        path = checkpoints._named(call, request).path
        serve(call, request)
        for sampler in call.service.store.samplers:
            if sampler.model_path == path:
                call.service.store.samplers.remove(sampler.sampling_session_id, "lost its weights")


@mutant("ttl-ignored", "A life that is set changes nothing.", "WGT")
def ttl_ignored(bench: Bench) -> None:
    @bench.handler("set_checkpoint_ttl")
    def _(serve, call, request):
        checkpoints._named(call, request)


@mutant("ttl-of-save-ignored", "ttl_seconds of a save does nothing.", "WGT")
def ttl_of_save_ignored(bench: Bench) -> None:
    @bench.wrap(weights.Saved, "put")
    def _(put, self, service, found):
        return put(replace(self, ttl_seconds=None), service, found)


@mutant("ttl-cannot-be-lifted", "A life that was set cannot be taken away.", "WGT")
def ttl_cannot_be_lifted(bench: Bench) -> None:
    @bench.handler("set_checkpoint_ttl")
    def _(serve, call, request):
        return None if request.ttl_seconds is None else serve(call, request)


@mutant("ttl-unchecked", "A life of a second, or a negative one, is taken.", "WGT")
def ttl_unchecked(bench: Bench) -> None:
    for module in (weights, checkpoints):
        bench.patch(
            module,
            "expiry",
            lambda service, ttl: None if ttl is None else service.clock.now() + abs(ttl) + 60,
        )


@mutant("publish-does-nothing", "A checkpoint that was published is private.", "WGT ACC")
def publish_does_nothing(bench: Bench) -> None:
    @bench.handler("publish_checkpoint")
    def _(serve, call, request):
        checkpoints._named(call, request)


@mutant("public-at-once", "Every checkpoint is public.", "WGT ACC")
def public_at_once(bench: Bench) -> None:
    @bench.wrap(CheckpointRecord, "shown")
    def _(shown, self):
        return shown(self).model_copy(update={"public": True})


@mutant("run-lists-all", "A run's list has the checkpoints of all runs.", "WGT ACC")
def run_lists_all(bench: Bench) -> None:
    @bench.wrap(checkpoints, "_newest")
    def _(newest, call, run_id=None):
        return newest(call, None)


@mutant("list-without-sampler-weights", "Lists leave out what was saved for samplers.", "WGT")
def list_without_sampler_weights(bench: Bench) -> None:
    @bench.wrap(checkpoints, "_newest")
    def _(newest, *given):
        return [record for record in newest(*given) if record.checkpoint_type != "sampler"]


@mutant("oldest-first", "Lists of checkpoints begin with the oldest.", "WGT")
def oldest_first(bench: Bench) -> None:
    @bench.wrap(checkpoints, "_newest")
    def _(newest, *given):
        return newest(*given)[::-1]


@mutant("sizes-zero", "Every checkpoint has 0 bytes.", "WGT ACC")
def sizes_zero(bench: Bench) -> None:
    @bench.wrap(CheckpointRecord, "shown")
    def _(shown, self):
        return shown(self).model_copy(update={"size_bytes": 0})


@mutant("total-of-the-page", "A cursor's total is the size of its page.", "WGT SES")
def total_of_the_page(bench: Bench) -> None:
    @bench.handler("list_training_runs", "list_user_checkpoints")
    def _(serve, call, request):
        answer = serve(call, request)
        rows = getattr(answer, "training_runs", None) or getattr(answer, "checkpoints", [])
        cursor = answer.cursor.model_copy(update={"total_count": len(rows)})
        return answer.model_copy(update={"cursor": cursor})


@mutant("info-of-another-rank", "weights_info tells another rank.", "WGT")
def info_of_another_rank(bench: Bench) -> None:
    @bench.handler("weights_info")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"lora_rank": 32})


@mutant("info-without-layers", "weights_info does not tell which layers are trained.", "WGT")
def info_without_layers(bench: Bench) -> None:
    @bench.handler("weights_info")
    def _(serve, call, request):
        layers = dict.fromkeys(("train_unembed", "train_mlp", "train_attn"))
        return serve(call, request).model_copy(update=layers)


@mutant("runs-of-nobody-are-empty", "A run that is not there has an empty list of checkpoints.", "WGT WIRE")
def runs_of_nobody_are_empty(bench: Bench) -> None:
    @bench.answer("list_checkpoints", "get_training_run")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(200, b'{"checkpoints":[]}') if answer.status == 404 else answer


@mutant("info-of-nothing", "weights_info of a path that is not there is a 500.", "WGT WIRE")
def info_of_nothing(bench: Bench) -> None:
    @bench.answer("weights_info")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(500, b'{"detail":"KeyError"}') if answer.status == 404 else answer


@mutant("run-without-checkpoints", "A run does not tell its last checkpoint.", "WGT")
def run_without_checkpoints(bench: Bench) -> None:
    @bench.wrap(checkpoints, "_run")
    def _(run, call, model):
        return run(call, model).model_copy(update={"last_checkpoint": None, "last_sampler_checkpoint": None})


@mutant(
    "archive-broken", "The archive that a URL is for is not there.", "WGT", "hatchery: 404, SkyRL: no archive"
)
def archive_broken(bench: Bench) -> None:
    bench.patch(files, "_archive", lambda found: Answer(404, b'{"detail":"no file"}'))


@mutant("archive-with-optimizer", "An archive is no archive: its bytes are a page.", "WGT")
def archive_with_optimizer(bench: Bench) -> None:
    bench.patch(files, "_archive", lambda found: Answer(200, b"<html></html>", "text/html"))


@mutant("copy-is-a-link", "A copy of a checkpoint is the checkpoint itself.", "WGT")
def copy_is_a_link(bench: Bench) -> None:
    @bench.handler("copy_weights")
    def _(serve, call, request):
        call.service.checkpoint(request.source_path)
        return serve(call, request).model_copy(update={"tinker_path": request.source_path})
