"""Several runs on the same axes, in the same colours, and how far they are from the first one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bmi_noahpy.files.targets import check_target
from bmi_noahpy.observations.simulated import (
    DAY_SECONDS,
    ColumnOutput,
    PlotError,
    SamplingWarning,
    Series,
    Times,
    read_column,
    too_seldom,
)
from bmi_noahpy.plot.figures import COLOURS, new_figure, save
from bmi_noahpy.plot.panels import common_range, plot_section, plot_series, written_at

Values = NDArray[np.float64]

DEPTHS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Where soil variables are compared. [m]"""
SOIL = ("soil_temperature", "soil_liquid_water")
SURFACE = (
    "snow_depth", "snow_water_equivalent", "skin_temperature", "net_radiation", "sensible_heat_flux",
    "latent_heat_flux", "ground_heat_flux", "runoff_surface", "runoff_drainage",
)  # fmt: skip


def compare_runs(
    paths: Sequence[str | Path],
    *,
    labels: Sequence[str] | None = None,
    folder: str | Path | None = None,
    cell: tuple[int, int] | None = None,
) -> tuple[list[Path], pd.DataFrame]:
    """Draw several output files on the same axes and in the same colours, and compare them with the first one.

    Parameters
    ----------
    paths : At least two output files.
    labels : How to call them; None: by their names.
    folder : Where figures and table go; None: beside the first file.
    cell : Row and column of a grid, from 0.

    Returns
    -------
    The files written, and a table: of every variable (at each depth) and every file after the first one, its mean, the
    mean difference from the first one and the root of the mean square of the difference, over common days. Where a
    state was written too seldom for means of days, the instants that both files have are compared (`compared`). Where
    the other file has means of it only, it is left out with a `SamplingWarning`.

    Raises
    ------
    FileNotFoundError, PlotError : a file is missing, is no output, or has nothing in common with the first one.
    """
    if len(paths) < 2:
        raise PlotError("compare: one file. Give at least two.")
    names = list(labels) if labels is not None else _names(paths)
    if len(names) != len(paths):
        raise PlotError(f"compare: {len(names)} labels for {len(paths)} files. Give one for each.")
    columns = [read_column(path, cell) for path in paths]
    table = _differences(columns, names)
    if table.empty:
        raise PlotError(f"{', '.join(map(str, paths))}: no variable on common days. Compare runs of the same period.")
    first = Path(paths[0])
    target = (first.parent if folder is None else Path(folder)) / f"{first.stem}_compared"
    figures = {"soil": _sections(columns, names), "series": _lines(columns, names)}
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    written = [target.with_name(f"{target.name}_{name}.png") for name in drawn]
    written.append(target.with_name(f"{target.name}.csv"))
    for path in written:
        check_target(path, {"compared": [Path(one) for one in paths]})
    for path, figure in zip(written, drawn.values(), strict=False):
        save(figure, path)
    table.to_csv(written[-1], index=False, float_format="%.6g")
    return written, table


def _names(paths: Sequence[str | Path]) -> list[str]:
    """Names of files, with their folder where these are the same."""
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(Path(path).with_suffix("")) for path in paths]


def _wanted(columns: Sequence[ColumnOutput]) -> list[tuple[str, float | None]]:
    """Variables that all files have, with the depths that all of them reach."""
    bottom = min(float(column.depth[-1]) for column in columns)
    wanted: list[tuple[str, float | None]] = []
    for name in (*SOIL, *SURFACE):
        if all(column.series(name) is not None for column in columns):
            wanted += [(name, depth) for depth in DEPTHS if depth <= bottom] if name in SOIL else [(name, None)]
    return wanted


def _differences(columns: Sequence[ColumnOutput], names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for variable, depth in _wanted(columns):
        series = [written_at(column, variable, depth) for column in columns]
        for name, other in zip(names[1:], series[1:], strict=True):
            what, pair = _common(series[0], other)
            if pair is None:
                continue
            own, theirs = pair
            rows.append(
                {
                    "variable": variable,
                    "depth_m": depth,
                    "units": series[0].units,
                    "run": name,
                    "compared": what,
                    "count": len(own),
                    f"mean of {names[0]}": own.mean(),
                    "mean": theirs.mean(),
                    "mean_difference": (theirs - own).mean(),
                    "root_mean_square_difference": float(np.sqrt(np.mean((theirs - own) ** 2))),
                }
            )
    return pd.DataFrame(rows)


def _common(first: Series, other: Series) -> tuple[str, tuple[Values, Values] | None]:
    """What is compared, and values of both: of the days that both have, or of instants where one gives no mean."""
    seldom = [one for one in (first, other) if not one.gives_means_over(DAY_SECONDS)]
    if not seldom:
        first, other = first.daily(), other.daily()
        what = "daily means" if first.length <= DAY_SECONDS else "means"
        return what, _at(first, other, first.middle, other.middle)
    if not (first.instants and other.instants):
        warnings.warn(
            f"not compared: {too_seldom(seldom[0])}, the other run has means of it.", SamplingWarning, stacklevel=4
        )
        return "", None
    return "instants", _at(first, other, first.end, other.end)


def _at(first: Series, other: Series, own_times: Times, their_times: Times) -> tuple[Values, Values] | None:
    """Values of both at the times that both have."""
    _, own, theirs = np.intersect1d(own_times, their_times, return_indices=True)
    values = first.values[own], other.values[theirs]
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    return (values[0][both], values[1][both]) if both.any() else None


def _sections(columns: Sequence[ColumnOutput], names: Sequence[str]) -> Figure | None:
    """Soil temperature of each run, in the same colours."""
    if any(column.series("soil_temperature") is None for column in columns):
        return None
    figure = new_figure(columns[0].title, 11.0, 1.0 + 2.6 * len(columns))
    axes = figure.subplots(len(columns), 1, sharex=True, sharey=False, squeeze=False)[:, 0]
    every = [column.series("soil_temperature") for column in columns]
    celsius = [one.with_values(one.values - 273.15).daily() for one in every if one is not None]
    low, high = common_range(celsius)
    deepest = min(float(column.faces[-1]) for column in columns)
    for panel, column, name in zip(axes, columns, names, strict=True):
        plot_section(column, "soil_temperature", panel, bottom=deepest, cmap="RdBu_r", vmin=low, vmax=high)
        panel.set_title(name, loc="left", fontsize=10)
    return figure


def _lines(columns: Sequence[ColumnOutput], names: Sequence[str]) -> Figure | None:
    """Every common variable, a colour for each run."""
    wanted = _wanted(columns)
    if not wanted:
        return None
    rows = -(-len(wanted) // 2)
    figure = new_figure(columns[0].title, 14.0, 1.0 + 1.9 * rows)
    axes = figure.subplots(rows, 2, sharex=True, squeeze=False).T.reshape(-1)
    for panel, (variable, depth) in zip(axes, wanted, strict=False):
        for number, (column, name) in enumerate(zip(columns, names, strict=True)):
            plot_series(column, variable, panel, depth=depth, color=COLOURS[number % len(COLOURS)], label=name)
    for panel in axes[len(wanted) :]:
        panel.set_visible(False)
    axes[len(wanted) - 1].xaxis.set_tick_params(labelbottom=True)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(columns), frameon=False)
    return figure
