"""'23.6 pJ' -> 2.36e-11: quantities are texts with a unit; what comes out is SI."""

import re
from decimal import Decimal

PREFIXES = {"": "1", "f": "1e-15", "p": "1e-12", "n": "1e-9", "u": "1e-6", "µ": "1e-6", "m": "1e-3", "k": "1e3",
            "M": "1e6", "G": "1e9", "T": "1e12", "Ki": "1024", "Mi": "1048576", "Gi": "1073741824"}  # fmt: skip
EXAMPLES = {"J": "23.6 pJ", "s": "3.5 ns", "Hz": "500 MHz", "W": "104 mW", "V": "0.75 V", "bit": "64 bit", "B": "32 KiB",
            "m": "45 nm", "um2": "45.9 um2"}  # fmt: skip
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S+)\s*")


def quantity(text: object, unit: str) -> float:
    """The value of `text` in `unit` without prefix, correctly rounded; a ValueError says what was expected.

    >>> quantity("23.6 pJ", "J")
    2.36e-11
    >>> quantity("32 KiB", "B")
    32768.0
    """
    found = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    prefix = found[2].removesuffix(unit) if found and found[2].endswith(unit) else None
    if found is None or prefix not in PREFIXES:
        raise ValueError(f"expected a quantity in {unit} such as {EXAMPLES[unit]!r}, got {text!r}")
    return float(Decimal(found[1]) * Decimal(PREFIXES[prefix]))


def readable(value: float, unit: str) -> str:
    """The value with the prefix that leaves one to three digits before the point, to three digits.

    >>> readable(2.36e-11, "J")
    '23.6 pJ'
    >>> readable(0.0, "J")
    '0 J'
    """
    for prefix in ("f", "p", "n", "u", "m", "", "k", "M", "G", "T"):
        scaled = value / float(PREFIXES[prefix])
        if abs(scaled) < 999.5:
            break
    return f"{scaled:.3g} {prefix}{unit}" if value else f"0 {unit}"
