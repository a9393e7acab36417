"""A whole life of a model, driven by the published SDK against a local server. Run: `make demo`.

Capabilities; training on a short text with a falling loss; state saved halfway, and resumed to the bit; a
reward that rises; logprobs; weights exported; checkpoints listed and deleted. No GPU, no account, no network.
"""
