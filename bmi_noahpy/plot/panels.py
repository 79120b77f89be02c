"""Panels that take the axes they are drawn on, and give them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bmi_noahpy.observations.observed import at_depth
from bmi_noahpy.observations.simulated import ColumnOutput, PlotError, Series, column_of, read_column
from bmi_noahpy.plot.figures import MELTING_POINT, date_axis, depth_axis, new_figure
from bmi_noahpy.plot.simulation import draw_section

Output = str | Path | xr.Dataset | ColumnOutput


def plot_section(
    output: Output,
    variable: str = "soil_temperature",
    axes: Axes | None = None,
    *,
    bottom: float | None = None,
    cell: tuple[int, int] | None = None,
    **colours: Any,
) -> Axes:
    """Draw a variable of the soil over time and depth, in daily means; temperatures in degC.

    Parameters
    ----------
    output : Output file of a run, or the dataset of `bmi_noahpy.simulate`.
    axes : To draw on; None: of a new figure (``axes.figure``).
    bottom : Depth at which the axis ends; None: that of the soil. [m]
    cell : Row and column of a grid, from 0; None: the first that was computed.
    colours : Of `matplotlib.axes.Axes.pcolormesh`, as ``cmap`` and ``vmin``.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, or no such variable in it.
    """
    column = as_column(output, cell)
    series = _celsius(_series(column, variable)).daily()
    if series.values.ndim != 2:
        raise PlotError(f"{variable} has no layers. Draw it with plot_series.")
    axes = axes if axes is not None else _new_axes(column.title)
    mesh = draw_section(axes, column, series, **colours)
    _figure(axes).colorbar(mesh, ax=axes, label=_label(series), pad=0.01)
    depth_axis(axes, np.array([0.0, float(column.faces[-1]) if bottom is None else bottom]))
    date_axis(axes)
    return axes


def plot_series(
    output: Output,
    variable: str,
    axes: Axes | None = None,
    *,
    depth: float | None = None,
    cell: tuple[int, int] | None = None,
    **line: Any,
) -> Axes:
    """Draw a variable over time, in daily means, or as the instants that were written; temperatures in degC.

    Parameters
    ----------
    output : Output file of a run, or the dataset of `bmi_noahpy.simulate`.
    axes : To draw on; None: of a new figure (``axes.figure``).
    depth : Of a variable of the soil. [m]
    cell : Row and column of a grid, from 0; None: the first that was computed.
    line : Of `matplotlib.axes.Axes.plot`, as ``color`` and ``label``.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, no such variable in it, or no depth for one of the soil.
    """
    column = as_column(output, cell)
    series = series_at(column, variable, depth)
    axes = axes if axes is not None else _new_axes(column.title)
    axes.plot(series.valid, series.values, **{"linewidth": 1.0, **line})
    place = "" if depth is None else f" at {depth:g} m"
    axes.set_ylabel(f"{series.name.replace('_', ' ')}{place}\n[{series.units}]")
    axes.grid(alpha=0.3)
    date_axis(axes)
    return axes


def series_at(column: ColumnOutput, variable: str, depth: float | None) -> Series:
    """Daily means of a variable, at a depth where it has layers; temperatures in degC.

    Instants too far apart for a mean of the day stay what they are.
    """
    return written_at(column, variable, depth).daily()


def written_at(column: ColumnOutput, variable: str, depth: float | None) -> Series:
    """A variable as it was written, at a depth where it has layers; temperatures in degC."""
    found = _celsius(_series(column, variable))
    if found.values.ndim == 2:
        if depth is None:
            raise PlotError(f"{variable} has layers. Say at which depth.")
        placed = at_depth(found, column, depth)
        if placed is None:
            raise PlotError(f"{variable} at {depth:g} m: the soil ends at {column.faces[-1]:g} m.")
        found = placed
    return found


def as_column(output: Output, cell: tuple[int, int] | None = None) -> ColumnOutput:
    """One column of an output, wherever it is."""
    if isinstance(output, ColumnOutput):
        return output
    return column_of(output, "the dataset", cell) if isinstance(output, xr.Dataset) else read_column(output, cell)


def _series(column: ColumnOutput, variable: str) -> Series:
    found = column.series(variable.replace(".", "_"))
    if found is None:
        raise PlotError(f"{column.title}: the output has no {variable}. Add it to output.variables and run again.")
    return found


def _celsius(series: Series) -> Series:
    if series.units != "K":
        return series
    return series.with_values(series.values - MELTING_POINT).with_units("°C")


def _label(series: Series) -> str:
    return f"{series.name.replace('_', ' ')} [{series.units}]"


def _new_axes(title: str) -> Axes:
    axes: Axes = new_figure(title, 11.0, 4.0).subplots()
    return axes


def _figure(axes: Axes) -> Figure:
    figure = axes.figure
    while not isinstance(figure, Figure):
        figure = figure.figure
    return figure


def common_range(sections: list[Series]) -> tuple[float, float]:
    """The same colours for several sections of differences: lowest and highest value, about zero."""
    values = np.concatenate([series.values.reshape(-1) for series in sections])
    half = float(np.nanpercentile(np.abs(values), 99.5)) or 1.0
    return -half, half
