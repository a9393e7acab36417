"""Strategies for the parameters of steps; each gives the fields by name. The simplest value is first."""

from typing import Any

from hypothesis import strategies as st

from contract.losses import LOSSES
from contract.programs import Example

__all__ = [
    "adapters",
    "examples",
    "lives",
    "new_lives",
    "nothing",
    "optimizers",
    "passes",
    "reasons",
    "sampler_kinds",
    "samples",
    "scores",
    "steps",
]

Fields = st.SearchStrategy[dict[str, Any]]
TOKENS = st.integers(0, 40)
"""Ours: every vocabulary has them."""
SHORTEST_LIFE = 3600
LOSS_NAMES = ("cross_entropy", "importance_sampling", "ppo", "cispo", "dro", "gspo")
"""Losses whose formulas are published, and that need nothing beside numbers for each token."""
CLIPPED = tuple(name for name in LOSS_NAMES if "clip_low_threshold" in LOSSES[name].settings)


def _fields(**given: st.SearchStrategy[Any]) -> Fields:
    return st.fixed_dictionaries({}, optional=given)


def nothing() -> Fields:
    """No parameters."""
    return st.just({})


def adapters() -> Fields:
    """Of a new model. Each trains something."""
    flags = st.sampled_from(
        [{}, {"train_mlp": False}, {"train_attn": False}, {"train_unembed": False, "train_mlp": False}]
    )
    sizes = _fields(rank=st.sampled_from([1, 4, 16]), seed=st.integers(0, 3))
    return st.builds(lambda size, flag: {**size, **flag}, sizes, flags)


@st.composite
def examples(draw: st.DrawFn, loss: str = "cross_entropy") -> Example:
    """Training examples whose inputs fit the loss."""
    tokens = draw(st.lists(TOKENS, min_size=1, max_size=5))
    row = st.lists(st.sampled_from([1.0, 0.0, 0.5, 2.0, -1.0]), min_size=len(tokens), max_size=len(tokens))
    given: dict[str, Any] = {}
    if draw(st.booleans()):
        given["targets"] = draw(st.lists(TOKENS, min_size=len(tokens), max_size=len(tokens)))
    if draw(st.booleans()):
        given["weights"] = draw(row)
    if loss != "cross_entropy" and draw(st.booleans()):
        given["advantages"] = draw(row)
    return Example(tokens=tuple(tokens), **{name: tuple(values) for name, values in given.items()})


@st.composite
def passes(draw: st.DrawFn) -> dict[str, Any]:
    """Of a forward or backward pass."""
    loss = draw(st.sampled_from(LOSS_NAMES))
    fields: dict[str, Any] = {}
    if loss != "cross_entropy":
        fields["loss"] = loss
    if loss in CLIPPED and draw(st.booleans()):
        fields["config"] = {"clip_low_threshold": 0.5, "clip_high_threshold": 1.5}
    if draw(st.booleans()):
        fields["data"] = tuple(draw(st.lists(examples(loss), min_size=1, max_size=3)))
    return fields


def steps() -> Fields:
    """Of an optimizer step."""
    return _fields(
        learning_rate=st.sampled_from([0.001, 0.0]),
        weight_decay=st.just(0.1),
        grad_clip_norm=st.just(1.0),
    )


def lives() -> Fields:
    """Of a save."""
    return _fields(ttl_seconds=st.sampled_from([SHORTEST_LIFE, 86400]))


def new_lives() -> Fields:
    """Of a checkpoint's new life."""
    return _fields(ttl_seconds=st.sampled_from([None, 7200]))


def optimizers() -> Fields:
    """Of a load."""
    return _fields(optimizer=st.just(False))


def sampler_kinds() -> Fields:
    """Of a sampler without a checkpoint."""
    return _fields(kind=st.just("inflight"))


def _prompts(most: int = 6) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(TOKENS, min_size=1, max_size=most).map(tuple)


def samples() -> Fields:
    """Of a sample."""
    return _fields(
        prompt=_prompts(),
        num_samples=st.integers(2, 3),
        max_tokens=st.integers(1, 6),
        temperature=st.sampled_from([0.0, 0.7]),
        top_k=st.sampled_from([1, 5]),
        top_p=st.sampled_from([0.9, 0.5]),
        seed=st.integers(0, 2**64 - 1),
        stop=st.sampled_from([None, (7,), (0, 1, 2)]),
        topk_logprobs=st.integers(1, 3),
    )


def scores() -> Fields:
    """Of a prompt that is scored."""
    return _fields(prompt=_prompts(), topk=st.integers(1, 3))


def reasons() -> Fields:
    """Of a session's end."""
    return _fields(reason=st.sampled_from(["errored", "interrupted"]))
