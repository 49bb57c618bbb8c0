"""Commands that simulate: run, verify, golden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refsnn.commands.models import Model, model_options, network_of, number_of, spiking_of
from refsnn.commands.options import (
    arithmetic_option,
    balance_option,
    bias_option,
    calibration_option,
    data_argument,
    format_option,
    limit_option,
    output_option,
    page_option,
    schedule_option,
    steps_option,
    v_init_option,
)
from refsnn.commands.output import emit, page, progress_bar, put

if TYPE_CHECKING:
    from refsnn.formats import Data
    from refsnn.network import Network


@click.command()
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
        result = run_verify(network_of(model), data, Options(**chosen), progress_bar)
    output = page(output, result.html)
    if form == "junit":
        put(result.junit(), output)
    else:
        emit("verify", result.data, result.tables, form, output)
    return 0 if result.equal else 1


@click.command()
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

    network = network_of(model)
    samples = refsnn.load_data(data, limit)
    with progress_bar("run") as progress:
        trace = refsnn.simulate(
            spiking_of(network),
            samples.x,
            steps=steps,
            arithmetic=number_of(arithmetic),
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
    return emit("run", result, tables, form, output)


@click.group()
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
    return emit(
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
    emit("golden-check", {"equal": bool(verdict), **asdict(verdict)}, [str(verdict)], form, output)
    return 0 if verdict else 1


def _source_accuracy(network: Network, samples: Data) -> float:
    import refsnn

    return float((refsnn.forward(network, samples.x).output.argmax(-1) == samples.labels).mean())


def _recorded_run(model: Model, data: str, steps: int, schedule: str, limit: int | None) -> Any:
    import refsnn

    network = spiking_of(network_of(model))
    samples = refsnn.load_data(data, limit)
    record = refsnn.Record(spikes=network.neurons)
    with progress_bar("run") as progress:
        return refsnn.simulate(network, samples.x, steps=steps, schedule=schedule, record=record, progress=progress)
