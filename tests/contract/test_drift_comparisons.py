"""What a difference between two releases means: for requests, answers, messages, paths and methods."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from contract.drift.change import Change, Drift, by_severity
from contract.drift.roles import laws_of, operation_of_call, roles_of
from contract.drift.schemas_compared import call_changes, message_changes, method_changes
from contract.drift.types_compared import Evidence, type_changes
from contract.proto import tinker_public_pb2
from contract.versions import SdkVersion

NOTHING = Evidence()


def field(*kinds, required=True, default=""):
    return {"required": required, "default": default, "kinds": sorted(kinds)}


def types_of(name, **fields):
    return {name: fields}


def severities(name, before, after, evidence=NOTHING):
    older = types_of(name, **({"x": before} if before else {}))
    newer = types_of(name, **({"x": after} if after else {}))
    return [(change.severity, change.advice) for change in type_changes(older, newer, evidence)]


TEXT, NULLABLE = field("text"), field("text", "null", required=False, default="None")


@pytest.mark.parametrize(
    ("before", "after", "severity", "advice"),
    [
        (None, TEXT, "additive", "do not require it"),
        (TEXT, None, "breaking", "Do not require it"),
        (NULLABLE, None, "additive", "keep it for older ones"),
        (TEXT, field("map of (text)"), "breaking", "Read map of"),
        (TEXT, field("text", "null"), "additive", "only new programs"),
        (NULLABLE, field("text", required=False, default="None"), "compatible", "null is not sent"),
        (TEXT, field("text", required=False, default="'a'"), "additive", "without it for 'a'"),
        (NULLABLE, {**NULLABLE, "default": "'a'"}, "additive", "it means 'a' now"),
        (NULLABLE, {**NULLABLE, "required": True, "default": "None"}, "compatible", "Nothing."),
    ],
)
def test_a_field_of_a_request(before, after, severity, advice):
    [(found, text)] = severities("GetInfoRequest", before, after)
    assert found == severity
    assert advice in text


@pytest.mark.parametrize(
    ("before", "after", "severity", "advice"),
    [
        (TEXT, None, "compatible", "ignore it"),
        (None, TEXT, "breaking", "Answer it."),
        (None, NULLABLE, "additive", "where there is something"),
        (NULLABLE, field("text", required=False, default="None"), "breaking", "Do not answer null"),
        (NULLABLE, field("text", "null"), "breaking", "Answer it always"),
        (field("'a'"), field("'a'", "'b'"), "additive", "not to older clients"),
        (field("'a'"), TEXT, "additive", "not to older clients"),
        (TEXT, field("'a'"), "breaking", "Do not answer text"),
        (field("integer"), field("number"), "additive", "number may be answered"),
        (field("list of (integer)"), field("list of (number, null)"), "additive", "list of"),
        (NULLABLE, {**NULLABLE, "default": "'a'"}, "additive", "take it for 'a'"),
        (TEXT, NULLABLE, "additive", "null may be answered"),
        (TEXT, field("text", required=False, default="'a'"), "compatible", "Nothing"),
    ],
)
def test_a_field_of_an_answer(before, after, severity, advice):
    [(found, text)] = severities("GetInfoResponse", before, after)
    assert found == severity
    assert advice in text


def test_an_answer_without_which_the_release_was_seen_to_go_on_is_not_needed():
    evidence = Evidence(dispensable=frozenset({("GetInfoResponse", "x")}))
    assert severities("GetInfoResponse", None, TEXT, evidence)[0][0] == "additive"


def test_a_result_that_is_protobuf_alone_has_types_of_the_client_s_own():
    evidence = Evidence(protobuf_only=True)
    assert severities("SampleResponse", None, TEXT, evidence)[0][0] == "compatible"
    assert severities("SampleResponse", None, TEXT)[0][0] == "breaking"


def test_a_type_that_no_operation_has_concerns_no_server():
    assert severities("Helper", TEXT, None)[0][0] == "compatible"


def test_what_is_in_both_a_request_and_an_answer_is_the_worse_of_the_two():
    types = {
        "GetInfoRequest": {"part": field("Part")},
        "GetInfoResponse": {"part": field("list of (Part)")},
        "Part": {"x": TEXT},
    }
    [change] = type_changes(types, {**types, "Part": {"x": TEXT, "y": TEXT}}, NOTHING)
    assert (change.severity, change.place, change.words) == ("breaking", "type Part.y", ("y",))


def test_the_values_of_an_alias_have_no_name_of_a_field():
    older = {"GetInfoRequest": {"k": field("Kind")}, "Kind": {"(value)": field("'a'")}}
    newer = {**older, "Kind": {"(value)": field("'a'", "'b'")}}
    [change] = type_changes(older, newer, NOTHING)
    assert (change.place, change.words) == ("type Kind", ())


def test_types_that_come_and_go_are_named():
    [change] = type_changes(types_of("Old"), types_of("New"), NOTHING)
    assert (change.severity, change.text) == ("compatible", "new: New; gone: Old")


def test_the_same_types_have_no_changes():
    assert list(type_changes(types_of("A", x=TEXT), types_of("A", x=TEXT), NOTHING)) == []


def test_a_promise_is_an_answer_of_every_deferred_operation():
    roles = roles_of({"UntypedAPIFuture": {}, "SessionFinishRequest": {}})
    assert {"asample", "optim_step"} <= roles["UntypedAPIFuture"].answered
    assert roles["SessionFinishRequest"].asked == {"finish_session"}


def schema(edit=lambda file: None):
    file = FileDescriptorProto()
    tinker_public_pb2.DESCRIPTOR.CopyToProto(file)
    edit(file)
    return file.SerializeToString().hex()


def message(file, name):
    return next(each for each in file.message_type if each.name == name)


def told(older, newer):
    return [(change.severity, change.place) for change in message_changes(older, newer)]


def test_the_same_schema_has_no_changes_nor_has_none():
    assert told(schema(), schema()) == told("", "") == []


def test_a_schema_that_comes_or_goes_is_one_change():
    assert told("", schema()) == told(schema(), "") == [("additive", "protobuf schema")]


def test_a_field_of_a_message_comes_and_goes():
    without = schema(lambda file: message(file, "Datum").field.pop(0))
    assert told(without, schema())[0] == ("additive", "message ForwardBackwardRequest: data.model_input")
    assert told(schema(), without)[0] == ("additive", "message ForwardBackwardRequest: data.model_input")
    lacking = schema(lambda file: message(file, "SampleResponse").field.pop())
    assert told(schema(), lacking)[0][0] == "compatible"


def test_another_type_of_a_number_breaks_and_another_name_does_not():
    def retype(file):
        message(file, "SampleResponse").field[3].type = 9

    def rename(file):
        message(file, "SampleResponse").field[3].name = "hits"

    assert told(schema(), schema(retype)) == [("breaking", "message SampleResponse: prompt_cache_hit_tokens")]
    assert told(schema(), schema(rename)) == []


def test_of_a_message_that_comes_its_parts_are_not_told():
    without = schema(lambda file: message(file, "ForwardBackwardOutput").field.pop(1))
    place = "message ForwardBackwardOutput: loss_fn_outputs"
    assert told(without, schema()) == [("additive", place)]


def test_messages_that_nothing_sends_are_not_compared():
    assert told(schema(), schema(lambda file: message(file, "SamplingParams").field.pop())) == []


def test_paths_come_and_go_with_their_operation_s_name():
    changes = list(call_changes(["POST /api/v1/forward"], ["GET /api/v1/sessions/{}"], frozenset()))
    assert [change.place for change in changes] == ["operation get_session", "operation forward"]
    assert {change.severity for change in changes} == {"additive"}


def test_paths_that_were_observed_are_told_elsewhere():
    calls = ["POST /api/v1/forward"]
    assert list(call_changes(calls, [], frozenset({"forward"}))) == []
    assert list(call_changes([], calls, frozenset({"forward"}))) == []


def test_a_path_that_the_contract_does_not_know_is_its_own_name():
    assert operation_of_call("POST /api/v1/new") == "POST /api/v1/new"


def test_methods_and_parameters_concern_programs():
    older = {"methods": {"C.go": {"a": "required", "b": "1"}, "C.gone": {}}}
    newer = {"methods": {"C.go": {"a": "required", "c": "required", "d": "2"}, "C.new": {}}}
    found = [(change.severity, change.place) for change in method_changes(older, newer)]
    assert found == [
        ("compatible", "public methods"),
        ("breaking", "method C.gone"),
        ("breaking", "method C.go(b)"),
        ("breaking", "method C.go(c)"),
        ("compatible", "method C.go(d)"),
    ]


OLDER, NEWER = SdkVersion(0, 24, 1), SdkVersion(0, 25, 0)


def change(*words, operations=()):
    return Change("additive", "p", "t", "a", tuple(operations), words)


def test_laws_are_found_by_the_words_of_a_change():
    assert {"WIRE-01", "WIRE-02"} <= set(laws_of(change("protobuf"), OLDER, NEWER))
    assert "SES-14" in laws_of(change("model_seq_id"), OLDER, NEWER)


def test_plain_english_finds_no_laws():
    assert laws_of(change("what"), OLDER, NEWER) == laws_of(change("type"), OLDER, NEWER) == ()


def test_a_change_without_words_concerns_laws_that_begin_or_end_with_the_release():
    found = laws_of(change(operations=["forward"]), OLDER, NEWER)
    every = laws_of(change(operations=["forward"]), SdkVersion(0, 1, 0), SdkVersion(0, 1, 0))
    assert "MET-01" not in found
    assert every == ()


def test_the_worst_is_first_and_the_verdict():
    changes = by_severity([change(), Change("breaking", "q", "t", "a", seen=True), change()])
    assert [each.severity for each in changes] == ["breaking", "additive"]
    assert (Drift("1", "2", changes).verdict, Drift("1", "2", changes).status) == ("breaking", 1)


def test_nothing_is_compatible_and_what_is_unchecked_is_neither():
    assert (Drift("1", "2", ()).verdict, Drift("1", "2", ()).status) == ("compatible", 0)
    assert Drift("1", "2", (), ("x",)).status == 2
