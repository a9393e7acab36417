"""Laws of futures: how a deferred operation is asked for, polled, replayed and ordered."""

from typing import Any

from contract.laws.expect import expect, expect_close, expect_equal, expect_status
from contract.laws.law import Lawbook
from contract.laws.model import promised
from contract.laws.outputs import logprobs_of
from contract.laws.subject import Subject
from contract.sampling import SampleResponse
from contract.training import CreateModelResponse
from contract.weights import SaveWeightsForSamplerResponseInternal, SaveWeightsResponse

__all__ = ["FUTURE_LAWS"]

FUTURE_LAWS = Lawbook()
law = FUTURE_LAWS.law
LOST = "sdk 0.38.0 _base_client.py: a lost answer is followed by the same request"


def asked_twice(s: Subject, operation: str, body: dict[str, Any]) -> str:
    """The id of the future of a request that is sent two times."""
    first, again = s.promise(operation, body), s.promise(operation, body)
    expect_equal(again, first, f"request_id of the replay of {operation}")
    return first


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
    source=LOST,
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


@law(
    "FUT-06",
    "A create_model that is sent again makes no second model.",
    source=LOST,
    breaks="creates one more for each lost answer: they fill the accelerator, and nobody ever unloads them.",
)
def create_model_replay(s: Subject) -> None:
    session = s.session()
    first, again = s.submit_model(session), s.submit_model(session)
    expect_equal(again, first, "request_id of the replay of create_model")
    one, other = s.result(first, CreateModelResponse), s.result(again, CreateModelResponse)
    expect_equal(other.model_id, one.model_id, "model_id of the replay")


@law(
    "FUT-07",
    "A training pass that is sent again adds its gradients once.",
    source=LOST,
    breaks="adds them twice: with every lost answer a batch counts double, and nothing tells.",
)
def pass_replay_adds_once(s: Subject) -> None:
    models = [s.model(), s.model()]
    for model, times in zip(models, (1, 2), strict=True):
        model.backward([s.datum()])
        opposite, number = [s.datum(weights=[-0.75] * 4)], model.next()  # twice of it would turn the step
        for _ in range(times):
            reply = model.send_backward(opposite, seq_id=number)
        s.poll(promised(reply, "forward_backward"))
        model.step()
    once, twice = (model.logprobs() for model in models)
    expect_close(twice, once, "logprobs after a pass that was sent twice", tolerance=s.tolerance)


@law(
    "FUT-08",
    "An optimizer step that is sent again is taken once.",
    source=LOST,
    breaks="takes it twice: moments and step count run ahead, and the weights move by momentum alone.",
)
def step_replay_moves_once(s: Subject) -> None:
    models = [s.model(), s.model()]
    for model, times in zip(models, (1, 2), strict=True):
        model.backward([s.datum()])
        number = model.next()
        for _ in range(times):
            s.poll(promised(model.send_step(seq_id=number), "optim_step"))
    once, twice = (model.logprobs() for model in models)
    expect_close(twice, once, "logprobs after a step that was sent twice", tolerance=s.tolerance)


@law(
    "FUT-09",
    "A save_weights that is sent again has the first one's path, and is not told that the name is taken.",
    source=LOST,
    breaks="refuses the replay because the name exists now: a checkpoint is there, and the run ends.",
)
def save_replay(s: Subject) -> None:
    model = s.model()
    request_id = asked_twice(s, "save_weights", {"model_id": model.id, "path": "twice", "seq_id": 1})
    path = s.result(request_id, SaveWeightsResponse).path
    expect(path.endswith("/twice"), f"path of a checkpoint named 'twice': expected its name, got {path!r}")


@law(
    "FUT-10",
    "A nameless save for sampling that is sent again opens one sampling session.",
    source=LOST,
    since="0.6.0",
    breaks="opens a second one: the client samples from one, and the other holds memory.",
)
def nameless_save_replay(s: Subject) -> None:
    body = {"model_id": s.model().id, "sampling_session_seq_id": 0, "seq_id": 1}
    request_id = asked_twice(s, "save_weights_for_sampler", body)
    result = s.result(request_id, SaveWeightsForSamplerResponseInternal)
    expect(result.sampling_session_id, f"a nameless save: expected a sampling session, got {result}")


@law(
    "FUT-11",
    "A load into a model that is sent again loads once.",
    source=LOST,
    breaks="loads when the replay comes: what was trained since the first is thrown away.",
)
def load_replay(s: Subject) -> None:
    model, data = s.model(), [s.datum()]
    path, number = model.save("start"), model.next()
    body = {"model_id": model.id, "path": path, "optimizer": True, "seq_id": number}
    s.poll(s.promise("load_weights", body))
    model.train(data)
    trained = model.logprobs()
    s.poll(s.promise("load_weights", body))
    expect_close(model.logprobs(), trained, "logprobs after a load's replay", tolerance=s.tolerance)


@law(
    "FUT-12",
    "A sample that is sent again is sampled once: same future, same sequence ids, same tokens.",
    source=LOST,
    needs=("sampling",),
    since="0.26.0",
    breaks="samples anew: ids and tokens of the two answers do not fit, and the work is paid twice.",
)
def sample_replay(s: Subject) -> None:
    sampler = s.sampler()
    first, again = (sampler.send(num_samples=2, seq_id=3).json for _ in range(2))
    expect_equal(again, first, "the answer to the replay of asample")
    one, other = s.result(first["request_id"], SampleResponse), s.result(again["request_id"], SampleResponse)
    expect_equal(other, one, "the result of the replay")


@law(
    "FUT-13",
    "A number that was used is not taken for another operation: it is refused, or has the first future.",
    source="ours: the number is what tells a replay from a new operation",
    breaks="applies the second body under the old number: two clients train one model without a word.",
)
def number_used_twice(s: Subject) -> None:
    model = s.model()
    first = promised(model.send_step(seq_id=1), "optim_step")
    s.poll(first)
    s.refused_or_replayed(model.send_backward([s.datum()], seq_id=1), first)


@law(
    "FUT-14",
    "A replay that comes after the outcome was fetched has that outcome.",
    source="ours: a proxy may deliver a request late, when its client went on long ago",
    breaks="forgets a number with its result, and applies the late replay as something new.",
)
def late_replay(s: Subject) -> None:
    model = s.model()
    first = promised(model.send_step(seq_id=1), "optim_step")
    body = s.poll(first).body
    s.poll(promised(model.send_backward([s.datum()], seq_id=2), "forward_backward"))
    again = promised(model.send_step(seq_id=1), "the late replay of optim_step")
    expect_equal((again, s.poll(again).body), (first, body), "future and outcome of a late replay")


@law(
    "FUT-15",
    "Operations have different request_ids: of one model, of two models and of two sessions.",
    source="wire as observed: request_id is all that a poll says",
    breaks="counts per model: one tenant's poll is answered by another's loss.",
)
def ids_are_different(s: Subject) -> None:
    models = [s.model(session, number) for session in (s.session(), s.session()) for number in (0, 1)]
    ids = [promised(model.send_step(), "optim_step") for model in models for _ in range(3)]
    expect_equal(len(set(ids)), len(ids), "different request_ids")


@law(
    "FUT-16",
    "Each result is the one of its own request, in whatever order they are polled.",
    source="ours: results of different lengths tell whose they are",
    breaks="hands out results in the order of polls: gradients are right and reported losses are not.",
)
def answers_are_not_swapped(s: Subject) -> None:
    model, lengths = s.model(), (2, 5, 3, 7, 4)
    ids = [promised(model.send_backward([s.datum(range(n))]), "forward_backward") for n in lengths]
    for place in (3, 0, 4, 1, 2):
        got = len(logprobs_of(s.passed(ids[place])))
        expect_equal(got, lengths[place], f"logprobs of request {place} of {len(lengths)}")


@law(
    "FUT-17",
    "Each sample's result is its own, in whatever order they are polled.",
    source="ours: results of different numbers of sequences tell whose they are",
    needs=("sampling",),
    breaks="mixes what it computes in one batch: answers belong to another prompt, and rewards with them.",
)
def samples_are_not_swapped(s: Subject) -> None:
    sampler, numbers = s.sampler(), (1, 4, 2, 3)
    ids = [promised(sampler.send(num_samples=n, max_tokens=2), "asample") for n in numbers]
    for place in (2, 0, 3, 1):
        got = len(s.result(ids[place], SampleResponse).sequences)
        expect_equal(got, numbers[place], f"sequences of sample {place} of {len(numbers)}")


@law(
    "FUT-18",
    "Results of two models that work at the same time stay with their models.",
    source="ours: a trained model and a fresh one say different things",
    breaks="computes both in one batch and splits it in the wrong place.",
)
def models_are_not_swapped(s: Subject) -> None:
    models = [s.model(), s.model()]
    models[0].train([s.datum()], learning_rate=0.02)
    alone = [model.logprobs() for model in models]
    ids = [promised(m.send_backward([s.datum()], forward_only=True), "forward") for m in models]
    for place in (1, 0):
        got = logprobs_of(s.passed(ids[place]))
        expect_close(got, alone[place], f"logprobs of model {place} beside another", tolerance=s.tolerance)
