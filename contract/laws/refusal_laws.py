"""Laws of refusals: what a request that is wrong is answered, and that nobody repeats it."""

import json
from collections.abc import Iterator

import zstandard

from contract.codec import PROTOBUF
from contract.laws.expect import expect, expect_equal, expect_final, expect_refusal, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.subject import Subject
from contract.laws.wire_laws import PASS_ROUTE, STEP_ROUTE, pass_bytes, send_pass

__all__ = ["REFUSAL_LAWS"]

REFUSAL_LAWS = Lawbook()
law = REFUSAL_LAWS.law

OUTCOME_SECONDS = 10.0
"""Ours: a pass over one short example is done within some seconds."""
MANY_BYTES = 128 * 1024 * 1024
"""Of zeros; a few kilobytes once they are compressed."""


def zeros_in_zstd() -> bytes:
    """A bomb, made in pieces."""
    packer = zstandard.ZstdCompressor().compressobj()
    piece = bytes(1024 * 1024)
    pieces = (packer.compress(piece) for _ in range(MANY_BYTES // len(piece)))
    return b"".join(pieces) + packer.flush()


def wrong_steps(s: Subject) -> Iterator[tuple[str, bytes]]:
    """Bodies that are JSON and no optimizer step, and what is wrong with each."""
    good = {"model_id": s.model().id, "seq_id": 1, "adam_params": {"learning_rate": 0.1}}
    yield "without model_id", json.dumps({**good, "model_id": None}).encode()
    yield "whose seq_id is a word", json.dumps({**good, "seq_id": "one"}).encode()
    yield "whose model_id is a list", json.dumps({**good, "model_id": [1]}).encode()
    yield "whose adam_params are a number", json.dumps({**good, "adam_params": 3}).encode()
    yield (
        "whose learning rate is a word",
        json.dumps({**good, "adam_params": {"learning_rate": "fast"}}).encode(),
    )


@law(
    "WIRE-31",
    "A body that is no JSON is refused for good, with a body that says so.",
    source="sdk 0.38.0 _base_client.py: 5xx, and 400 without a body, are repeated for minutes",
    breaks="lets the parser's exception become 500: a client repeats a broken request for five minutes.",
)
def no_json(s: Subject) -> None:
    for body in (b"{", b'{"model_id": ', b"model", b"{} {}", b'"\xff"'):
        expect_refusal(s.driver.send("POST", STEP_ROUTE, body), f"the body {body!r}")


@law(
    "WIRE-32",
    "Bytes that are no text are refused for good where JSON is due.",
    source="a public server's bug: the handler of 422 failed on a binary body and answered 500",
    breaks="puts the body into the error's JSON, which fails: 500 for ever.",
)
def bytes_for_json(s: Subject) -> None:
    body = bytes(range(256)) * 4
    expect_refusal(s.driver.send("POST", STEP_ROUTE, body), "bytes in place of JSON")


@law(
    "WIRE-33",
    "A body of JSON that is no object is refused for good.",
    source="sdk 0.38.0 types: every request is an object",
    breaks="takes fields from a list: 500, and the client repeats.",
)
def no_object(s: Subject) -> None:
    for body in (b"[]", b"3", b'"model"', b"null", b"[[[]]]"):
        expect_refusal(s.driver.send("POST", STEP_ROUTE, body), f"the body {body!r}")


@law(
    "WIRE-34",
    "A field that is missing or of another type is refused for good.",
    source="sdk 0.38.0 _client.py: 400 and 422 are raised at once",
    breaks="answers 500, or takes it and fails the model: the user waits for minutes to read nothing.",
)
def wrong_fields(s: Subject) -> None:
    for what, body in wrong_steps(s):
        expect_refusal(s.driver.send("POST", STEP_ROUTE, body), f"a step {what}")


@law(
    "WIRE-35",
    "An empty body is refused for good where fields are required.",
    source="sdk 0.38.0 types/optim_step_request.py: model_id and seq_id are required",
    breaks="answers 500, or applies a step to some model.",
)
def no_body(s: Subject) -> None:
    expect_refusal(s.driver.send("POST", STEP_ROUTE, b""), "a step without a body")
    expect_refusal(s.driver.send("POST", STEP_ROUTE, b"{}"), "a step without fields")


@law(
    "WIRE-36",
    "A protobuf that is cut or garbled is refused for good.",
    source="sdk 0.38.0 proto/tinker_public.proto",
    breaks="answers 500, or trains on the datums that came through.",
    since="0.25.0",
)
def cut_protobuf(s: Subject) -> None:
    whole = pass_bytes(s.model(), [s.datum()])
    expect_refusal(send_pass(s, whole[:-3]), "a pass that lacks its end")
    expect_refusal(send_pass(s, b"\x0a\xff" + whole), "a pass with a wrong length in it")


@law(
    "WIRE-37",
    "Protobuf is refused for good where an operation has no such form.",
    source="sdk 0.38.0 resources: only forward_backward is sent as protobuf",
    breaks="parses it as JSON and answers 500.",
)
def protobuf_for_json(s: Subject) -> None:
    reply = s.driver.send("POST", STEP_ROUTE, b"\x0a\x03abc\x10\x01", {"content-type": PROTOBUF})
    expect_refusal(reply, "optim_step as protobuf")


@law(
    "WIRE-38",
    "A body that is not compressed as it says is refused for good.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: Content-Encoding of zstd",
    breaks="lets the decompressor's exception become 500.",
)
def false_encoding(s: Subject) -> None:
    for encoding in ("zstd", "gzip", "no-such-encoding"):
        sent = {"content-encoding": encoding, "content-type": PROTOBUF}
        reply = s.driver.send("POST", PASS_ROUTE, b"this is plain text", sent)
        expect_refusal(reply, f"a body that is no {encoding}")


@law(
    "WIRE-39",
    "A few kilobytes that unpack to 128 MiB are refused for good, and the server goes on.",
    source="ours: a client's largest body is 5 MB and one datum",
    breaks="unpacks whatever comes: one request ends the server for all.",
)
def bomb(s: Subject) -> None:
    expect_refusal(send_pass(s, zeros_in_zstd(), content_encoding="zstd"), "128 MiB of zeros in zstd")
    s.session()


@law(
    "WIRE-40",
    "A path that is no operation is 404, with a body.",
    source="sdk 0.38.0 _client.py: NotFoundError at once",
    breaks="answers 200 with a page, which is read as an answer, or 5xx, which is repeated.",
)
def unknown_path(s: Subject) -> None:
    for path in ("/api/v1/no_such_operation", "/api/v1/sessions/a/b/c/d", "/no/api"):
        reply = s.driver.send("POST", path, b"{}")
        expect_status(reply, 404, what=path)
        expect_refusal(reply, path)


@law(
    "WIRE-41",
    "A path that is another method's is 405 and names the methods in Allow, or 404.",
    source="RFC 9110, 15.5.6",
    breaks="runs the operation all the same: a crawler's GET trains a model.",
)
def another_method(s: Subject) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        reply = s.driver.send(method, STEP_ROUTE, None)
        expect_status(reply, 404, 405, what=f"{method} {STEP_ROUTE}")
        expect(
            reply.status == 404 or "POST" in reply.headers.get("allow", ""),
            f"{method} {STEP_ROUTE}: expected POST in header Allow, got {reply.headers.get('allow')!r}",
        )
        expect_refusal(reply, f"{method} {STEP_ROUTE}")


@law(
    "WIRE-42",
    "An id that nobody has is refused for good, by every operation that takes one.",
    source="sdk 0.38.0 _base_client.py and lib/api_future_impl.py: 408, 409, 429 and 5xx are repeated",
    breaks="looks it up without care: 500, and the client repeats for five minutes.",
)
def unknown_ids(s: Subject) -> None:
    path = "tinker://nobody:train:0/weights/nothing"
    calls: dict[str, dict[str, object]] = {
        "optim_step": {"model_id": "nobody:train:0", "seq_id": 1, "adam_params": {}},
        "get_info": {"model_id": "nobody:train:0"},
        "session_heartbeat": {"session_id": "nobody"},
        "weights_info": {"tinker_path": path},
        "get_sampler": {"sampling_session_id": "nobody:sample:0"},
        "get_training_run": {"training_run_id": "nobody:train:0"},
        "get_session": {"session_id": "nobody"},
    }
    for operation, fields in calls.items():
        expect_refusal(s.driver.call(operation, fields), f"{operation} of an id that nobody has")


@law(
    "WIRE-43",
    "An id that is no id is refused for good, whatever is in it.",
    source="a public server's bug: int(request_id) failed and answered 500",
    breaks="parses ids: a client that polls a wrong one polls for ever.",
)
def odd_ids(s: Subject) -> None:
    for odd in ("", "0", "-1", "a" * 5000, "../../etc/passwd", "é☃", "a\u0000b", "%2e%2e", "1e999"):
        expect_refusal(s.driver.call("retrieve_future", {"request_id": odd}), f"the future {odd[:20]!r}")
        expect_refusal(s.driver.call("get_info", {"model_id": odd}), f"the model {odd[:20]!r}")


@law(
    "WIRE-44",
    "A request that is refused changes nothing but that its number is used up.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: goes on with the next number after 4xx",
    breaks="waits for the number for ever, or steps by its own defaults.",
)
def refused_changes_nothing(s: Subject) -> None:
    model = s.model()
    before = model.logprobs()
    model.backward([s.datum()])
    for adam in (3, {"learning_rate": "fast"}):
        body = {"model_id": model.id, "seq_id": model.next(), "adam_params": adam}
        expect_refusal(s.driver.call("optim_step", body), f"a step by {adam}")
    expect_equal(model.logprobs(), before, "logprobs behind steps that were refused")


@law(
    "WIRE-45",
    "A number of an operation that is below 1, or no number, is refused for good.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: the first operation has seq_id 1",
    breaks="takes proto3's 0 for a number: a client that forgot it trains out of order.",
)
def impossible_numbers(s: Subject) -> None:
    model = s.model()
    for number in (-1, 2**70, 1.5):
        adam = {"learning_rate": 0.1}
        body = {"model_id": model.id, "seq_id": number, "adam_params": adam}
        s.refused(s.driver.call("optim_step", body))
    s.poll(promised(model.send_step(), "optim_step"))


@law(
    "WIRE-46",
    "A pass in protobuf whose seq_id is 0, which means none, is refused, or done as it comes: two are two.",
    source="proto3: 0 is not written, and cannot be told from none",
    breaks="takes 0 for a number: passes without one replay the first, or wait for their turn for ever.",
    since="0.25.0",
)
def zero_is_no_number(s: Subject) -> None:
    model = s.model()
    replies = [model.send_backward([s.datum()], seq_id=0) for _ in range(2)]
    for reply in replies:
        expect_final(reply, "a pass without a number")
    ids = [promised(reply, "a pass without a number") for reply in replies if reply.status == 200]
    expect_equal(len(set(ids)), len(ids), "different futures of passes without a number")
    for request_id in ids:
        told = s.glance(request_id, OUTCOME_SECONDS)
        expect(
            told and not told.pending, f"the poll of a pass without a number: expected an outcome, got {told}"
        )


@law(
    "WIRE-47",
    "A refusal shows no traceback of the server.",
    source="ours: it tells strangers about paths and versions, and users nothing",
    breaks="runs with its framework's debug pages on: every mistake of a client prints the server's code.",
)
def no_traceback(s: Subject) -> None:
    for body in (b"{", b"[]", b'{"model_id": "nobody"}'):
        told = s.driver.send("POST", STEP_ROUTE, body).body
        expect(b"Traceback (most recent" not in told, f"{body!r}: expected no traceback, got {told!r}")
