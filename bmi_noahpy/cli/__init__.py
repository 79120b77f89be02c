"""The command ``noahpy``, a module for each command.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from bmi_noahpy.cli.calibration import calibrate, sensitivity
from bmi_noahpy.cli.check import check
from bmi_noahpy.cli.compare import compare
from bmi_noahpy.cli.info import info, schema
from bmi_noahpy.cli.init import init
from bmi_noahpy.cli.messages import LogLevel, log_level
from bmi_noahpy.cli.options import Debug
from bmi_noahpy.cli.plot import plot
from bmi_noahpy.cli.run import run
from bmi_noahpy.cli.sweep import sweep
from bmi_noahpy.cli.table import table
from bmi_noahpy.cli.verify import verify
from bmi_noahpy.files.trust import own_code

__all__ = ["app", "main"]

OBJECTS_BETWEEN_COLLECTIONS = 100_000

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    help="Noah land surface model with permafrost physics: differentiable, batched, with a Basic Model Interface.",
)
for _command in (run, init, check, sweep, plot, compare, table, calibrate, sensitivity, verify, info, schema):
    app.command()(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from noahpy_core import __version__

        typer.echo(f"noahpy {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Debug = False,
    level: Annotated[
        LogLevel,
        typer.Option(
            "--log-level",
            envvar="NOAHPY_LOG_LEVEL",
            help="What is said on standard error: errors only, warnings too, progress too (info), or also where in "
            "the program a warning comes from (debug).",
        ),
    ] = LogLevel.info,
    no_own_code: Annotated[
        bool,
        typer.Option(
            "--no-own-code",
            envvar="NOAHPY_NO_OWN_CODE",
            help="Refuse configurations that name classes of their own: those of others are programs of others.",
        ),
    ] = False,
) -> None:
    context.obj = debug
    log_level.set(level)
    own_code.set(not no_own_code)


def main() -> None:
    """The command ``noahpy`` as a program of its own."""
    # Importing torch makes some 170,000 objects that stay, among which Python would look for garbage 370 times.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    app()
