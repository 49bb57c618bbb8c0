"""refsnn: a framework-free reference simulator for spiking neural networks.

Names are imported when they are first used, so that `import refsnn` and `refsnn --help` load neither numba nor scipy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refsnn import golden as golden
    from refsnn import laws as laws
    from refsnn import policies as policies
    from refsnn.arithmetic import Exact as Exact
    from refsnn.arithmetic import FixedPoint as FixedPoint
    from refsnn.arithmetic import Float32 as Float32
    from refsnn.arithmetic import Float64 as Float64
    from refsnn.conversion import ErrorBalance as ErrorBalance
    from refsnn.conversion import MaxBalance as MaxBalance
    from refsnn.conversion import PercentileBalance as PercentileBalance
    from refsnn.conversion import calibrate_bias as calibrate_bias
    from refsnn.conversion import convert as convert
    from refsnn.conversion import fold_batch_norm as fold_batch_norm
    from refsnn.conversion import quantise as quantise
    from refsnn.core_counts import core_activity as core_activity
    from refsnn.drive import Bernoulli as Bernoulli
    from refsnn.drive import Constant as Constant
    from refsnn.drive import EventList as EventList
    from refsnn.drive import Frames as Frames
    from refsnn.drive import Poisson as Poisson
    from refsnn.fixed import Accumulate as Accumulate
    from refsnn.fixed import Overflow as Overflow
    from refsnn.fixed import Q as Q
    from refsnn.fixed import Rounding as Rounding
    from refsnn.formats import Limits as Limits
    from refsnn.formats import dump as dump
    from refsnn.formats import load as load
    from refsnn.formats import load_data as load_data
    from refsnn.formats import load_with_report as load_with_report
    from refsnn.formats import open_model as open_model
    from refsnn.formats.nir.data import write_trace as write_trace
    from refsnn.formats.nir.exporting import write_nir as write_nir
    from refsnn.formats.nir.semantics import Semantics as Semantics
    from refsnn.formats.onnx.exporting import write_onnx as write_onnx
    from refsnn.network import Network as Network
    from refsnn.network import Node as Node
    from refsnn.presets import preset as preset
    from refsnn.repair import compare_repairs as compare_repairs
    from refsnn.simulator import simulate as simulate
    from refsnn.source import forward as forward
    from refsnn.trace import Record as Record
    from refsnn.verification import Domain as Domain
    from refsnn.verification import certify as certify
    from refsnn.verification import verify as verify

_HOME = {
    "Accumulate": "refsnn.fixed",
    "Bernoulli": "refsnn.drive",
    "Constant": "refsnn.drive",
    "Domain": "refsnn.verification",
    "ErrorBalance": "refsnn.conversion",
    "EventList": "refsnn.drive",
    "Exact": "refsnn.arithmetic",
    "FixedPoint": "refsnn.arithmetic",
    "Float32": "refsnn.arithmetic",
    "Float64": "refsnn.arithmetic",
    "Frames": "refsnn.drive",
    "Limits": "refsnn.formats",
    "MaxBalance": "refsnn.conversion",
    "Network": "refsnn.network",
    "Node": "refsnn.network",
    "Overflow": "refsnn.fixed",
    "PercentileBalance": "refsnn.conversion",
    "Poisson": "refsnn.drive",
    "Q": "refsnn.fixed",
    "Record": "refsnn.trace",
    "Rounding": "refsnn.fixed",
    "Semantics": "refsnn.formats.nir.semantics",
    "certify": "refsnn.verification",
    "calibrate_bias": "refsnn.conversion",
    "compare_repairs": "refsnn.repair",
    "convert": "refsnn.conversion",
    "core_activity": "refsnn.core_counts",
    "dump": "refsnn.formats",
    "fold_batch_norm": "refsnn.conversion",
    "forward": "refsnn.source",
    "load": "refsnn.formats",
    "load_data": "refsnn.formats",
    "load_with_report": "refsnn.formats",
    "open_model": "refsnn.formats",
    "preset": "refsnn.presets",
    "quantise": "refsnn.conversion",
    "simulate": "refsnn.simulator",
    "verify": "refsnn.verification",
    "write_nir": "refsnn.formats.nir.exporting",
    "write_onnx": "refsnn.formats.onnx.exporting",
    "write_trace": "refsnn.formats.nir.data",
}

__version__ = "0.1.0"
__all__ = [*sorted(_HOME), "golden", "laws", "policies"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("golden", "laws", "policies"):
        return import_module(f"refsnn.{name}")
    raise AttributeError(f"module 'refsnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
