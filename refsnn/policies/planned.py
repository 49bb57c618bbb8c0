"""SEENN-II: a policy network reads the input and fixes the number of steps before the run."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from refsnn.arithmetic import Arithmetic, Float32
from refsnn.errors import ShapeError, SpecError, UnsupportedLayerError
from refsnn.network import Network
from refsnn.policies.readout import Array, IntArray, checked
from refsnn.source import forward
from refsnn.trace import Activity, read_only


@dataclass(frozen=True, eq=False)
class Planned:
    """Stop each sample after the steps that were planned for it; these samples in this order, and no others."""

    name: ClassVar[str] = "policy network"
    steps: IntArray  # [N], each 1..n_steps
    n_steps: int  # T among which the plan chose
    activity: Activity  # what planning was: the policy network's own work, one frame per sample

    def __post_init__(self) -> None:
        steps: Any = np.asarray(self.steps)
        if steps.ndim != 1 or not steps.size or steps.dtype.kind not in "iu":
            raise ShapeError(
                f"Planned: steps has shape {list(steps.shape)} and dtype {steps.dtype}; give a whole number per sample"
            )
        if steps.min() < 1 or steps.max() > self.n_steps:
            n = int(np.argmax((steps < 1) | (steps > self.n_steps)))
            raise SpecError(f"Planned: steps[{n}] is {steps[n]}, but the plan is for 1..{self.n_steps}")
        if self.activity.n_samples != len(steps):
            raise ShapeError(
                f"Planned: {len(steps)} samples have a plan, but the activity is of {self.activity.n_samples}; "
                "both come from one PolicyNetwork.plan"
            )
        object.__setattr__(self, "steps", read_only(steps.astype(np.int64)))

    def exit_step(self, readout: Array) -> IntArray:
        """The planned steps, whatever the readout says; int64[N]."""
        readout = checked(readout, "Planned")
        if len(readout) != self.n_steps:
            raise ShapeError(
                f"Planned: the policy network chooses among {self.n_steps} steps, but this readout has {len(readout)}; "
                f"run {self.n_steps} steps, or train a policy for {len(readout)}"
            )
        if readout.shape[1] != len(self.steps):
            raise ShapeError(
                f"Planned: the plan is for {len(self.steps)} samples, but this readout has {readout.shape[1]}; "
                "plan for the samples that are run"
            )
        return self.steps


@dataclass(frozen=True, eq=False)
class PolicyNetwork:
    """Run k + 1 steps where k is the largest of the network's T outputs, the first of equal ones.

        steps[n] = 1 + argmax_k P(x[n])[k],   k = 0..T-1

    network: an ordinary source network (Linear, Conv2d, pools, ReLU, QCFS ...) with one output for each number of steps.
    Its own operations are in the plan's activity: they are work that the spiking network's run does not contain.
    Li et al., "SEENN: Towards Temporal Spiking Early-Exit Neural Networks", NeurIPS 2023 (SEENN-II).
    """

    name: ClassVar[str] = "policy network"
    network: Network

    def __post_init__(self) -> None:
        stateful = self.network.stateful or tuple(node.name for node in self.network.nodes if any(node.delays))
        if stateful:
            raise UnsupportedLayerError(
                f"PolicyNetwork: {stateful[0]}: network {self.network.name!r} works in steps, but a policy network decides "
                "how many there are; give a source network of Linear, Conv2d, pools, ReLU or QCFS"
            )

    @property
    def n_steps(self) -> int:
        """T: among how many numbers of steps it chooses."""
        return self.network.n_outputs

    def plan(self, x: Array, *, arithmetic: Arithmetic = Float32(), backend: str = "fast") -> Planned:
        """The steps of each sample of x [N, *input_shape], and the work of finding them."""
        result = forward(self.network, x, arithmetic=arithmetic, backend=backend)
        return Planned(result.output.argmax(-1).astype(np.int64) + 1, self.n_steps, result.activity)

    def exit_step(self, readout: Array) -> IntArray:
        """Refused: the steps are planned from the input, which a readout does not have."""
        raise SpecError(
            "PolicyNetwork: reads the input, not the readout; plan first, the plan is the policy: "
            "policy.plan(x).exit_step(readout)"
        )
