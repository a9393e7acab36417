import dataclasses
import sys
from enum import StrEnum
from typing import Literal

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from pydantic import BaseModel, create_model

from contract.drift import Deliberate, Difference, drift, installed, report

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def sdk():
    return installed()


def places(sdk, **changes):
    return [difference.where for difference in drift(dataclasses.replace(sdk, **changes))]


def doctored(sdk, name, kind):
    return places(sdk, types={**sdk.types, name: [kind]})


def test_the_contract_and_the_installed_sdk_agree():
    assert report(drift()) == ""


def test_an_added_field_is_a_difference(sdk):
    kind = create_model("Cursor", __base__=sdk.types["Cursor"][0], direction=(str, "up"))
    assert doctored(sdk, "Cursor", kind) == ["Cursor.direction"]


def test_a_field_that_is_no_longer_required_is_a_difference(sdk):
    kind = create_model("Cursor", __base__=sdk.types["Cursor"][0], limit=(int, 20))
    assert doctored(sdk, "Cursor", kind) == ["Cursor.limit"]


def test_a_changed_default_is_a_difference_that_says_both(sdk):
    kind = create_model("AdamParams", __base__=sdk.types["AdamParams"][0], beta2=(float, 0.999))
    found = drift(dataclasses.replace(sdk, types={**sdk.types, "AdamParams": [kind]}))
    assert report(found) == "AdamParams.beta2: expected default 0.95, got default 0.999"


def test_a_removed_value_of_a_literal_is_a_difference(sdk):
    assert doctored(sdk, "StopReason", Literal["stop"]) == ["StopReason"]


def test_a_removed_value_of_an_enum_is_a_difference(sdk):
    category = StrEnum("RequestErrorCategory", {"Unknown": "unknown", "Server": "server"})
    assert doctored(sdk, "RequestErrorCategory", category) == ["RequestErrorCategory.User"]


def test_a_twin_that_differs_from_its_public_type_is_a_difference(sdk):
    public = sdk.types["Cursor"][0]
    twin = create_model("Cursor", __base__=public, limit=(int, 20))
    assert places(sdk, types={**sdk.types, "Cursor": [public, twin]}) == ["Cursor.limit(twin)"]


def test_a_new_type_and_a_missing_one_are_one_difference_each(sdk):
    kinds = {**sdk.types, "Novelty": [create_model("Novelty", field=(int, ...))]}
    del kinds["Cursor"]
    assert places(sdk, types=kinds) == ["Cursor", "Novelty"]


def test_a_class_that_holds_no_data_is_no_type(sdk):
    assert doctored(sdk, "Novelty", type("Novelty", (), {})) == []


def test_a_new_path_and_a_missing_one_are_differences(sdk):
    calls = {*sdk.calls, "POST /api/v1/novelty"} - {"POST /api/v1/optim_step"}
    assert places(sdk, calls=frozenset(calls)) == ["POST /api/v1/novelty", "POST /api/v1/optim_step"]


def test_a_changed_protobuf_field_is_a_difference(sdk):
    messages = FileDescriptorProto()
    messages.CopyFrom(sdk.messages)
    message = next(message for message in messages.message_type if message.name == "SampleResponse")
    message.field[0].number = 99
    assert places(sdk, messages=messages) == [f"message SampleResponse.{message.field[0].name}"]


def test_what_an_older_sdk_does_not_have_yet_is_no_difference(sdk):
    kind = sdk.types["SaveWeightsForSamplerRequest"][0]
    fields = {n: (i.annotation, i.default) for n, i in kind.model_fields.items() if n != "kind"}
    older = create_model("SaveWeightsForSamplerRequest", __base__=BaseModel, **fields)
    kinds = {**sdk.types, "SaveWeightsForSamplerRequest": [older]}
    assert places(sdk, types=kinds) == ["SaveWeightsForSamplerRequest.kind"]
    assert "SaveWeightsForSamplerRequest.kind" not in places(sdk, types=kinds, version="0.36.0")


def test_a_deliberate_difference_that_is_gone_is_itself_a_difference(sdk):
    stale = Deliberate("a test", frozenset({"Cursor.limit"}))
    everything = [Deliberate("all", frozenset(d.where for d in drift(sdk, ()))), stale]
    assert drift(sdk, everything) == [Difference("Cursor.limit", "a deliberate difference", None)]


def test_without_an_sdk_there_is_nothing_to_compare_with(monkeypatch):
    monkeypatch.setitem(sys.modules, "tinker", None)
    with pytest.raises(ModuleNotFoundError, match="tinker"):
        drift()
