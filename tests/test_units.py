"""Quantities with units."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodel import units
from hwmodel.units import PREFIXES, quantity, readable

# the International System of Units (BIPM, 9th edition, Table 7) and IEC 80000-13 for the binary ones
SI = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def test_prefixes_are_those_of_si():
    assert {p: float(v) for p, v in PREFIXES.items()} == {p: float(f"1e{e}") for p, e in SI.items()} | BINARY


@given(value=st.integers(0, 10**6), prefix=st.sampled_from(list(SI)), unit=st.sampled_from(["J", "s", "Hz", "W"]))
def test_a_quantity_is_correctly_rounded(value, prefix, unit):
    assert quantity(f"{value / 100:.2f} {prefix}{unit}", unit) == float(f"{value / 100:.2f}e{SI[prefix]}")


@pytest.mark.parametrize(
    "text", ["fast", "23.6", "23.6 pj", "23.6 ns", "500 mhz", "pJ", "", "1e pJ", "nan J", "1 2 J", 5, True, None]
)
def test_what_is_no_energy_is_refused(text):
    with pytest.raises(ValueError, match="expected a quantity in J such as '23.6 pJ', got ") as error:
        quantity(text, "J")
    assert str(error.value).endswith(f"got {text!r}")


@given(value=st.floats(1e-15, 1e14), unit=st.sampled_from(["J", "s"]))
def test_readable_is_the_value_to_three_digits(value, unit):
    assert quantity(_plain(readable(value, unit)), unit) == pytest.approx(value, rel=5e-3)


def _plain(text):
    number, unit = text.split()
    return f"{float(number)} {unit}"


def test_doctests():
    assert doctest.testmod(units).failed == 0
