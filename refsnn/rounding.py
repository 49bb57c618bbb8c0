"""How far a float computation can be from real numbers: rigorous and static, one bound per node.

Two facts carry it. With unit roundoff u, an ordered sum of k products is off by at most g(k) * sum |w||x|, g(k) = k*u / (1 - k*u)
(Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., Section 3.1). And where all terms are multiples of 2^-s
and sum |w||x| * 2^s is below 2^p, p the bits of a significand, no partial sum is rounded at all: the error is 0 in any order.
"""

from dataclasses import dataclass
from math import frexp, inf
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MARGIN = 1 + 2.0**-20  # sizes are computed in floats too; their own roundings are far smaller than this


@dataclass(frozen=True)
class Span:
    """What is known of a node's values: |value| <= size, |computed - real| <= error, multiples of 2^-grid (None: of nothing)."""

    size: float
    error: float
    grid: int | None


UNKNOWN = Span(inf, inf, None)


@dataclass(frozen=True)
class Format:
    """A float format: unit roundoff, bits of the significand, and the smallest number, 2^-finest."""

    u: float
    bits: int
    finest: int

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> "Format":
        info = np.finfo(dtype)
        return cls(float(info.eps) / 2, info.nmant + 1, info.nmant - int(info.minexp))

    def computed(self, size: float, error: float, grid: int | None, roundings: int) -> Span:
        """A result of at most `size` whose operands bring in `error`, after so many roundings; exact where the grid says so."""
        reach = size * MARGIN
        if not reach + error < inf:
            return UNKNOWN
        # reach < 2^exponent, so below the significand's on this grid; and the grid is no finer than the format
        if grid is not None and not error and frexp(reach)[1] + grid <= self.bits and grid <= self.finest:
            return Span(size, 0.0, grid)
        total = reach + error
        relative = roundings * self.u / (1 - roundings * self.u)
        return Span(size, MARGIN * (error + relative * total) + roundings * 2.0**-self.finest, None)  # last: underflow


def grid_of(values: Array) -> int:
    """The smallest s for which all values are multiples of 2^-s."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64).ravel())
    whole = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    present = whole != 0
    if not present.any():
        return 0
    lowest_bit = np.log2((whole & -whole)[present]).astype(np.int64)
    return int((53 - exponent[present] - lowest_bit).max())


def finest(grids: list[int | None]) -> int | None:
    known = [grid for grid in grids if grid is not None]
    return max(known) if len(known) == len(grids) else None
