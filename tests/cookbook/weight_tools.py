"""What tinker-cookbook makes of an adapter, run in an environment of its own.

usage: weight_tools.py MODEL ADAPTER OUT TOKENS: merges ADAPTER into MODEL and prints the merged model's
logprobs of TOKENS (JSON), converts it for peft, and prints the folders and an error if there was one.
"""

import json
import sys
from pathlib import Path

import torch
from tinker_cookbook.exceptions import WeightsError
from tinker_cookbook.weights import build_hf_model, build_lora_adapter
from transformers import AutoModelForCausalLM


def merged_logprobs(
    model: str, adapter: str, out: Path, strategy: str, tokens: list[int]
) -> list[list[float]]:
    """The logprobs `[T, V]` of the model that `build_hf_model` makes."""
    build_hf_model(
        base_model=model,
        adapter_path=adapter,
        output_path=str(out),
        dtype="float32",
        merge_strategy=strategy,
        device="cpu",
    )
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    with torch.no_grad():
        scores = merged(torch.tensor([tokens])).logits[0]
    logprobs: list[list[float]] = scores.log_softmax(-1).tolist()
    return logprobs


def main(model: str, adapter: str, out: str, tokens: str) -> dict[str, object]:
    """Everything that the tests look at."""
    result: dict[str, object] = {}
    for strategy in ("full", "shard"):
        result[strategy] = merged_logprobs(model, adapter, Path(out, strategy), strategy, json.loads(tokens))
    try:
        build_lora_adapter(base_model=model, adapter_path=adapter, output_path=str(Path(out, "peft")))
        result["peft"] = str(Path(out, "peft"))
    except WeightsError as error:
        result["peft_error"] = str(error)
    return result


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
