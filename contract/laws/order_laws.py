"""Laws of futures: the order of operations, numbers that are missing or used up, and failures."""

from contract.laws.expect import expect, expect_close, expect_equal
from contract.laws.law import Lawbook
from contract.laws.model import Model, promised
from contract.laws.subject import Subject
from contract.sampling import SampleResponse
from contract.weights import SaveWeightsResponse

__all__ = ["ORDER_LAWS"]

ORDER_LAWS = Lawbook()
law = ORDER_LAWS.law
CHUNKS = "sdk 0.38.0 lib/public_interfaces/training_client.py"
GLANCE_SECONDS = 0.2
"""Ours: long for an answer on a loopback, short for whoever waits."""
FIRST, SECOND = (5, 6, 7, 8), (9, 3, 9, 3)


def send(s: Subject, model: Model, number: int) -> str:
    """Ask for one of four operations of a short training: pass, step, another pass, step."""
    if number % 2 == 0:
        return promised(model.send_step(seq_id=number), "optim_step")
    data = [s.datum(FIRST if number == 1 else SECOND)]
    return promised(model.send_backward(data, seq_id=number), "forward_backward")


def trained(s: Subject, *order: int) -> list[float]:
    """What a new model says after four operations that came in this order."""
    model = s.model()
    ids = [send(s, model, number) for number in order]
    for request_id in ids:
        s.poll(request_id)
        model.next()
    return model.logprobs()


def refused_pass(s: Subject, model: Model) -> str:
    """The future of a pass with a loss that no server has; skips where there is no future."""
    return s.doomed(model.send_backward([s.datum()], "no_such_loss"))


@law(
    "FUT-20",
    "Chunks of a pass that come as SDKs send them, the first one last, are one pass in order.",
    source=CHUNKS,
    since="0.20.0",
    breaks="refuses a number that is not the next: every batch above 1024 examples ends the run.",
)
def first_chunk_comes_last(s: Subject) -> None:
    model, whole, parts = s.model(), s.model(), [[s.datum(FIRST)], [s.datum(SECOND)], [s.datum()]]
    ids = [promised(model.send_backward(parts[n - 1], seq_id=n), "forward_backward") for n in (2, 3, 1)]
    for request_id in ids:
        s.passed(request_id)
        model.next()
    whole.backward([datum for part in parts for datum in part])
    model.step(), whole.step()
    expect_close(model.logprobs(), whole.logprobs(), "logprobs after three chunks", tolerance=s.tolerance)


@law(
    "FUT-21",
    "Two passes and two steps give the same weights in whatever order they arrive.",
    source="ours: the network owes nobody an order",
    breaks="runs what is there: a step comes before its pass, and the weights depend on the network.",
)
def any_arrival(s: Subject) -> None:
    usual = trained(s, 1, 2, 3, 4)
    for order in ((4, 3, 2, 1), (2, 4, 1, 3), (3, 1, 4, 2), (2, 1, 4, 3)):
        expect_close(trained(s, *order), usual, f"logprobs, arrival {order}", tolerance=s.tolerance)


@law(
    "FUT-22",
    "An operation whose predecessor has not come is promised at once, and not done before it.",
    source=CHUNKS,
    breaks="keeps the request open until the predecessor comes, which the SDK sends after this one's answer.",
)
def waits_for_its_turn(s: Subject) -> None:
    model = s.model()
    late = send(s, model, 2)
    reply = s.glance(late, GLANCE_SECONDS)
    expect(reply is None or reply.pending, f"seq_id 2 without 1: expected no outcome, got {reply}")
    send(s, model, 1)
    expect_equal(s.poll(late).status, 200, "status of the poll once seq_id 1 came")


@law(
    "FUT-23",
    "A number that is missing holds its own model only.",
    source="ours: numbers count the operations of one model",
    breaks="has one queue for all: one client that lost a request stops all the others.",
)
def gap_holds_one_model(s: Subject) -> None:
    session = s.session()
    model, sibling, stranger = s.model(session, 0), s.model(session, 1), s.model()
    send(s, model, 2)
    for other in (sibling, stranger):
        other.train([s.datum()])


@law(
    "FUT-24",
    "A number that is missing in a model's training holds no sample.",
    source="wire as observed: samples have numbers without an order",
    needs=("sampling",),
    breaks="samples in the queue of training: rollouts stop with it.",
)
def gap_holds_no_sample(s: Subject) -> None:
    session = s.session()
    send(s, s.model(session), 2)
    expect(s.sampler(session_id=session).sample().sequences, "sample beside a gap: expected a sequence")


@law(
    "FUT-25",
    "A request that is rejected uses its number up: the next one is not held by it.",
    source=f"{CHUNKS}: after a 4xx the client goes on with the next number",
    breaks="waits for a number that never comes again: the run stands still until somebody looks.",
)
def rejected_number_is_used_up(s: Subject) -> None:
    model = s.model()
    s.refused(model.send_backward([s.datum()], "no_such_loss"))
    expect_equal(s.poll(send(s, model, 2)).status, 200, "status of the poll of what comes after a refusal")


@law(
    "FUT-26",
    "A rejected request that came before its turn uses its number up, too.",
    source=f"{CHUNKS}: chunks are sent side by side, and any may be refused",
    breaks="marks the number only if it was the next: the model waits for it later.",
)
def rejected_early(s: Subject) -> None:
    model = s.model()
    doomed = model.send_backward([s.datum()], "no_such_loss", seq_id=2)
    last = promised(model.send_step(seq_id=3), "optim_step")
    send(s, model, 1)
    s.refused(doomed)
    expect_equal(s.poll(last).status, 200, "status of the poll of what comes after a refusal")


@law(
    "FUT-27",
    "After an operation that failed the next ones are done as if it had not been there.",
    source="ours: a client that catches the error goes on",
    breaks="fails all that follows, or leaves half of the failed pass in the gradients.",
)
def goes_on_after_a_failure(s: Subject) -> None:
    model, other = s.model(), s.model()
    s.refused(model.send_backward([s.datum(), s.datum(weights=[1.0])]))
    for each in (model, other):
        each.train([s.datum()])
    expect_close(model.logprobs(), other.logprobs(), "logprobs after a failed pass", tolerance=s.tolerance)


@law(
    "FUT-28",
    "Thirty operations can be sent before one is polled, and each has its outcome.",
    source=f"{CHUNKS}: an operation is sent as soon as the one before it is promised",
    breaks="keeps one operation per model, and refuses or forgets the others.",
)
def pipelined(s: Subject) -> None:
    model = s.model()
    ids = [
        promised(model.send_step() if n % 3 == 2 else model.send_backward([s.datum()]), "pipelined")
        for n in range(30)
    ]
    expect_equal([s.poll(i).status for i in reversed(ids)], [200] * 30, "statuses of thirty polls")


@law(
    "FUT-29",
    "A checkpoint has the weights of its place in the order, not of the moment at which it is written.",
    source="ours: operations of a model take effect in the order of their numbers",
    breaks="writes it beside the training: the checkpoint has steps that were asked for after it.",
)
def save_has_its_place(s: Subject) -> None:
    model, other = s.model(), s.model()
    send(s, model, 1), send(s, model, 2)
    save = s.promise("save_weights", {"model_id": model.id, "path": "between", "seq_id": 3})
    promised(model.send_backward([s.datum(SECOND)], seq_id=4), "forward_backward")
    s.poll(promised(model.send_step(seq_id=5), "optim_step"))
    other.train([s.datum(FIRST)])
    expected = other.logprobs()
    other.load(s.result(save, SaveWeightsResponse).path)
    expect_close(other.logprobs(), expected, "logprobs of the checkpoint", tolerance=s.tolerance)


@law(
    "FUT-30",
    "Samples need no order: any number is taken, and waits for no other.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py",
    needs=("sampling",),
    since="0.3.0",
    breaks="waits for number 0: a sample that was refused by 429 and sent later stops all others.",
)
def samples_have_no_order(s: Subject) -> None:
    sampler = s.sampler()
    ids = [promised(sampler.send(seq_id=number), "asample") for number in (7, 3, 12)]
    expect_equal([len(s.result(i, SampleResponse).sequences) for i in ids], [1, 1, 1], "sequences")


@law(
    "FUT-31",
    "The numbers of samples go up to 10**18, as copies of a sampling client count them.",
    source="sdk 0.38.0 lib/public_interfaces/sampling_client.py: a copy starts at a random 10**9 · n",
    needs=("sampling",),
    since="0.3.0",
    breaks="keeps them in 32 bits: samples fail as soon as a client is sent to another process.",
)
def numbers_of_copies(s: Subject) -> None:
    sampler = s.sampler()
    ids = [promised(sampler.send(seq_id=n), "asample") for n in (10**9, 10**18, 10**18 + 1)]
    expect_equal(len(set(ids)), 3, "different request_ids")
    expect_equal([len(s.result(i, SampleResponse).sequences) for i in ids], [1, 1, 1], "sequences")


@law(
    "FUT-32",
    "A failure is told with status 200, by an error in words and a category, as JSON.",
    source="sdk 0.38.0 lib/api_future_impl.py",
    breaks="answers 500, which SDKs poll again for ever, or 400, which hides the reason.",
)
def failure_form(s: Subject) -> None:
    failure = s.failure(refused_pass(s, s.model()))
    expect(failure.error.strip(), "error: expected words, got none")


@law(
    "FUT-33",
    "What the user did wrong is not called the server's fault.",
    source="sdk 0.38.0 types/request_error_category.py",
    breaks="calls everything 'server': people wait and try again where they should read.",
)
def whose_fault(s: Subject) -> None:
    category = s.failure(refused_pass(s, s.model())).category.value
    expect(category in ("user", "unknown"), f"category: expected 'user' or 'unknown', got {category!r}")


@law(
    "FUT-34",
    "A failure can be fetched again, and a replay of its request has it, too.",
    source="ours: a failure's answer may be lost as any other",
    breaks="forgets a failure once it was told, and tries the operation again.",
)
def failure_stays(s: Subject) -> None:
    model = s.model()
    first = refused_pass(s, model)
    told = s.failure(first)
    expect_equal(s.failure(first), told, "the second fetch of a failure")
    again = s.doomed(model.send_backward([s.datum()], "no_such_loss", seq_id=1))
    expect_equal((again, s.failure(again)), (first, told), "future and failure of the replay")


@law(
    "FUT-35",
    "A failure has no traceback of the server.",
    source="ours: it tells strangers about paths and versions, and users nothing",
    breaks="sends the whole traceback of its own code as the error.",
)
def no_traceback(s: Subject) -> None:
    error = s.failure(refused_pass(s, s.model())).error
    expect("Traceback (most recent call last)" not in error, f"error: expected no traceback, got {error!r}")


@law(
    "FUT-36",
    "A failure is JSON for a client that accepts protobuf alone.",
    source="sdk 0.38.0 lib/api_future_impl.py: protobuf is read as a result",
    since="0.25.0",
    breaks="answers 406, or an empty message that is read as a result without outputs.",
)
def failure_is_json(s: Subject) -> None:
    reply = s.poll(refused_pass(s, s.model()), {"accept": "application/x-protobuf"})
    expect_equal(reply.media_type, "application/json", "media type of a failure")
    expect("error" in reply.json, f"a failure: expected an error, got {reply.json}")


@law(
    "FUT-37",
    "Each model counts from 1, whatever numbers others have used.",
    source=CHUNKS,
    breaks="counts per session: the second model waits for numbers that the first one used.",
)
def models_count_for_themselves(s: Subject) -> None:
    session = s.session()
    for number in (0, 1):
        model = s.model(session, number)
        expect_equal(s.poll(send(s, model, 1)).status, 200, f"status of seq_id 1 of model {number}")
