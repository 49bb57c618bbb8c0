"""ANN -> SNN: fold BatchNorm, replace activations by neurons."""

from refsnn.conversion.folding import fold_batch_norm as fold_batch_norm
from refsnn.conversion.quantisation import quantise as quantise
from refsnn.conversion.replacement import convert as convert
