"""A whole life through the mini client, on fixed data: train, save, resume, sample, score, train on samples.

It checks itself by what must hold on every server: what was loaded is what was saved, a step without a
learning rate changes nothing, a sampler's scores are the model's, and samples' logprobs are their scores.
"""

from collections.abc import Iterable, Sequence
from math import fsum, isclose
from typing import Any

from contract.inputs import Datum, ModelInput
from tests.clients.errors import ClientError
from tests.clients.mini import MiniClient

__all__ = ["BASE_MODEL", "Inconsistent", "datum", "run"]

BASE_MODEL = "tinkerproof/pico"
STEPS, LEARNING_RATE = 3, 0.02
TEXTS = ((5, 6, 7, 8, 9), (7, 5, 9, 4), (8, 6, 4, 7, 5, 9))
"""Sequences of tokens; each but the last one of a sequence is followed by the next."""
PROMPT = (5, 6, 7)
SAMPLES, TOKENS, SEED = 2, 4, 11
CLOSENESS = 1e-4
"""Absolute and relative: float32 in any order of sums."""


class Inconsistent(ClientError):
    """Two numbers differ that must not, or the other way round."""


def datum(tokens: Sequence[int], weight: float = 1.0) -> Datum:
    """An example that predicts each next token."""
    count = len(tokens) - 1
    inputs: dict[str, Any] = {"target_tokens": list(tokens[1:]), "weights": [weight] * count}
    return Datum(model_input=ModelInput.from_ints(list(tokens[:-1])), loss_fn_inputs=inputs)


def scored(tokens: Sequence[int], logprobs: Sequence[float], advantage: float) -> Datum:
    """An example of a sampled sequence, with the logprobs that it was sampled with."""
    whole, before = [*PROMPT, *tokens], len(PROMPT) - 1
    inputs: dict[str, Any] = {
        "target_tokens": whole[1:],
        "logprobs": [0.0] * before + list(logprobs),
        "advantages": [0.0] * before + [advantage] * len(tokens),
    }
    return Datum(model_input=ModelInput.from_ints(whole[:-1]), loss_fn_inputs=inputs)


def check(what: str, ones: Iterable[float | None], others: Iterable[float | None]) -> None:
    """Two rows of numbers must be the same.

    Raises:
        Inconsistent: where they are not.
    """
    one, other = list(ones), list(others)
    near = len(one) == len(other) and all(
        a is not None and b is not None and isclose(a, b, rel_tol=CLOSENESS, abs_tol=CLOSENESS)
        for a, b in zip(one, other, strict=True)
    )
    if not near:
        raise Inconsistent(f"{what}: expected {one}, got {other}")


def train(client: MiniClient, model_id: str, report: dict[str, Any]) -> None:
    """One step on two batches, whose gradients add up; all three operations are under way at once."""
    first = client.forward_backward(model_id, [datum(text) for text in TEXTS[:2]])
    second = client.forward_backward(model_id, [datum(TEXTS[2])])
    step = client.optim_step(model_id, LEARNING_RATE, grad_clip_norm=1.0)
    losses = [pending.result().metrics["loss:sum"] for pending in (first, second)]
    report["losses"].append(losses)
    report["steps"].append(sorted(step.result()))


def scores_of(client: MiniClient, model_id: str) -> list[float]:
    """The logprob of each target of a fixed example."""
    output = client.forward(model_id, [datum(TEXTS[2])]).result()
    return [float(number) for number in output.loss_fn_outputs[0]["logprobs"].tolist()]


def sampled(client: MiniClient, sampler_id: str, report: dict[str, Any]) -> list[Datum]:
    """Samples of a sampler, scored by it, as examples to learn from."""
    response = client.sample(sampler_id, PROMPT, SAMPLES, max_tokens=TOKENS, seed=SEED).result()
    sequences = [(sequence.tokens, sequence.logprobs or []) for sequence in response.sequences]
    report["samples"].append(sequences)
    for tokens, logprobs in sequences:
        scores = client.compute_logprobs(sampler_id, [*PROMPT, *tokens])
        check("logprobs of a sample", scores[len(PROMPT) :], logprobs)
    return [scored(tokens, logprobs, 1.0 / n) for n, (tokens, logprobs) in enumerate(sequences, 1)]


def live(client: MiniClient, session_id: str, report: dict[str, Any]) -> None:
    """Everything between the opening of a session and its end.

    Raises:
        ClientError: if anything goes wrong.
    """
    model_id = client.create_model(session_id, BASE_MODEL, rank=8, seed=1).result()
    path = client.save_weights_for_sampler(model_id, "first").result()
    sampled(client, client.create_sampling_session(session_id, model_path=path), report)
    for _ in range(STEPS):
        train(client, model_id, report)
    if not fsum(report["losses"][-1]) < fsum(report["losses"][0]):
        raise Inconsistent(f"loss: expected it to fall, got {report['losses']}")
    state = client.save_weights(model_id, "state").result()
    resumed = client.load_weights(session_id, state, optimizer=True).result()
    resume(client, model_id, resumed)
    path = client.save_weights_for_sampler(resumed, "last").result()
    last = client.create_sampling_session(session_id, model_path=path)
    check("scores of a sampler", scores_of(client, resumed), client.compute_logprobs(last, TEXTS[2])[1:])
    reinforce(client, resumed, sampled(client, last, report), report)
    rows = [row for model in (model_id, resumed) for row in client.list_checkpoints(model)]
    names = sorted(row["checkpoint_id"] for row in rows)
    if names != ["sampler_weights/first", "sampler_weights/last", "weights/state"]:
        raise Inconsistent(f"checkpoints: expected those that were saved, got {names}")
    client.save_weights(resumed, "end")  # nobody waits for it: the session's end does


def resume(client: MiniClient, model_id: str, resumed: str) -> None:
    """Both models must be the same, also after one more step; neither a look nor a rate of 0 changes them.

    The step is on a gradient of another size, so that it is another one where the optimizer starts anew.
    """
    for number in range(2):
        check(
            f"loaded weights, {number} steps later", scores_of(client, model_id), scores_of(client, resumed)
        )
        client.forward(resumed, [datum(TEXTS[2], -1.0)]).result()
        for each in (model_id, resumed):
            gradients = client.forward_backward(each, [datum(TEXTS[1], 0.2), datum(TEXTS[2], 0.1)])
            step = client.optim_step(each, LEARNING_RATE)
            gradients.result()
            step.result()
    before = scores_of(client, resumed)
    still = client.forward_backward(resumed, [datum(TEXTS[0])]), client.optim_step(resumed, 0.0)
    still[0].result()
    still[1].result()
    check("weights after a step without a rate", before, scores_of(client, resumed))


def reinforce(client: MiniClient, model_id: str, batch: Sequence[Datum], report: dict[str, Any]) -> None:
    """One step on samples of these very weights: all ratios are 1, and the loss is that of the advantages."""
    loss = client.forward_backward(model_id, batch, "importance_sampling")
    step = client.optim_step(model_id, LEARNING_RATE)
    advantages = fsum(fsum(each.loss_fn_inputs["advantages"].tolist()) for each in batch)
    check("loss of samples", [-advantages], [loss.result().metrics["loss:sum"]])
    report["steps"].append(sorted(step.result()))


def run(client: MiniClient) -> dict[str, Any]:
    """The life, and what came of it; `ok` is whether nothing went wrong, else `error` says what."""
    report: dict[str, Any] = {"ok": False, "losses": [], "steps": [], "samples": []}
    session_id = ""
    try:
        session_id = client.create_session(["mini"], purpose="a training loop")
        live(client, session_id, report)
        client.finish_session(session_id)
        report["ok"] = True
    except ClientError as error:
        report["error"] = f"{type(error).__name__}: {error}"
        _give_up(client, session_id)
    return report


def _give_up(client: MiniClient, session_id: str) -> None:
    """End the session, if there is one and it has not ended."""
    if session_id and session_id not in client.finished:
        try:
            client.finish_session(session_id, "errored", "the training loop failed")
        except ClientError:
            return
