"""Reinforcement learning: what is sampled is what is trained on, and every loss gets a signal."""

import pytest

pytestmark = [pytest.mark.sdk, pytest.mark.slow]


@pytest.mark.slice
def test_sampled_logprobs_are_those_of_the_training_pass_and_the_policy_moves(recipes):
    run = recipes.run(
        "run",
        "math_rl.train",
        model_name="Qwen/Qwen3-8B",
        env="arithmetic",
        groups_per_batch=16,
        group_size=4,
        max_tokens=5,
        lora_rank=8,
        learning_rate=2e-4,
        max_steps=4,
        loss_fn="importance_sampling",
        compute_post_kl=True,
    )

    run.assert_trained(steps=4)
    for name in ("optim/kl_sample_train_v1", "optim/kl_sample_train_v2"):
        assert run.all(name) == [0, 0, 0, 0]
    moved = run.all("kl_pre_post_v2")  # half the mean square: unlike v1 it cannot cancel out
    assert len(moved) == 4
    assert min(moved) > 1e-4


LOSSES = ["importance_sampling", "cispo", "gspo", pytest.param("stable_reinforce", marks=pytest.mark.slice)]


@pytest.mark.parametrize("loss", LOSSES)
def test_rewards_vary_and_every_step_trains(recipes, loss):
    run = recipes.run(
        "run",
        "rl_loop",
        model_name="Qwen/Qwen3-8B",
        batch_size=8,
        group_size=8,
        max_tokens=16,
        max_steps=4,
        lora_rank=8,
        learning_rate=1e-3,
        loss_fn=loss,
    )

    run.assert_trained(steps=4)
    rewards = run.all("reward/total")
    assert len(rewards) == 4
    assert any(0 < reward < 1 for reward in rewards)
