"""A whole life of a model, driven by the published SDK against a local server. Run: `make demo`.

Capabilities, session, training with a falling loss, state saved and resumed, weights sampled from,
logprobs computed, checkpoints listed and deleted, session closed. No GPU, no account, no network.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import plotext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

BASE_MODEL = "tinkerproof/pico"
TEXT = Path(__file__).parent / "lighthouse.txt"
STEPS, BATCH, RANK, LEARNING_RATE = 30, 8, 8, 3e-3
PROMPT = "The keeper "

console = Console()


@contextmanager
def running_server(backend: str) -> Iterator[str]:
    """A server in a process of its own, on a free loopback port; gives its URL."""
    command = [sys.executable, "-m", "fake_server.cli", "serve", "--backend", backend]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=10)


def datums(tokenizer: Any) -> list[Any]:
    """The text as training examples: each line, shifted by one token."""
    from tinker import types

    lines = [tokenizer.encode(line + "\n") for line in TEXT.read_text(encoding="utf-8").splitlines()]
    return [
        types.Datum(
            model_input=types.ModelInput.from_ints(line[:-1]),
            loss_fn_inputs={
                "target_tokens": np.array(line[1:]),
                "weights": np.ones(len(line) - 1, dtype=np.float32),
            },
        )
        for line in lines
    ]


def train(client: Any, data: list[Any], first: int, last: int) -> list[float]:
    """Train from step `first` up to `last`; returns the mean loss per token of each step."""
    from tinker import types

    losses: list[float] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), console=console) as progress:
        task = progress.add_task("training", total=last - first, loss=float("nan"))
        for step in range(first, last):
            batch = [data[(step * BATCH + offset) % len(data)] for offset in range(BATCH)]
            forward_backward = client.forward_backward(batch, "cross_entropy")
            optim_step = client.optim_step(types.AdamParams(learning_rate=LEARNING_RATE))
            tokens = sum(datum.model_input.length for datum in batch)
            losses.append(forward_backward.result().metrics["loss:sum"] / tokens)
            optim_step.result()
            progress.update(task, advance=1, loss=losses[-1])
    return losses


def show_curve(losses: list[float]) -> None:
    """Draw the loss in the terminal."""
    figure = plotext.figure
    figure.theme("simple")
    figure.plot_size(min(console.width, 90), 14)
    figure.title("loss per token, by step")
    figure.draw(figure.signal(list(range(1, len(losses) + 1)), losses))
    figure.show(colorless=not console.is_terminal)


def sample(sampler: Any, tokenizer: Any) -> str:
    """One greedy continuation of the prompt."""
    from tinker import types

    prompt = types.ModelInput.from_ints(tokenizer.encode(PROMPT))
    params = types.SamplingParams(max_tokens=60, temperature=0, stop=["\n"])
    response = sampler.sample(prompt, num_samples=1, sampling_params=params).result()
    return PROMPT + str(tokenizer.decode(response.sequences[0].tokens))


def score(sampler: Any, tokenizer: Any) -> float:
    """Mean logprob of the text's first line."""
    from tinker import types

    line = TEXT.read_text(encoding="utf-8").splitlines()[0]
    logprobs = sampler.compute_logprobs(types.ModelInput.from_ints(tokenizer.encode(line))).result()
    return float(np.mean([logprob for logprob in logprobs if logprob is not None]))


def live(url: str) -> dict[str, str]:
    """The whole life; returns what the summary tells."""
    import tinker

    service = tinker.ServiceClient(base_url=url, user_metadata={"purpose": "demo"})
    rest = tinker.RestClient(base_url=url)
    models = rest.get_server_capabilities().result().supported_models
    console.print(f"[bold]capabilities[/]  {len(models)} base models, the first is {models[0].model_name}")

    client = service.create_lora_training_client(base_model=BASE_MODEL, rank=RANK, seed=7).result()
    tokenizer = client.get_tokenizer()
    data = datums(tokenizer)
    console.print(f"[bold]tokenized[/]     {TEXT.name}: {sum(d.model_input.length for d in data)} tokens")
    before = score(service.create_sampling_client(base_model=BASE_MODEL).result(), tokenizer)

    losses = train(client, data, 0, STEPS // 2)
    saved = client.save_state("halfway").result().path
    client = service.create_training_client_from_state_with_optimizer(saved).result()
    console.print(f"[bold]resumed[/]       from {saved}", soft_wrap=True)
    losses += train(client, data, STEPS // 2, STEPS)
    show_curve(losses)

    weights = client.save_weights_for_sampler("final").result().path
    sampler = service.create_sampling_client(model_path=weights).result()
    console.print(f"[bold]sampled[/]       {sample(sampler, tokenizer)!r}")
    after = score(sampler, tokenizer)
    paths = [c.tinker_path for c in rest.list_user_checkpoints().result().checkpoints]
    for path in paths:
        rest.delete_checkpoint_from_tinker_path(path).result()
    left = len(rest.list_user_checkpoints().result().checkpoints)
    service.close("success", "the demo is over").result()
    return {
        "SDK": tinker.__version__,
        "loss per token": f"{losses[0]:.3f} -> {losses[-1]:.3f} in {STEPS} steps",
        "logprob of the text": f"{before:.3f} -> {after:.3f}",
        "checkpoints": f"{len(paths)} saved, {left} left after deletion",
    }


def main(backend: str = "scripted") -> int:
    """Run the demo; 0 where everything held."""
    started = time.monotonic()
    os.environ.update(
        TINKER_API_KEY="tml-demo", TINKER_TELEMETRY="0", NO_PROXY="127.0.0.1", no_proxy="127.0.0.1"
    )
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    with running_server(backend) as url:
        console.print(f"[bold]server[/]        {url}, backend {backend}")
        summary = live(url)
    summary["time"] = f"{time.monotonic() - started:.1f} s"
    console.rule("summary")
    for name, value in summary.items():
        console.print(f"{name:>20}  {value}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
