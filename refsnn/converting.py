"""The conversion that a command line asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import refsnn
from refsnn.conversion import ErrorBalance, MaxBalance, PercentileBalance
from refsnn.conversion.balancing import Balance
from refsnn.errors import SpecError
from refsnn.network import Network

Array = np.ndarray[Any, Any]
# suffix -> module of refsnn.formats, its function (network, path) -> what the format does not say, and which network it is of
EXPORTS: Mapping[str, tuple[str, str, str]] = {
    ".onnx": ("onnx_export", "write_onnx", "source"),
    ".nir": ("nir_export", "write_nir", "spiking"),
}
RULES = "max, percentile:99.9 or error:8, with :channel behind it for a threshold of each channel"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Options of `convert`, as they are given."""

    balance: str | None = None
    calibration: str | None = None
    v_init: float = 0.5
    bias_steps: int | None = None

    def samples(self) -> Array | None:
        """The calibration samples, if there are any."""
        return None if self.calibration is None else refsnn.load_data(self.calibration).x

    def of(self, ann: Network) -> Network:
        """The spiking network."""
        rule, samples = None if self.balance is None else balance_of(self.balance), self.samples()
        spiking = refsnn.convert(ann, balance=rule, calibration=samples if rule else None, v_init=self.v_init)
        if self.bias_steps is None:
            return spiking
        if samples is None:
            raise SpecError("--calibrate-bias: needs samples to calibrate on; give --calibration FILE")
        return refsnn.calibrate_bias(ann, spiking, samples, steps=self.bias_steps)


def export(source: Network, spiking: Network, output: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the network in the format that the name ends in; the files, and what that format does not say.

    .onnx holds the source network, whose activations ONNX can say; everything else the spiking one.
    """
    if Path(output).suffix not in EXPORTS:
        return refsnn.dump(spiking, output), ()
    module, write, which = EXPORTS[Path(output).suffix]
    try:
        writer = getattr(import_module(f"refsnn.formats.{module}"), write)
    except ModuleNotFoundError as error:
        raise SpecError(f"{output}: {error.name} is not installed, which writes it; name the spec, '.yaml'") from error
    return (Path(output),), tuple(writer(source if which == "source" else spiking, output))


def balance_of(text: str) -> Balance:
    """The rule of 'max', 'percentile:99.9' or 'error:8', with ':channel' behind it for a threshold of each channel."""
    per_channel = text.endswith(":channel")
    name, colon, number = text.removesuffix(":channel").partition(":")
    try:
        if name == "max" and not colon:
            return MaxBalance(per_channel)
        if name == "percentile" and colon:
            return PercentileBalance(float(number), per_channel)
        if name == "error" and colon:
            return ErrorBalance(int(number), per_channel)
    except ValueError as error:
        raise SpecError(f"--balance: {number!r} is no number; give {RULES}") from error
    raise SpecError(f"--balance: {text!r} is no rule; give {RULES}")
