"""Losses through the torch backend: an uploaded one is as good as the built-in one that it spells."""

import numpy as np
import pytest

from contract import AdamOptimizerConfig, AdamParams, BackendOptions, RequestFailure
from reference_engine.backend import TorchBackend
from reference_engine.engine import Engine
from tests.reference_engine.loss_graphs import LOGPROBS, call, graph, output
from tests.reference_engine.requests import LORA, PICO, batch, datum

ROWS = [
    datum("The keeper lights the lamp.", weights=np.linspace(-1, 2, 26)),
    datum("A ship comes home.", weights=np.ones(17)),
]
NEGATIVE_LIKELIHOOD = graph(
    call("x", "operator.mul", LOGPROBS, {"ref": "weights"}),
    call("y", "sum", {"ref": "x"}),
    call("loss", "operator.neg", {"ref": "y"}),
    output(mine={"ref": "loss"}),
    inputs={"logprobs": 1, "weights": 1},
)


@pytest.fixture(scope="module")
def backend():
    engine = Engine(BackendOptions(threads=1))
    backend = TorchBackend(engine, BackendOptions())
    yield backend
    backend.close()
    engine.close()


def trained(backend, name, *, loss, custom=None, **config):
    """A pass's metrics, and the gradient's norm that the step after it tells."""
    backend.create_model(name, PICO, LORA, AdamOptimizerConfig())
    found = backend.forward_backward(name, batch(*ROWS, loss=loss, **config), custom_loss=custom)
    return found.metrics, backend.optim_step(name, AdamParams()).metrics["grad_norm"]


def test_an_uploaded_cross_entropy_trains_as_the_built_in_one(backend):
    wanted, norm = trained(backend, "a", loss="cross_entropy")
    found, same = trained(backend, "b", loss="custom", custom=NEGATIVE_LIKELIHOOD, loss_id="loss-1")
    assert found["loss:sum"] == pytest.approx(wanted["loss:sum"], rel=1e-6)
    assert found["custom/mine:mean"] == pytest.approx(wanted["loss:sum"] / 2, rel=1e-6)
    assert same == pytest.approx(norm, rel=1e-6)


def test_an_uploaded_loss_that_is_not_there_or_cannot_read_the_data_is_refused(backend):
    with pytest.raises(RequestFailure, match="expected an uploaded loss of this session, got 'loss-2'"):
        trained(backend, "c", loss="custom", loss_id="loss-2")
    other = graph(call("loss", "sum", LOGPROBS), output(), inputs={"logprobs": 1, "rewards": 1})
    with pytest.raises(RequestFailure, match=r"expected 'rewards', which .*\(datum 1 of 2\)"):
        trained(backend, "d", loss="custom", custom=other, loss_id="loss-3")
