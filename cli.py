"""The command line: one function per command that parses, calls, prints and returns an exit code.

stdout is the result, stderr is progress and errors. Exit codes: 0 equal or done, 1 divergence, 2 usage or config error,
3 input refused, 4 golden missing, stale or tampered, 5 nothing compared, 70 internal error, 130 interrupted.
Everything heavy is imported inside the commands: `refsnn --help` is up in a blink.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hwmodel.chip import ChipSpec
    from refsnn.formats import Data, Loaded
    from refsnn.network import Network
    from refsnn.tables import Table

# as in refsnn/study.py, which is heavy to import
POLICIES = ("fixed", "margin", "confidence", "entropy", "dynamic", "gate", "patience", "spikecp", "oracle")

data_argument = click.argument("data", type=click.Path(exists=True, dir_okay=False))
semantics_option = click.option(
    "--semantics", metavar="PROFILE", help="Whose neurons a NIR file means; it does not say."
)
dt_option = click.option("--dt", type=float, metavar="SECONDS", help="Length of a step, for a NIR file.")
set_option = click.option(
    "--set",
    "choices",
    multiple=True,
    metavar="KEY=VALUE",
    help="Something else that MODEL leaves open: input_shape=[1,28,28] (ONNX), if_scaling=dt (NIR); repeatable.",
)


@dataclass(frozen=True)
class Model:
    """What every command that takes MODEL knows of it."""

    path: str
    spec: str | None
    strict: bool
    semantics: str | None
    dt: float | None
    choices: tuple[str, ...]


def model_options(required: bool = True) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """MODEL and its options, which reach the command as one Model."""
    options = (
        click.argument("model", required=required, type=click.Path(exists=True, dir_okay=False)),
        click.option(
            "--spec",
            type=click.Path(exists=True, dir_okay=False),
            help="Spec that names MODEL's layers, when MODEL is a weights file.",
        ),
        click.option("--strict", is_flag=True, help="Refuse MODEL if anything is ignored, defaulted or guessed."),
        semantics_option,
        dt_option,
        set_option,
    )

    def decorated(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def collected(*, model: str | None, **rest: Any) -> int:
            given = {name: rest.pop(name) for name in ("spec", "strict", "semantics", "dt", "choices")}
            return command(model=None if model is None else Model(model, **given), **rest)

        for option in reversed(options):
            option(collected)
        return collected

    return decorated


steps_option = click.option("--steps", "-T", type=int, default=8, show_default=True, help="Steps to run.")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Use the first N samples only.")
format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What stdout is."
)
output_option = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False),
    help="Write the result to this file instead, whole or not at all.",
)
page_option = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False),
    help="Write the result to this file instead; a name that ends in .html gets a page with pictures.",
)
chip_option = click.option(
    "--chip", "chips", multiple=True, metavar="NAME|FILE", help="Packaged chip or chip spec; repeatable."
)


def arithmetic_option(default: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    return click.option(
        "--arithmetic",
        default=default,
        show_default=True,
        metavar="float32|float64|exact|fixed:W,I,V",
        help="What numbers are; fixed: formats of weights, currents and membranes as BITS.FRACTION[:ROUNDING[:OVERFLOW]].",
    )


SCHEDULES = ["lockstep", "pipeline", "integrate_then_fire", "averaged_current", "signed_correction"]
schedule_option = click.option(
    "--schedule",
    default="lockstep",
    show_default=True,
    metavar="NAME",
    help=f"How layers take turns: {', '.join(SCHEDULES)}, srp:STEPS or cos:STEPS.",
)
balance_option = click.option(
    "--balance",
    metavar="RULE",
    help="Thresholds of ReLU layers: max, percentile:99.9, error:STEPS; :channel behind it.",
)
calibration_option = click.option(
    "--calibration",
    type=click.Path(exists=True, dir_okay=False),
    help="DATA to balance and calibrate on, and only that.",
)
v_init_option = click.option(
    "--v-init", type=float, default=0.5, show_default=True, help="Potentials at the start, as a share of the threshold."
)
bias_option = click.option(
    "--calibrate-bias", "bias_steps", type=click.IntRange(min=1), help="Move biases by the mean error at so many steps."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="refsnn")
def cli() -> None:
    """Reference simulator for spiking neural networks: convert, verify, price on chips, check goldens.

    MODEL is a network spec (.yaml), a file that holds its own graph (ONNX, NIR, Keras, lava .net), or a weights file
    with --spec; DATA an .npz with x (samples first) and, where needed, y.

    \b
    Example:
      refsnn verify net.yaml test.npz --steps 8
    """


@cli.command()
@model_options()
@click.option("--report", is_flag=True, help="List what became of every tensor of the file, too.")
@format_option
@output_option
def summary(model: Model, report: bool, form: str, output: str | None) -> int:
    """Layers, shapes, weights and connections of MODEL; with --report what became of every tensor of its file.

    \b
    Example:
      refsnn summary net.yaml --report
    """
    from refsnn.load_tables import report_data, report_table
    from refsnn.tables import summary_table

    loaded = _loaded(model)
    network = loaded.network
    nodes = [
        {
            "name": n.name,
            "layer": type(n.layer).__name__,
            "inputs": list(n.inputs),
            "shape": list(network.shapes[n.name]),
        }
        for n in network.nodes
    ]
    data = {
        "name": network.name,
        "input": list(network.input_shape),
        "digest": network.digest,
        "is_spiking": network.is_spiking,
        "nodes": nodes,
        "report": report_data(loaded.report),
    }
    tables = [summary_table(network), *([report_table(loaded.report)] if report else [])]
    return _emit("summary", data, tables, form, output)


@cli.command()
@click.argument("weights", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False),
    help="Spec to write (.yaml); default: print it. A file that is there already is kept.",
)
@semantics_option
@dt_option
@set_option
@format_option
def init(
    weights: str, output: str | None, semantics: str | None, dt: float | None, choices: tuple[str, ...], form: str
) -> int:
    """Write a first spec for WEIGHTS: layers guessed from names and shapes, refused until each guess is confirmed.

    A file that holds its own graph is written out as spec and weights, without guesses.

    \b
    Example:
      refsnn init weights.safetensors -o net.yaml
    """
    from refsnn.initialising import initialise
    from refsnn.opened import choices_of

    result = initialise(weights, output, *choices_of(semantics, dt, choices))
    if form == "json" or output is not None:
        return _emit("init", result.data, result.tables, form, None)
    click.echo(result.text, nl=False)
    return 0


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="What stdout is.",
)
@output_option
def scan(files: tuple[str, ...], form: str, output: str | None) -> int:
    """Say of each file whether it is a model that can be read safely; exit 3 if one is not. Nothing of it is run.

    \b
    Example:
      refsnn scan weights.pt downloads/*.onnx --format sarif -o scan.sarif
    """
    import refsnn
    from refsnn.formats.scanning import sarif, scan, scan_data
    from refsnn.load_tables import scan_table

    found = [scan(path) for path in files]
    if form == "sarif":
        _put(json.dumps(sarif(found, refsnn.__version__), indent=2) + "\n", output)
    else:
        _emit("scan", scan_data(found), [scan_table(found)], form, output)
    return 0 if all(one.accepted for one in found) else 3


@cli.command()
@model_options()
@format_option
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False),
    help="Spec to write (.yaml), the weights beside it (.safetensors); or .nir; or .onnx, which holds the source network.",
)
@click.option(
    "--quantise",
    metavar="fixed:W,I,V",
    help="Round weights and constants to these formats too, so that the network runs in that arithmetic.",
)
@balance_option
@calibration_option
@v_init_option
@bias_option
def convert(model: Model, form: str, output: str, quantise: str | None, **chosen: Any) -> int:
    """Write the spiking network: BatchNorm folded, QCFS and ReLU replaced by IF neurons.

    \b
    Example:
      refsnn convert net.yaml -o snn.yaml
      refsnn convert relu.yaml -o snn.yaml --balance percentile:99.9 --calibration calibration.npz
      refsnn convert net.yaml -o snn8.yaml --quantise fixed:8.5,24.14,24.14
      refsnn convert net.yaml -o snn.nir
    """
    import refsnn
    from refsnn.converting import Conversion, export
    from refsnn.tables import conversion_table

    ann = _network(model)
    # a network that spikes already needs no conversion to be written in another format
    snn = ann if ann.is_spiking and output.endswith(".nir") else Conversion(**chosen).of(ann)
    if quantise is not None:
        arithmetic = _number(quantise)
        if not isinstance(arithmetic, refsnn.FixedPoint):
            raise refsnn.errors.SpecError(
                f"--quantise: {quantise!r} is no fixed-point format; give fixed:8.5,24.14,24.14"
            )
        snn = refsnn.quantise(snn, arithmetic)
    paths, lost = export(ann, snn, output)
    data = {
        "source_digest": ann.digest,
        "digest": snn.digest,
        "written": [str(path) for path in paths],
        "neurons": list(snn.neurons),
        "not_said": list(lost),
    }
    notes = [f"{output} does not say: {sentence}" for sentence in lost]
    return _emit("convert", data, [conversion_table(ann, snn), *notes], form, None)


@cli.command()
@model_options(required=False)
@click.argument("data", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--snn",
    type=click.Path(exists=True, dir_okay=False),
    help="Spiking network to compare; default: the one that convert makes.",
)
@steps_option
@schedule_option
@arithmetic_option("exact")
@limit_option
@click.option(
    "--domain",
    metavar="LOW:HIGH[:BITS]",
    help="Which inputs are meant, in multiples of 2^-BITS if given: for what is proved, and for the search.",
)
@click.option("--search", is_flag=True, help="Look for an input that disagrees, and shrink it to the smallest case.")
@click.option(
    "--examples", type=click.IntRange(min=1), default=200, show_default=True, help="Inputs that the search tries."
)
@click.option(
    "--save", type=click.Path(dir_okay=False), help="Where the case goes; default: NETWORK.case.yaml in this folder."
)
@click.option("--repair", is_flag=True, help="Compare what can be done: other steps, schedules, calibrations.")
@balance_option
@calibration_option
@v_init_option
@bias_option
@click.option("--chip", metavar="NAME|FILE", help="Chip that --repair prices the variants on.")
@click.option("--case", type=click.Path(exists=True, dir_okay=False), help="Replay a saved case; no MODEL, no DATA.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="What stdout is.",
)
@page_option
def verify(
    model: Model | None, data: str | None, case: str | None, form: str, output: str | None, **chosen: Any
) -> int:
    """Compare the SNN with its source, neuron by neuron; exit 1 where it differs.

    \b
    Example:
      refsnn verify net.yaml test.npz --steps 8
      refsnn verify net.yaml test.npz --steps 8 --search -o report.html
      refsnn verify --case net.case.yaml
      refsnn verify net.yaml test.npz --steps 8 --repair --calibration calibration.npz --chip loihi
    """
    from refsnn.verifying import Options, replay_case, run_verify

    if case is not None:
        if model is not None:
            raise click.UsageError("--case replays a saved case; leave MODEL and DATA out")
        result = replay_case(case)
    elif model is None or data is None:
        raise click.UsageError(f"Missing argument '{'MODEL' if model is None else 'DATA'}'.")
    else:
        result = run_verify(_network(model), data, Options(**chosen), progress_bar)
    output = _page(output, result.html)
    if form == "junit":
        _put(result.junit(), output)
    else:
        _emit("verify", result.data, result.tables, form, output)
    return 0 if result.equal else 1


@cli.command()
@model_options()
@data_argument
@steps_option
@schedule_option
@arithmetic_option("float32")
@click.option(
    "--backend",
    type=click.Choice(["auto", "fast", "naive"]),
    default="auto",
    show_default=True,
    help="Same bits, different speed.",
)
@limit_option
@format_option
@output_option
def run(
    model: Model,
    data: str,
    steps: int,
    schedule: str,
    arithmetic: str,
    backend: str,
    limit: int | None,
    form: str,
    output: str | None,
) -> int:
    """Simulate (a source network is converted first): accuracy by step, work by layer.

    \b
    Example:
      refsnn run net.yaml test.npz --steps 8
    """
    import refsnn
    from refsnn.policies.readout import correct
    from refsnn.tables import accuracy_table, activity_table

    network = _network(model)
    samples = refsnn.load_data(data, limit)
    with progress_bar("run") as progress:
        trace = refsnn.simulate(
            _spiking(network),
            samples.x,
            steps=steps,
            arithmetic=_number(arithmetic),
            backend=backend,
            schedule=schedule,
            progress=progress,
        )
    tables = [activity_table(trace)]
    result: dict[str, Any] = {
        "network": trace.network,
        "steps": steps,
        "samples": trace.n_samples,
        "schedule": schedule,
        "arithmetic": trace.arithmetic,
        "total_steps": trace.total_steps,
        "latency_steps": trace.latency_steps,
        "overflows": {name: int(count.sum()) for name, count in trace.overflows.items()},
        "predictions": trace.readout[-1].argmax(-1).tolist(),
        "nodes": {n.node: {k: int(v.sum()) for k, v in n.counts().items()} for n in trace.activity.nodes},
    }
    if samples.y is not None:
        by_step = correct(trace.readout, samples.y).mean(1).tolist()
        source = None if network.is_spiking else _source_accuracy(network, samples)
        tables.insert(0, accuracy_table(trace, by_step, source))
        result |= {"accuracy_by_step": by_step, "source_accuracy": source}
    return _emit("run", result, tables, form, output)


@cli.command()
@model_options()
@data_argument
@steps_option
@chip_option
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["action", "layer", "level", "part", "step", "encoding"]),
    help="Tables to print for each chip; repeatable; default: action.",
)
@click.option(
    "--per-core", is_flag=True, help="Measure each core's work, in place of an even split over a layer's cores."
)
@click.option(
    "--rules", multiple=True, metavar="NAME|all", help="Price it under another tool's rules, too; repeatable."
)
@limit_option
@format_option
@page_option
def cost(
    model: Model,
    data: str,
    steps: int,
    chips: tuple[str, ...],
    limit: int | None,
    form: str,
    output: str | None,
    **chosen: Any,
) -> int:
    """Price a run on chips: accesses, accumulates, cycles, energy, latency, beside what the source network would cost.

    Event-driven chips are priced with the spiking network's activity, frame-based ones with the source's frame.

    \b
    Example:
      refsnn cost net.yaml test.npz --steps 8 --chip loihi --chip digital_45nm
      refsnn cost net.yaml test.npz --rules neurobench --rules syops --rules keras_spiking:loihi
      refsnn cost net.yaml test.npz --chip loihi --by layer --by step --per-core -o cost.html
    """
    from refsnn import cost_report
    from refsnn.costing import price_run

    network = _network(model)
    with progress_bar("run") as progress:
        priced = price_run(
            network, data, steps=steps, chips=chips or _default_chips(network), limit=limit, progress=progress, **chosen
        )
    output = _page(output, lambda: cost_report.html(priced))
    return _emit("cost", priced.as_data(), priced.tables(), form, output)


@cli.command()
@model_options()
@data_argument
@click.option(
    "--calibration",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="DATA to choose thresholds on; never the samples to score.",
)
@steps_option
@chip_option
@click.option(
    "--policy", "policies", multiple=True, type=click.Choice(["all", *POLICIES]), help="Repeatable; default: all."
)
@click.option(
    "--epsilon",
    type=float,
    default=0.01,
    show_default=True,
    help="Share of accuracy, or of certainty, that calibration may give up.",
)
@click.option(
    "--policy-network",
    type=click.Path(exists=True, dir_okay=False),
    help="A network that picks the steps from the input (SEENN-II); its own work is charged.",
)
@click.option("--allow-overlap", is_flag=True, help="Score on calibration samples, too; every output says so.")
@click.option(
    "--guarantee",
    type=click.Choice(["learn-then-test", "conformal-risk", "wsr", "signed-drop"]),
    help="Certify thresholds: at most EPSILON of the decisions change, shown by the calibration split.",
)
@click.option("--delta", type=float, default=0.05, show_default=True, help="How often a guarantee may be wrong.")
@click.option(
    "--risk",
    type=click.Choice(["consistency", "harm"]),
    default="consistency",
    show_default=True,
    help="What a guarantee bounds: decisions other than after T steps; or such that were right there.",
)
@click.option("--max-energy", metavar="QUANTITY", help="Exit 1 unless a policy stays below it on every chip: '20 uJ'.")
@click.option("--min-accuracy", type=float, metavar="PERCENT", help="Exit 1 unless such a policy is as accurate.")
@limit_option
@format_option
@page_option
def score(
    model: Model,
    data: str,
    calibration: str,
    steps: int,
    chips: tuple[str, ...],
    policies: tuple[str, ...],
    limit: int | None,
    form: str,
    output: str | None,
    policy_network: str | None,
    max_energy: str | None,
    min_accuracy: float | None,
    **chosen: Any,
) -> int:
    """Calibrate cutoff policies on one split, score them on another, on chips.

    \b
    Example:
      refsnn score net.yaml test.npz --calibration calibration.npz --steps 8 --chip loihi
      refsnn score net.yaml test.npz --calibration calibration.npz --guarantee learn-then-test --delta 0.05
      refsnn score net.yaml test.npz --calibration calibration.npz -o scores.html
      refsnn score net.yaml test.npz --calibration calibration.npz --max-energy '90 uJ' --min-accuracy 98
    """
    import hwmodel
    import refsnn
    from refsnn import score_report
    from refsnn.scoring import Choice, score_run
    from refsnn.study import over_budget, refuse_overlap

    network = _network(model)
    described = [hwmodel.load_chip(name) for name in chips or _default_chips(network)]
    samples, held = refsnn.load_data(data, limit), refsnn.load_data(calibration, limit)
    if not chosen["allow_overlap"]:
        refuse_overlap(samples, held)  # before anything is run
    choice = Choice(
        policies=_chosen(policies), policy_network=refsnn.load(policy_network) if policy_network else None, **chosen
    )
    with progress_bar("run") as progress:
        trace = refsnn.simulate(_spiking(network), samples.x, steps=steps, progress=progress)
    with progress_bar("calibrate") as progress:
        calibrated = refsnn.simulate(_spiking(network), held.x, steps=steps, progress=progress)
    run = score_run(network, trace, samples, calibrated.readout, held, described, choice)
    missed = over_budget(run.scores, max_energy, min_accuracy)
    output = _page(output, lambda: score_report.html(run))
    _emit("score", run.as_data(), [*run.tables(), *missed], form, output)
    return int(bool(missed))


@cli.group()
def golden() -> None:
    """Record a run, and check later runs against it bit for bit."""


@golden.command("record")
@model_options()
@data_argument
@steps_option
@schedule_option
@limit_option
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False), help="Golden file to write.")
@format_option
def golden_record(model: Model, data: str, steps: int, schedule: str, limit: int | None, output: str, form: str) -> int:
    """Write every spike, count, residual potential and readout of a run.

    \b
    Example:
      refsnn golden record net.yaml test.npz --steps 8 --limit 16 -o net.golden
    """
    import refsnn

    trace = _recorded_run(model, data, steps, schedule, limit)
    refsnn.golden.record(trace, output)
    data_out = {"written": output, "network_digest": trace.network_digest, "steps": steps, "samples": trace.n_samples}
    return _emit(
        "golden-record",
        data_out,
        [f"{output}: {trace.n_samples} samples, {steps} steps, every spike of {', '.join(trace.spikes)}"],
        form,
        None,
    )


@golden.command("check")
@click.argument("file", type=click.Path(dir_okay=False))
@model_options()
@data_argument
@format_option
@output_option
def golden_check(file: str, model: Model, data: str, form: str, output: str | None) -> int:
    """Run MODEL on DATA as FILE was recorded and compare; exit 1 with the first divergence, 4 if FILE is not valid for them.

    \b
    Example:
      refsnn golden check net.golden net.yaml test.npz
    """
    from dataclasses import asdict

    import refsnn

    wanted = refsnn.golden.recorded(file)
    trace = _recorded_run(model, data, wanted["steps"], wanted["schedule"], wanted["arrays"]["readout"]["shape"][1])
    verdict = refsnn.golden.check(file, trace)
    _emit("golden-check", {"equal": bool(verdict), **asdict(verdict)}, [str(verdict)], form, output)
    return 0 if verdict else 1


@cli.command()
@click.argument("name", required=False)
@format_option
@output_option
def chips(name: str | None, form: str, output: str | None) -> int:
    """List the packaged chips, or every figure of one (NAME or FILE) with its origin.

    \b
    Example:
      refsnn chips loihi
    """
    import hwmodel
    from refsnn.cost_tables import chip_table, chips_table

    if name is None:
        known = [hwmodel.load_chip(each) for each in hwmodel.chip_names()]
        return _emit("chips", {"chips": [_chip_data(chip) for chip in known]}, [chips_table(known)], form, output)
    chip = hwmodel.load_chip(name)
    return _emit("chips", {"chips": [_chip_data(chip)]}, [chip_table(chip)], form, output)


@cli.command()
@click.argument("kind", type=click.Choice(["network", "chip"]))
@output_option
def schema(kind: str, output: str | None) -> int:
    """Print the JSON Schema of network or chip specs, for editors.

    \b
    Example:
      refsnn schema chip -o chip.schema.json
    """
    from hwmodel.library import chip_schema
    from refsnn.formats import network_schema

    described = network_schema() if kind == "network" else chip_schema()
    return _emit("schema", {"kind": kind, "json_schema": described}, [json.dumps(described, indent=2)], "text", output)


@cli.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False),
    default="demo-out",
    show_default=True,
    help="Folder for scores.json, report.html and the golden file.",
)
def demo(output: str) -> int:
    """The whole job on handwritten digits, from trained weights to a golden check.

    Load, convert, simulate, verify, price on chips, stop early, record and check.

    \b
    Example:
      refsnn demo -o demo-out
    """
    from refsnn.demo import run_demo
    from refsnn.terminal import rendered

    run_demo(output, lambda table: click.echo(rendered(table), nl=False), progress_bar)
    return 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="refsnn")
def hwmodel_cli() -> None:
    """What runs cost on chips: compare cost reports. 'refsnn cost' makes them.

    \b
    Example:
      hwmodel diff before.json after.json
    """


@hwmodel_cli.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False))
@click.argument("after", type=click.Path(exists=True, dir_okay=False))
@click.option("--max-increase", type=float, metavar="PERCENT", help="Exit 1 when energy or latency grow by more.")
@format_option
@output_option
def diff(before: str, after: str, max_increase: float | None, form: str, output: str | None) -> int:
    """Say what changed between two files of 'refsnn cost --format json', report by report, row by row.

    \b
    Example:
      hwmodel diff before.json after.json --max-increase 2
    """
    from dataclasses import asdict

    from hwmodel.difference import diff_files, grew
    from refsnn.cost_tables import difference_table

    found = diff_files(before, after)
    data = {"differences": [asdict(each) for each in found]}
    _emit("cost-diff", data, [difference_table(each) for each in found], form, output)
    return int(max_increase is not None and any(grew(each, max_increase) for each in found))


# --- what the commands share ---------------------------------------------------------------------------------------


def _loaded(model: Model) -> Loaded:
    import refsnn
    from refsnn.opened import choices_of

    semantics, choices = choices_of(model.semantics, model.dt, model.choices)
    return refsnn.load_with_report(
        model.path, spec=model.spec, strict=model.strict, semantics=semantics, choices=choices
    )


def _network(model: Model) -> Network:
    """The network; one line on stderr where not all of the file was taken, or not all that matters was in it."""
    loaded = _loaded(model)
    if loaded.report.summary:
        click.echo(f"load: {model.path}: {loaded.report.summary}; 'refsnn summary --report' says what", err=True)
    return loaded.network


def _spiking(network: Network) -> Network:
    import refsnn

    return network if network.is_spiking else refsnn.convert(network)


def _number(arithmetic: str) -> Any:
    from refsnn.arithmetic import arithmetic_of

    return arithmetic_of(arithmetic)


def _source_accuracy(network: Network, samples: Data) -> float:
    import refsnn

    return float((refsnn.forward(network, samples.x).output.argmax(-1) == samples.labels).mean())


def _recorded_run(model: Model, data: str, steps: int, schedule: str, limit: int | None) -> Any:
    import refsnn

    network = _spiking(_network(model))
    samples = refsnn.load_data(data, limit)
    record = refsnn.Record(spikes=network.neurons)
    with progress_bar("run") as progress:
        return refsnn.simulate(network, samples.x, steps=steps, schedule=schedule, record=record, progress=progress)


def _default_chips(network: Network) -> tuple[str, ...]:
    from refsnn.study import EVENT_CHIPS, FRAME_CHIP

    return EVENT_CHIPS if network.is_spiking else (*EVENT_CHIPS, FRAME_CHIP)


def _chosen(policies: tuple[str, ...]) -> tuple[str, ...]:
    return POLICIES if not policies or "all" in policies else policies


def _chip_data(chip: ChipSpec) -> Any:
    from pydantic import TypeAdapter

    from hwmodel.chip import ChipSpec

    return TypeAdapter(ChipSpec).dump_python(chip, mode="json")


def progress_bar(title: str, unit: str = "samples") -> AbstractContextManager[Callable[[int, int], None]]:
    from refsnn.terminal import progress_bar

    return progress_bar(title, unit)


def _emit(schema: str, data: dict[str, Any], tables: Sequence[Table | str], form: str, output: str | None) -> int:
    """The result, as JSON or text, to stdout or to a file."""
    if form == "json":
        text = json.dumps({"schema": f"refsnn.{schema}/1", **data}, indent=2, allow_nan=False) + "\n"
    else:
        from refsnn.terminal import rendered

        text = "".join(map(rendered, tables))
    _put(text, output)
    return 0


def _page(output: str | None, html: Callable[[], str]) -> str | None:
    """Writes the page where the file is to be one; where the result goes then."""
    if output is None or not output.endswith((".html", ".htm")):
        return output
    from refsnn.files import write_atomic

    write_atomic(output, html().encode())
    return None


def _put(text: str, output: str | None) -> None:
    """To stdout, or to a file, whole or not at all."""
    if output is None:
        click.echo(text, nl=False)
    else:
        from refsnn.files import write_atomic

        write_atomic(output, text.encode())


def hwmodel_main() -> None:
    """The command `hwmodel`."""
    main(hwmodel_cli)


def main(command: click.Group = cli) -> None:
    """Run the command; every way to end has its exit code."""
    from refsnn.errors import RefSNNError

    try:
        sys.exit(command(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except RefSNNError as error:
        click.echo(f"refsnn: {error}", err=True)
        sys.exit(error.exit_code)
    except MemoryError:
        click.echo("refsnn: not enough memory for this run; use --limit N or fewer steps", err=True)
        sys.exit(3)
    except KeyboardInterrupt:
        click.echo("refsnn: interrupted; nothing was written", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; Python would complain while shutting down
        sys.exit(0)
    except Exception:
        import traceback

        traceback.print_exc()
        click.echo("refsnn: internal error: this is a bug, please report it with the lines above", err=True)
        sys.exit(70)


if __name__ == "__main__":
    main()
