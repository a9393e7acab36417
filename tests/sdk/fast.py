"""Asks for a step of an older SDK while submissions are refused; prints the sleeps that were shortened."""

import json

import tinker

from fake_server.fast_sdk import fast_sdk

training = tinker.ServiceClient().create_lora_training_client(base_model="tinkerproof/pico", rank=4)
with fast_sdk() as fast:
    training.optim_step(tinker.AdamParams(learning_rate=1e-3)).result()
print(json.dumps({"sleeps": fast.sleeps}))
