"""What the recipes train with: the QCFS activation, the LIF neuron with a surrogate gradient, the TET loss."""

import torch
from torch import Tensor, nn


class _FloorStraightThrough(torch.autograd.Function):
    """floor(x) forward, identity backward."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class QCFS(nn.Module):
    """a = up * floor(clip(z / up, 0, 1) * L + 1/2) / L; `up` is learned, one for the layer.

    Bu et al., "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural Networks", ICLR 2022.
    Clipping before the floor lets the gradient pass for 0 <= z <= up only.
    """

    def __init__(self, levels: int, up: float) -> None:
        super().__init__()
        self.levels = levels
        self.up = nn.Parameter(torch.tensor(up))

    def forward(self, z: Tensor) -> Tensor:
        x = (z / self.up).clamp(0, 1)
        return _FloorStraightThrough.apply(x * self.levels + 0.5) / self.levels * self.up


class _SpikeTriangle(torch.autograd.Function):
    """1[u > 0] forward, triangle max(0, 1 - |u|) backward."""

    @staticmethod
    def forward(ctx, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u > 0).to(u)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return gradient * (1 - u.abs()).clamp(min=0)


class LIF(nn.Module):
    """Spikes [T, N, ...] of currents [T, N, ...]: v = decay*v + x, fires above 1, then v = 0."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay

    def forward(self, current: Tensor) -> Tensor:
        v = torch.zeros_like(current[0])
        spikes = []
        for x in current:
            v = self.decay * v + x
            s = _SpikeTriangle.apply(v - 1)
            v = v * (1 - s)
            spikes.append(s)
        return torch.stack(spikes)


class PerStep(nn.Sequential):
    """Stateless layers applied to every step of [T, N, ...]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def tet_loss(outputs: Tensor, labels: Tensor, *, weight: float = 1e-3, target: float = 1.0) -> Tensor:
    """(1 - weight) * mean_t CE(outputs[t], labels) + weight * mean((outputs - target)^2); outputs [T, N, K] per step.

    Deng et al., "Temporal Efficient Training of Spiking Neural Network via Gradient Re-weighting", ICLR 2022.
    """
    per_step = nn.functional.cross_entropy(outputs.flatten(0, 1), labels.repeat(len(outputs)))
    return (1 - weight) * per_step + weight * ((outputs - target) ** 2).mean()
