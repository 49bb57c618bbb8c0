"""Published measurements of silicon against the packaged chips, and the tables of docs/chips.md."""

import re
from pathlib import Path

import pytest
from activities import activity, linear, neurons
from chip_rows import row, silicon
from published import PATTERNS, STEPS, TRUENORTH, Case, cases, events, knn, odin, price, truenorth

import hwmodel
from refsnn.errors import SpecError

DOCS = Path(__file__).parents[1] / "docs" / "chips.md"
MJ = 1e-3


def tables():
    """Cells of every row of the document's tables, without heads and rules."""
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]


def test_truenorth_at_the_rate_that_the_fit_did_not_see():
    """Akopyan 2015, Fig. 17: 68, 71 and 94 mW; the line through the ends has 2.29656 pJ an event and 64.4306 mW."""
    slope = (94 - 68) * MJ / (events(95.93) - events(11.58))
    assert slope == pytest.approx(2.29656307670444e-12, rel=1e-12)
    fixed = 68 * MJ - slope * events(11.58)
    assert fixed == pytest.approx(64.43058684054535e-3, rel=1e-12)
    chip = hwmodel.load_chip("truenorth")
    assert chip.static.value == pytest.approx(fixed, rel=1e-4)
    assert truenorth(11.58) == pytest.approx(68, abs=1e-3)
    assert truenorth(20.07) == pytest.approx(70.61695317131002, abs=1e-3)
    assert truenorth(95.93) == pytest.approx(94, abs=1e-3)


def test_truenorths_event_and_hops_together_are_the_fitted_energy():
    """Cores at random on 64 x 64: (64 - 1/64) / 3 = 21.33 away in x and in y; Merolla 2014, Sec. S7, says 21.3."""
    spikes = 1 << 20
    run = activity(
        linear("synapses", ("neurons",), spikes, spikes, groups=4096, steps=1, events_in=spikes, synops=128 * spikes),
        neurons("neurons", ("synapses",), spikes, steps=1, spikes_out=spikes),
    )
    chip = hwmodel.load_chip("truenorth")
    counts = {key: count for key, (count, _) in hwmodel.estimate(run, chip).by_component().items()}
    assert counts["router", "hop"] == spikes * 2 * (64 - 1 / 64) / 3 == spikes * 42.65625
    assert counts["core", "synaptic event"] == 128 * spikes
    total = price(chip, "core", "synaptic event") + 42.65625 / 128 * price(chip, "router", "hop")
    assert total == pytest.approx(2.29656307670444e-12, rel=1e-5)


def test_truenorths_interval_is_what_rounding_to_milliwatts_leaves_open():
    slopes = [(94 - 68 + d) * MJ / (events(95.93) - events(11.58)) for d in (-1, 1)]
    chip = hwmodel.load_chip("truenorth")
    low, high = chip.components[0].actions[0].energy.interval
    assert low == pytest.approx(slopes[0] - 42.65625 / 128 * 2.3e-12, rel=1e-4)
    assert high == pytest.approx(slopes[1], rel=1e-4)
    assert chip.static.interval == pytest.approx(
        ((67.5 * MJ - slopes[1] * events(11.58)), (68.5 * MJ - slopes[0] * events(11.58))), rel=1e-4
    )
    share = (20.07 - 11.58) / (95.93 - 11.58)
    low, high = (68 + d + 26 * share for d in (-0.5, 0.5))
    assert (low / 71.5 - 1, high / 70.5 - 1) == (pytest.approx(-0.019, abs=5e-4), pytest.approx(0.009, abs=5e-4))


def test_an_operating_points_average_is_no_price_of_an_event():
    """26 pJ = 72 mW / (2^20 * 20 Hz * 128) at 0.775 V, so the quotient holds all static power."""
    assert 72 * MJ / events(20) == pytest.approx(26e-12, rel=0.04)
    errors = [events(hz) * 26e-9 / mw - 1 for hz, mw in TRUENORTH.items()]
    assert errors == [pytest.approx(-0.406, abs=5e-4), pytest.approx(-0.014, abs=5e-4), pytest.approx(2.561, abs=5e-4)]


def test_odins_two_powers():
    """Frenkel 2019, Eq. 2 and Sec. IV-A: the authors' constants in the authors' equation, no validation."""
    assert odin(75, 37.5e6) == pytest.approx(476.925, rel=1e-12)
    assert odin(1.3, 650e3) == pytest.approx(35.0935, rel=1e-12)


def test_odins_power_in_a_run_of_spike_events():
    """A step of n events back to back takes 513 n + 512 cycles: for large n 256 operations in 513 cycles, not quite f / 2."""
    n = 10_000
    run = activity(linear("synapses", ("input",), 256, 256, steps=1, events_in=n, synops=256 * n))
    report = hwmodel.estimate(run, hwmodel.load_chip("odin"))
    assert report.step_cycles.tolist() == [[513 * n + 512]]
    watts = report.mean_energy_j / report.mean_latency_s
    assert watts == pytest.approx(160.8e-6 + 8.43e-12 * 256 * n * 75e6 / (513 * n + 512))
    assert watts == pytest.approx(477e-6, rel=2e-3)


def test_loihis_nearest_neighbours_with_its_interval():
    """Frady 2020: 667 to 750 of 1000 input spikes, 76,800 neurons, 60 steps: 5.12e7 to 5.76e7 events, 4.608e6 updates."""
    assert (667 * PATTERNS, 750 * PATTERNS, PATTERNS * STEPS) == (51_225_600, 57_600_000, 4_608_000)
    chip = hwmodel.load_chip("loihi")
    middle = 54.4e6 * price(chip, "core", "accumulate") + 4.608e6 * price(chip, "core", "inactive update")
    assert middle == pytest.approx(1.523456e-3, rel=1e-12)
    assert middle / 1.33e-3 - 1 == pytest.approx(0.145, abs=5e-4)
    low, high = knn("loihi", 667), knn("loihi", 750)
    assert low == pytest.approx(1.44854016, rel=1e-9)
    assert high == pytest.approx(1.598976, rel=1e-9)
    assert (low / 1.33 - 1, high / 1.33 - 1) == (pytest.approx(0.089, abs=5e-4), pytest.approx(0.202, abs=5e-4))


def test_what_was_measured_on_the_board_is_in_loihis_spec_as_such():
    chip = hwmodel.load_chip("loihi")
    assert chip.static.value == pytest.approx(3.34 / 32, rel=1e-3)
    assert price(chip, "management", "reset") == pytest.approx(0.19e-3 / 32, rel=1e-3)


def test_a_querys_latency_is_only_consistent():
    """140 steps of 13 us and 520 us of the host, against 3.03 ms: 23 % low."""
    case = cases()["Loihi, latency of a query"]
    assert case == Case("Loihi, latency of a query", (pytest.approx(2.34), pytest.approx(2.34)), 3.03, "ms")
    assert case.error[0] == pytest.approx(-0.228, abs=5e-4)


def test_the_table_of_published_silicon_is_what_comes_out():
    found = {cells[0]: cells for cells in tables() if cells[0] in cases()}
    assert list(found) == list(cases())
    for name, case in cases().items():
        assert found[name][:4] == silicon(case)
        assert len(found[name]) == 5
        assert len(found[name][4]) > 20


def test_the_table_of_chips_is_complete():
    chips = {f"`{name}`": hwmodel.load_chip(name) for name in hwmodel.chip_names()}
    found = {cells[0]: cells for cells in tables() if cells[0].startswith("`")}
    assert set(found) == set(chips)
    for name, chip in chips.items():
        assert found[name] == row(chip)
    without = [
        chip for chip in chips.values()
        if all(a.energy.nominal is None for c in chip.components for a in c.actions)
    ]  # fmt: skip
    assert "Five of them know no energy of an operation." in DOCS.read_text()
    assert len(without) == 5


def test_the_documents_chip_files_load(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), flags=re.S)
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "chip.yaml").write_text(block)
        chip = hwmodel.load_chip(tmp_path / "chip.yaml")
        assert chip.name in ("my_16nm", "mine")
    assert chip.components[1].actions[1].energy.nominal is None
    scaled = (tmp_path / "scaled.yaml", blocks[0].replace("'0.8 V'", "'1.3 V'"))
    scaled[0].write_text(scaled[1])
    with pytest.raises(SpecError, match=r"scaled\.yaml:5:1: voltage: 1\.3 V lies outside"):
        hwmodel.load_chip(scaled[0])
