"""What an uploaded loss may cost, and what it may not do."""

import time

import pytest
import torch

from contract import RequestFailure
from reference_engine.loss_operations import FUNCTIONS, METHODS, attribute
from reference_engine.loss_sizes import Budget, check_value
from tests.reference_engine.loss_graphs import LOGPROBS, call, run, steps

X, Y = {"ref": "x"}, {"ref": "y"}
NUMBER = call("x", "size", LOGPROBS, 0)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([call("x", "expand", LOGPROBS, 2**40, 3)], "expected at most 4194304 numbers in a value, got 3298"),
        ([call("x", "repeat", LOGPROBS, 2**30)], "numbers in a value"),
        ([call("x", "torch.zeros", 2**20, 2**20)], "numbers in a value"),
        ([call("x", "torch.full", [2**30], 1.0, device={"device": "cpu"})], "numbers in a value"),
        ([call("x", "torch.arange", 2**50)], "numbers in a value"),
        ([call("x", "new_zeros", LOGPROBS, 2**40, device={"device": "cpu"})], "numbers in a value"),
        ([call("x", "torch.nn.functional.pad", LOGPROBS, {"tuple": [0, 2**40]})], "numbers in a value"),
        (
            [call("x", "torch.arange", 4096), call("y", "torch.outer", X, X)],
            "numbers in a value, got 16777216",
        ),
        (
            [call("x", "torch.zeros", 4096, 1), call("y", "torch.zeros", 4096), call("z", "add", X, Y)],
            "numbers in a value, got 16777216",
        ),
        (
            [call("x", "torch.zeros", 2048, 2048), call("y", "torch.cat", [X, X])],
            "numbers in a value, got 8388608",
        ),
        (
            [call("x", "torch.zeros", 3, dtype={"dtype": "int64"}), call("y", "torch.zeros", 2**21),
             call("z", "operator.getitem", Y, {"tuple": [None, X]}),
             call("w", "operator.getitem", {"ref": "z"}, {"tuple": [[0], X]})],
            "",
        ),
        (
            [call("x", "torch.zeros", 2**21, dtype={"dtype": "int64"}),
             call("y", "torch.zeros", 4, 4), call("z", "operator.getitem", Y, X)],
            "numbers in a value, got 8388608",
        ),
        (
            [call("x", "torch.zeros", 2**20, dtype={"dtype": "bool"}), call("y", "torch.zeros", 8, 2**20),
             call("i", "torch.zeros", 9, 1, dtype={"dtype": "int64"}),
             call("z", "operator.getitem", Y, {"tuple": [{"ref": "i"}, X]})],
            "numbers in a value",
        ),
        (
            [call("x", "torch.zeros", 2**12), call("y", "torch.zeros", 2**12),
             call("z", "torch.quantile", X, Y)],
            "numbers in a value",
        ),
        ([call("x", "reshape", LOGPROBS, [1] * 8 + [3])], "at most 8 dimensions .*, got 9 and 3"),
        ([call("x", "torch.zeros", 300), call("y", "torch.unbind", X)], "at most 256 parts, got 300"),
        ([call("x", "torch.zeros", 300), call("y", "split", X, 1)], "at most 256 parts, got 300"),
        ([call("x", "torch.zeros", 300), call("y", "chunk", X, 280, dim=0)], "at most 256 parts, got 280"),
        ([NUMBER, call("y", "operator.lshift", X, 200)], "expected whole numbers of 63 bits, got more"),
        ([NUMBER, call("y", "operator.pow", X, 2**40)], "expected whole numbers of 63 bits, got more"),
        ([NUMBER, call("y", "operator.pow", X, 45)], "expected whole numbers of 63 bits, got 72"),
        ([call("x", "torch.diff", LOGPROBS, 2**40)], "expected at most 8 differences, got 1099511627776"),
    ],
)  # fmt: skip
def test_a_value_that_is_too_large_is_refused_before_it_is_made(nodes, words):
    if not words:
        assert run(steps(*nodes)).value == -6
        return
    started = time.monotonic()
    with pytest.raises(RequestFailure, match=rf"custom loss 'mine', node '.' .*{words}.*\(datum 1 of 1\)"):
        run(steps(*nodes))
    assert time.monotonic() - started < 5


def test_a_batch_may_compute_so_much_and_no_more():
    loss = steps(call("x", "torch.zeros", 2048, 2048), *[call(f"x{n}", "exp", X) for n in range(5)])
    assert run(loss, 1).value == -1
    with pytest.raises(RequestFailure, match=r"expected at most 67108864 numbers to compute for a batch"):
        run(loss, *[1] * 12)


def test_a_product_of_matrices_costs_its_inner_size():
    wide = [call("x", "torch.zeros", 1024, 4096), call("y", "operator.matmul", X, {"ref": "t"})]
    loss = steps(wide[0], call("t", "t", X), wide[1])
    with pytest.raises(RequestFailure, match=r"node 'y' .*67108864 numbers to compute"):
        run(loss)
    assert run(steps(call("x", "dot", LOGPROBS, LOGPROBS))).value == -6


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([call("x", "operator.mul", "ab", 2**40)], "expected tensors and numbers, got str, int"),
        ([call("x", "operator.mul", [LOGPROBS], 2**40)], "expected tensors and numbers, got list, int"),
        ([call("x", "operator.mod", "%99d", 1)], "expected tensors and numbers, got str, int"),
        ([call("x", "operator.mod", LOGPROBS, b=1)], "expected tensors and numbers, got Tensor"),
        ([call("x", "math.exp", LOGPROBS)], "expected numbers, got Tensor; call the function of torch"),
        ([call("x", "math.exp", 1000)], "math range error"),
        ([call("x", "operator.truediv", 1, 0)], "division by zero"),
        ([call("x", "operator.pow", -8.0, 0.5)], "expected tensors and numbers, got complex"),
        ([call("x", "operator.getitem", "abc", 0)], "a tensor or a place in a list, got str and int"),
        ([call("x", "operator.getitem", {"tuple": [1]}, LOGPROBS)], "got tuple and Tensor"),
        ([call("x", "getattr", LOGPROBS, "data")], "expected one of shape, .* of a tensor, got 'data'"),
        ([call("x", "getattr", LOGPROBS, "values")], "of a tensor, got 'values'"),
        ([call("x", "getattr", LOGPROBS, "grad", None)], "of a tensor, got 'grad'"),
        ([call("x", "getattr", 1, "shape")], "of a tensor, got 'shape'"),
        ([call("x", "exp", 1.5)], "descriptor 'exp' .* doesn't apply to a 'float' object"),
        ([call("x", "to", LOGPROBS, "meta")], "expected real numbers on the CPU, got torch.float32 on meta"),
        ([call("x", "to", LOGPROBS, "complex64")], r"node 'x' \(to\): "),
        ([call("x", "torch.exp", LOGPROBS, out=LOGPROBS)], "a result of its own, got out or inplace"),
        ([call("x", "torch.nn.functional.relu", LOGPROBS, inplace=True)], "got out or inplace"),
        ([call("x", "torch.where", {"ref": "logprobs"})], "expected a condition and two sides, got 1 arg"),
        ([call("x", "norm", LOGPROBS, "nuc")], "expected the norm of a vector, got order 'nuc'"),
        (
            [call("x", "torch.zeros", 2, 2), call("y", "torch._C._linalg.linalg_norm", X, 2)],
            "expected the norm of a vector, got order 2 of a matrix; flatten it first",
        ),
        ([call("x", "split", LOGPROBS)], "node 'x' .*pop from empty list"),
        ([call("x", "new_zeros", LOGPROBS, -1)], "node 'x' "),
        ([call("x", "operator.invert", LOGPROBS)], "node 'x' "),
    ],
)  # fmt: skip
def test_an_argument_that_does_not_suit_is_refused(nodes, words):
    with pytest.raises(RequestFailure, match=rf"{words}.*"):
        run(steps(*nodes))


@pytest.mark.parametrize(
    "nodes",
    [
        [call("x", "sort", LOGPROBS), call("y", "getattr", X, "indices"),
         call("z", "operator.getitem", X, 0)],
        [call("x", "getattr", LOGPROBS, "shape"), call("y", "operator.add", X, {"tuple": [1]}),
         call("z", "reshape", LOGPROBS, Y)],
        [call("x", "split", LOGPROBS, [1, 2], -1),
         call("y", "operator.getitem", X, {"slice": [1, None, None]})],
        [call("x", "chunk", LOGPROBS, 2), call("y", "torch.unbind", LOGPROBS, 0)],
        [call("x", "norm", LOGPROBS), call("y", "torch._C._linalg.linalg_norm", LOGPROBS, 3),
         call("z", "torch.functional.norm", LOGPROBS, 1)],
        [call("x", "torch.diff", LOGPROBS), call("y", "operator.gt", LOGPROBS, -2),
         call("z", "torch.where", Y, LOGPROBS, 0.0)],
        [call("x", "getattr", LOGPROBS, "dtype"), call("y", "to", LOGPROBS, X)],
        [call("x", "torch.stack", [LOGPROBS, LOGPROBS], dim=0), call("y", "unsqueeze", LOGPROBS, 0),
         call("z", "matmul", Y, LOGPROBS)],
        [call("x", "math.sqrt", 2), call("y", "operator.pow", 3, -2), call("z", "operator.lshift", 1, 5)],
    ],
)  # fmt: skip
def test_ordinary_calls_go_through(nodes):
    assert run(steps(*nodes)).value == -6


@pytest.mark.parametrize("value", [None, {}, "text", 1j, torch.zeros(1, dtype=torch.complex64), [None]])
def test_values_of_another_kind_do_not_leave_a_step(value):
    with pytest.raises(TypeError):
        check_value(value)


def test_long_lists_do_not_leave_a_step():
    with pytest.raises(ValueError, match="expected at most 256 parts, got 257"):
        check_value((1,) * 257)


def test_a_budget_counts_what_every_number_is_made_of():
    budget = Budget(left=10_000)
    budget.spend(10, 100)
    assert budget.left == 10_000 - 256 - 1000


def test_attributes_are_read_of_tensors_and_pairs_only():
    assert attribute(torch.zeros(2, 3), "shape") == (2, 3)
    assert attribute(torch.zeros(2).max(dim=0), "values") == 0


def test_nothing_on_the_list_is_random_in_place_or_leaves_torch():
    names = {name.rpartition(".")[2] for name in [*FUNCTIONS, *METHODS]}
    forbidden = ("rand", "bernoulli", "multinomial", "dropout", "item", "tolist", "numpy", "load", "backward")
    assert not [name for name in names if name.startswith(forbidden)]
    assert not [name for name in names if name.endswith("_") and name not in ("and_", "or_")]
