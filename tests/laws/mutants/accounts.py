"""Servers that let in whom they should not, and show what is not theirs to see."""

import json
from dataclasses import replace

from contract import Unauthorized
from fake_server import app as apps
from fake_server import auth
from fake_server.wire import Answer
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["ACCOUNT_MUTANTS"]

ACCOUNT_MUTANTS = Zoo()
mutant = ACCOUNT_MUTANTS.mutant


@mutant("anybody-let-in", "No key is asked for.", "ACC WIRE", "SkyRL, open-rl: no authentication")
def anybody_let_in(bench: Bench) -> None:
    bench.patch(apps, "check_credential", lambda service, row, credential: None)


@mutant("any-key", "Every key is taken.", "ACC WIRE", "twinkle, tinker-cloud")
def any_key(bench: Bench) -> None:
    bench.patch(auth, "_check_key", lambda service, key: None)


@mutant("missing-key-breaks", "A request without a key is a 500.", "ACC WIRE")
def missing_key_breaks(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(500, b'{"detail":"KeyError"}') if answer.status == 401 else answer


@mutant(
    "wrong-key-403",
    "A key that is not known is answered by 403.",
    "ACC WIRE",
    "SDKs renew tokens on 401 alone",
)
def wrong_key_403(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, status=403) if answer.status == 401 else answer


@mutant("key-in-the-error", "What refuses a key repeats it.", "ACC WIRE")
def key_in_the_error(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status != 401:
            return answer
        return replace(answer, body=b'{"detail":"unknown: %s"}' % incoming.headers.get("x-api-key").encode())


@mutant("bearer-only", "Keys are looked for in Authorization.", "ACC WIRE", "the SDK sends X-API-Key")
def bearer_only(bench: Bench) -> None:
    @bench.answer("create_session")
    async def _(serve, exchange, incoming):
        if not incoming.headers.get("authorization"):
            return Answer(401, b'{"detail":"no bearer"}')
        return await serve()


@mutant("no-whoami", "The key is not described.", "ACC")
def no_whoami(bench: Bench) -> None:
    @bench.answer("get_api_key")
    async def _(serve, exchange, incoming):
        return Answer(200, b'{"key_id":1,"name":"key"}')


@mutant("usage-window-breaks", "A window of usage that ends before its start is a 500.", "ACC WIRE")
def usage_window_breaks(bench: Bench) -> None:
    @bench.answer("get_billing_usage")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(500, b'{"detail":"ValueError"}') if answer.status == 400 else answer


@mutant("audit-of-anything", "The audit log of a day that cannot be is an empty one.", "ACC WIRE")
def audit_of_anything(bench: Bench) -> None:
    @bench.answer("get_audit_log")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return Answer(200, b'{"entries":[]}') if 400 <= answer.status < 500 else answer


# Worlds of others


@mutant("sessions-of-others-read", "Sessions are shown to every account.", "ACC", "SkyRL: no isolation")
def sessions_of_others_read(bench: Bench) -> None:
    bench.share("get_session", "list_sessions")


@mutant("sessions-of-others-ended", "Every account may end a session.", "ACC")
def sessions_of_others_ended(bench: Bench) -> None:
    bench.share("finish_session", "session_heartbeat")


@mutant("sessions-of-others-used", "Every account may make models in a session.", "ACC")
def sessions_of_others_used(bench: Bench) -> None:
    bench.share("create_model", "create_sampling_session")


@mutant("models-of-others-read", "Models are described to every account.", "ACC")
def models_of_others_read(bench: Bench) -> None:
    bench.share("get_info")


@mutant("models-of-others-trained", "Every account may train a model.", "ACC", "open-rl: one adapter for all")
def models_of_others_trained(bench: Bench) -> None:
    bench.share("forward_backward", "optim_step")


@mutant("models-of-others-saved", "Every account may save a model, or load into it.", "ACC")
def models_of_others_saved(bench: Bench) -> None:
    bench.share("save_weights", "save_weights_for_sampler", "load_weights")


@mutant("samplers-of-others-used", "Every account may sample from a sampler.", "ACC")
def samplers_of_others_used(bench: Bench) -> None:
    bench.share("get_sampler", "asample")


@mutant("futures-of-others-read", "Results are delivered to who knows the id.", "ACC")
def futures_of_others_read(bench: Bench) -> None:
    bench.share("retrieve_future")


@mutant("futures-of-others-cancelled", "Every account may cancel a sample.", "ACC")
def futures_of_others_cancelled(bench: Bench) -> None:
    bench.share("cancel_future")


@mutant("completions-of-others-read", "What a sampler completed is told to every account.", "ACC")
def completions_of_others_read(bench: Bench) -> None:
    bench.share("retrieve_futures")


@mutant("checkpoints-of-others-read", "Checkpoints are described to every account.", "ACC WGT")
def checkpoints_of_others_read(bench: Bench) -> None:
    bench.share("weights_info", "get_checkpoint_archive_url")


@mutant("checkpoints-of-others-deleted", "Every account may delete a checkpoint, or share it.", "ACC WGT")
def checkpoints_of_others_deleted(bench: Bench) -> None:
    bench.share("delete_checkpoint", "publish_checkpoint", "set_checkpoint_ttl")


@mutant("checkpoints-of-others-copied", "Every account may copy a checkpoint.", "ACC WGT")
def checkpoints_of_others_copied(bench: Bench) -> None:
    bench.share("copy_weights")


@mutant("lists-leak", "Lists have the runs and checkpoints of all accounts.", "ACC WGT", "leaking tenants")
def lists_leak(bench: Bench) -> None:
    bench.share("list_training_runs", "list_user_checkpoints", "list_checkpoints")


@mutant("audit-leaks", "The audit log has what all accounts did.", "ACC")
def audit_leaks(bench: Bench) -> None:
    bench.share("get_audit_log")


@mutant("usage-leaks", "Usage and storage are those of all accounts.", "ACC")
def usage_leaks(bench: Bench) -> None:
    bench.share("get_billing_usage", "get_current_checkpoint_storage_usage")


# Tokens


@mutant("token-without-claims", "A token has no expiry.", "ACC", "then SDK 0.38 asks for one each time")
def token_without_claims(bench: Bench) -> None:
    @bench.answer("auth_token")
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status != 200:
            return answer
        return Answer(200, b'{"jwt":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}')


@mutant("token-refusal-unnamed", "A token that is over is refused without error=invalid_token.", "ACC")
def token_refusal_unnamed(bench: Bench) -> None:
    bench.patch(auth, "INVALID_TOKEN", {})


@mutant("one-token-at-a-time", "A second token ends the first.", "ACC")
def one_token_at_a_time(bench: Bench) -> None:
    newest = []

    @bench.wrap(auth, "_check_token")
    def _(check, service, token):
        check(service, token)
        if newest and token != newest[-1]:
            raise Unauthorized("token: expected the newest", headers=auth.INVALID_TOKEN)

    @bench.answer("auth_token")
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status == 200:
            newest.append(json.loads(answer.body)["jwt"])
        return answer


@mutant("tokens-unchecked", "Any text that looks like a token is one.", "ACC")
def tokens_unchecked(bench: Bench) -> None:
    bench.patch(auth, "_check_token", lambda service, token: None)
