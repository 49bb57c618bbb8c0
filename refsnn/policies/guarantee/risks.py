"""What stopping early may cost a sample, as numbers whose mean is the risk."""

from typing import Any, Literal, get_args

import numpy as np

from refsnn.errors import SpecError
from refsnn.policies.readout import checked, checked_labels

Array = np.ndarray[Any, Any]
Risk = Literal["consistency", "harm", "drop"]
RISKS: tuple[Risk, ...] = get_args(Risk)


def losses_by_step(readout: Array, labels: Array | None, risk: Risk) -> Array:
    """int8[T, N]: what a sample loses if it stops after step t; 0 in the last step.

        consistency   1 where the decision at t is not the one at T; no labels needed
        harm          1 where the decision at T is right and the one at t wrong
        drop          harm, and -1 where the decision at T is wrong and the one at t right: its mean is the accuracy lost

    For every policy: accuracy lost = mean drop <= mean harm <= mean consistency.
    """
    readout = checked(readout, "certify")
    if risk not in RISKS:
        raise SpecError(f"certify: risk is {risk!r}; it is one of {', '.join(RISKS)}")
    decision = readout.argmax(-1)
    if risk == "consistency":
        return (decision != decision[-1]).astype(np.int8)
    if labels is None:
        raise SpecError(
            f"certify: risk {risk!r} compares decisions with labels, and there are none; give labels, or take risk "
            "'consistency', which needs none"
        )
    wrong = (decision != checked_labels(labels, readout, "certify")).astype(np.int8)
    lost = wrong - wrong[-1]
    return np.maximum(lost, 0) if risk == "harm" else lost
