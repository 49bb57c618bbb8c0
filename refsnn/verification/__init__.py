"""Does the spiking network compute what its source computes, and where does it leave it?"""

from refsnn.verification.certificate import Certificate as Certificate
from refsnn.verification.certificate import Domain as Domain
from refsnn.verification.certificate import LayerCertificate as LayerCertificate
from refsnn.verification.certificate import certify as certify
from refsnn.verification.comparison import verify as verify
from refsnn.verification.verdict import Comparison as Comparison
from refsnn.verification.verdict import ErrorSplit as ErrorSplit
from refsnn.verification.verdict import LayerVerdict as LayerVerdict
from refsnn.verification.verdict import Verdict as Verdict
