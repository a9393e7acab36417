"""The other ways that a client can go where the server's flags lead it there."""

import pickle

from tinker import types

from tests.sdk.matrix.feature import feature
from tests.sdk.matrix.world import PICO, Recorded, World, datum, prompt

__all__: list[str] = []

CONFIGURED = "module tinker.lib._jwt_auth"
"""Came with `client/config`."""


@feature("flags", "a life with all flags", CONFIGURED, once=True)
def flags(world: World) -> None:
    service = Recorded(type(world.service.client)(base_url=world.flags_url), world.calls)
    training = world.recorded(world.call(service, "create_lora_training_client", PICO, rank=4))
    losses = [world.step(training) for _ in range(2)]
    assert losses[1] < losses[0]
    output = world.call(training, "forward_backward", [datum((1, 2 + n)) for n in range(5)], "cross_entropy")
    assert len(output.loss_fn_outputs) == 5
    path = world.call(training, "save_state", "s").path
    again = world.recorded(world.call(service, "create_training_client_from_state", path))
    assert world.loss(again) == world.loss(training)
    sampling = world.recorded(world.call(service, "create_sampling_client", base_model=PICO))
    params = types.SamplingParams(max_tokens=2, stop=[])
    waiting = [sampling.sample(prompt(1, n), 1, params) for n in range(10)]
    assert [len(future.result().sequences[0].tokens) for future in waiting] == [2] * 10
    clone = world.recorded(pickle.loads(pickle.dumps(sampling.client)))
    assert world.sample(sampler=clone)
    if hasattr(service.client, "close"):
        service.close("success").result()


@feature("flags", "who am I", CONFIGURED, "RestClient.whoami", once=True)
def whoami(world: World) -> None:
    service = Recorded(type(world.service.client)(base_url=world.flags_url), world.calls)
    rest = world.recorded(service.create_rest_client())
    assert "@" in str(world.call(rest, "whoami").email)
