"""Scenarios of what answers carry: more than is known, in another form, or nothing that can be read."""

from fake_server.fake import Fake
from fake_server.fault_rewrites import Rewrite
from fake_server.occasions import When
from fake_server.scenarios.changes import compressed, grown, newer, parametrised
from fake_server.scenarios.scenario import ScenarioBook

__all__ = ["ANSWERS"]

ANSWERS = ScenarioBook("answer")
scenario = ANSWERS.scenario
POLL = "retrieve_future"
NO_RESULT = "goes on without what it asked for: metrics are missing, or the reward is of another sample."


@scenario(
    "SCN-52",
    "Every answer has a field that this client does not know.",
    source="sdk 0.38.0 _models.py: fields that are not known are ignored; protobuf does the same",
    breaks="forbids them: the next release of the server ends all clients that are not as new.",
)
def new_fields(fake: Fake) -> None:
    """A field more in each answer."""
    fake.faults.set(Rewrite(when=When(), what="a new field", change=newer))


@scenario(
    "SCN-53",
    "Answers are compressed, for a client that says it can read that.",
    source="RFC 9110, 12.5.3; sdk 0.38.0 sends Accept-Encoding: gzip, deflate, zstd",
    breaks="offers by its library what it does not decode itself: the first large answer is noise.",
)
def compressed_answers(fake: Fake) -> None:
    """Gzip."""
    fake.faults.set(Rewrite(when=When(), what="gzip", change=compressed))


@scenario(
    "SCN-54",
    "The content type of every answer has a parameter.",
    source="RFC 9110, 8.3.1: parameters do not change the type",
    breaks="compares the whole header: JSON with a charset is taken for text.",
)
def parameters(fake: Fake) -> None:
    """charset=utf-8."""
    fake.faults.set(Rewrite(when=When(), what="a charset", change=parametrised))


@scenario(
    "SCN-55",
    "An answer of 4 MiB comes in place of a hundred bytes.",
    source="ours: results of large batches are of this size",
    breaks="reads into a buffer of a fixed size, or has a time limit for the whole body.",
)
def large(fake: Fake) -> None:
    """4 MiB more, for a step's result."""
    fake.faults.set(
        Rewrite(when=When(operation=POLL, future="optim_step", nth=(1,)), what="4 MiB", change=grown)
    )


@scenario(
    "SCN-56",
    "The result of a pass has no body.",
    source="sdk 0.38.0 proto/response_conv.py: it decodes to an output of nothing, without metrics",
    breaks=NO_RESULT,
    ends="either",
    rereads="forward_backward",
)
def empty_result(fake: Fake) -> None:
    """An empty body, once."""
    fake.faults.empty_body(POLL, future="forward_backward", nth=2)


@scenario(
    "SCN-57",
    "The result of a pass is that of a sample.",
    source="sdk 0.38.0 proto/response_conv.py: protobuf reads one as the other",
    breaks=NO_RESULT,
    ends="either",
    rereads="forward_backward",
)
def another_result(fake: Fake) -> None:
    """A SampleResponse, once."""
    fake.faults.wrong_result(POLL, future="forward_backward", nth=2)


@scenario(
    "SCN-58",
    "The result of a pass cannot be decoded.",
    source="sdk 0.38.0 lib/api_future_impl.py: ValueError of a failed deserialization",
    breaks="takes what came through: half of the batch has logprobs.",
    ends="either",
    rereads="forward_backward",
)
def garbled_result(fake: Fake) -> None:
    """Protobuf that is none, once."""
    fake.faults.bad_protobuf(POLL, future="forward_backward", nth=2)


@scenario(
    "SCN-59",
    "The result of a step is JSON that ends early.",
    source="sdk 0.38.0 lib/api_future_impl.py: what orjson refuses is raised",
    breaks="swallows the error of its parser: nobody hears whether the step was done.",
    ends="either",
    rereads="optim_step",
)
def cut_json(fake: Fake) -> None:
    """JSON without its last byte, once."""
    fake.faults.bad_json(POLL, future="optim_step", nth=2)


@scenario(
    "SCN-60",
    "The promise of a step cannot be read.",
    source="sdk 0.38.0 _response.py: APIResponseValidationError, since request_id is required",
    breaks="goes on without a future: nobody hears whether the step was done, or it is done twice.",
    ends="either",
)
def no_promise(fake: Fake) -> None:
    """An answer of another type, once."""
    fake.faults.wrong_result("optim_step", nth=2, body={"status": "ok"})
