"""Clients that send other data than they were given, or use other weights."""

from dataclasses import replace
from math import nan

import numpy as np

from contract.codec import JSON, PROTOBUF, decode, encode
from contract.tensors import TensorData
from contract.training import ForwardBackwardRequest
from tests.clients.mini import MiniClient
from tests.clients.mutants.mutant import Zoo

__all__ = ["DATA_MUTANTS"]

DATA_MUTANTS = Zoo()
mutant = DATA_MUTANTS.mutant


def with_inputs(data, change):
    """The same data, the inputs of their loss changed."""
    return [d.model_copy(update={"loss_fn_inputs": change(dict(d.loss_fn_inputs))}) for d in data]


@mutant("nan-weights", "The first weight of each datum is NaN.", "SCN-01")
class NanWeights(MiniClient):
    def prepared(self, data):
        def change(inputs):
            if "weights" in inputs:
                values = inputs["weights"].to_numpy().copy()
                values[0] = nan
                inputs["weights"] = TensorData.from_numpy(values)
            return inputs

        return with_inputs(data, change)


@mutant("float-labels", "Targets are sent as float32.", "SCN-01")
class FloatLabels(MiniClient):
    def prepared(self, data):
        def change(inputs):
            values = inputs["target_tokens"].to_numpy().astype(np.float32)
            return {**inputs, "target_tokens": TensorData.from_numpy(values)}

        return with_inputs(data, change)


@mutant("double-weights", "The bytes of weights are those of float64 under the name of float32.", "SCN-01")
class DoubleWeights(MiniClient):
    def prepared(self, data):
        def change(inputs):
            if "weights" in inputs:
                values = inputs["weights"].to_numpy().astype(np.float64)
                inputs["weights"] = TensorData.from_numpy(values.view(np.float32))
            return inputs

        return with_inputs(data, change)


@mutant("short-weights", "Weights are one shorter than targets.", "SCN-01")
class ShortWeights(MiniClient):
    def prepared(self, data):
        def change(inputs):
            if "weights" in inputs:
                inputs["weights"] = TensorData.from_numpy(inputs["weights"].to_numpy()[:-1])
            return inputs

        return with_inputs(data, change)


@mutant("wrong-input-name", "Weights are sent as mask.", "SCN-01")
class WrongInputName(MiniClient):
    def prepared(self, data):
        return with_inputs(
            data,
            lambda inputs: {"mask" if name == "weights" else name: value for name, value in inputs.items()},
        )


@mutant("half-a-batch", "Of a batch only the first datum is sent.", "SCN-01")
class HalfABatch(MiniClient):
    def prepared(self, data):
        return list(data[:1])


@mutant("forward-is-backward", "forward leaves gradients.", "SCN-01")
class ForwardIsBackward(MiniClient):
    def forward(self, model_id, data, loss_fn="cross_entropy", config=None):
        return self.forward_backward(model_id, data, loss_fn, config)


@mutant("adam-left-out", "Steps have no parameters.", "SCN-01")
class AdamLeftOut(MiniClient):
    def on_model(self, operation, model_id, fields, reading):
        kept = {name: value for name, value in fields.items() if name != "adam_params"}
        return super().on_model(operation, model_id, kept, reading)


@mutant("adam-by-default", "Steps have the default parameters, whatever was asked for.", "SCN-01")
class AdamByDefault(MiniClient):
    def optim_step(self, model_id, learning_rate=1e-4, **adam):
        return super().optim_step(model_id)


@mutant("wrong-path", "It loads from the path of a sampler's weights.", "SCN-01")
class WrongPath(MiniClient):
    def load_weights(self, session_id, path, *, optimizer=True):
        return super().load_weights(session_id, path.replace("/weights/", "/sampler_weights/"))


@mutant("optimizer-left-behind", "Weights are loaded without the optimizer's state.", "SCN-01")
class OptimizerLeftBehind(MiniClient):
    def load_weights(self, session_id, path, *, optimizer=True):
        return super().load_weights(session_id, path, optimizer=False)


@mutant("fresh-model-for-loaded", "A fresh model takes the place of the loaded one.", "SCN-01")
class FreshModelForLoaded(MiniClient):
    def load_weights(self, session_id, path, *, optimizer=True):
        return self.create_model(session_id, "tinkerproof/pico", seed=1)


@mutant("stale-sampler", "The first sampler is used for all weights.", "SCN-01")
class StaleSampler(MiniClient):
    def create_sampling_session(self, session_id, *, base_model=None, model_path=None):
        if not hasattr(self, "_first"):
            self._first = super().create_sampling_session(
                session_id, base_model=base_model, model_path=model_path
            )
        return self._first


@mutant("base-for-trained", "It samples from the base model.", "SCN-01")
class BaseForTrained(MiniClient):
    def create_sampling_session(self, session_id, *, base_model=None, model_path=None):
        return super().create_sampling_session(session_id, base_model="tinkerproof/pico")


@mutant("one-sample", "It asks for one sample, however many are wanted.", "SCN-01")
class OneSample(MiniClient):
    def ask_of(self, operation, fields, **changed):
        asked = {**fields, "num_samples": 1} if operation == "asample" else fields
        return super().ask_of(operation, asked, **changed)


@mutant("prompt-cut", "The last token of a prompt is cut off.", "SCN-01")
class PromptCut(MiniClient):
    def sample(self, sampler_id, prompt, num_samples=1, *, prompt_logprobs=False, **params):
        cut = prompt if prompt_logprobs else prompt[:-1]
        return super().sample(sampler_id, cut, num_samples, prompt_logprobs=prompt_logprobs, **params)


@mutant("reads-json", "It says that it is 0.38.0, and asks for results in JSON.", "SCN-01")
class ReadsJson(MiniClient):
    def poll_of(self, pending, number, *, metadata):
        return replace(super().poll_of(pending, number, metadata=metadata), accept="application/json")


@mutant("writes-json", "It says that it is 0.38.0, and sends passes in JSON.", "SCN-01")
class WritesJson(MiniClient):
    def promise(self, ask, owner, reading, **named):
        if ask.operation == "forward_backward":
            request = decode(ForwardBackwardRequest, ask.body, PROTOBUF)
            if not request.forward_only:
                ask = replace(ask, body=encode(request, JSON), media_type=JSON)
        return super().promise(ask, owner, reading, **named)
