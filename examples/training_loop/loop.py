"""A training loop on the published SDK: it trains, saves now and then, and goes on from what it has saved."""

import json
from pathlib import Path

import tinker

__all__ = ["BATCHES", "Loop"]

ADAM = tinker.AdamParams(learning_rate=0.1)
SAVE_EVERY = 2


def _batch(tokens: list[int]) -> list[tinker.Datum]:
    given = tinker.ModelInput.from_ints(tokens[:-1])
    inputs = {"target_tokens": tokens[1:], "weights": [1.0] * (len(tokens) - 1)}
    return [tinker.Datum(model_input=given, loss_fn_inputs=inputs)]


BATCHES = [_batch([1, 2, 3, 4, 5]), _batch([2, 3, 4, 5, 6])] * 3


class Loop:
    """Trains on batches in their order; `folder` keeps how far it came."""

    def __init__(self, service: tinker.ServiceClient, folder: Path) -> None:
        self.service = service
        self.progress = folder / "progress.json"

    def train(self, batches: list[list[tinker.Datum]]) -> list[float]:
        """The losses of the batches that were still to do."""
        done, model = self.begin()
        losses = []
        for number, batch in enumerate(batches[done:], start=done + 1):
            losses.append(self.step(model, batch))
            if number % SAVE_EVERY == 0:
                saved = model.save_state(f"step-{number}", ttl_seconds=86400).result()
                self.progress.write_text(json.dumps({"done": number, "path": saved.path}))
        return losses

    def begin(self) -> tuple[int, tinker.TrainingClient]:
        """How many batches are done, and a model that has learned from them."""
        if not self.progress.exists():
            return 0, self.service.create_lora_training_client("Qwen/Qwen3-8B", rank=8).result()
        saved = json.loads(self.progress.read_text())
        return saved["done"], self.resume(saved["path"])

    def resume(self, path: str) -> tinker.TrainingClient:
        """The model of a checkpoint."""
        return self.service.create_training_client_from_state_with_optimizer(path).result()

    def step(self, model: tinker.TrainingClient, batch: list[tinker.Datum]) -> float:
        """Learn from one batch; returns its loss."""
        output = model.forward_backward(batch, "cross_entropy").result()
        self.update(model)
        return output.metrics["loss:sum"]

    def update(self, model: tinker.TrainingClient) -> None:
        """One step of the optimizer, however long the queue is."""
        model.optim_step(ADAM).result()
