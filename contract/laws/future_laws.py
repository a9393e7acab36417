"""Laws of futures: how a deferred operation is asked for, polled, replayed and ordered."""

from contract.laws.expect import expect, expect_equal, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.subject import Subject

__all__ = ["FUTURE_LAWS"]

FUTURE_LAWS = Lawbook()
law = FUTURE_LAWS.law


@law(
    "FUT-01",
    "A deferred operation is answered at once by a request_id, and its outcome by polls of it.",
    source="sdk 0.38.0 lib/api_future_impl.py",
    breaks="answers the result itself, which the SDK takes for a promise without an id and fails.",
)
def promise_then_outcome(s: Subject) -> None:
    model = s.model()
    request_id = promised(model.send_step(), "optim_step")
    expect_status(s.poll(request_id), 200, what="the poll of optim_step")


@law(
    "FUT-02",
    "A result that was fetched can be fetched again, with the same bytes.",
    source="ours: a client whose connection broke while it read the answer polls again",
    breaks="deletes the result with its first delivery: one lost answer ends a training run.",
)
def fetched_twice(s: Subject) -> None:
    request_id = promised(s.model().send_backward([s.datum()]), "forward_backward")
    expect_equal(s.poll(request_id).body, s.poll(request_id).body, "the second fetch of a result")


@law(
    "FUT-03",
    "A request that is sent again with its seq_id is applied once, and has the first one's future.",
    source="sdk 0.38.0 _base_client.py: a lost answer is followed by the same request",
    breaks="applies it twice: a gradient counts double, and the loss curve is wrong without an error.",
)
def replay_has_the_first_future(s: Subject) -> None:
    model = s.model()
    first = promised(model.send_step(seq_id=1), "optim_step")
    again = promised(model.send_step(seq_id=1), "the replay of optim_step")
    expect_equal(again, first, "request_id of the replay")


@law(
    "FUT-04",
    "Operations of a model take effect in the order of their seq_id, whatever order they arrive in.",
    source="wire as observed: clients send the chunks of a pass side by side",
    breaks="runs them as they come: optim_step eats the gradients of a later pass.",
)
def order_of_numbers(s: Subject) -> None:
    model, other, data = s.model(), s.model(), [s.datum()]
    late = promised(model.send_step(seq_id=2), "optim_step")
    promised(model.send_backward(data, seq_id=1), "forward_backward")
    s.poll(late)
    model.next(), model.next()
    other.train(data)
    expect_equal(model.logprobs(), other.logprobs(), "logprobs after a pass and a step that came reversed")


@law(
    "FUT-05",
    "A future that nobody asked for is refused by 404, or 410 where it is over.",
    source="wire as observed: SDKs give up on both, and repeat 408, 409 and 5xx for ever",
    breaks="answers 500 or 408, and the client polls until somebody kills it.",
)
def unknown_future(s: Subject) -> None:
    reply = s.driver.call("retrieve_future", {"request_id": "nobody:train:0:1"})
    expect_status(reply, 400, 403, 404, 410, what="the poll of a future that is not there")
    expect(reply.body, "the poll of a future that is not there: expected a body that says so, got none")
