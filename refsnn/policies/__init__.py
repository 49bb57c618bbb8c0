"""When to stop: pure functions of the readout's prefix.

Every policy is a frozen value with `exit_step(readout) -> int64[N]` in 1..T, a `name` and its `work`: what deciding takes.
The decision at step t looks at steps 1..t only; what has not stopped before step T stops there. Comparisons are strict: a score
equal to its threshold goes on. `guarantee` chooses thresholds with a proof of what they cost.
A PolicyNetwork looks at the input instead: what its `plan(x)` gives is such a policy, for these samples.
"""

from refsnn.policies import guarantee as guarantee
from refsnn.policies.certainty import Confidence as Confidence
from refsnn.policies.certainty import Entropy as Entropy
from refsnn.policies.conformal import SpikeCP as SpikeCP
from refsnn.policies.dynamic import DynamicConfidence as DynamicConfidence
from refsnn.policies.fixed import Fixed as Fixed
from refsnn.policies.gate import Gate as Gate
from refsnn.policies.many import exit_steps as exit_steps
from refsnn.policies.many import many_losses as many_losses
from refsnn.policies.margin import TopK as TopK
from refsnn.policies.oracle import Oracle as Oracle
from refsnn.policies.oracle import OracleEmpirical as OracleEmpirical
from refsnn.policies.oracle import empirical_aet as empirical_aet
from refsnn.policies.oracle import first_right as first_right
from refsnn.policies.oracle import optimal_cutoff as optimal_cutoff
from refsnn.policies.oracle import theoretical_aet as theoretical_aet
from refsnn.policies.patience import Patience as Patience
from refsnn.policies.planned import Planned as Planned
from refsnn.policies.planned import PolicyNetwork as PolicyNetwork
from refsnn.policies.work import PolicyWork as PolicyWork
