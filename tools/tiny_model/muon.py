"""Muon in 32 bits: momentum whose update is made orthogonal, so that every direction of a matrix learns at the same pace.

PyTorch has a Muon too; it calculates in bfloat16, which CPUs without instructions for it do ten times slower.
Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

_STEPS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic Newton-Schulz iteration; after five rounds all singular values lie near 1."""


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest orthogonal matrices, roughly; ``matrices`` is a stack (count, rows, columns) with rows <= columns."""
    x: Tensor = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = _A * x + torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C).matmul(x)
    return x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay; matrices of one shape are updated together.

    The update is scaled to the size of one of AdamW (0.2 per element), so that both take the same learning rate.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every matrix."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                by_shape[matrix.shape].append(matrix)
            for shape, matrices in by_shape.items():
                gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
                state = self.state[matrices[0]]
                held = state.setdefault("momentum", torch.zeros_like(gradients))
                held.lerp_(gradients, 1 - group["momentum"])
                wanted = gradients.lerp(held, group["momentum"])
                tall = shape[0] > shape[1]
                update = orthogonal(wanted.mT if tall else wanted)
                update = (update.mT if tall else update) * (0.2 * max(shape) ** 0.5)
                for matrix, change in zip(matrices, update, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(change, alpha=-group["lr"])
