"""The weights of a model by name and shape: what a `ModelConfig` says must be there, and nothing else."""

from collections.abc import Iterator

from reference_engine.config import ModelConfig

__all__ = ["EMBEDDING", "HEAD", "NORM", "Shape", "layer_name", "weight_shapes"]

Shape = tuple[int, ...]
EMBEDDING, NORM, HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


def layer_name(layer: int, name: str) -> str:
    """The full name of a layer's weight, such as `model.layers.3.mlp.gate.weight`."""
    return f"model.layers.{layer}.{name}"


def weight_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Every weight of a model, by its Hugging Face name, in the order of computation.

    Matrices are `[out, in]`. A layer with experts has `mlp.gate.weight` (the router), and all experts in
    `mlp.experts.gate_up_proj` `[E, 2 * inner, hidden]` (gate rows first) and `mlp.experts.down_proj`
    `[E, hidden, inner]`. A tied head has no weight of its own.
    """
    shapes: dict[str, Shape] = {EMBEDDING: (config.vocab_size, config.hidden_size)}
    for layer in range(config.num_layers):
        shapes |= {layer_name(layer, name): shape for name, shape in _layer_shapes(config, layer)}
    shapes[NORM] = (config.hidden_size,)
    return shapes if config.tied_head else shapes | {HEAD: (config.vocab_size, config.hidden_size)}


def _layer_shapes(config: ModelConfig, layer: int) -> Iterator[tuple[str, Shape]]:
    hidden, head = config.hidden_size, config.head_dim
    queries, keys = config.num_heads * head, config.num_kv_heads * head
    yield "input_layernorm.weight", (hidden,)
    for name, rows in (("q", queries), ("k", keys), ("v", keys)):
        yield f"self_attn.{name}_proj.weight", (rows, hidden)
        if config.qkv_bias:
            yield f"self_attn.{name}_proj.bias", (rows,)
    if config.qk_norm:
        yield "self_attn.q_norm.weight", (head,)
        yield "self_attn.k_norm.weight", (head,)
    yield "self_attn.o_proj.weight", (hidden, queries)
    yield "post_attention_layernorm.weight", (hidden,)
    experts = config.experts_of(layer)
    if experts is not None:
        count, inner = experts.count, experts.intermediate_size
        yield "mlp.gate.weight", (count, hidden)
        yield "mlp.experts.gate_up_proj", (count, 2 * inner, hidden)
        yield "mlp.experts.down_proj", (count, hidden, inner)
    else:
        inner = config.intermediate_size
        yield "mlp.gate_proj.weight", (inner, hidden)
        yield "mlp.up_proj.weight", (inner, hidden)
        yield "mlp.down_proj.weight", (hidden, inner)
