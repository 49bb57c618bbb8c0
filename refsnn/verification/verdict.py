"""What verify() says: plain numbers, layer by layer and for the network."""

from dataclasses import dataclass

from refsnn.findings import Finding
from refsnn.verification.certificate import Certificate

TERMS = ("unevenness", "quantisation", "clipping", "arrived", "rounding")
RESIDUAL_BINS = (
    -2.0,
    3.0,
    50,
)  # of the histogram of v / theta: from, to, how many; what is beyond counts in the last ones


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How many neurons, over all samples, fired as often as they should; the four classes add up to `neurons`."""

    neurons: int
    exact: int
    tie: int  # so close to where the count changes by one that rounding decides: no claim either way; never in Exact
    deficit: int  # fired too few times
    surplus: int  # fired too many times
    largest_deficit: float  # in spikes
    largest_surplus: float
    sizes: tuple[tuple[float, int], ...]  # (by how many spikes, neurons) of deficits (negative) and surpluses


@dataclass(frozen=True, kw_only=True)
class Term:
    """One part of an error in spikes, over all neurons and samples."""

    sum: float  # with its sign
    size: float  # of magnitudes


@dataclass(frozen=True, kw_only=True)
class ErrorSplit:
    """Why a layer's counts differ from its source's: sums that add up, total = unevenness + ... + rounding.

    With z the mean current that the neuron received, n its count, N the count of the T-step quantiser on z:
    unevenness    n - N: the current came in an order that the neuron could not follow
    quantisation  N - T f(z) / theta, f the source's activation, clipped at theta: T steps cannot say it
    clipping      what the source's activation (ReLU) has above theta
    arrived       T (f(z) - f(z')) / theta, z' what the source's own layer received: it was wrong before
    rounding      what the chosen arithmetic does otherwise than real numbers; 0 in Exact
    """

    total: Term
    unevenness: Term
    quantisation: Term
    clipping: Term
    arrived: Term
    rounding: Term

    @property
    def dominant(self) -> str:
        """The term of the largest size; 'none' where the layer is equal to its source."""
        largest = max(TERMS, key=lambda name: getattr(self, name).size)
        return largest if getattr(self, largest).size else "none"


@dataclass(frozen=True, kw_only=True)
class Ties:
    """How near the layer came to firing otherwise, in thresholds: |u - theta| / theta, u the potential that is compared."""

    nearest: float
    sample: int
    index: tuple[int, ...]
    exactly: int  # neurons that met their threshold exactly in some step
    float32_error: float  # the most that potentials of a float32 simulator can be off when it received the same spikes
    float32_may_differ: int  # neurons of which a potential came as near as that: there it may fire otherwise


@dataclass(frozen=True, kw_only=True)
class LayerVerdict:
    """One spiking layer.

    local: against the T-step quantiser on the currents that this layer received, so only what goes wrong in this layer.
    end_to_end: against the source's own levels, so together with all that arrived wrong.
    """

    node: str
    levels: int
    local: Comparison
    end_to_end: Comparison
    saturated_high: int  # n = T and v >= theta: exact, but more current would change nothing
    saturated_low: int  # n = 0 and v < 0
    split: ErrorSplit
    residual: tuple[int, ...]  # histogram of v / theta in RESIDUAL_BINS
    ties: Ties | None  # measured in Exact only


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """True when no neuron's count differs from the source's level in any layer; ties are neither (they are listed)."""

    network: str
    steps: int
    schedule: str
    arithmetic: str
    total_steps: int
    latency_steps: int
    samples: int
    same_readout: int  # samples whose summed output is T times the source's
    same_decision: int  # samples whose largest output is the source's
    accuracy: float | None  # with labels
    source_accuracy: float | None
    decided_after: tuple[int, ...]  # [t - 1]: samples whose decision never changes from step t on, and did before
    layers: tuple[LayerVerdict, ...]
    findings: tuple[Finding, ...]  # for each layer the first difference of each kind
    notes: tuple[str, ...]  # what makes the two networks different before anything runs
    certificate: Certificate  # what holds for all inputs

    def __bool__(self) -> bool:
        return not self.findings

    @property
    def decided_from(self) -> int:
        """The earliest step from which no sample's decision changes any more."""
        return max(t for t, samples in enumerate(self.decided_after, start=1) if samples)

    def __str__(self) -> str:
        head = (
            f"{self.network}: T = {self.steps}, {self.schedule}, {self.arithmetic}, {self.samples} samples: "
            f"{'equal to its source' if self else 'leaves its source'}; "
            f"same decision for {self.same_decision} of {self.samples}"
        )
        rows = [
            f"  {layer.node}: {layer.end_to_end.exact}/{layer.end_to_end.neurons} exact end to end "
            f"({layer.end_to_end.deficit} too few, {layer.end_to_end.surplus} too many, {layer.end_to_end.tie} ties); "
            f"{layer.local.exact}/{layer.local.neurons} layer-local"
            for layer in self.layers
        ]
        return "\n".join([head, *rows, *(f"  {finding}" for finding in self.findings)])
