"""The stateful machine on the torch engine, and on both backends at once."""

from collections import Counter

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from contract.strategies.machine import TinkerMachine
from fake_server.known_differences import KNOWN_DIFFERENCES

BRIEFLY = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=4,
    stateful_step_count=6,
    phases=[Phase.generate],
)
LONGER = settings(BRIEFLY, max_examples=100, stateful_step_count=20)


def tried(subject, other, search):
    """Kinds of steps that were carried out, and how often."""
    kinds = Counter()

    class Machine(TinkerMachine):
        known_differences = KNOWN_DIFFERENCES

        def subject(self):
            return subject

        def other(self):
            return other

        def teardown(self):
            super().teardown()
            kinds.update(step.op for step in self.tandem.steps)

    run_state_machine_as_test(Machine, settings=search)
    return kinds


def test_the_torch_engine_does_what_the_machine_expects(subjects):
    _, torch = subjects

    assert tried(torch, None, BRIEFLY)["forward_backward"]


def test_both_backends_do_the_same_with_the_same_rules(subjects):
    assert tried(*subjects, BRIEFLY)["forward_backward"]


@pytest.mark.slow
def test_both_backends_do_the_same_for_longer(subjects):
    kinds = tried(*subjects, LONGER)

    print(kinds)
    assert set(kinds) == {
        "create_model",
        "create_sampler",
        "create_session",
        "delete_checkpoint",
        "finish_session",
        "forward",
        "forward_backward",
        "load_model",
        "load_weights",
        "logprobs",
        "open_sampler",
        "optim_step",
        "replay",
        "sample",
        "save_for_sampler",
        "save_weights",
        "weights_info",
    }
