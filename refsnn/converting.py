"""The conversion that a command line asks for."""

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


@dataclass(frozen=True)
class Written:
    """What export wrote, and in sentences what the format does not say."""

    paths: tuple[Path, ...]
    lost: tuple[str, ...]


def export(
    source: Network, spiking: Network, output: str, *, dt: float | None = None, allow_loss: bool = False
) -> Written:
    """Write the network in the format that the name ends in.

    .onnx holds the source network, whose activations ONNX can say; .nir the spiking one, a step of which lasts dt seconds;
    any other name that of a spec. allow_loss: write NIR even where it changes results, and say so.
    """
    suffix = Path(output).suffix
    if suffix == ".onnx":
        lost = import_module("refsnn.formats.onnx.exporting").write_onnx(source, output)
    elif suffix == ".nir":
        if dt is None:
            raise SpecError(f"{output}: NIR counts in seconds; give the length of a step with --dt SECONDS")
        lost = import_module("refsnn.formats.nir.exporting").write_nir(spiking, output, dt=dt, allow_loss=allow_loss)
    else:
        return Written(refsnn.dump(spiking, output), ())
    return Written((Path(output),), tuple(map(str, lost)))


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
