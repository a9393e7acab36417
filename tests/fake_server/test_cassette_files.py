"""The file: what it must be, what is never in it, and what is shown of it."""

import json

import pytest

from contract import Deferred, ForwardBackwardOutput, SampleResponse
from contract.codec import JSON, decode
from fake_server.cassettes.cassette import DOWNLOAD, Cassette, CassetteError, Entry
from fake_server.cassettes.explain import explain
from fake_server.cassettes.references import expanded, substituted
from fake_server.cassettes.scrubbing import Scrubber
from fake_server.cassettes.values import ROWS, as_text, plain, widened
from tests.fake_server.driver import Driver

HEAD = '{"cassette": 1, "contract": "0.38.0", "sdk": "0.38.0", "ids": {}}\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "c.jsonl"


def saved(path, *entries: Entry, **fields) -> Cassette:
    cassette = Cassette(list(entries), **fields)
    cassette.save(path)
    return cassette


def test_what_is_saved_is_loaded(path):
    entry = Entry("asample", "sampler:1", {"a": [1, 2.5]}, 200, {"request_id": "<future:1>"}, pending=({},))
    cassette = saved(path, entry, sdk="0.25.0", ids={"model:1": "<session:1>:train:0"})

    assert Cassette.load(path) == cassette
    assert [file.name for file in path.parent.iterdir()] == ["c.jsonl"]


def test_a_line_begins_with_what_was_asked():
    text = Cassette([Entry("get_info", "model:1", {"model_id": "m", "a": 1})]).text()

    assert text.splitlines()[1] == (
        '{"operation":"get_info","lane":"model:1","request":{"a":1,"model_id":"m"},"status":200}'
    )


def test_a_file_that_is_not_there_says_how_to_record_one(path):
    with pytest.raises(FileNotFoundError, match="record it with `tinkerproof record"):
        Cassette.load(path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"c.jsonl:1: expected {\"cassette\": 1, …}, got another line"),
        ('{"cassette": 9}\n', "c.jsonl:1: expected"),
        ("[]\n", "c.jsonl:1: expected"),
        ("{\n", "c.jsonl:1: expected a line of JSON"),
        (HEAD + "\nnot json\n", "c.jsonl:3: expected a line of JSON"),
        (
            HEAD + '{"operation": "dance", "status": 200}\n',
            "c.jsonl:2: expected an operation of the contract",
        ),
        (HEAD + '{"operation": "asample"}\n', "c.jsonl:2: expected an operation of the contract"),
        (HEAD + '{"operation": "asample", "status": 200, "odd": 1}\n', "c.jsonl:2: expected an operation"),
        (HEAD + "[]\n", "c.jsonl:2: expected an operation"),
    ],
)
def test_a_file_that_is_none_names_the_line(path, text, match):
    path.parent.mkdir()
    path.write_text(text)

    with pytest.raises(CassetteError, match=match):
        Cassette.load(path)


def test_a_file_that_is_no_text_is_no_cassette(path):
    path.parent.mkdir()
    path.write_bytes(b"{\xad")

    with pytest.raises(
        CassetteError, match=r"c.jsonl: expected a cassette, which is text, got byte 1 that is"
    ):
        Cassette.load(path)


def test_secrets_are_scrubbed_wherever_they_stand():
    scrubber = Scrubber()
    scrubber.learn({"authorization": "Bearer hunter2-token", "x-api-key": "abc", "cookie": "session=1234"})

    clean = scrubber.clean(
        {
            "note": "tml-KEY_1 and eyJhbGci.eyJzdWIi.c2ln and hunter2-token, session=1234",
            "jwt": "x",
            "email": "a@b.c",
            "list": ["https://host/file?X-Signature=abc&expires=1", "abc", 5],
            "tml-key": None,
        }
    )

    assert clean == {
        "note": "<scrubbed> and <scrubbed> and <scrubbed>, <scrubbed>",
        "jwt": "<scrubbed>",
        "email": "<scrubbed>",
        "list": ["https://host/file?<scrubbed>", "abc", 5],
        "<scrubbed>": None,
    }


def test_ids_are_found_in_texts_and_as_a_whole():
    names = {"u-1-u-1": "<session:1>", "u-1-u-1:train:0": "<model:1>", "m": "<model:2>"}

    written = substituted(
        ["tinker://u-1-u-1:train:0/weights/a", "no u-1-u-1.", "m", "m is a letter", [1, 2], 3], names
    )

    assert written == [
        "tinker://<model:1>/weights/a",
        "no <session:1>.",
        "<model:2>",
        "m is a letter",
        [1, 2],
        3,
    ]
    back = {name.strip("<>"): raw for raw, name in names.items()}
    assert (
        expanded({"a": [*written, ["<other:1>"]]}, back.__getitem__)["a"][0]
        == "tinker://u-1-u-1:train:0/weights/a"
    )


@pytest.mark.parametrize("numbers", [[0.1, -2.5], [float("nan"), float("-inf")]])
def test_results_lose_no_bit(numbers):
    import numpy as np

    from contract import SampledSequence, TensorData

    tensor = TensorData.from_numpy(np.array(numbers, np.float32))
    output = ForwardBackwardOutput(
        loss_fn_output_type="x", loss_fn_outputs=[{"logprobs": tensor}], metrics={"a:sum": 0.1}
    )
    listed = [float(n) for n in np.array([0.1, -2.5], np.float32)]
    sample = SampleResponse(sequences=[SampledSequence(stop_reason="stop", tokens=[1, 2], logprobs=listed)])

    for operation, value in (("forward_backward", output), ("asample", sample)):
        row = ROWS[operation]
        assert isinstance(row, Deferred)
        text = as_text(widened(row, json.loads(as_text(plain(value)))))
        again = decode(row.response, text.encode(), JSON)
        assert as_text(plain(again)) == as_text(plain(value))
    assert again == sample


def test_a_cassette_is_explained_in_one_screen():
    failed = {"error": "no", "category": "user"}
    promise = {"request_id": "<future:1>"}
    entries = [
        Entry("create_session", "session:1"),
        Entry("optim_step", "model:1", answer=promise, outcome={}),
        Entry("optim_step", "model:1", answer=promise, outcome=failed),
        Entry("optim_step", "model:1", answer=promise),
        Entry("asample", "sampler:1", answer=promise, refusal={"status": 410, "answer": {}}),
        Entry("asample", "sampler:1", status=429),
        Entry(DOWNLOAD, request={"url": "<url:1>"}),
        *(Entry("get_info", f"model:{n}") for n in range(2, 40)),
    ]

    lines = explain("c.jsonl", Cassette(entries)).splitlines()

    assert lines[0] == ("c.jsonl: 45 entries, sdk 0.38.0, contract 0.38.0, 1 session, 39 models, 1 sampler")
    assert lines[2] == "  model:1    3 x optim_step"
    assert lines[-6] == "  and 12 more"
    assert lines[-5:] == [
        "  entry 3: optim_step failed: no",
        "  entry 4: nobody fetched the outcome of optim_step; a replay cannot answer it",
        "  entry 5: polling asample was answered with 410",
        "  entry 6: asample was answered with 429",
        "  entry 7: a download was too large to keep; a replay cannot answer it",
    ]


def replayed(path, *entries: Entry, strict: bool = True) -> Driver:
    saved(path, *entries)
    driver = Driver(control=True)
    driver.controls.cassettes.replay(path, strict=strict)
    return driver


def step(**fields) -> Entry:
    request = {"model_id": "m", "adam_params": {"learning_rate": 1.0}, "seq_id": 1}
    promise = {"request_id": "<future:1>"}
    body = plain(ROWS["optim_step"].request.model_validate(request))
    return Entry("optim_step", request=body, answer=promise, **fields)


STEP = {"model_id": "m", "adam_params": {"learning_rate": 1}, "seq_id": 1}


@pytest.mark.parametrize("strict", [True, False])
def test_polls_that_found_nothing_are_reproduced_where_it_is_strict(path, strict):
    paused = {"queue_state": "paused_capacity", "queue_state_reason": "short"}
    driver = replayed(path, step(pending=(paused, {}), outcome={"metrics": {}}), strict=strict)
    promise = driver.answer("optim_step", STEP)["request_id"]

    polls = [driver.poll(promise) for _ in range(3)]

    assert [poll.status for poll in polls] == ([408, 408, 200] if strict else [200] * 3)
    if strict:
        assert [poll.json["queue_state"] for poll in polls[:2]] == ["paused_capacity", "active"]


def test_a_poll_that_was_refused_is_refused(path):
    refusal = {"status": 410, "answer": {"detail": "gone: <future:1>"}}
    driver = replayed(path, step(refusal=refusal))
    promise = driver.answer("optim_step", STEP)["request_id"]

    reply = driver.poll(promise)

    assert (reply.status, reply.json["detail"]) == (410, f"gone: {promise}")


def test_an_outcome_that_is_none_is_a_miss(path):
    driver = replayed(path, step(outcome={"metrics": "none"}))

    reply = driver.post("optim_step", STEP)

    assert reply.status == 422
    assert "optim_step: the outcome of entry 1 is none: metrics: expected" in reply.json["detail"]


def test_a_request_that_was_refused_first_is_answered_the_second_time(path):
    driver = replayed(
        path, Entry(**{**step().fields(), "status": 429, "answer": {"detail": "later"}}), step(outcome={})
    )

    assert [driver.post("optim_step", STEP).status for _ in range(3)] == [429, 200, 200]


def test_a_request_that_was_only_refused_is_refused_again(path):
    driver = replayed(path, Entry(**{**step().fields(), "status": 429, "answer": {"detail": "later"}}))

    assert [driver.post("optim_step", STEP).status for _ in range(2)] == [429, 429]


def test_values_of_every_kind_are_json():
    from datetime import UTC, datetime

    from contract import ImageChunk, RequestErrorCategory

    assert plain(RequestErrorCategory.User) == "user"
    assert plain(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00Z"
    assert plain(ImageChunk(data=b"abc", format="png"))["data"] == "YWJj"


def test_what_is_not_of_its_encoding_has_no_json():
    from fake_server.cassettes.decoding import json_of
    from fake_server.wire import Answer

    assert json_of(Answer(200, b"??", headers={"content-encoding": "deflate"}), 100) is None


def test_ids_that_are_not_made_of_others_are_minted_anew(path):
    """Another server may call its models what it likes."""
    from fake_server.cassettes.takes import Names, Take

    takes = [
        Take(1, "create_session", {}, 200, {"session_id": "opaque-session"}),
        Take(2, "create_model", {"session_id": "opaque-session"}, 200, outcome={"model_id": "opaque-model"}),
        Take(3, "create_custom_loss", {}, 200, outcome={"loss_id": "opaque-loss"}),
    ]
    names = Names(takes)
    for take in takes:
        names.add_made_on_the_way(take)

    assert names.made_of == {}
    assert list(names.of_id.values()) == ["<session:1>", "<model:1>", "<loss:1>"]
    driver = replayed(
        path,
        Entry(
            "get_info",
            request={"model_id": "x", "type": "get_info"},
            answer={"model_id": "<model:1>", "model_data": {}},
        ),
    )
    assert driver.answer("get_info", {"model_id": "x"})["model_id"] != "opaque-model"
