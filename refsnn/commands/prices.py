"""Commands about chips: cost, score, chips, and hwmodel's diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from refsnn.commands.models import Model, model_options, network_of, spiking_of
from refsnn.commands.options import (
    POLICIES,
    chip_option,
    data_argument,
    format_option,
    limit_option,
    output_option,
    page_option,
    steps_option,
)
from refsnn.commands.output import emit, page, progress_bar

if TYPE_CHECKING:
    from hwmodel.chip import ChipSpec
    from refsnn.network import Network


@click.command()
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

    network = network_of(model)
    with progress_bar("run") as progress:
        priced = price_run(
            network, data, steps=steps, chips=chips or _default_chips(network), limit=limit, progress=progress, **chosen
        )
    output = page(output, lambda: cost_report.html(priced))
    return emit("cost", priced.as_data(), priced.tables(), form, output)


@click.command()
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

    network = network_of(model)
    described = [hwmodel.load_chip(name) for name in chips or _default_chips(network)]
    samples, held = refsnn.load_data(data, limit), refsnn.load_data(calibration, limit)
    if not chosen["allow_overlap"]:
        refuse_overlap(samples, held)  # before anything is run
    choice = Choice(
        policies=_chosen(policies), policy_network=refsnn.load(policy_network) if policy_network else None, **chosen
    )
    with progress_bar("run") as progress:
        trace = refsnn.simulate(spiking_of(network), samples.x, steps=steps, progress=progress)
    with progress_bar("calibrate") as progress:
        calibrated = refsnn.simulate(spiking_of(network), held.x, steps=steps, progress=progress)
    run = score_run(network, trace, samples, calibrated.readout, held, described, choice)
    missed = over_budget(run.scores, max_energy, min_accuracy)
    output = page(output, lambda: score_report.html(run))
    emit("score", run.as_data(), [*run.tables(), *missed], form, output)
    return int(bool(missed))


@click.command()
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
        return emit("chips", {"chips": [_chip_data(chip) for chip in known]}, [chips_table(known)], form, output)
    chip = hwmodel.load_chip(name)
    return emit("chips", {"chips": [_chip_data(chip)]}, [chip_table(chip)], form, output)


@click.command()
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
    emit("cost-diff", data, [difference_table(each) for each in found], form, output)
    return int(max_increase is not None and any(grew(each, max_increase) for each in found))


def _default_chips(network: Network) -> tuple[str, ...]:
    from refsnn.study import EVENT_CHIPS, FRAME_CHIP

    return EVENT_CHIPS if network.is_spiking else (*EVENT_CHIPS, FRAME_CHIP)


def _chosen(policies: tuple[str, ...]) -> tuple[str, ...]:
    return POLICIES if not policies or "all" in policies else policies


def _chip_data(chip: ChipSpec) -> Any:
    from pydantic import TypeAdapter

    from hwmodel.chip import ChipSpec

    return TypeAdapter(ChipSpec).dump_python(chip, mode="json")
