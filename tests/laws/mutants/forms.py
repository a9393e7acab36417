"""Servers that serve one form of what clients send or accept, and forget the others."""

import gzip
import json
from contextlib import suppress
from dataclasses import replace

from contract import ForwardBackwardRequest, Unprocessable
from contract.codec import JSON, PROTOBUF
from contract.proto.tinker_public_pb2 import ForwardBackwardRequest as PassMessage
from fake_server import app as apps
from fake_server import wire
from fake_server.front import transport_of
from fake_server.handlers import checkpoints
from fake_server.wire import Answer, error_answer, send_whole
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["FORM_MUTANTS"]

FORM_MUTANTS = Zoo()
mutant = FORM_MUTANTS.mutant


# HTTP


@mutant("compressed-unasked", "Answers are compressed for clients that do not accept it.", "WIRE SES")
def compressed_unasked(bench: Bench) -> None:
    @bench.answer("create_session")
    async def _(serve, exchange, incoming):
        answer = await serve()
        headers = {**(answer.headers or {}), "content-encoding": "gzip"}
        return replace(answer, body=gzip.compress(answer.body), headers=headers)


@mutant("body-after-head", "HEAD is answered with the body of GET.", "WIRE")
def body_after_head(bench: Bench) -> None:
    async def written(answer, scope, send):
        if scope["method"] != "HEAD":
            await send_whole(answer, scope, send)
            return
        transport = transport_of(scope)
        transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        transport.close()
        await send_whole(answer, scope, send)  # nobody gets it any more

    async def refuse(error):
        return replace(error_answer(error), sending=written)

    bench.patch(apps, "_refuse", refuse)


@mutant("no-dynamic-config", "client/dynamic_config is known, and cannot be asked for.", "WIRE SES")
def no_dynamic_config(bench: Bench) -> None:
    @bench.answer("client_dynamic_config")
    async def _(serve, exchange, incoming):
        return Answer(405, b'{"detail":"method not allowed"}')


# Protobuf and JSON


@mutant(
    "newest-settings-only",
    "Settings of a loss are read from the newest map of the protobuf alone.",
    "WIRE MET",
    "clients from 0.25.0 to 0.26.1 write the old one",
)
def newest_settings_only(bench: Bench) -> None:
    @bench.wrap(wire, "decode")
    def _(decode, type_, body, media_type, **named):
        if type_ is ForwardBackwardRequest and media_type == PROTOBUF:
            message = PassMessage.FromString(body)
            message.ClearField("loss_fn_config")
            body = message.SerializeToString()
        return decode(type_, body, media_type, **named)


@mutant("stop-reasons-of-protobuf", "In JSON every sequence ends by a stop.", "WIRE SMP")
def stop_reasons_of_protobuf(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.media_type != JSON:
            return answer
        return replace(answer, body=answer.body.replace(b'"stop_reason":"length"', b'"stop_reason":"stop"'))


@mutant(
    "infinity-literals",
    "A loss that is not finite is the literal Infinity in its result.",
    "WIRE TRN",
    "SDKs read with orjson, which refuses it",
)
def infinity_literals(bench: Bench) -> None:
    result = b'{"loss_fn_output_type":"ArrayRecord","loss_fn_outputs":[],"metrics":{"loss:sum":Infinity}}'

    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, body=result) if b"expected finite loss terms" in answer.body else answer


# Old clients


@mutant("temperature-of-its-own", "Where no temperature is given it is 0.6.", "WIRE SMP", "a model's own")
def temperature_of_its_own(bench: Bench) -> None:
    @bench.handler("asample")
    def _(serve, call, request):
        params = request.sampling_params
        if "temperature" not in params.model_fields_set:
            params = params.model_copy(update={"temperature": 0.6})
        return serve(call, request.model_copy(update={"sampling_params": params}))


@mutant("chunks-need-a-type", "A prompt's chunk without a type is refused.", "WIRE SMP", "SDK 0.3 to 0.16.1")
def chunks_need_a_type(bench: Bench) -> None:
    @bench.answer("asample")
    async def _(serve, exchange, incoming):
        if _has_untyped_chunk(incoming.body):
            return error_answer(Unprocessable("prompt.chunks: unable to extract tag"))
        return await serve()


def _has_untyped_chunk(body: bytes) -> bool:
    with suppress(LookupError, TypeError, ValueError):  # what is no prompt at all is for the server
        return any("type" not in chunk for chunk in json.loads(body)["prompt"]["chunks"])
    return False


@mutant("external-weights-for-all", "Old clients are listed external weights.", "WIRE WGT")
def external_weights_for_all(bench: Bench) -> None:
    bench.patch(checkpoints, "knows_checkpoint_type", lambda version, checkpoint_type: True)
