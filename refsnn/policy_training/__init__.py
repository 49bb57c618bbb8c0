"""Training a policy network (SEENN-II) in NumPy: from a frozen network's readout to an ordinary refsnn network.

`train_policy` trains one; `sweep` trains one for each beta and keeps samples aside to tell them apart.
"""

from refsnn.policy_training.choosing import Candidate as Candidate
from refsnn.policy_training.choosing import Sweep as Sweep
from refsnn.policy_training.choosing import mixed_fixed as mixed_fixed
from refsnn.policy_training.choosing import sweep as sweep
from refsnn.policy_training.settings import PolicyTraining as PolicyTraining
from refsnn.policy_training.trained import History as History
from refsnn.policy_training.trained import TrainedPolicy as TrainedPolicy
from refsnn.policy_training.training import train_policy as train_policy
