"""The command ``noahpy compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bmi_noahpy.cli.messages import output_console, print_paths, reported
from bmi_noahpy.cli.options import Cell, Debug, read_cell


def compare(
    context: typer.Context,
    outputs: Annotated[list[Path], typer.Argument(help="Output files; the others are compared with the first.")],
    label: Annotated[
        list[str] | None, typer.Option("--label", help="How to call each file, in their order; default: by its name.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where figures and table go; default: beside the first.")] = None,
    cell: Cell = None,
    debug: Debug = False,
) -> None:
    """Draw several runs on the same axes and in the same colours, with their differences as a table."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.plot.runs import compare_runs

        written, table = compare_runs(outputs, labels=label, folder=folder, cell=read_cell(cell))
        output_console().print(table.to_string(index=False, float_format="{:.4g}".format), markup=False)
        print_paths("Comparison", written)
