"""Bytes that clients and servers of several ages write, read by the codec and by the version profiles."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import OPERATIONS, ForwardBackwardOutput, ForwardBackwardRequest, SampleResponse
from contract.codec import JSON, PROTOBUF, decode
from contract.strategies import RELEASES, messages, wire
from contract.versions import SdkVersion, misplaced
from tests.contract.strategies.models import CONTRACT_MODELS
from tests.draws import draws

BOTH = [ForwardBackwardRequest, ForwardBackwardOutput, SampleResponse]
FORMS = [*((kind, JSON) for kind in CONTRACT_MODELS), *((kind, PROTOBUF) for kind in BOTH)]
POSTED = [row for row in OPERATIONS if row.method == "POST" and row.request.model_fields]


@pytest.mark.parametrize(("kind", "media_type"), FORMS, ids=str)
def test_a_message_is_read_as_its_value_and_its_unknown_fields_are_told(kind, media_type):
    @settings(max_examples=draws(6, 100), database=None, deadline=None)
    @given(messages(kind, media_type))
    def is_read(message):
        told = []
        assert decode(kind, message.body, media_type, on_unknown=told.extend) == message.value

    is_read()


@pytest.mark.parametrize("row", POSTED, ids=lambda row: row.name)
def test_a_message_has_no_optional_field_that_its_release_does_not_know(row):
    required = {name for name, info in row.request.model_fields.items() if info.is_required()}

    @settings(max_examples=draws(6, 100), database=None, deadline=None)
    @given(messages(row.request, is_newer=False))
    def fits_its_release(message):
        late = misplaced(row, json.loads(message.body), message.version)
        assert {path.partition(".")[2].partition(".")[0] for path in late} <= {"", *required}

    fits_its_release()


@given(wire(ForwardBackwardRequest, PROTOBUF))
@settings(max_examples=10, deadline=None)
def test_bytes_alone_are_enough_for_those_who_send_them(body):
    assert isinstance(decode(ForwardBackwardRequest, body, PROTOBUF), ForwardBackwardRequest)


def test_releases_are_those_at_which_requests_changed_the_newest_first():
    assert RELEASES[0] == SdkVersion(0, 38, 0)
    assert RELEASES[-1] == SdkVersion(0, 1, 0)
    assert list(RELEASES) == sorted(set(RELEASES), reverse=True)


@given(messages(ForwardBackwardRequest, PROTOBUF).filter(lambda message: message.unknown))
@settings(max_examples=10, deadline=None)
def test_protobuf_of_tomorrow_has_a_field_that_nobody_reads(message):
    assert message.unknown == ("1000",)


@given(st.data())
@settings(max_examples=10, deadline=None)
def test_a_release_can_be_chosen(data):
    oldest = RELEASES[-1]
    message = data.draw(messages(ForwardBackwardRequest, releases=(oldest,), is_newer=False))
    assert message.version == oldest
    assert "seq_id" not in json.loads(message.body)
