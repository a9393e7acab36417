"""Servers that get the bytes wrong: encodings, media types, statuses, bodies."""

import json
from dataclasses import replace

from contract import ApiError, NotFound, Unprocessable
from contract.codec import JSON, PROTOBUF
from fake_server import app as apps
from fake_server import wire
from fake_server.bindings import Routes
from fake_server.handlers import futures
from fake_server.wire import Answer
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["WIRE_MUTANTS"]

WIRE_MUTANTS = Zoo()
mutant = WIRE_MUTANTS.mutant


# Media types


@mutant(
    "json-for-protobuf",
    "Results are JSON where protobuf is due.",
    "WIRE FUT",
    "hatchery, open-rl: SDK 0.25 and later hang",
)
def json_for_protobuf(bench: Bench) -> None:
    bench.patch(futures, "result_media_type", lambda outcome, accept: JSON)


@mutant(
    "protobuf-for-json", "Results are protobuf for clients that asked for JSON.", "WIRE FUT", "SkyRL#2021"
)
def protobuf_for_json(bench: Bench) -> None:
    @bench.wrap(futures, "result_media_type")
    def _(media_type, outcome, accept):
        return media_type(outcome, PROTOBUF)


@mutant("protobuf-called-json", "Protobuf results say that they are JSON.", "WIRE FUT")
def protobuf_called_json(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        return replace(await serve(), media_type=JSON)


@mutant("text-html", "Every answer says that it is a web page.", "WIRE")
def text_html(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, media_type="text/html") if answer.media_type == JSON else answer


@mutant(
    "failures-as-protobuf", "A failure says that it is protobuf, since the client accepts it.", "WIRE FUT"
)
def failures_as_protobuf(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        accepts = PROTOBUF in incoming.headers.get("accept")
        return replace(answer, media_type=PROTOBUF) if accepts and b'"error"' in answer.body else answer


@mutant("content-type-exact", "A content type with parameters is not understood.", "WIRE")
def content_type_exact(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        if ";" in incoming.headers.get("content-type"):
            return Answer(415, b'{"detail":"unsupported media type"}')
        return await serve()


@mutant(
    "protobuf-refused", "Protobuf bodies are refused.", "WIRE TRN", "TuFT#145, open-rl#251, tinker-cloud#59"
)
def protobuf_refused(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        if incoming.headers.get("content-type") == PROTOBUF:
            return Answer(415, b'{"detail":"expected JSON"}')
        return await serve()


@mutant(
    "json-passes-refused", "JSON bodies of training passes are refused.", "WIRE TRN", "clients before 0.25"
)
def json_passes_refused(bench: Bench) -> None:
    @bench.answer("forward_backward")
    async def _(serve, exchange, incoming):
        if incoming.headers.get("content-type") == JSON:
            return Answer(415, b'{"detail":"expected protobuf"}')
        return await serve()


# Encodings


@mutant("zstd-refused", "Clients are asked to send zstd, which is not understood.", "WIRE")
def zstd_refused(bench: Bench) -> None:
    @bench.wrap(wire, "decompress")
    def _(decompress, body, encoding, limit):
        return body if "zstd" in encoding else decompress(body, encoding, limit)

    @bench.handler("client_config")
    def _(serve, call, request):
        return serve(call, request).model_copy(update={"proto_compress_fwdbwd": True})


# Errors


@mutant(
    "empty-400",
    "Refusals have no body.",
    "WIRE",
    "SDKs take an empty 400 for a broken connection, and repeat it",
)
def empty_400(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, body=b"") if 400 <= answer.status < 500 and answer.status != 408 else answer


@mutant(
    "binary-body-breaks",
    "A binary body that cannot be read breaks what would say so.",
    "WIRE",
    "open-rl#245: a binary body crashed the 422 handler → 500",
)
def binary_body_breaks(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status < 400:
            return answer
        try:
            incoming.body.decode()
        except UnicodeDecodeError:
            return Answer(500, b"Internal Server Error", "text/plain")
        return answer


@mutant("bad-json-breaks", "A body that is no JSON is an error of the server.", "WIRE")
def bad_json_breaks(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status == 400 and incoming.headers.get("content-type") == JSON:
            try:
                json.loads(incoming.body or b"{}")
            except ValueError:
                return Answer(500, b'{"detail":"JSONDecodeError"}')
        return answer


@mutant(
    "missing-field-breaks", "A field that is missing is an error of the server: KeyError.", "WIRE TRN SES SMP"
)
def missing_field_breaks(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, status=500) if answer.status == 422 else answer


@mutant(
    "all-refusals-500",
    "What is refused is answered by 500.",
    "WIRE",
    "feedback#80: clients repeat it for minutes",
)
def all_refusals_500(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, status=500) if answer.status in (400, 403, 404) else answer


@mutant("errors-with-200", "Errors come with status 200.", "WIRE SES TRN")
def errors_with_200(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, status=200) if 400 <= answer.status < 500 and answer.status != 408 else answer


@mutant("unknown-path-200", "Every path is answered by 200, as by a web page's server.", "WIRE")
def unknown_path_200(bench: Bench) -> None:
    async def page(error):
        return Answer(200, b"<html></html>", "text/html")

    bench.patch(apps, "_refuse", page)


@mutant("unknown-path-500", "A path that nobody knows breaks the server.", "WIRE")
def unknown_path_500(bench: Bench) -> None:
    async def broken(error):
        raise ApiError("no route")

    bench.patch(apps, "_refuse", broken)


@mutant("methods-ignored", "Any method will do.", "WIRE")
def methods_ignored(bench: Bench) -> None:
    @bench.wrap(Routes, "find")
    def _(find, self, method, path):
        for tried in (method, "POST", "GET", "PUT", "DELETE"):
            try:
                return find(self, tried, path)
            except ApiError as error:
                refusal = error
        raise refusal


@mutant("page-of-a-traceback", "An error's page shows where in the server it came from.", "WIRE")
def page_of_a_traceback(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        answer = await serve()
        if answer.status < 400 or answer.status == 408:
            return answer
        text = b'Traceback (most recent call last):\n  File "server.py", line 17, in handle\nKeyError: 0'
        return replace(answer, body=text, media_type="text/plain")


# JSON


@mutant(
    "nan-literals", "Metrics have NaN as a literal.", "WIRE TRN", "SDKs read with orjson, which refuses it"
)
def nan_literals(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, body=answer.body.replace(b'"metrics":{', b'"metrics":{"spread:mean":NaN,'))


@mutant("null-metrics", "Metrics that are not finite are null.", "WIRE TRN", "null is no number for any SDK")
def null_metrics(bench: Bench) -> None:
    @bench.answer("retrieve_future")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, body=answer.body.replace(b'"metrics":{', b'"metrics":{"spread:mean":null,'))


@mutant(
    "unknown-field-refused",
    "A field that the server does not know is refused.",
    "WIRE SES TRN",
    "TuFT: `optimizer_config` of SDK 0.30 → 422",
)
def unknown_field_refused(bench: Bench) -> None:
    def refuse(row, names):
        raise Unprocessable(f"unknown fields: {', '.join(names)}")

    bench.patch(wire, "_warn", refuse)


@mutant(
    "null-refused",
    "null for a field that may be absent is refused.",
    "WIRE SES",
    "hatchery: user_metadata null → 422",
)
def null_refused(bench: Bench) -> None:
    @bench.answer()
    async def _(serve, exchange, incoming):
        if incoming.headers.get("content-type") == JSON and b"null" in incoming.body:
            return Answer(422, b'{"detail":"none is not an allowed value"}')
        return await serve()


@mutant(
    "defaults-required",
    "Fields that have a default must be given.",
    "WIRE TRN",
    "SDK 0.3-0.16 leave them out",
)
def defaults_required(bench: Bench) -> None:
    @bench.answer("optim_step", "create_model", "asample", "create_session")
    async def _(serve, exchange, incoming):
        if b'"type"' not in incoming.body:
            return Answer(422, b'{"detail":"type: field required"}')
        return await serve()


@mutant("large-numbers-rounded", "Integers go through float64: those above 2**53 change.", "WIRE SMP FUT")
def large_numbers_rounded(bench: Bench) -> None:
    @bench.wrap(wire, "decode")
    def _(decode, type_, body, media_type, **named):
        value = decode(type_, body, media_type, **named)
        seq_id = getattr(value, "seq_id", None)
        return value.model_copy(update={"seq_id": int(float(seq_id))}) if seq_id and seq_id > 2**53 else value


@mutant("latin-1", "Texts come back in another encoding.", "WIRE SES")
def latin_1(bench: Bench) -> None:
    @bench.answer("get_session", "get_training_run", "list_training_runs")
    async def _(serve, exchange, incoming):
        answer = await serve()
        return replace(answer, body=answer.body.decode().encode("ascii", "replace"))


# Whole operations


@mutant(
    "no-client-config", "There is no client/config.", "WIRE ACC SES", "a 404 there ends SDK 0.18 and later"
)
def no_client_config(bench: Bench) -> None:
    @bench.handler("client_config")
    def _(serve, call, request):
        raise NotFound("no route")


@mutant(
    "telemetry-breaks",
    "telemetry is answered by 500.",
    "WIRE",
    "every exception of a user then waits for 30 s",
)
def telemetry_breaks(bench: Bench) -> None:
    @bench.answer("telemetry")
    async def _(serve, exchange, incoming):
        return Answer(500, b'{"detail":"no space"}')


@mutant("no-models", "get_server_capabilities lists nothing.", "WIRE ACC SES TRN")
def no_models(bench: Bench) -> None:
    @bench.answer("get_server_capabilities")
    async def _(serve, exchange, incoming):
        return Answer(200, b'{"supported_models":[]}')
