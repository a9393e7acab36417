"""Fine-tuning: it learns, and a run that is resumed is to the bit the run that was not stopped."""

import pytest

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

NLL = "train_mean_nll"
CHAT = {
    "model_name": "Qwen/Qwen3-8B",
    "dataset": "no_robots",
    "batch_size": 512,
    "lora_rank": 8,
    "learning_rate": 1e-3,
    "lr_schedule": "constant",
    "eval_every": 0,
    "save_every": 0,
}
LOOP = {
    "model_name": "Qwen/Qwen3-8B",
    "batch_size": 8,
    "max_steps": 6,
    "save_every": 2,
    "lora_rank": 8,
    "learning_rate": 1e-2,
}


def test_fine_tuning_lowers_the_loss(recipes):
    run = recipes.run(
        "run",
        "sl_loop",
        model_name="Qwen/Qwen3.5-9B-Base",
        batch_size=8,
        max_steps=24,
        lora_rank=8,
        learning_rate=3e-3,
    )

    run.assert_trained(steps=24)
    losses = run.all(NLL)
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


@pytest.mark.slice
def test_a_run_resumed_in_the_middle_repeats_the_uninterrupted_one(recipes):
    whole = recipes.run("whole", "sl_loop", **LOOP)
    whole.assert_trained(steps=6)
    lines = (recipes.folder / "whole" / "checkpoints.jsonl").read_text().splitlines(keepends=True)
    (recipes.folder / "resumed").mkdir()
    (recipes.folder / "resumed" / "checkpoints.jsonl").write_text("".join(lines[:2]))

    resumed = recipes.run("resumed", "sl_loop", **LOOP)

    resumed.assert_trained(steps=2)
    losses = whole.by_step(NLL)
    assert resumed.by_step(NLL) == {4: losses[4], 5: losses[5]}


def test_a_run_resumed_after_an_epoch_repeats_the_uninterrupted_one(recipes):
    whole = recipes.run("whole", "chat_sl.train", **CHAT, num_epochs=2)
    whole.assert_trained(steps=8)
    recipes.run("parts", "chat_sl.train", **CHAT, num_epochs=1).assert_trained(steps=4)

    parts = recipes.run("parts", "chat_sl.train", **CHAT, num_epochs=2, behavior_if_log_dir_exists="resume")

    parts.assert_trained(steps=4)
    assert len(whole.by_step(NLL)) == 8
    assert parts.by_step(NLL) == whole.by_step(NLL)
