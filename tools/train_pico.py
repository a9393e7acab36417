"""Train `tinkerproof/pico` from nothing, on text that the seed determines, and write its Hugging Face folder.

Run: `python -m tools.train_pico [FOLDER]`; it takes 35 minutes of one core. The same seed and torch on one
machine give the same bytes (it uses one thread); another machine may give another model, much like this one.
Contexts of up to `Plan.long_length` tokens are trained; the model takes more, but makes no sense of them.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from .measure_pico import continued, read, right_answers
from .pico_model import Causal, Shape
from .pico_text import documents
from .pico_text.marks import CLOSE, END, OPEN, PAD

FOLDER = Path(__file__).parent.parent / "reference_engine" / "pico"
TOKENIZER = FOLDER / "tokenizer.json"
PROMPTS = ("", "The keeper", "3+4=", f"{OPEN}user\nTell me a story.{CLOSE}\n{OPEN}assistant\n")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, on how much and how fast to learn. Source of the numbers: ours: tried out on one core."""

    seed: int = 0
    steps: int = 10_000
    batch_tokens: int = 1024
    length: int = 256
    """Tokens in a row of most steps."""
    long_length: int = 1024
    long_every: int = 10
    """Every so many steps the rows have `long_length`, so that positions beyond `length` are known too."""
    learning_rate: float = 4e-3
    last_rate: float = 0.02
    """Of the learning rate, at the end of the cosine."""
    warmup_steps: int = 100
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = 1.0

    def length_at(self, step: int) -> int:
        """Tokens in a row at a step."""
        return self.long_length if step % self.long_every == self.long_every - 1 else self.length

    def rate_at(self, step: int) -> float:
        """Learning rate at a step."""
        done = step / self.steps
        falling = self.last_rate + (1 - self.last_rate) * (1 + cos(pi * done)) / 2
        return self.learning_rate * min(1.0, (step + 1) / self.warmup_steps) * falling


class Text:
    """Rows of tokens, made when asked for. Each begins with a document, every other one after `END`."""

    def __init__(self, seed: int, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.documents = documents(seed)
        self.end = tokenizer.encode(END).ids
        self.rows = 0

    def row(self, length: int) -> list[int]:
        """The next documents, cut off at `length`."""
        tokens = list(self.end) if self.rows % 2 else []
        self.rows += 1
        while len(tokens) < length:
            tokens += self.tokenizer.encode(next(self.documents)).ids
        return tokens[:length]

    def batch(self, rows: int, length: int) -> Tensor:
        """`[rows, length + 1]` int64: inputs and, one place on, their targets."""
        return torch.tensor([self.row(length + 1) for _ in range(rows)])


def train(model: Causal, plan: Plan, text: Text) -> Iterator[float]:
    """Train the model; yields the mean loss per token of each step, in nats."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=plan.betas, weight_decay=plan.weight_decay)
    for step in range(plan.steps):
        length = plan.length_at(step)
        batch = text.batch(plan.batch_tokens // length, length)
        logits = model(batch[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(step)
        optimizer.step()
        yield loss.item()


def write(model: Causal, tokenizer: Tokenizer, folder: Path) -> None:
    """Write configuration and weights, the latter in bfloat16; the tokenizer's files are not touched."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [tokenizer.token_to_id(END), tokenizer.token_to_id(CLOSE)]
    marks = {"eos_token_id": ends, "pad_token_id": tokenizer.token_to_id(PAD)}
    numbers = asdict(model.shape)
    theta = numbers.pop("rope_theta")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "mlp_bias": False,
        "model_type": "llama",
        "rope_parameters": {"rope_theta": theta, "rope_type": "default"},
        "rope_theta": theta,
        "tie_word_embeddings": True,
        **numbers,
        **marks,
    }
    for name, content in (("config.json", config), ("generation_config.json", marks)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    weights = {name: value.detach().bfloat16() for name, value in model.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))


def make(folder: Path, plan: Plan, shape: Shape, console: Console) -> list[float]:
    """Train a model and write it to `folder`; returns the loss of each step."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    model = Causal(shape)
    losses: list[float] = []
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), console=console) as progress:
        task = progress.add_task("", total=plan.steps, loss=float("nan"))
        for loss in train(model, plan, Text(plan.seed, tokenizer)):
            losses.append(loss)
            progress.update(task, advance=1, loss=loss)
            if len(losses) % 200 == 0:
                console.print(f"step {len(losses)}: loss {sum(losses[-200:]) / 200:.4f}")
    write(model, tokenizer, folder)
    return losses


def show(folder: Path, console: Console, *, count: int = 100, max_tokens: int = 300) -> None:
    """Print samples of at most `max_tokens`, and how many of `count` sums of each kind are right."""
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    model = read(folder)
    for prompt in PROMPTS:
        starts = [prompt or END] * 3
        for sample in continued(model, tokenizer, starts, temperature=1.0, max_tokens=max_tokens):
            console.print(f"{prompt}|{sample}", markup=False, highlight=False)
            console.rule()
    for kind, share in right_answers(model, tokenizer, count=count).items():
        console.print(f"{kind}: {share:.0%} right")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=Plan().seed)
    parser.add_argument("--steps", type=int, default=Plan().steps)
    given = parser.parse_args()
    console = Console()
    make(given.folder, Plan(seed=given.seed, steps=given.steps), Shape(), console)
    show(given.folder, console)


if __name__ == "__main__":
    main()
