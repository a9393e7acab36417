"""Mixture-of-experts feed-forward: a router chooses experts for each token, their outputs are mixed.

Source: transformers 5.23.0 models/qwen3_moe/modeling_qwen3_moe.py. Experts are visited in order, so a
token's sum does not depend on which other tokens come with it.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from reference_engine.config import Experts
from reference_engine.deltas import Delta, OneDelta, add_product
from reference_engine.linear import FrozenLinear, Rows
from reference_engine.lora import ExpertsPart

__all__ = ["ExpertsKept", "MixtureOfExperts"]


@dataclass(slots=True)
class Visit:
    """One expert's share of a batch, `m` tokens."""

    expert: int
    rows: torch.Tensor
    """`[m]`: the batch's rows."""
    choice: torch.Tensor
    """`[m]`: which of the token's choices the expert is."""
    x: torch.Tensor
    gate: torch.Tensor
    up: torch.Tensor
    inner: torch.Tensor
    out: torch.Tensor
    """`[m, hidden]`, before it is weighed."""
    narrow: torch.Tensor | None
    """Scaled `x A^T` of gate and up, `[m, 2 * rank]`."""
    narrow_down: torch.Tensor | None
    """Scaled `inner A^T` of down, `[m, rank]`."""


@dataclass(slots=True)
class ExpertsKept:
    """What the backward pass needs."""

    probabilities: torch.Tensor
    """`[T, E]`, float32."""
    chosen: torch.Tensor
    """`[T, per_token]`."""
    weights: torch.Tensor
    """`[T, per_token]`, in the batch's dtype."""
    visits: list[Visit] = field(default_factory=list)


class MixtureOfExperts:
    """A layer's router and experts, frozen."""

    def __init__(
        self, shape: Experts, router: torch.Tensor, gate_up: torch.Tensor, down: torch.Tensor, rows: Rows
    ) -> None:
        self._shape = shape
        self._router = FrozenLinear(router, None, rows)
        self._gate_up = [FrozenLinear(gate_up[e], None, rows) for e in range(shape.count)]
        self._down = [FrozenLinear(down[e], None, rows) for e in range(shape.count)]
        self._rows = rows

    def forward(self, x: torch.Tensor, delta: Delta, layer: int) -> tuple[torch.Tensor, ExpertsKept]:
        """`x` `[T, hidden]` to `[T, hidden]`."""
        probabilities = torch.softmax(self._router.forward(x), -1, dtype=torch.float32)
        weights, chosen = torch.topk(probabilities, self._shape.per_token, dim=-1)
        if self._shape.normalize:
            weights = weights / weights.sum(-1, keepdim=True)
        kept = ExpertsKept(probabilities, chosen, weights.to(x.dtype))
        y = torch.zeros_like(x)
        parts = delta.experts(layer)
        for expert in torch.unique(chosen).tolist():
            rows, choice = torch.where(chosen == expert)
            visit = self._visit(x, expert, rows, choice, parts)
            y.index_add_(0, rows, visit.out * kept.weights[rows, choice].unsqueeze(1))
            kept.visits.append(visit)
        return y, kept

    def _visit(
        self,
        x: torch.Tensor,
        expert: int,
        rows: torch.Tensor,
        choice: torch.Tensor,
        parts: list[tuple[ExpertsPart, float, torch.Tensor | None]],
    ) -> Visit:
        own = x.index_select(0, rows)
        both = self._gate_up[expert].forward(own)
        narrow = narrow_down = None
        shares = [(part, scale, _among(rows, of)) for part, scale, of in parts]
        inner_size, rank = self._shape.intermediate_size, 0
        for part, scale, mine in shares:
            rank = part.gate_b.shape[-1]
            narrow = self._product(own[mine], part.gate_up_a[0]).mul_(scale)
            both[mine, :inner_size] += self._product(narrow[:, :rank], part.gate_b[0, expert])
            both[mine, inner_size:] += self._product(narrow[:, rank:], part.up_b[0, expert])
        gate, up = both[:, :inner_size], both[:, inner_size:]
        inner = F.silu(gate) * up
        out = self._down[expert].forward(inner)
        for part, scale, mine in shares:
            narrow_down = self._product(inner[mine], part.down_a[0, expert]).mul_(scale)
            out[mine] += self._product(narrow_down, part.down_b[0])
        return Visit(expert, rows, choice, own, gate, up, inner, out, narrow, narrow_down)

    def _product(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """`x` `[m, in]` times the transpose of `factor` `[out, in]`."""
        return torch.mm(self._rows.fill(x), factor.t())[: x.shape[0]]

    def backward(self, dy: torch.Tensor, kept: ExpertsKept, delta: OneDelta, layer: int) -> torch.Tensor:
        """The gradient of `x` from that of the output, `[T, hidden]`; adapters' gradients are added."""
        dx = torch.zeros_like(dy)
        dweights = torch.zeros_like(kept.weights, dtype=torch.float32)
        for visit in kept.visits:
            slope = dy.index_select(0, visit.rows)
            dweights[visit.rows, visit.choice] = (slope * visit.out).sum(-1).float()
            weighed = slope * kept.weights[visit.rows, visit.choice].unsqueeze(1)
            dx.index_add_(0, visit.rows, self._visit_backward(weighed, visit, delta, layer))
        return dx.add_(self._router.backward(self._router_slope(dweights, kept).to(dy.dtype)))

    def _visit_backward(self, dout: torch.Tensor, visit: Visit, delta: OneDelta, layer: int) -> torch.Tensor:
        part = delta.views.layers[layer].experts
        into = None if delta.gradients is None else delta.gradients.layers[layer].experts
        expert, scale = visit.expert, delta.scale
        dinner = self._down[expert].backward(dout)
        if part is not None and into is not None and visit.narrow_down is not None:
            slope = (dout @ part.down_b[0]).mul_(scale)
            add_product(into.down_b[0], dout.t(), visit.narrow_down)
            add_product(into.down_a[0, expert], slope.t(), visit.inner)
            dinner.addmm_(slope, part.down_a[0, expert])
        dgate = torch.ops.aten.silu_backward(dinner * visit.up, visit.gate)
        dup = dinner * F.silu(visit.gate)
        dx = self._gate_up[expert].backward(torch.cat((dgate, dup), -1))
        if part is not None and into is not None and visit.narrow is not None:
            rank = part.gate_b.shape[-1]
            add_product(into.gate_b[0, expert], dgate.t(), visit.narrow[:, :rank])
            add_product(into.up_b[0, expert], dup.t(), visit.narrow[:, rank:])
            slope = torch.cat((dgate @ part.gate_b[0, expert], dup @ part.up_b[0, expert]), -1).mul_(scale)
            add_product(into.gate_up_a[0], slope.t(), visit.x)
            dx.addmm_(slope, part.gate_up_a[0])
        return dx

    def _router_slope(self, dweights: torch.Tensor, kept: ExpertsKept) -> torch.Tensor:
        """The gradient of the router's logits `[T, E]` from that of the weights `[T, per_token]`."""
        p = kept.probabilities
        if self._shape.normalize:
            picked = p.gather(1, kept.chosen)
            total = picked.sum(-1, keepdim=True)
            dweights = dweights / total - (dweights * picked).sum(-1, keepdim=True) / (total * total)
        dp = torch.zeros_like(p).scatter_(1, kept.chosen, dweights)
        return p * (dp - (dp * p).sum(-1, keepdim=True))


def _among(rows: torch.Tensor, of: torch.Tensor | None) -> torch.Tensor:
    """Which of `rows` belong to `of`, as indices; all where it is None."""
    if of is None:
        return torch.arange(len(rows), device=rows.device)
    return torch.where(torch.isin(rows, of))[0]
