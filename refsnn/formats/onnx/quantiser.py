"""QCFS in an ONNX graph: chains of Div, Mul, Add, Sub, Clip, Relu around one Floor or Round, in whatever order they stand.

A chain of increasing steps before the floor is x -> clip(a*x + b, low, high), and one behind it n -> c*clip(n, l, h) + d. Both
are put together in fractions, from the numbers in the file, so that nothing is rounded. The chain is QCFS where

    b = 1/2,   l = 0,   h = levels,   d = 0,   a*c = 1;   threshold = c*levels

holds exactly. QuantizeLinear and DequantizeLinear are such steps: x/scale, round, + zero point, clip to the type's range; and
back. Round and QuantizeLinear round ties to even, QCFS rounds them up: the two differ where x*levels/threshold = k + 1/2 with
an even k, and nowhere else.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import floor, inf
from typing import Any

import numpy as np

from refsnn.formats.onnx.graph import OnnxNode
from refsnn.formats.onnx.values import Known

Array = np.ndarray[Any, Any]
Number = Fraction | float  # a float is an infinity
FLOORS = ("Floor", "Round", "QuantizeLinear")
HALF = Fraction(1, 2)
CHANNELS = 4096  # of one layer whose thresholds may differ: each is checked in fractions


@dataclass(frozen=True, eq=False)
class Step:
    """One of: times (x * value), over (x / value), plus, least (max(x, value)), most (min(x, value)), floor."""

    kind: str
    value: Array | None = None  # of any shape that broadcasts; None for floor


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A chain that is QCFS, or the reason why it is none."""

    threshold: Array
    levels: int
    reason: str = ""


def steps_of(node: OnnxNode, known: tuple[Known | None, ...]) -> list[Step] | None:
    """What the node does to its one input that is not known (None among `known`); None where it is no such step."""
    constants = [k.values for k in known if k is not None]
    match node.op:
        case "Floor":
            return [Step("floor")]
        case "Round":
            return [Step("plus", np.float64(0.5)), Step("floor")]  # type: ignore[arg-type]
        case "Identity":
            return []
        case "Relu":
            return [Step("least", np.zeros(()))]
        case "Clip":
            low, high = bounds(node, known)
            return [Step(kind, value) for kind, value in (("least", low), ("most", high)) if value is not None]
        case "QuantizeLinear" | "DequantizeLinear" if known[0] is None and len(constants) >= 1:
            return _quantising(node, constants)
    if len(known) != 2 or len(constants) != 1:
        return None
    first = known[0] is None
    match node.op:
        case "Mul":
            return [Step("times", constants[0])]
        case "Div" if first:
            return [Step("over", constants[0])]
        case "Add":
            return [Step("plus", constants[0])]
        case "Sub" if first:
            return [Step("plus", -constants[0].astype(np.float64))]
        case "Max":
            return [Step("least", constants[0])]
        case "Min":
            return [Step("most", constants[0])]
    return None


def bounds(node: OnnxNode, known: tuple[Known | None, ...]) -> tuple[Array | None, Array | None]:
    """What a Clip clips to: attributes before operator set 11, inputs since."""
    given = [known[i].values if len(known) > i and known[i] is not None else None for i in (1, 2)]  # type: ignore[union-attr]
    named = [np.asarray(node.attributes[name]) if name in node.attributes else None for name in ("min", "max")]
    low, high = (g if g is not None else n for g, n in zip(given, named, strict=True))
    return low, high


def _quantising(node: OnnxNode, constants: list[Array]) -> list[Step] | None:
    scale, zero = constants[0], constants[1] if len(constants) > 1 else np.zeros((), np.uint8)
    if scale.size > 1 or zero.size > 1 or zero.dtype.kind not in "iu":
        return None
    if node.op == "DequantizeLinear":
        return [Step("plus", -zero.astype(np.float64)), Step("times", scale)]
    lowest, highest = (np.asarray(float(edge)) for edge in (np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max))
    rounded = [Step("over", scale), Step("plus", np.asarray(0.5)), Step("floor"), Step("plus", zero.astype(np.float64))]
    return [*rounded, Step("least", lowest), Step("most", highest)]


def difference(steps: list[Step]) -> str:
    """What keeps the chain from being QCFS; nothing where it is one. The first channel is asked first."""
    values = [float(np.ravel(step.value)[0]) if step.value is not None and step.value.size else 0.0 for step in steps]
    found = "constants that are no numbers" if np.isnan(values).any() else _one([step.kind for step in steps], values)
    return found if isinstance(found, str) else quantiser(steps).reason


def quantiser(steps: list[Step]) -> Quantiser:
    """The QCFS that the steps are, with thresholds of the shape to which their constants broadcast."""
    values = [step.value if step.value is not None else np.zeros(()) for step in steps]
    try:
        together = np.broadcast_arrays(*values)
    except ValueError:
        return Quantiser(np.zeros(()), 0, "constants whose shapes do not fit each other")
    rows = np.stack([np.asarray(v, np.float64).ravel() for v in together], axis=1)
    if not rows.size or np.isnan(rows).any():
        return Quantiser(np.zeros(()), 0, "constants that are no numbers")
    distinct, back = np.unique(rows, axis=0, return_inverse=True)
    if len(distinct) > CHANNELS:
        return Quantiser(np.zeros(()), 0, f"a quantiser with over {CHANNELS} different thresholds")
    thresholds = np.empty(len(distinct))
    levels = 0
    for i, row in enumerate(distinct):
        found = _one([step.kind for step in steps], [float(v) for v in row])
        if isinstance(found, str) or (i and found[1] != levels):
            return Quantiser(np.zeros(()), 0, found if isinstance(found, str) else "channels of different levels")
        thresholds[i], levels = found
    return Quantiser(thresholds[back.reshape(-1)].reshape(together[0].shape), levels)


def _one(kinds: list[str], values: list[float]) -> tuple[float, int] | str:
    """(threshold, levels) of one channel's chain, or what keeps it from being QCFS."""
    before, after, floored = _ONES, _ONES, False
    for kind, value in zip(kinds, values, strict=True):
        if kind == "floor" and floored:
            return "two floors"
        if kind == "floor":
            floored = True
            continue
        made = _composed(after if floored else before, kind, value)
        if made is None:
            return f"a factor of {value:g}, which is not above 0"
        before, after = (before, made) if floored else (made, after)
    a, b, low, high = before
    c, d, bottom, top = after
    # clipped before the floor or behind it, in units of levels
    lowest, highest = max(_whole(low), (bottom - d) / c), min(_whole(high), (top - d) / c)
    if b != HALF or d != 0:
        return f"floor(x + {float(b):g}) + {float(d):g} in place of floor(x + 0.5)"
    if lowest != 0 or highest == inf or highest < 1 or highest != _whole(highest):
        return f"levels {float(lowest):g} to {float(highest):g} in place of 0 to a whole number"
    if a * c != 1:
        return f"a step of {float(c):g} behind the floor, but of {float(1 / a):g} before it"
    threshold = c * highest
    if Fraction(float(threshold)) != threshold:
        return "a threshold that float64 cannot hold"
    return float(threshold), int(highest)


_ONES: tuple[Fraction, Fraction, Number, Number] = (Fraction(1), Fraction(0), -inf, inf)


def _composed(before: Any, kind: str, value: float) -> Any:
    """clip(a*x + b, low, high), and then one more step; None where it does not increase."""
    a, b, low, high = before
    if kind in ("least", "most"):
        edge: Number = Fraction(value) if abs(value) < inf else value
        pick = max if kind == "least" else min
        return a, b, pick(low, edge), pick(high, edge)
    if abs(value) == inf or (kind in ("times", "over") and value <= 0):
        return None
    factor = {"times": Fraction(value), "over": 1 / Fraction(value) if value else Fraction(1)}.get(kind, Fraction(1))
    shift = Fraction(value) if kind == "plus" else Fraction(0)
    ends = [edge if abs(edge) == inf else edge * factor + shift for edge in (low, high)]
    return a * factor, b * factor + shift, *ends


def _whole(edge: Number) -> Number:
    return edge if abs(edge) == inf else Fraction(floor(edge))
