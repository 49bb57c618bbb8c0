"""MODEL: its options, and the network that they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from refsnn.formats import Loaded
    from refsnn.network import Network


semantics_option = click.option(
    "--semantics", metavar="PROFILE", help="Whose neurons a NIR file means; it does not say."
)
dt_option = click.option("--dt", type=float, metavar="SECONDS", help="Length of a step, in a NIR file.")
set_option = click.option(
    "--set",
    "choices",
    multiple=True,
    metavar="KEY=VALUE",
    help="Something else that MODEL leaves open: input_shape=[1,28,28] (ONNX), if_scaling=dt (NIR); repeatable.",
)


external_option = click.option(
    "--external-data",
    type=click.Path(exists=True, file_okay=False),
    help="Folder below which an ONNX file may keep its numbers; without it they are refused.",
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
    external_data: str | None


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
        external_option,
    )

    def decorated(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def collected(*, model: str | None, **rest: Any) -> int:
            given = {name: rest.pop(name) for name in ("spec", "strict", "semantics", "dt", "choices", "external_data")}
            return command(model=None if model is None else Model(model, **given), **rest)

        for option in reversed(options):
            option(collected)
        return collected

    return decorated


def load_model(model: Model) -> Loaded:
    import refsnn
    from refsnn.formats import Limits
    from refsnn.opened import choices_of

    semantics, choices = choices_of(model.semantics, model.dt, model.choices)
    return refsnn.load_with_report(
        model.path, spec=model.spec, strict=model.strict, semantics=semantics, choices=choices,
        limits=Limits(external_data=model.external_data),
    )  # fmt: skip


def network_of(model: Model) -> Network:
    """The network; one line on stderr where not all of the file was taken, or not all that matters was in it."""
    loaded = load_model(model)
    if loaded.report.summary:
        click.echo(f"load: {model.path}: {loaded.report.summary}; 'refsnn summary --report' says what", err=True)
    return loaded.network


def spiking_of(network: Network) -> Network:
    import refsnn

    return network if network.is_spiking else refsnn.convert(network)


def number_of(arithmetic: str) -> Any:
    from refsnn.arithmetic import arithmetic_of

    return arithmetic_of(arithmetic)
