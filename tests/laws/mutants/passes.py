"""Servers that train right, and say something else of it."""

import numpy as np

from contract import TensorData
from fake_server.scripted import ScriptedBackend
from tests.laws.mutants.bench import Bench
from tests.laws.mutants.mutant import Zoo

__all__ = ["PASS_MUTANTS"]

PASS_MUTANTS = Zoo()
mutant = PASS_MUTANTS.mutant


def _with_output(bench, change):
    @bench.wrap(ScriptedBackend, "forward_backward")
    def _(run, self, model_id, batch, **named):
        return change(run(self, model_id, batch, **named), batch, named)


def _with_logprobs(output, change):
    rows = [
        {name: change(tensor) if name == "logprobs" else tensor for name, tensor in row.items()}
        for row in output.loss_fn_outputs
    ]
    return output.model_copy(update={"loss_fn_outputs": rows})


def _tensor(values, tensor):
    return TensorData.of_values(values.ravel().astype(np.float32), "float32", list(tensor.dimensions))


@mutant("logprobs-shifted", "Logprobs are one position late.", "TRN MET SMP", "SkyRL#1304: wrong alignment")
def logprobs_shifted(bench: Bench) -> None:
    _with_output(
        bench, lambda out, *_: _with_logprobs(out, lambda t: _tensor(np.roll(t.to_numpy().ravel(), 1), t))
    )


@mutant(
    "logprobs-of-the-neighbour",
    "The outputs of a pass are in reverse order.",
    "TRN MET",
    "tinker-cloud#18: per-sample logprobs scrambled across requests",
)
def logprobs_of_the_neighbour(bench: Bench) -> None:
    def change(output, *_):
        return output.model_copy(update={"loss_fn_outputs": output.loss_fn_outputs[::-1]})

    _with_output(bench, change)


@mutant(
    "logprobs-padded",
    "All logprobs of a pass are as long as the longest.",
    "TRN MET",
    "SkyRL#1304: padding logprobs were returned",
)
def logprobs_padded(bench: Bench) -> None:
    def change(output, *_):
        most = max(row["logprobs"].to_numpy().size for row in output.loss_fn_outputs)

        def padded(tensor):
            values = tensor.to_numpy().ravel()
            padded = np.append(values, np.zeros(most - len(values))).astype(np.float32)
            return TensorData.of_values(padded, "float32", [most])

        return _with_logprobs(output, padded)

    _with_output(bench, change)


@mutant(
    "outputs-missing", "A pass has metrics alone.", "TRN MET", "SkyRL#1047: missing outputs crashed recipes"
)
def outputs_missing(bench: Bench) -> None:
    _with_output(bench, lambda out, *_: out.model_copy(update={"loss_fn_outputs": []}))


@mutant("forward-differs", "forward and forward_backward disagree.", "MET TRN", "SkyRL#2068")
def forward_differs(bench: Bench) -> None:
    def change(output, _batch, named):
        if not named.get("forward_only"):
            return output
        return _with_logprobs(output, lambda t: _tensor(t.to_numpy() - 0.01, t))

    _with_output(bench, change)


@mutant("dropout", "A pass gives other numbers each time.", "MET TRN", "open-rl: 0.05 dropout in every pass")
def dropout(bench: Bench) -> None:
    noise = np.random.default_rng(1)

    def change(output, *_):
        return _with_logprobs(output, lambda t: _tensor(t.to_numpy() + noise.normal(0, 0.05), t))

    _with_output(bench, change)


@mutant("batch-dependent", "Numbers depend on what else is in the batch.", "MET", "feedback#149, one call")
def batch_dependent(bench: Bench) -> None:
    def change(output, batch, _):
        return _with_logprobs(output, lambda t: _tensor(t.to_numpy() - 0.01 * len(batch.data), t))

    _with_output(bench, change)


@mutant(
    "metric-without-suffix",
    "The loss is called `loss`, without how it is to be joined.",
    "TRN",
    "SDK 0.1-0.38",
)
def metric_without_suffix(bench: Bench) -> None:
    def change(output, *_):
        metrics = {name.partition(":")[0]: value for name, value in output.metrics.items()}
        return output.model_copy(update={"metrics": metrics})

    _with_output(bench, change)


@mutant("metrics-empty", "A pass has no metrics.", "TRN MET", "SkyRL: `metrics` of forward_backward is {}")
def metrics_empty(bench: Bench) -> None:
    _with_output(bench, lambda out, *_: out.model_copy(update={"metrics": {}}))


@mutant("loss-averaged", "loss:sum is a mean.", "MET TRN", "rllm#781, fw-ai#200: sum or mean")
def loss_averaged(bench: Bench) -> None:
    def change(output, batch, _):
        count = sum(np.prod(datum.loss_fn_inputs["target_tokens"].dimensions) for datum in batch.data)
        metrics = {**output.metrics, "loss:sum": output.metrics["loss:sum"] / float(count)}
        return output.model_copy(update={"metrics": metrics})

    _with_output(bench, change)
