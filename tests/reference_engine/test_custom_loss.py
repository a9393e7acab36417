import pytest
import torch

from contract import CreateCustomLossRequest, ForwardBackwardInput, RequestFailure, TensorData
from reference_engine.custom_loss import compile_loss
from reference_engine.losses import batch_loss, check_batch
from tests.reference_engine.loss_graphs import LOGPROBS, LOSS, call, datum, graph, node, output, run, steps

SUM = call("loss", "sum", LOGPROBS)


def refused(words: str):
    return pytest.raises(RequestFailure, match=words)


def test_losses_are_summed_and_metrics_reduced_over_datums():
    mean = call("mean", "torch.mean", LOGPROBS)
    loss = compile_loss(
        graph(SUM, mean, node("output", "output", "output", {"tuple": [LOSS, {"dict": {
            "custom/a:sum": {"ref": "mean"}, "custom/a:mean": {"ref": "mean"}}}]}))
    )  # fmt: skip
    found = run(loss, 1, 3)
    assert found.value == -10
    assert found.metrics == {"custom/a:sum": -4, "custom/a:mean": -2}
    assert found.slopes.tolist() == [1, 1, 1, 1]


def test_a_batch_of_an_uploaded_loss_has_its_metrics_and_ours():
    loss = compile_loss(graph(SUM, output(least=LOSS)))
    given = ForwardBackwardInput(data=[datum(2)], loss_fn="custom", loss_fn_config={"loss_id": "loss-1"})
    check_batch(given, custom=loss)
    found = batch_loss(given, torch.tensor([-1.0, -2]), custom=loss)
    assert found.metrics == {"loss:sum": -3, "tokens:sum": 2, "custom/least:mean": -3}
    with refused("custom: expected finite logprobs of the targets, got 1 of 2 that are not; the model has"):
        batch_loss(given, torch.tensor([-1.0, float("nan")]), custom=loss)


def test_a_batch_needs_the_uploaded_loss_that_it_names():
    given = ForwardBackwardInput(data=[datum()], loss_fn="custom", loss_fn_config={"loss_id": "loss-9"})
    with refused(r"loss_fn_config\['loss_id'\]: expected an uploaded loss of this session, got 'loss-9'"):
        check_batch(given)


def test_a_placeholder_may_have_another_name_than_its_input():
    renamed = graph(call("loss", "sum", {"ref": "logprobs_1"}), output())
    renamed.graph.nodes[0] = renamed.graph.nodes[0].model_copy(update={"name": "logprobs_1"})
    assert run(compile_loss(renamed)).value == -6


def test_a_loss_runs_where_gradients_are_off():
    with torch.inference_mode():
        assert run(steps()).slopes.tolist() == [1, 1, 1]


def test_a_loss_may_have_no_metrics_and_a_list_as_output():
    listed = node("output", "output", "output", [LOSS, {"dict": {}}])
    assert run(compile_loss(graph(SUM, listed))).metrics == {}


LOAD = call("bad", "torch.load", "/etc/passwd")
SPELLED = call("bad", "torch.expo", LOGPROBS)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([LOAD], r"graph.nodes\[1\] 'bad': expected one of the \d+ functions .* got 'torch.load'; use .*"),
        ([call("bad", "to", LOGPROBS, {"dtype": "complex64"})], "'bad': expected as dtype one of float32"),
        ([SPELLED], "got 'torch.expo'; use .*torch.exp.* or leave the client flag custom_loss_server_side"),
        ([call("bad", "os.system", "true")], "got 'os.system'; .* leave the client flag"),
        ([call("bad", "torch.rand_like", LOGPROBS)], r"got 'torch.rand_like'"),
        ([call("bad", "item", LOGPROBS)], r"expected one of the \d+ methods .*, got 'item'"),
        ([call("bad", "exp_", LOGPROBS)], "got 'exp_'; use exp"),
        ([call("bad", "__reduce__", LOGPROBS)], "got '__reduce__'"),
        ([call("bad", "torch.cat", [LOGPROBS] * 64)], "at most 64 arguments, those in lists too, got 65"),
    ],
)  # fmt: skip
def test_a_node_that_may_not_run_is_refused_by_name(nodes, words):
    with refused(words):
        steps(*nodes)


def test_a_graph_that_the_contract_refuses_is_refused():
    with refused(r"graph.nodes\[1\] 'x': expected a reference to an earlier node, got 'loss'"):
        steps(call("x", "exp", LOSS))


def test_a_loss_has_at_most_64_metrics():
    def returned(count: int) -> dict:
        return {"tuple": [LOSS, {"dict": {f"custom/m{n}:sum": LOSS for n in range(count)}}]}

    compile_loss(graph(SUM, node("output", "output", "output", returned(64))))
    with refused(r"graph.nodes\[2\] 'output': expected at most 64 metrics, got 65"):
        compile_loss(graph(SUM, node("output", "output", "output", returned(65))))


# Data


READS: CreateCustomLossRequest = graph(SUM, output(), inputs={"logprobs": 1, "weights": 1})


def test_data_that_a_loss_cannot_read_is_refused_by_key_and_datum():
    loss, fine = compile_loss(READS), datum(weights=TensorData(data=[1.0], dtype="float32"))
    loss.check([fine])
    with refused(r"expected 'weights', which custom loss 'mine' reads, got 'target_tokens' \(datum 2 of 2\)"):
        loss.check([fine, datum()])
    flat = TensorData(data=[1.0], dtype="float32", shape=[1, 1])
    with refused(r"\['weights'\]: expected rank 1, as .* declared for weights, .* got shape \[1, 1\]"):
        loss.check([datum(weights=flat)])
    with refused(r"\['target_tokens'\]: expected rank 2, as .* declared for logprobs, .* got shape \[3\]"):
        compile_loss(graph(SUM, output(), inputs={"logprobs": 2})).check([datum()])


def test_a_sparse_input_is_not_made_dense_before_it_is_measured():
    huge = TensorData(
        data=[], dtype="float32", shape=[1, 2**40], sparse_crow_indices=[0, 0], sparse_col_indices=[]
    )
    loss = compile_loss(graph(SUM, output(), inputs={"logprobs": 1, "weights": 2}))
    with refused(
        r"at most 4194304 numbers, 67108864 in a batch, got shape \[1, 1099511627776\] \(datum 1 of 1\)"
    ):
        loss.check([datum(weights=huge)])
    large = huge.model_copy(update={"shape": [1, 2**22]})
    loss.check([datum(weights=large)] * 15)
    with refused(r"67108864 in a batch, got shape \[1, 4194304\] \(datum 16 of 16\)"):
        loss.check([datum(weights=large)] * 16)


# Results


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([call("loss", "exp", LOGPROBS)], r"expected the loss to be a scalar tensor, got shape \[3\]"),
        ([call("loss", "size", LOGPROBS, 0)], "expected the loss to be a scalar tensor, got a int"),
        (
            [call("x", "sum", LOGPROBS), call("loss", "torch.log", {"ref": "x"})],
            "expected the loss to be finite, got nan",
        ),
        (
            [call("x", "sum", LOGPROBS), call("y", "sub", {"ref": "x"}, {"ref": "x"}),
             call("loss", "operator.truediv", 1, {"ref": "y"})],
            r"expected the loss to be finite, got inf \(datum 1 of 1\); look for",
        ),
        ([call("x", "detach", LOGPROBS), call("loss", "sum", {"ref": "x"})],
         "expected a loss that depends on logprobs"),
        (
            [call("x", "operator.gt", LOGPROBS, -9), call("y", "torch.zeros_like", LOGPROBS),
             call("z", "operator.mul", LOGPROBS, 0), call("w", "sqrt", {"ref": "z"}),
             call("u", "torch.where", {"ref": "x"}, {"ref": "y"}, {"ref": "w"}),
             call("loss", "sum", {"ref": "u"})],
            "expected finite derivatives, got 3 of 3 that are not .*; mask a value before an operation",
        ),
    ],
)  # fmt: skip
def test_a_loss_that_cannot_train_is_refused(nodes, words):
    with refused(f"custom loss 'mine': {words}"):
        run(compile_loss(graph(*nodes, output())))


def test_a_loss_of_a_view_that_forgets_the_logprobs_is_refused():
    other = graph(call("loss", "sum", {"ref": "w"}), output(), inputs={"logprobs": 1, "w": 1})
    given = datum(w=TensorData(data=[1.0], dtype="float32"))
    with refused(r"expected a loss that depends on logprobs, got one that does not \(datum 1 of 1\)"):
        compile_loss(other).run([given], torch.zeros(3))


def test_a_metric_that_is_not_finite_is_named():
    nothing = call("none", "operator.getitem", LOGPROBS, {"slice": [0, 0, None]})
    mean = call("mean", "mean", {"ref": "none"})
    loss = compile_loss(graph(SUM, nothing, mean, output(none={"ref": "mean"})))
    with refused(r"expected metric 'custom/none:mean' to be finite, got nan .*the mean of nothing"):
        run(loss)


def test_a_node_that_fails_is_named_with_its_datum():
    column = call("column", "unsqueeze", LOGPROBS, 5)
    with refused(
        r"custom loss 'mine', node 'column' \(unsqueeze\): Dimension out of range .*\(datum 1 of 2\); "
    ):
        run(steps(column), 3, 2)


def test_a_backward_pass_that_fails_is_told():
    kept = call("x", "torch.exp", LOGPROBS)
    square = call("y", "operator.mul", {"ref": "x"}, {"ref": "x"})
    overwritten = call("z", "torch.nn.functional.relu", {"ref": "x"}, True)
    loss = compile_loss(graph(kept, square, overwritten, call("loss", "sum", {"ref": "y"}), output()))
    with refused("custom loss 'mine': its backward pass: one of the variables needed for gradient"):
        run(loss)
