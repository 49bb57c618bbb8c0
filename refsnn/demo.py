"""The demo: the whole job on handwritten digits, stage by stage, on the files that are packaged with the project."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np

import hwmodel
import refsnn
from hwmodel import page, pictures, score_pictures
from hwmodel.library import specs_folder
from hwmodel.tradeoff import score_bounds
from hwmodel.twin import twins
from refsnn.cost_tables import cost_table
from refsnn.errors import FormatError
from refsnn.files import write_atomic
from refsnn.network import Network
from refsnn.policies.readout import correct
from refsnn.score_tables import baseline_table, best_ones, chip_score_table, policy_table
from refsnn.study import EVENT_CHIPS, FRAME_CHIP, calibrated_policies, frame_baselines, score_data
from refsnn.tables import (
    Table,
    accuracy_table,
    activity_table,
    conversion_table,
    summary_table,
)
from refsnn.trace import Trace
from refsnn.verdict_table import verdict_table
from refsnn.verification import Verdict

STEPS = 8
LIF_STEPS = 6
EPSILON = 0.01
GOLDEN_SAMPLES = 32
FLIPPED = ("act2", 3, 7, (5, 1, 2))  # layer, step from 0, sample, neuron of the spike that the demo turns around

Show = Callable[[Table | str], None]
Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


def run_demo(output: str, show: Show, progress: Progress) -> None:
    """Every stage with its table; scores.json, report.html and digits.golden in the folder `output`."""
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(f"{folder}: cannot make this folder: {error.strerror}; name another one with -o") from error
    specs = specs_folder()
    test, held = (refsnn.load_data(specs / "data" / f"digits_{name}.npz") for name in ("test", "calibration"))

    show("1. Load weights that PyTorch trained on 997 handwritten digits, and convert the network to spikes\n")
    ann = refsnn.load(specs / "networks" / "digits.yaml")
    snn = refsnn.convert(ann)
    show(summary_table(ann))
    show(conversion_table(ann, snn))

    show(f"2. Simulate {len(test.x)} digits that training never saw; then a network that was trained as spikes\n")
    with progress("simulate digits") as bar:
        trace = refsnn.simulate(snn, test.x, steps=STEPS, progress=bar)
    source = refsnn.forward(ann, test.x)
    by_step = [float(a) for a in correct(trace.readout, test.labels).mean(1)]
    show(accuracy_table(trace, by_step, float((source.output.argmax(-1) == test.labels).mean())))
    show(activity_table(trace))
    lif = refsnn.load(specs / "networks" / "digits_lif.yaml")
    with progress("simulate digits_lif") as bar:
        lif_trace = refsnn.simulate(lif, test.x, steps=LIF_STEPS, progress=bar)
    show(accuracy_table(lif_trace, [float(a) for a in correct(lif_trace.readout, test.labels).mean(1)], None))

    show("3. Verify: where does the spiking network leave its source, and what would make it exact?\n")
    verdicts = []
    for schedule in ("lockstep", "integrate_then_fire"):
        with progress(f"verify {schedule}") as bar:
            verdicts.append(refsnn.verify(ann, snn, test.x, steps=STEPS, schedule=schedule, progress=bar))
        show(verdict_table(verdicts[-1]))

    show("4. Price what happened, on chips; the frame-based one runs the source network as the baseline\n")
    chips = [hwmodel.load_chip(name) for name in EVENT_CHIPS]
    frame_chip = hwmodel.load_chip(FRAME_CHIP)
    reports = [hwmodel.estimate(trace.activity, chip) for chip in chips] + [
        hwmodel.estimate(source.activity, frame_chip)
    ]
    for report in reports:
        show(cost_table(report))

    show(f"5. Stop early: thresholds from {len(held.x)} other digits, scored on the {len(test.x)}\n")
    with progress("simulate calibration split") as bar:
        calibration = refsnn.simulate(snn, held.x, steps=STEPS, progress=bar)
    policies = calibrated_policies(calibration.readout, held, test, EPSILON)
    scores = hwmodel.scores(policies, trace, test.labels, chips)
    baselines = frame_baselines(ann, test, [frame_chip])
    bounds = score_bounds(policies, trace, test.labels, chips)
    data = score_data(scores, baselines, len(test.x))
    tables = [chip_score_table(chip.name, scores, twins(trace.activity, chip, steps=STEPS)) for chip in chips]
    for table in (policy_table(scores, data["scores"], len(test.x)), *tables, baseline_table(baselines)):
        show(table)

    show("6. Golden check: record the run, turn one spike around, find it again\n")
    golden = folder / "digits.golden"
    recorded = refsnn.simulate(snn, test.x[:GOLDEN_SAMPLES], steps=STEPS, record=refsnn.Record(spikes=snn.neurons))
    show(_golden_check(recorded, golden))

    data = {"schema": "refsnn.score/1", **data, "steps": STEPS, "epsilon": EPSILON, "calibration_samples": len(held.x)}
    write_atomic(folder / "scores.json", (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())
    sections = [
        page.Section(
            title="Accuracy against mean steps",
            text="How often the decision is right when every sample runs the same number of steps, and for each policy "
            "at the steps it takes on average. Thresholds come from the calibration split only.",
            picture=score_pictures.accuracy_against_steps(by_step, scores[: len(policies)]),
        ),
        _exactness_section(verdicts),
        page.Section(
            title="Energy per inference by component",
            text=f"{STEPS} steps of the spiking network, and one frame of its source on {FRAME_CHIP}.",
            picture=pictures.energy_by_component(reports),
            notes=[f"{report.chip}: not priced: {text}" for report in reports for text in report.unpriced],
        ),
        page.Section(
            title="Energy, latency and accuracy of each policy on each chip",
            text="A larger mark takes longer; the line joins the policies that no other dominates.",
            picture=score_pictures.energy_against_accuracy(scores, bounds, best_ones(scores)),
        ),
        *(
            page.Section(title=table.title, columns=table.columns, rows=table.rows, notes=table.notes)
            for table in tables
        ),
    ]
    html = page.render(
        "refsnn: handwritten digits, from trained weights to a scored spiking network",
        _summary(ann, trace, verdicts),
        sections,
    )
    write_atomic(folder / "report.html", html.encode())
    show(f"\nwritten: {folder / 'scores.json'}, {folder / 'report.html'}, {golden}")


def _golden_check(trace: Trace, golden: Path) -> str:
    """Records, checks, turns one spike around, checks again; what the two checks said."""
    refsnn.golden.record(trace, golden)
    same = refsnn.golden.check(golden, trace)
    layer, step, sample, neuron = FLIPPED
    spikes = np.array(trace.spikes[layer])
    spikes[step, sample, *neuron] ^= True
    flipped = refsnn.golden.check(golden, replace(trace, spikes={**trace.spikes, layer: spikes}))
    turned = f"turned around the spike of {layer}, step {step + 1}, sample {sample}, neuron {list(neuron)}"
    return f"{same}\n{turned}\n{flipped}"


def _exactness_section(verdicts: list[Verdict]) -> page.Section:
    rows = [
        (f"{layer.node}, {verdict.schedule}", c.exact, c.tie, c.deficit, c.surplus)
        for verdict in verdicts for layer in verdict.layers for c in (layer.end_to_end,)
    ]  # fmt: skip
    tables = [verdict_table(verdict) for verdict in verdicts]
    return page.Section(
        title="Where the conversion is exact",
        text="Share of neurons that fire exactly as often as the source's level says, end to end. In lockstep the first "
        "layer sees constant current and is exact; deeper ones get their spikes unevenly. When every layer takes in all "
        "its input before it fires (integrate_then_fire), all are exact, at the price of a later answer.",
        picture=pictures.exactness_by_layer(rows),
        columns=("schedule", *tables[0].columns),
        rows=[[verdict.schedule, *row] for verdict, table in zip(verdicts, tables, strict=True) for row in table.rows],
        notes=[str(finding) for verdict in verdicts for finding in verdict.findings[:4]],
    )


def _summary(ann: Network, trace: Trace, verdicts: list[Verdict]) -> str:
    lockstep, delayed = verdicts
    first = lockstep.layers[0].end_to_end
    return (
        f"Network {ann.name}, {trace.n_samples} test images, T = {trace.steps}. First spiking layer: {first.exact:,} of "
        f"{first.neurons:,} neurons exact. Same decision as the source for {lockstep.same_decision} of {lockstep.samples} "
        f"images in lockstep after {lockstep.latency_steps} steps, for {delayed.same_decision} in integrate_then_fire "
        f"after {delayed.latency_steps}. Everything here was computed by refsnn {refsnn.__version__} from the packaged "
        "files; every constant's origin is printed by 'refsnn chips NAME'."
    )
