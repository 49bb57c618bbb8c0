"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable

import click

# as in refsnn/study.py, which is heavy to import
POLICIES = ("fixed", "margin", "confidence", "entropy", "dynamic", "gate", "patience", "spikecp", "oracle")
data_argument = click.argument("data", type=click.Path(exists=True, dir_okay=False))
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
