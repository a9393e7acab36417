"""Preferences: the first step finds no difference to the frozen reference, the later ones do."""

from math import log

import pytest

pytestmark = [pytest.mark.sdk, pytest.mark.slow]


@pytest.mark.slice
def test_dpo_begins_at_ln_2_and_learns(recipes):
    run = recipes.run(
        "run",
        "preference.dpo.train",
        model_name="Qwen/Qwen3-8B",
        dataset="hhh",
        batch_size=8,
        learning_rate=1e-2,
        max_steps=3,
    )

    run.assert_trained(steps=3)
    losses = run.all("dpo_loss")
    assert losses[0] == pytest.approx(log(2), abs=1e-4)
    assert losses[-1] < losses[0]
