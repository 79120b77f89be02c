"""Permafrost year by year, out of one column of an output file."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.simulated import (
    DAY_SECONDS,
    ColumnOutput,
    PlotError,
    SamplingWarning,
    Series,
    read_column,
    too_seldom,
)
from bmi_noahpy.observations.thaw import read_thaw_depths
from bmi_noahpy.output.permafrost import SNOW_ON_THE_GROUND

Floats = NDArray[np.float64]

FREEZING_POINT = 273.15
DEPTHS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Depths of which dates are given. [m]"""
WHOLE_YEAR = 360
"""Days that a year must have for its means and its active layer."""
ZERO_CURTAIN = 0.2
"""Soil this close to the freezing point, in either direction, is in its zero curtain. [K]"""
THAWED = 0.995
"""Share of a layer from which on all of it is thawed. [1]"""
NEEDED = ("soil_temperature", "soil_liquid_water", "soil_ice")


def permafrost_table(
    output: str | Path | ColumnOutput,
    *,
    depths: Sequence[float] = DEPTHS,
    cell: tuple[int, int] | None = None,
    observations: str | Path | pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row for each calendar year, in local days (solar time of the longitude).

    Daily output has days of UTC: each counts as the local day that holds its middle.

    Parameters
    ----------
    output : Output file of a run with ``soil.temperature``, ``soil.liquid_water`` and ``soil.ice``.
    depths : Where dates are wanted; those below the soil are left out. [m]
    cell : Row and column of a grid, from 0.
    observations : Observed depths of thaw, in a column beside: a file as CALM has them, or a table of ``year`` and
        ``thaw_depth_m``.

    Returns
    -------
    Per year: days in the file, active layer [m] (see `thaw_depth`), mean temperature of the top and the lowest layer
    [degC], days with snow and highest snow [m] where the file has snow; at each depth first day of the longest thaw,
    first day of freezing after it, and days within 0.2 K of freezing. Years of fewer than 360 days have no means and no
    active layer. Observed depths are ``observed_active_layer_m``.

    Raises
    ------
    FileNotFoundError, PlotError : the file is missing, or lacks what is needed.
    """
    column = output if isinstance(output, ColumnOutput) else read_column(output, cell)
    series = {name: column.series(name) for name in NEEDED}
    missing = [name for name, found in series.items() if found is None]
    if missing:
        wanted = ", ".join(name.replace("_", ".", 1) for name in missing)
        raise PlotError(f"{column.title}: the output lacks {wanted}. Add it to output.variables and run again.")
    present = [found for found in series.values() if found is not None]
    _warn_of_instants(present)
    daily = {found.name: _local(found, column).by_day() for found in present}
    days = daily["soil_temperature"].middle.astype("datetime64[D]")
    snow = column.series("snow_depth")
    depth = None if snow is None else _local(snow, column).by_day().values
    rows = []
    for year in np.unique(days.astype("datetime64[Y]")):
        chosen = days.astype("datetime64[Y]") == year
        values = {name: found.values[chosen] for name, found in daily.items()}
        rows.append(_year(column, days[chosen], values, None if depth is None else depth[chosen], depths))
    table = pd.DataFrame(rows)
    if observations is not None:
        depths_of_years = observations if isinstance(observations, pd.DataFrame) else read_thaw_depths(observations)
        observed = depths_of_years.set_index("year")["thaw_depth_m"]
        if not observed.index.isin(table["year"]).any():
            known = f"{observed.index.min()} to {observed.index.max()}"
            text = f"{column.title}: depths of thaw are of {known}, none of a year of the output."
            warnings.warn(text, ObservationWarning, stacklevel=2)
        table.insert(3, "observed_active_layer_m", table["year"].map(observed))
    return table


def thaw_depth(liquid: Floats, ice: Floats, faces: Floats) -> float:
    """Depth down to which the ground thaws in a series, within the partly thawed layer too. [m]

    Layers that thaw completely count whole. Of the first one below them counts the share that thaws: how far its liquid
    fraction rises towards one, from that of frozen ground at its warmest. Ground that stays frozen gains and loses
    liquid water with the season too; how much is seen in the layer below, and added to the lowest fraction of this one.
    The answer so depends little on the thickness of the layers.

    Parameters
    ----------
    liquid, ice : ``[time, layer]``. [m3 m-3]
    faces : Upper and lower faces of the layers, ``[layer + 1]``. [m]

    Returns
    -------
    NaN when all layers thaw: there is no permafrost within them.
    """
    total = np.maximum(liquid + ice, 1e-9)
    fraction = liquid / total
    lowest, highest = fraction.min(axis=0), fraction.max(axis=0)
    partly = (lowest < THAWED) & (highest < THAWED)
    if not partly.any():
        return float("nan")
    front = int(np.argmax(partly))
    swing = highest[front + 1] - lowest[front + 1] if front + 1 < len(lowest) else 0.0
    frozen = min(lowest[front] + swing, highest[front])
    share = (highest[front] - frozen) / max(1.0 - frozen, 1e-9)
    return float(faces[front] + share * (faces[front + 1] - faces[front]))


def _local(series: Series, column: ColumnOutput) -> Series:
    """The series in mean solar time of its longitude."""
    shift = np.timedelta64(round(float(column.data["lon"]) / 15.0 * 3.6e12), "ns")
    return dataclasses.replace(series, begin=series.begin + shift, end=series.end + shift, valid=series.valid + shift)


def _warn_of_instants(series: Sequence[Series]) -> None:
    """Say where what is called the value of a day is that of an instant."""
    for found in series:
        if not found.gives_means_over(DAY_SECONDS):
            warnings.warn(
                f"{too_seldom(found)}; days, dates and means of this table are those of these instants, which differ "
                "from means of the day near the surface.",
                SamplingWarning,
                stacklevel=3,
            )
            return


def _year(
    column: ColumnOutput, days: Any, values: dict[str, Floats], snow: Floats | None, depths: Sequence[float]
) -> dict[str, Any]:
    temperature = values["soil_temperature"]
    whole = len(days) >= WHOLE_YEAR
    row: dict[str, Any] = {"year": int(str(days[0])[:4]), "days": len(days)}
    active = thaw_depth(values["soil_liquid_water"], values["soil_ice"], column.faces) if whole else float("nan")
    row["active_layer_m"] = active
    row["mean_top_temperature_degC"] = float(temperature[:, 0].mean() - FREEZING_POINT) if whole else float("nan")
    row["mean_ground_temperature_degC"] = float(temperature[:, -1].mean() - FREEZING_POINT) if whole else float("nan")
    if snow is not None:
        row["snow_days"] = int(np.count_nonzero(snow >= SNOW_ON_THE_GROUND))
        row["highest_snow_m"] = float(snow.max())
    for depth in depths:
        if depth <= column.depth[-1]:
            row |= _at_depth(days, _between(temperature, column.depth, depth), depth)
    return row


def _between(temperature: Floats, middles: Floats, depth: float) -> Floats:
    """Temperature at a depth, linear between the middles of layers. [degC]"""
    return np.array([np.interp(depth, middles, profile) for profile in temperature]) - FREEZING_POINT


def _at_depth(days: Any, celsius: Floats, depth: float) -> dict[str, Any]:
    """Dates of thaw and of freezing after it, and days of the zero curtain."""
    begin, end = _longest(celsius > 0.0)
    return {
        f"thaw_{depth:g}m": str(days[begin]) if 0 < begin < end else None,
        f"freeze_up_{depth:g}m": str(days[end]) if begin < end < len(days) else None,
        f"zero_curtain_days_{depth:g}m": int(np.count_nonzero(np.abs(celsius) <= ZERO_CURTAIN)),
    }


def _longest(thawed: NDArray[np.bool_]) -> tuple[int, int]:
    """Beginning and end of the longest thaw without a break: frosts of spring and autumn do not count."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], thawed.astype(np.int8), [0]]))).reshape(-1, 2)
    if not edges.size:
        return 0, 0
    begin, end = edges[int(np.argmax(edges[:, 1] - edges[:, 0]))]
    return int(begin), int(end)
