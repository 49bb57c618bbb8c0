"""ANN -> SNN: fold BatchNorm, replace activations by neurons."""

from refsnn.conversion.balancing import ErrorBalance as ErrorBalance
from refsnn.conversion.balancing import MaxBalance as MaxBalance
from refsnn.conversion.balancing import PercentileBalance as PercentileBalance
from refsnn.conversion.bias import calibrate_bias as calibrate_bias
from refsnn.conversion.folding import fold_batch_norm as fold_batch_norm
from refsnn.conversion.quantisation import quantise as quantise
from refsnn.conversion.replacement import convert as convert
