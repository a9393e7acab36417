import copy
import json

import jsonschema
import pytest
from openapi_spec_validator import validate

from contract.inputs import EncodedTextChunk, ModelInput
from contract.links import LINKS
from contract.openapi import openapi
from contract.operations import OPERATIONS, Deferred
from contract.sampling import SampleRequest, SamplingParams
from contract.training import AdamParams, DimuonParams, OptimStepRequest

DOCUMENT = openapi()


def described(name):
    row = next(row for row in OPERATIONS if row.name == name)
    return DOCUMENT["paths"][row.route][row.method.lower()]


def accepts(schema, value):
    whole = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(value)


def test_the_document_is_valid():
    validate(copy.deepcopy(DOCUMENT))


def test_the_document_is_the_same_every_time_and_is_json():
    assert json.dumps(openapi()) == json.dumps(DOCUMENT)


def test_every_operation_is_described_once():
    found = [row["operationId"] for path in DOCUMENT["paths"].values() for row in path.values()]
    assert sorted(found) == sorted(row.name for row in OPERATIONS)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_operation_says_its_area_releases_and_errors(row):
    said = described(row.name)
    assert said["tags"] == [row.area]
    assert (said["x-tinker-since"], said.get("x-tinker-until")) == (row.since, row.until)
    assert "4XX" in said["responses"]


@pytest.mark.parametrize("row", [r for r in OPERATIONS if isinstance(r, Deferred)], ids=lambda row: row.name)
def test_a_deferred_operation_answers_a_promise_and_links_to_its_poll(row):
    said = described(row.name)
    answer = said["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/UntypedAPIFuture")
    assert answer["links"]["result"]["requestBody"] == {"request_id": "$response.body#/request_id"}
    assert said["x-tinker-result"]["$ref"].rpartition("/")[2] in DOCUMENT["components"]["schemas"]


def test_parameters_stand_in_the_path_and_in_the_query_and_not_in_the_body():
    places = {(p["name"], p["in"], p["required"]) for p in described("get_session")["parameters"]}
    assert places == {("session_id", "path", True), ("access_scope", "query", False)}
    assert accepts("FinishSessionRequest", {"reason": {"type": "success"}})


def test_a_query_parameter_says_its_default_and_when_it_came():
    scope = described("get_session")["parameters"][1]
    assert (scope["schema"]["default"], scope["x-tinker-since"]) == ("owned", "0.15.0")


@pytest.mark.parametrize("name", ["delete_checkpoint", "publish_checkpoint", "list_sessions"])
def test_what_has_no_body_describes_none(name):
    assert "requestBody" not in described(name)


def test_protobuf_is_offered_where_an_operation_speaks_it():
    assert "application/x-protobuf" in described("forward_backward")["requestBody"]["content"]
    assert "application/x-protobuf" in described("retrieve_future")["responses"]["200"]["content"]
    assert "408" in described("retrieve_future")["responses"]


def test_one_operation_is_open():
    unlocked = [row.name for row in OPERATIONS if described(row.name).get("security") == []]
    assert unlocked == ["healthz"]


def test_fields_are_described_by_the_text_under_them():
    fields = DOCUMENT["components"]["schemas"]["PromptProvenanceSpan"]["properties"]
    assert fields["offset"]["description"] == "Where in that sequence the run starts."
    flags = DOCUMENT["components"]["schemas"]["ClientConfigResponse"]["properties"]
    assert flags["proto_write_fwdbwd"]["x-tinker-until"] == "0.24.1"


@pytest.mark.parametrize("params", [AdamParams(), DimuonParams(learning_rate=0.1)])
def test_the_schema_of_an_optimizer_step_accepts_what_is_sent(params):
    sent = OptimStepRequest(optim_params=params, model_id="m").model_dump(mode="json")
    assert accepts("OptimStepRequest", sent)
    assert not accepts("OptimStepRequest", {"model_id": "m"})


def test_the_schema_of_a_sample_accepts_what_is_sent():
    prompt = ModelInput(chunks=[EncodedTextChunk(tokens=[1])])
    sent = SampleRequest(prompt=prompt, sampling_params=SamplingParams(stop=["a"])).model_dump(mode="json")
    assert accepts("SampleRequest", sent)
    assert not accepts("SampleRequest", {**sent, "unknown": 1})


def test_links_name_operations_and_fields_that_are_there():
    rows = {row.name: row for row in OPERATIONS}
    for source, links in LINKS.items():
        for link in links:
            fields = rows[link.target].request.model_fields
            assert {name.partition(".")[0] for name in (*link.body, *link.path)} <= set(fields), source


def test_links_lead_from_a_session_to_its_model_and_fill_nested_fields():
    links = described("create_session")["responses"]["200"]["links"]
    assert links["create_model"]["requestBody"] == {"session_id": "$response.body#/session_id"}
    assert links["get_session"]["parameters"] == {"path.session_id": "$response.body#/session_id"}
    nested = described("create_sampling_session")["responses"]["200"]["links"]["retrieve_futures"]
    source = "$response.body#/sampling_session_id"
    assert nested["requestBody"] == {"target": {"sampling_session_id": source}}


def test_what_answers_nothing_says_so():
    assert described("finish_session")["responses"]["2XX"]["description"].startswith("Done.")
