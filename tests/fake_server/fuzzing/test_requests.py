import json
from urllib.parse import unquote

import pytest
import zstandard
from hypothesis import Phase, find, settings

from contract.codec import PROTOBUF, decode
from contract.laws import LAWS
from contract.training import ForwardBackwardRequest
from fake_server.fuzzing import cases
from fake_server.fuzzing.cases import requests_of
from fake_server.fuzzing.judge import Judge
from fake_server.fuzzing.plain import LAW_OF, LAWS_OF_IDS, PLAIN, REFERENCES, plain
from fake_server.fuzzing.request import ROWS, Request
from fake_server.fuzzing.sending import ready

PASS = {**plain("forward_backward").fields, "model_id": "m", "seq_id": 1}

UNSHRUNK = settings(max_examples=1000, database=None, phases=[Phase.generate], deadline=None)


def test_the_tables_name_operations_laws_and_fields():
    assert {*LAW_OF.values(), *LAWS_OF_IDS.values()} <= set(LAWS)
    assert {*PLAIN, *REFERENCES, *LAW_OF, *LAWS_OF_IDS} <= set(ROWS)
    for name, fields in REFERENCES.items():
        assert set(fields) <= set(PLAIN[name])


def test_a_plain_request_is_a_new_one_each_time():
    plain("forward_backward").fields["forward_backward_input"].clear()
    assert plain("forward_backward").fields["forward_backward_input"]["loss_fn"] == "cross_entropy"


@pytest.mark.parametrize("request_", [plain("optim_step"), Request("healthz", raw=b"\xff", cut=1)])
def test_a_request_is_the_same_after_a_file(request_):
    assert Request.of_json(json.loads(json.dumps(request_.as_json()))) == request_


@pytest.mark.parametrize("told", [[], {"operation": "no"}, {"operation": "healthz", "more": 1}])
def test_what_is_no_request_is_refused(told):
    with pytest.raises(ValueError, match="expected one of an operation"):
        Request.of_json(told)


def test_fields_stand_in_path_query_and_body():
    got = ready(Request("get_session"), {"session_id": "a/b", "access_scope": "owned", "n": 1})
    put = ready(Request("set_checkpoint_ttl"), {**dict.fromkeys(("training_run_id", "segment", "name"), "x")})
    dropped = ready(Request("delete_checkpoint"), {"training_run_id": "r", "segment": "s", "name": "n"})
    assert got.target == "/api/v1/sessions/a%2Fb?access_scope=owned&n=1"
    assert (put.body, dropped.body) == (b"{}", None)


def test_a_pass_goes_as_protobuf_and_compressed():
    sent = ready(Request("forward_backward", media_type=PROTOBUF, encoding="zstd"), PASS)
    assert sent.headers["content-encoding"] == "zstd"
    body = zstandard.decompress(sent.body or b"")
    assert decode(ForwardBackwardRequest, body, PROTOBUF).model_id == "m"


def test_what_has_no_protobuf_form_goes_as_json_under_its_name():
    sent = ready(Request("forward_backward", media_type=PROTOBUF), {"model_id": 3})
    assert (sent.headers["content-type"], sent.body) == (PROTOBUF, b'{"model_id": 3}')


def test_other_bodies_are_sent_as_they_are():
    assert ready(Request("optim_step", raw=b"{"), {}).body == b"{"
    assert ready(Request("optim_step", body=[1]), {}).body == b"[1]"
    assert ready(Request("optim_step", cut=2), {"a": 1}).body == b'{"a": '


def test_the_commands_have_no_key_and_the_bytes():
    text = ready(plain("session_heartbeat"), {"session_id": "é"})
    raw = ready(Request("optim_step", raw=b"\xff\x00", headers={"x-api-key": ""}), {})
    assert '"x-api-key: $TINKER_API_KEY"' in text.curl("http://s")
    assert "sys.argv[1]" in text.python("http://s")
    compile(text.python("http://s"), "example", "exec")
    assert raw.curl("http://s").startswith("echo ff00 | xxd -r -p | curl -X POST http://s/api/v1/optim_step")
    assert "x-api-key" not in raw.python("http://s")
    assert "content-type" not in ready(Request("healthz"), {}).curl("http://s")
    assert PROTOBUF in ready(Request("healthz", accept=PROTOBUF), {}).curl("http://s")
    assert unquote(ready(Request("get_session"), {"session_id": "é"}).target).endswith("é")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (cases._garbled, "that lacks its end"),
        (cases._garbled, "of garbled protobuf"),
        (cases._garbled, "that is not compressed as it says"),
        (cases._keyless, "without a key"),
        (cases._keyless, "with a key that nobody has"),
    ],
)
def test_requests_are_broken_in_every_way(monkeypatch, kind, told):
    monkeypatch.setattr(cases, "KINDS", (kind,))
    operation = Judge("http://127.0.0.1:1").operations["forward_backward"]
    assert find(requests_of(operation, lambda: None), lambda request: request.what == told, settings=UNSHRUNK)


def drawn(monkeypatch, kind, operation, fits):
    monkeypatch.setattr(cases, "KINDS", (kind,))
    strategy = requests_of(Judge("http://127.0.0.1:1").operations[operation], lambda: None)
    return find(strategy, fits, settings=UNSHRUNK)


def test_what_schemathesis_breaks_may_be_no_object(monkeypatch):
    found = drawn(monkeypatch, cases._negative, "create_session", lambda request: request.body is not None)
    assert found.expected == "either"


def test_what_schemathesis_breaks_stays_on_its_path(monkeypatch):
    found = drawn(monkeypatch, cases._negative, "get_session", lambda request: bool(request.fields))
    assert "session_id" in found.fields


def test_an_id_that_is_another_path_is_nobodys(monkeypatch):
    def fits(request):
        return (request.law, request.fields["session_id"]) == ("WIRE-43", "nobody")

    assert drawn(monkeypatch, cases._strange, "get_session", fits).expected == "refused"
