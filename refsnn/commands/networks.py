"""Commands on files and networks: summary, init, scan, convert, schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click

from refsnn.commands.models import (
    Model,
    dt_option,
    load_model,
    model_options,
    network_of,
    number_of,
    semantics_option,
    set_option,
)
from refsnn.commands.options import (
    balance_option,
    bias_option,
    calibration_option,
    format_option,
    output_option,
    v_init_option,
)
from refsnn.commands.output import emit, put


@click.command()
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

    loaded = load_model(model)
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
    return emit("summary", data, tables, form, output)


@click.command()
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
        return emit("init", result.data, result.tables, form, None)
    click.echo(result.text, nl=False)
    return 0


@click.command()
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
        put(json.dumps(sarif(found, refsnn.__version__), indent=2) + "\n", output)
    else:
        emit("scan", scan_data(found), [scan_table(found)], form, output)
    return 0 if all(one.accepted for one in found) else 3


@click.command()
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
@click.option("--allow-loss", is_flag=True, help="Write NIR even where that changes results, and list where.")
@balance_option
@calibration_option
@v_init_option
@bias_option
def convert(model: Model, form: str, output: str, quantise: str | None, allow_loss: bool, **chosen: Any) -> int:
    """Write the spiking network: BatchNorm folded, QCFS and ReLU replaced by IF neurons.

    \b
    Example:
      refsnn convert net.yaml -o snn.yaml
      refsnn convert relu.yaml -o snn.yaml --balance percentile:99.9 --calibration calibration.npz
      refsnn convert net.yaml -o snn8.yaml --quantise fixed:8.5,24.14,24.14
      refsnn convert net.yaml -o snn.nir --dt 1e-3
    """
    import refsnn
    from refsnn.converting import Conversion, export
    from refsnn.tables import conversion_table

    writes_nir = output.endswith(".nir")
    ann = network_of(replace(model, dt=None) if writes_nir and model.semantics is None else model)
    # a network that spikes already needs no conversion to be written in another format
    snn = ann if ann.is_spiking and writes_nir else Conversion(**chosen).of(ann)
    if quantise is not None:
        arithmetic = number_of(quantise)
        if not isinstance(arithmetic, refsnn.FixedPoint):
            raise refsnn.errors.SpecError(
                f"--quantise: {quantise!r} is no fixed-point format; give fixed:8.5,24.14,24.14"
            )
        snn = refsnn.quantise(snn, arithmetic)
    written = export(ann, snn, output, dt=model.dt, allow_loss=allow_loss)
    data = {
        "source_digest": ann.digest,
        "digest": snn.digest,
        "written": [str(path) for path in written.paths],
        "neurons": list(snn.neurons),
        "not_said": list(written.lost),
    }
    notes = [f"{output} does not say: {sentence}" for sentence in written.lost]
    return emit("convert", data, [conversion_table(ann, snn), *notes], form, None)


@click.command()
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
    return emit("schema", {"kind": kind, "json_schema": described}, [json.dumps(described, indent=2)], "text", output)
