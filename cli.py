"""The command line. Each command is a function in refsnn/commands that parses, calls, prints and returns an exit code.

stdout is the result, stderr is progress and errors. Exit codes: 0 equal or done, 1 divergence, 2 usage or config error,
3 input refused, 4 golden missing, stale or tampered, 5 nothing compared, 70 internal error, 130 interrupted.
Everything heavy is imported inside the commands: `refsnn --help` is up in a blink.
"""

import sys

import click

from refsnn.commands import networks, prices, runs
from refsnn.commands.output import progress_bar

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
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


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="refsnn")
def hwmodel_cli() -> None:
    """What runs cost on chips: compare cost reports. 'refsnn cost' makes them.

    \b
    Example:
      hwmodel diff before.json after.json
    """


for _command in (
    *(networks.summary, networks.init, networks.scan, networks.convert, networks.schema),
    *(runs.verify, runs.run, runs.golden, prices.cost, prices.score, prices.chips),
):
    cli.add_command(_command)
hwmodel_cli.add_command(prices.diff)


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
