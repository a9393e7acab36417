"""What the trained model writes, and how many sums it gets right."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from .pico_model import Causal, Shape
from .pico_text.marks import CLOSE, END, OPEN
from .pico_text.sums import KINDS, problem

__all__ = ["TEMPLATES", "continued", "read", "right_answers"]

TEMPLATES = {
    "equation": "{0.left}{0.sign}{0.right}=",
    "question": "Question: What is {0.left} {0.sign} {0.right}?\nAnswer:",
    "chat": f"{OPEN}user\nWhat is {{0.left}} {{0.sign}} {{0.right}}?{CLOSE}\n{OPEN}assistant\n",
}


def read(folder: Path) -> Causal:
    """The model in a folder, in float32."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    model = Causal(Shape(**{field.name: config[field.name] for field in fields(Shape)}))
    model.load_state_dict(
        {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    )
    return model


@torch.inference_mode()
def continued(
    model: Causal,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    temperature: float = 0.0,
    max_tokens: int = 300,
    seed: int = 0,
) -> list[str]:
    """What the model writes after each prompt, with the mark that ends it; greedy at temperature 0."""
    ends = {tokenizer.token_to_id(END), tokenizer.token_to_id(CLOSE)}
    generator = torch.Generator().manual_seed(seed)
    texts = []
    for prompt in prompts:
        tokens = tokenizer.encode(prompt).ids
        start = len(tokens)
        while len(tokens) - start < max_tokens and (len(tokens) == start or tokens[-1] not in ends):
            logits = model(torch.tensor([tokens]))[0, -1]
            if temperature:
                chances = torch.softmax(logits / temperature, dim=-1)
                tokens.append(int(torch.multinomial(chances, 1, generator=generator)))
            else:
                tokens.append(int(logits.argmax()))
        texts.append(tokenizer.decode(tokens[start:], skip_special_tokens=False))
    return texts


def right_answers(
    model: Causal, tokenizer: Tokenizer, *, temperature: float = 0.0, count: int = 100, seed: int = 1
) -> dict[str, float]:
    """Share of sums answered rightly, by the template they are asked in and by their kind."""
    shares = {}
    for name, template in TEMPLATES.items():
        for kind in KINDS:
            random = Random(seed)
            problems = [problem(random, kind) for _ in range(count)]
            prompts = [template.format(given) for given in problems]
            written = continued(model, tokenizer, prompts, temperature=temperature, max_tokens=6, seed=seed)
            right = [
                answer.split("\n")[0].replace(END, "").replace(CLOSE, "").strip() == str(given.answer)
                for answer, given in zip(written, problems, strict=True)
            ]
            shares[f"{name}, {kind}"] = sum(right) / count
    return shares
