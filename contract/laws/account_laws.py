"""Laws of accounts: keys, tokens, and what a server tells of itself and of what was used."""

import json
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contract.account import (
    ApiKeyResponse,
    AuditLogResponse,
    BillingUsageResponse,
    CurrentCheckpointStorageUsageResponse,
    GetServerCapabilitiesResponse,
)
from contract.laws.driver import Reply
from contract.laws.expect import expect, expect_equal, expect_refusal, expect_status
from contract.laws.law import Broken, Lawbook
from contract.laws.model import promised
from contract.laws.subject import Subject
from contract.operations import OPERATIONS

__all__ = ["ACCOUNT_LAWS"]

ACCOUNT_LAWS = Lawbook()
law = ACCOUNT_LAWS.law

NO_KEY = "not-a-key-of-anybody"
WITHOUT_KEY = frozenset({"healthz", "client_config", "client_dynamic_config", "telemetry"})
"""What a server may answer to everybody."""
FIELD = re.compile(r"{\w+}")


def claims_of(token: object) -> dict[str, Any]:
    """The claims of a token, unchecked.

    Raises:
        Broken: if it is no token, or has none.
    """
    try:
        part = str(token).split(".")[1]
        claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        raise Broken(
            f"jwt: expected three parts with claims in the second, got {str(token)[:20]!r}"
        ) from None
    if not isinstance(claims, dict):
        raise Broken(f"jwt: expected an object of claims, got {type(claims).__name__}")
    return claims


def expect_shape(type_: type[Any], reply: Reply, what: str) -> Any:
    """The answer as its type reads it, and as a strict client does.

    Raises:
        Broken: naming the first field that does not fit.
    """
    expect_status(reply, 200, what=what)
    try:
        return TypeAdapter(type_).validate_python(reply.json)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Broken(f"{what}: expected {type_.__name__}, got {where}: {first['msg']}") from None


def window() -> dict[str, str]:
    """The hour that is now, the one before and the one after, as billing asks for them."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start, end = hour - timedelta(hours=1), hour + timedelta(hours=2)
    return {"starting_on": start.isoformat(), "ending_before": end.isoformat()}


# Keys


@law(
    "ACC-01",
    "A request without a key is refused for good, by 401 or 403.",
    source="sdk 0.38.0 _client.py: AuthenticationError, PermissionDeniedError",
    breaks="answers 500 where the header is absent: a user without a key waits for minutes to learn it.",
    needs=("checked keys",),
)
def no_key(s: Subject) -> None:
    with s.as_another(api_key=""):
        reply = s.driver.call("create_session", {"tags": [], "sdk_version": "0.38.0"})
    expect_status(reply, 401, 403, what="create_session without a key")
    expect_refusal(reply, "create_session without a key")


@law(
    "ACC-02",
    "A key that nobody has is refused for good, by 401 or 403, and is not in the answer.",
    source="sdk 0.38.0 _client.py; ours: errors are logged",
    breaks="answers 500, or prints the key into a log.",
    needs=("known keys",),
)
def wrong_key(s: Subject) -> None:
    with s.as_another(api_key=NO_KEY):
        reply = s.driver.call("create_session", {"tags": [], "sdk_version": "0.38.0"})
    expect_status(reply, 401, 403, what="create_session with a wrong key")
    expect_refusal(reply, "create_session with a wrong key")
    expect(NO_KEY.encode() not in reply.body, "create_session with a wrong key: expected it not to be shown")


@law(
    "ACC-03",
    "No operation does anything without a key.",
    source="sdk 0.38.0 _client.py: every request carries X-API-Key",
    breaks="checks keys per route and forgets one: weights are there for everybody.",
    needs=("checked keys",),
)
def every_operation_asks(s: Subject) -> None:
    with s.as_another(api_key=""):
        for row in OPERATIONS:
            body = None if row.method == "GET" else b"{}"
            reply = s.driver.send(row.method, FIELD.sub("x", row.route), body)
            what = f"{row.method} {row.route} without a key: expected a refusal, got {reply.status}"
            expect(400 <= reply.status < 500 or row.name in WITHOUT_KEY, what)


@law(
    "ACC-04",
    "A key is asked for before the request is judged.",
    source="ours: what exists is nobody's business who has no key",
    breaks="answers 404 or 422 first: ids can be guessed without a key.",
    needs=("checked keys",),
)
def key_comes_first(s: Subject) -> None:
    model = s.model()
    with s.as_another(api_key=""):
        there = s.driver.call("get_info", {"model_id": model.id})
        missing = s.driver.call("get_info", {"model_id": "nobody:train:0"})
    expect_equal(missing.status, there.status, "status of a model that is not there, to one without a key")


@law(
    "ACC-05",
    "A poll without a key gets nothing, and takes nothing from the owner.",
    source="sdk 0.38.0 lib/api_future_impl.py: 401 is fatal",
    breaks="delivers results to whoever knows an id, or drops them after the first delivery.",
    needs=("checked keys",),
)
def poll_without_key(s: Subject) -> None:
    request_id = promised(s.model().send_step(), "optim_step")
    with s.as_another(api_key=""):
        expect_refusal(s.driver.call("retrieve_future", {"request_id": request_id}), "a poll without a key")
    expect_status(s.poll(request_id), 200, what="the poll of the owner")


@law(
    "ACC-06",
    "A key is described by number, name, note, organisation and user, and is not in its description.",
    source="sdk 0.38.0 cli/auth_api.py: all of them are required",
    breaks="leaves one out: tinker auth login fails; or shows the key that is in the terminal's log then.",
    needs=("key description",),
    since="0.26.2",
)
def key_described(s: Subject) -> None:
    reply = s.driver.call("get_api_key")
    expect_shape(ApiKeyResponse, reply, "auth/apikey/me")
    expect(s.driver.api_key.encode() not in reply.body, "auth/apikey/me: expected the key not to be shown")


# Tokens


@law(
    "ACC-11",
    "A key is exchanged for a token with iat, exp, sub and org_id.",
    source="sdk 0.38.0 lib/_jwt_auth.py: what cannot be parsed is exchanged again for every request",
    breaks="gives an opaque token: twice as many requests, and no whoami.",
    needs=("tokens",),
    since="0.18.0",
)
def token_has_claims(s: Subject) -> None:
    claims = claims_of(s.answer("auth_token", {})["jwt"])
    times = [claims.get(name) for name in ("iat", "exp")]
    expect(all(isinstance(time, int | float) for time in times), f"iat, exp: expected numbers, got {times}")
    expect(claims["exp"] > claims["iat"] + 60, f"exp: expected more than a minute after iat, got {times}")
    names = [claims.get("sub"), claims.get("org_id")]
    expect(all(isinstance(name, str) for name in names), f"sub, org_id: expected texts, got {names}")


@law(
    "ACC-12",
    "A token is taken where a key was, and a second one does not end the first.",
    source="sdk 0.38.0 lib/internal_client_holder.py: every holder exchanges for itself",
    breaks="keeps one token for each key: two clients in a process throw each other out.",
    needs=("tokens",),
    since="0.18.0",
)
def tokens_live_side_by_side(s: Subject) -> None:
    tokens = [s.answer("auth_token", {})["jwt"] for _ in range(2)]
    for token in tokens:
        with s.as_another(api_key=token):
            s.session()


@law(
    "ACC-13",
    'A token that is not valid is 401, with error="invalid_token" in WWW-Authenticate.',
    source="sdk 0.38.0 lib/_jwt_auth.py: the request is sent again with a new token then, and else not",
    breaks="answers 401 alone: a run of some hours ends with its first token.",
    needs=("tokens",),
    since="0.18.0",
)
def invalid_token(s: Subject) -> None:
    head, claims, signature = s.answer("auth_token", {})["jwt"].split(".")
    with s.as_another(api_key=f"{head}.{claims}.{signature[::-1]}"):
        reply = s.driver.call("create_session", {"tags": [], "sdk_version": "0.38.0"})
    expect_status(reply, 401, what="create_session with a token of another signature")
    header = reply.headers.get("www-authenticate", "")
    expect(
        'error="invalid_token"' in header, f'WWW-Authenticate: expected error="invalid_token", got {header!r}'
    )


@law(
    "ACC-14",
    "A key that nobody has is exchanged for nothing.",
    source="sdk 0.38.0 lib/_jwt_auth.py: 401 is raised as it is",
    breaks="signs tokens for everybody, or answers 5xx and the client goes on with an old one.",
    needs=("tokens", "known keys"),
    since="0.18.0",
)
def no_token_for_nobody(s: Subject) -> None:
    with s.as_another(api_key=NO_KEY):
        reply = s.driver.call("auth_token", {})
    expect_status(reply, 401, 403, what="the exchange of a wrong key")


# What a server tells


@law(
    "ACC-21",
    "The base models are listed with names and context lengths, and the one in use is among them.",
    source="sdk 0.38.0 types/get_server_capabilities_response.py",
    breaks="lists names that create_model refuses, or null for a list.",
    needs=("capabilities",),
)
def capabilities(s: Subject) -> None:
    reply = s.driver.call("get_server_capabilities")
    told = expect_shape(GetServerCapabilitiesResponse, reply, "capabilities").supported_models
    names = [model.model_name for model in told]
    expect(s.base_model in names, f"supported_models: expected {s.base_model} in it, got {names}")
    lengths = [model.max_context_length for model in told]
    expect(all(length is None or length > 0 for length in lengths), f"max_context_length: got {lengths}")


@law(
    "ACC-22",
    "Usage is told in rows of an hour, of a kind with its amount.",
    source="sdk 0.38.0 types/billing_usage_response.py: one row that does not fit fails the whole answer",
    breaks="tells a kind without its amount, or times without a zone.",
    needs=("billing",),
    since="0.23.4",
)
def usage_in_rows(s: Subject) -> None:
    s.model().backward([s.datum()])
    told = expect_shape(BillingUsageResponse, s.driver.call("get_billing_usage", window()), "usage")
    zoned = [row.bucket_start.tzinfo is not None and row.bucket_start < row.bucket_end for row in told.data]
    expect(all(zoned), "bucket_start, bucket_end: expected a window with a zone in every row")


@law(
    "ACC-23",
    "A window of usage that ends before it starts is refused for good.",
    source="sdk 0.38.0 types/billing_usage_request.py",
    breaks="answers 500, or all that was ever used.",
    needs=("billing",),
    since="0.23.4",
)
def window_turned_round(s: Subject) -> None:
    start, end = window().values()
    turned = {"starting_on": end, "ending_before": start}
    expect_refusal(s.driver.call("get_billing_usage", turned), "a window that ends before it starts")


@law(
    "ACC-24",
    "Storage in use is told in rows of a count and sizes that agree.",
    source="sdk 0.38.0 types/current_checkpoint_storage_usage_response.py",
    breaks="leaves out size_gigabytes: tinker billing checkpoint-storage fails.",
    needs=("storage usage",),
    since="0.32.0",
)
def storage_in_rows(s: Subject) -> None:
    s.model().save("stored")
    reply = s.driver.call("get_current_checkpoint_storage_usage")
    told = expect_shape(CurrentCheckpointStorageUsageResponse, reply, "storage").data
    sizes = [(row.size_bytes, row.size_gigabytes) for row in told]
    agree = [abs(size / 1e9 - giga) <= 0.1 * giga + 1e-6 for size, giga in sizes]
    expect(all(agree), f"size_bytes, size_gigabytes: expected both to agree, got {sizes[:3]}")


@law(
    "ACC-25",
    "The audit log has entries with a time and an event, and no key.",
    source="sdk 0.38.0 types/audit_log_response.py",
    breaks="writes requests with their headers into it.",
    needs=("audit",),
    since="0.20.0",
)
def audit_log(s: Subject) -> None:
    s.model().save("audited")
    reply = s.driver.call("get_audit_log", {"event_type": "all"})
    entries = expect_shape(AuditLogResponse, reply, "audit").entries
    expect(all(entry.event for entry in entries), "event: expected a name in every entry")
    expect(s.driver.api_key.encode() not in reply.body, "audit: expected no key in it")


@law(
    "ACC-26",
    "An event type or a day that cannot be is refused for good by the audit log.",
    source="sdk 0.38.0 lib/public_interfaces/admin_client.py",
    breaks="answers everything, or 500.",
    needs=("audit",),
    since="0.20.0",
)
def audit_of_nothing(s: Subject) -> None:
    for query in ({"event_type": "no-such-type"}, {"event_type": "all", "day": "2026-02-30"}):
        expect_refusal(s.driver.call("get_audit_log", query), f"the audit log of {query}")
