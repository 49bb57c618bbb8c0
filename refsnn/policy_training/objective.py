"""What a policy is trained to make small: the expected cost of its steps, and its gradient."""

from typing import Any

import numpy as np
from scipy.special import log_softmax

Array = np.ndarray[Any, Any]


def costs(correct: Array, beta: float, largest_weight: float, discount: float) -> Array:
    """What k + 1 steps cost sample b: minus the reward, weighted.

        cost[b, k] = w[b] * (beta * (1 - c[k, b]) - discount^k * c[k, b])
        w[b] = 1 if c[0, b] else r1 / (1 - r1),   r1 = mean over b of c[0, b]

    The weight balances the samples that one step decides well, usually most, against the others. It is kept within
    1/largest_weight and largest_weight: with r1 = 1 it would be infinite, with r1 = 0 nothing would cost anything.
    correct: bool[T, N], c above      returns float64[N, T]
    Li et al., "SEENN", NeurIPS 2023, as in its published code, where the discount is 1/2: the seventh and the eighth step then
    differ by 1/128, and a policy of many steps saves hardly any.
    """
    r1 = float(correct[0].mean())
    odds = r1 / (1 - r1) if r1 < 1 else np.inf
    weight = np.where(correct[0], 1.0, np.clip(odds, 1 / largest_weight, largest_weight))
    reward = discount ** np.arange(len(correct), dtype=np.float64)
    return weight[:, None] * np.where(correct.T, -reward, beta)


def objective(logits: Array, cost: Array, entropy_bonus: float) -> tuple[float, Array]:
    """J, the exact expectation over the policy's choices, and its gradient dJ/dlogits.

        v = softmax(z) for each sample,   H = -sum_k v[k] ln v[k],   g[k] = cost[k] + entropy_bonus * ln v[k]
        J = mean over samples of (sum_k v[k] cost[k] - entropy_bonus * H) = mean of sum_k v[k] g[k]
        dJ/dz[k] = v[k] * (g[k] - sum_j v[j] g[j]) / N

    (Of g's own derivative entropy_bonus * (1[k = j] - v[j]) the mean under v is 0.) Nothing is sampled. Where v is all but
    certain the gradient vanishes with v * (1 - v): a policy can stay with one choice for good. The bonus pays for being
    undecided and keeps v away from there; the choice that is best on its own stays the largest.
    logits, cost: float64[N, T]      returns (J, float64[N, T])
    """
    log_v = log_softmax(logits, axis=1)
    v = np.exp(log_v)
    g = cost + entropy_bonus * log_v
    per_sample = (v * g).sum(1, keepdims=True)
    return float(per_sample.mean()), v * (g - per_sample) / len(logits)


def entropy(logits: Array) -> Array:
    """H of every sample's softmax in nats: float64[N], from 0 (decided) to ln T."""
    log_v = log_softmax(logits, axis=1)
    return -(np.exp(log_v) * log_v).sum(1)
