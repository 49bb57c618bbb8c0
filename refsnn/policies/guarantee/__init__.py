"""Thresholds with a proof: what stopping early changes, bounded from finitely many samples.

    path = guarantee.path("confidence", steps=8)                          # policies from safe to risky
    certificate = guarantee.certify(path, readout, epsilon=0.01, delta=0.05)
    print(certificate)                                                    # what is promised, or what it would take
    exit_step = (certificate.policy or Fixed(8)).exit_step(new_readout)

The proofs ask for samples that are exchangeable with the new ones (most methods: independent draws of the same source), and
for a path that does not depend on them.
"""

from refsnn.policies.guarantee.betting import WSR as WSR
from refsnn.policies.guarantee.certificate import Certificate as Certificate
from refsnn.policies.guarantee.certificate import certify as certify
from refsnn.policies.guarantee.intervals import interval_of_mean as interval_of_mean
from refsnn.policies.guarantee.intervals import interval_of_share as interval_of_share
from refsnn.policies.guarantee.intervals import normal_interval_of_mean as normal_interval_of_mean
from refsnn.policies.guarantee.methods import ConformalRisk as ConformalRisk
from refsnn.policies.guarantee.methods import LearnThenTest as LearnThenTest
from refsnn.policies.guarantee.methods import Method as Method
from refsnn.policies.guarantee.methods import SignedDrop as SignedDrop
from refsnn.policies.guarantee.methods import largest_losses as largest_losses
from refsnn.policies.guarantee.paths import KINDS as KINDS
from refsnn.policies.guarantee.paths import Path as Path
from refsnn.policies.guarantee.paths import path as path
from refsnn.policies.guarantee.risks import RISKS as RISKS
from refsnn.policies.guarantee.risks import losses_by_step as losses_by_step

METHODS: dict[str, Method] = {
    "learn-then-test": LearnThenTest(), "conformal-risk": ConformalRisk(), "wsr": WSR(), "signed-drop": SignedDrop(),
}  # fmt: skip
