"""The command ``noahpy plot``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from bmi_noahpy.cli.messages import print_paths, reported
from bmi_noahpy.cli.options import Cell, Debug, Reading, read_cell


class Window(str, enum.Enum):
    """What the time stamp of an observation means."""

    auto = "auto"
    start = "start"
    centre = "centre"
    instant = "instant"


def plot(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(help="Output file of a run.")],
    observations: Annotated[Path | None, typer.Option(help="Observations to compare with: a table or netCDF.")] = None,
    read: Reading = None,
    folder: Annotated[Path | None, typer.Option(help="Where the figures go; default: beside the output file.")] = None,
    cell: Cell = None,
    window: Annotated[
        Window,
        typer.Option(
            help="Time stamp of observations: start or centre of the interval they are means of, or an instant. "
            "auto: daily ones are means from their stamp on, finer ones instants."
        ),
    ] = Window.auto,
    debug: Debug = False,
) -> None:
    """Draw an output file as PNG figures, with scores where observations are given."""
    with reported(debug=debug or context.obj):
        from bmi_noahpy.config.observation_section import read_reading, refuse_without_file
        from bmi_noahpy.observations.reading import read_as
        from bmi_noahpy.plot import plot_output

        place, reading = read_cell(cell), read_reading(read or [])
        refuse_without_file(read, observations)
        observed = None if observations is None else read_as(observations, reading)
        paths = plot_output(output, observations=observed, folder=folder, cell=place, window=window.value)
        print_paths("Figures", paths)
