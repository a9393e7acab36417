"""Laws of the wire: encodings, headers and negotiation, of requests that are right."""

from collections.abc import Mapping, Sequence

import zstandard

from contract.codec import JSON, PROTOBUF, encode
from contract.inputs import Datum
from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_close, expect_equal, expect_finite, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import Model, promised
from contract.laws.outputs import logprobs_of, loss_of
from contract.laws.subject import Subject
from contract.proto.tinker_public_pb2 import ForwardBackwardRequest as PassMessage
from contract.training import ForwardBackwardInput, ForwardBackwardRequest

__all__ = ["WIRE_LAWS"]

WIRE_LAWS = Lawbook()
law = WIRE_LAWS.law

PASS_ROUTE = "/api/v1/forward_backward"
STEP_ROUTE = "/api/v1/optim_step"
UNKNOWN_FIELD = b"\xc2\x3e"
"""Tag of field 1000, of bytes, which no message has."""
FIVE_MEGABYTES = 5_000_000
"""What a client puts in one body. Source: sdk 0.38.0 lib/public_interfaces/training_client.py."""
FAR: Mapping[str, list[float]] = {"logprobs": [-20.0] * 4, "advantages": [1.0] * 4}
"""A sampler that was so far off that every ratio is clipped."""


def pass_bytes(model: Model, data: Sequence[Datum], config: Mapping[str, float] | None = None) -> bytes:
    """A forward pass of the newest clients: PPO where it has a config, else cross-entropy."""
    given = ForwardBackwardInput(
        data=list(data),
        loss_fn="ppo" if config else "cross_entropy",
        loss_fn_config=dict(config) if config else None,
    )
    request = ForwardBackwardRequest(
        forward_backward_input=given, model_id=model.id, seq_id=model.next(), forward_only=True
    )
    return encode(request, PROTOBUF)


def with_unknown_field(body: bytes, size: int) -> bytes:
    """A message with one field more, of `size` bytes."""
    length = bytearray()
    rest = size
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    length.append(rest)
    return body + UNKNOWN_FIELD + bytes(length) + bytes(size)


def send_pass(s: Subject, body: bytes, **headers: str) -> Reply:
    """Submit a pass of these bytes; underscores in names of headers are dashes."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return s.driver.send("POST", PASS_ROUTE, body, {"content-type": PROTOBUF, **sent})


def answered(s: Subject, reply: Reply, what: str) -> list[float]:
    """Of the first datum of a pass that must be taken."""
    return logprobs_of(s.passed(promised(reply, what)))


# Results


@law(
    "WIRE-01",
    "The result of a training pass is protobuf for a client that accepts only that.",
    source="sdk 0.38.0 lib/api_future_impl.py: JSON is a ValueError since 0.25.0",
    breaks="answers JSON as it did for 0.24: no client since 0.25.0 can train.",
    since="0.25.0",
)
def pass_as_protobuf(s: Subject) -> None:
    request_id = promised(s.model().send_backward([s.datum()]), "forward_backward")
    reply = s.poll(request_id, {"accept": PROTOBUF})
    expect_status(reply, 200, what="the poll of a training pass")
    expect_equal(reply.media_type, PROTOBUF, "media type of a training pass")


@law(
    "WIRE-02",
    "The result of a sample is protobuf for a client that accepts only that.",
    source="sdk 0.38.0 lib/api_future_impl.py: JSON is a ValueError since 0.25.0",
    breaks="answers JSON: no client since 0.25.0 can sample.",
    needs=("sampling",),
    since="0.25.0",
)
def sample_as_protobuf(s: Subject) -> None:
    request_id = promised(s.sampler().send(), "asample")
    reply = s.poll(request_id, {"accept": PROTOBUF})
    expect_status(reply, 200, what="the poll of a sample")
    expect_equal(reply.media_type, PROTOBUF, "media type of a sample")


@law(
    "WIRE-03",
    "Results that have no protobuf form are JSON.",
    source="sdk 0.38.0 lib/api_future_impl.py",
    breaks="labels every result protobuf: optim_step and the saves cannot be decoded.",
)
def step_as_json(s: Subject) -> None:
    request_id = promised(s.model().send_step(), "optim_step")
    reply = s.poll(request_id, {"accept": JSON})
    expect_equal(reply.media_type, JSON, "media type of an optimizer step")
    expect(isinstance(reply.json, dict), f"an optimizer step: expected an object, got {reply.json!r}")


@law(
    "WIRE-04",
    "A failed future is JSON with status 200, even for a client that accepts protobuf only.",
    source="sdk 0.38.0 lib/api_future_impl.py: the key 'error' is looked for in JSON",
    breaks="answers the failure as protobuf or 5xx: the client reads an empty result, or polls for ever.",
    since="0.25.0",
)
def failure_as_json(s: Subject) -> None:
    reply = s.model().send_backward([s.datum()], "no_such_loss")
    taken = reply.status == 200
    reply = s.poll(promised(reply, "forward_backward"), {"accept": PROTOBUF}) if taken else reply
    expect(not taken or reply.status == 200, f"a failed future: expected status 200, got {reply.status}")
    expect_equal(reply.media_type, JSON, "media type of a failure")
    expect(isinstance(reply.json, dict), f"a failure: expected an object, got {reply.json!r}")


@law(
    "WIRE-05",
    "Answers that are JSON say so in their Content-Type.",
    source="sdk 0.38.0 _response.py: another type is parsed by guess",
    breaks="answers text/plain or nothing, which old clients hand to the user as text.",
)
def json_says_so(s: Subject) -> None:
    body = {"tags": [], "user_metadata": {}, "sdk_version": s.driver.sdk_version}
    reply = s.driver.call("create_session", body)
    expect_equal(reply.media_type, JSON, "media type of create_session")


@law(
    "WIRE-06",
    "An answer is compressed only for a client that accepts the encoding.",
    source="RFC 9110, 12.5.3",
    breaks="compresses for everybody: a client that did not ask reads noise.",
)
def answer_as_accepted(s: Subject) -> None:
    body = b'{"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}'
    reply = s.driver.send("POST", "/api/v1/create_session", body, {"accept-encoding": "identity"})
    expect_equal(reply.headers.get("content-encoding", "identity"), "identity", "Content-Encoding")


@law(
    "WIRE-07",
    "Gradients that are not finite put no NaN or Infinity into the JSON of a step.",
    source="sdk 0.38.0 lib/api_future_impl.py: orjson refuses the literals since 0.18.0",
    breaks="writes a gradient norm of NaN as it is: the run ends by a JSONDecodeError, not by its cause.",
    needs=("loss importance_sampling",),
)
def step_without_nan(s: Subject) -> None:
    model = s.model()
    far = s.datum(logprobs=[-1e4] * 4, advantages=[1.0, -1.0, 1.0, 0.0])
    s.poll(promised(model.send_backward([far], "importance_sampling"), "forward_backward"))
    reply = s.poll(promised(model.send_step(), "optim_step"))
    expect_finite(reply, "a step after a gradient that is not finite")


# Requests


@law(
    "WIRE-08",
    "Fields that the server does not know are ignored in JSON.",
    source="sdk 0.38.0 types: every release adds fields to requests",
    breaks="forbids them: each new release of the SDK stops working for a field it does not need.",
)
def unknown_json_field(s: Subject) -> None:
    model = s.model()
    later: dict[str, object] = {"adam_params": {}, "of_a_later_release": {"a": 1}}
    body = {"model_id": model.id, "seq_id": model.next(), **later}
    promised(s.driver.call("optim_step", body), "optim_step with a field more")


@law(
    "WIRE-09",
    "Fields that the server does not know are ignored in protobuf.",
    source="protobuf: unknown fields are kept or dropped; the SDK's schema grew in ten releases",
    breaks="refuses them, or reads them as others: a new release cannot train.",
    since="0.25.0",
)
def unknown_protobuf_field(s: Subject) -> None:
    model, data = s.model(), [s.datum()]
    plain = answered(s, send_pass(s, pass_bytes(model, data)), "forward_backward")
    more = send_pass(s, with_unknown_field(pass_bytes(model, data), 3))
    got = answered(s, more, "forward_backward with a field more")
    expect_close(got, plain, "logprobs", tolerance=s.tolerance)


@law(
    "WIRE-10",
    "A field that may be absent may be null.",
    source="release 0.12.0, resources/weights.py sends ttl_seconds: null; sdk 0.38.0 detail: null",
    breaks="refuses null where it takes nothing: clients before 0.18.0 cannot save.",
)
def null_is_absent(s: Subject) -> None:
    s.model().save("null-is-absent", ttl_seconds=None)


@law(
    "WIRE-11",
    "Parameters of the content type change nothing.",
    source="RFC 9110, 8.3.1",
    breaks="compares the whole header: clients in other languages, which add a charset, are refused.",
)
def type_with_parameters(s: Subject) -> None:
    body = b'{"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}'
    sent = {"content-type": "application/json; charset=utf-8"}
    reply = s.driver.send("POST", "/api/v1/create_session", body, sent)
    expect_status(reply, 200, what="create_session as 'application/json; charset=utf-8'")


@law(
    "WIRE-12",
    "Names of headers are read in any case.",
    source="RFC 9110, 5.1; sdk 0.38.0 sends client/config in title case and the rest in lower case",
    breaks="looks for one spelling: half of a client's requests have no key.",
)
def headers_in_any_case(s: Subject) -> None:
    body = b'{"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}'
    sent = {"x-api-key": "", "X-API-KEY": s.driver.api_key, "content-type": "", "Content-TYPE": JSON}
    reply = s.driver.send("POST", "/api/v1/create_session", body, sent)
    expect_status(reply, 200, what="create_session with headers in upper case")


@law(
    "WIRE-13",
    "A client of an unknown release, or of none, is served.",
    source="ours: servers are older than the next SDK, and clients in other languages have no version",
    breaks="fails to parse the header and answers 500.",
)
def any_version(s: Subject) -> None:
    for version in ("", "99.0.0", "1.2.3rc1.dev4", "latest"):
        with s.as_another(sdk_version=version):
            body: dict[str, object] = {"tags": [], "sdk_version": version or "none"}
            reply = s.driver.call("create_session", body)
        expect_status(reply, 200, what=f"create_session by version {version!r}")


@law(
    "WIRE-14",
    "A training pass that is compressed with zstd is the one that was compressed.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: flag proto_compress_fwdbwd",
    breaks="sets the flag and parses the compressed bytes: every pass fails.",
    needs=("zstd",),
    since="0.25.0",
)
def zstd_pass(s: Subject) -> None:
    model, data = s.model(), [s.datum()]
    plain = answered(s, send_pass(s, pass_bytes(model, data)), "forward_backward")
    packed = zstandard.ZstdCompressor().compress(pass_bytes(model, data))
    got = answered(s, send_pass(s, packed, content_encoding="zstd"), "forward_backward in zstd")
    expect_close(got, plain, "logprobs of the compressed pass", tolerance=s.tolerance)


@law(
    "WIRE-15",
    "A body of 5 MB is not too large, and does not end the connection.",
    source="sdk 0.38.0 lib/public_interfaces/training_client.py: fwdbwd_max_chunk_bytes_count",
    breaks="keeps a framework's limit of 1 MB: small batches train, and the real ones fail with 413.",
    since="0.25.0",
)
def large_body(s: Subject) -> None:
    model = s.model()
    body = with_unknown_field(pass_bytes(model, [s.datum()]), FIVE_MEGABYTES)
    answered(s, send_pass(s, body), "forward_backward of 5 MB")


@law(
    "WIRE-16",
    "Settings of a loss count from the old map of numbers, from the new one, and from both.",
    source="release 0.26.2, proto/tinker_public.proto: loss_fn_config_v2; both are written",
    breaks="reads one of them: the clip range of half of the releases is silently the default.",
    needs=("loss ppo",),
    since="0.25.0",
)
def settings_in_either_map(s: Subject) -> None:
    model, data = s.model(), [s.datum((5, 6, 7, 8), None, **FAR)]
    losses = []
    for dropped in ("", "loss_fn_config", "loss_fn_config_v2"):
        message = PassMessage.FromString(pass_bytes(model, data, {"clip_high_threshold": 1.01}))
        if dropped:
            message.ClearField(dropped)
        reply = send_pass(s, message.SerializeToString())
        losses.append(loss_of(s.passed(promised(reply, "forward_backward"))))
    expect_close(losses, [-4 * 1.01] * 3, "loss with both maps, the new, the old", tolerance=s.tolerance)


@law(
    "WIRE-17",
    "Requests that come one after the other on a connection are answered one after the other.",
    source="sdk 0.38.0 lib/client_connection_pool_type.py: connections are kept",
    breaks="leaves a refused body unread: the next request on the connection is garbage.",
)
def connection_goes_on(s: Subject) -> None:
    body = b'{"tags": [], "user_metadata": {}, "sdk_version": "0.38.0"}'
    create = ("POST", "/api/v1/create_session", body)
    broken = ("POST", "/api/v1/optim_step", b"{" * 100_000)
    nowhere = ("POST", "/api/v1/no_such_operation", b"{}" * 50_000)
    replies = s.driver.talk(create, broken, create, nowhere, create)
    expect_equal([reply.status for reply in replies[::2]], [200] * 3, "statuses of create_session")


@law(
    "WIRE-18",
    "HEAD is answered without a body.",
    source="RFC 9110, 9.3.2",
    breaks="sends the body of GET: what follows on the connection is read from the middle.",
)
def head_has_no_body(s: Subject) -> None:
    head, _, body = s.driver.raw("HEAD", "/api/v1/healthz").partition(b"\r\n\r\n")
    expect(head.startswith(b"HTTP/1.1 "), f"HEAD: expected an answer of HTTP/1.1, got {head[:60]!r}")
    expect_equal(body, b"", "what follows the head of an answer to HEAD")


# Clients that start


@law(
    "WIRE-19",
    "client/config is an object of flags, and none is null.",
    source="sdk 0.38.0 types/client_config_response.py; 404 and null are fatal",
    breaks="does not have it, or writes unset flags as null: ServiceClient() raises.",
    since="0.18.0",
)
def config_without_null(s: Subject) -> None:
    flags = s.answer("client_config", {"sdk_version": s.driver.sdk_version})
    expect(isinstance(flags, dict), f"client/config: expected an object, got {flags!r}")
    nulls = [name for name, value in flags.items() if value is None]
    expect_equal(nulls, [], "flags of client/config that are null")


@law(
    "WIRE-20",
    "client/dynamic_config is an object of flags, or 404.",
    source="sdk 0.38.0 lib/internal_client_holder.py: any other error ends the start",
    breaks="answers 500 or 405: the first use of a client fails after its retries.",
    since="0.25.0",
)
def dynamic_config(s: Subject) -> None:
    reply = s.driver.call("client_dynamic_config", {"sdk_version": s.driver.sdk_version})
    expect_status(reply, 200, 404, what="client/dynamic_config")
    expect(isinstance(reply.json, dict), f"client/dynamic_config: expected an object, got {reply.json!r}")


@law(
    "WIRE-21",
    "Telemetry is accepted, or refused by 4xx.",
    source="sdk 0.38.0 lib/telemetry.py; types/telemetry_response.py",
    breaks="answers 5xx: each exception reaches the user 30 s late.",
)
def telemetry(s: Subject) -> None:
    batch = {"platform": "Linux", "sdk_version": "0.38.0", "session_id": s.session(), "process_uuid": "p"}
    reply = s.driver.call("telemetry", {"events": [], **batch})
    expect(reply.status == 200 or 400 <= reply.status < 500, f"telemetry: expected 200, got {reply.status}")
    expect(
        reply.status != 200 or reply.json == {"status": "accepted"},
        f"telemetry: expected {{'status': 'accepted'}}, got {reply.body[:200]!r}",
    )
