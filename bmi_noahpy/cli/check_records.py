"""The records of a run as ``noahpy check`` shows them: period, precipitation, sun, and a line for each quantity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from bmi_noahpy.config import Configuration
    from bmi_noahpy.forcing.table import Array
    from bmi_noahpy.runs.outline import Outline
    from bmi_noahpy.runs.run import Run

YEAR = 365.25 * 86400.0


def lines_of_records(configuration: Configuration, run: Run | Outline, window: Mapping[str, Array]) -> Iterator[str]:
    """Where the records come from, how many there are, their precipitation and their sun.

    Parameters
    ----------
    window : Records of the first column, as many as are judged.
    """
    assert run.forcing is not None
    table = run.forcing.table
    interval = "" if table.interval is None else f", every {table.interval / np.timedelta64(1, 's'):g} s"
    yield f"Forcing: {table.source}"
    yield f"  {table.records} records from {table.times[0]} to {table.times[-1]}{interval}, {_gaps(configuration)}"
    yield f"  {_precipitation(run, window)}"
    sun = _sun(run, window)
    if sun is not None:
        yield f"  sun highest at {sun[0]:.1f} h UTC, expected {sun[1]:.1f} h"


def table_of_records(run: Run | Outline, window: Mapping[str, Array]) -> Table:
    """Mean and range of each quantity in the model's units, and what the file has it from.

    Parameters
    ----------
    window : Records of the first column, as many as are judged.
    """
    from bmi_noahpy.forcing.table import UNITS

    table = Table(title="Records of the first column", title_justify="left", title_style="bold")
    for header in ("quantity", "units", "mean", "lowest", "highest", "is", "in the file"):
        table.add_column(header)
    assert run.forcing is not None
    means, origins = run.forcing.table.means, run.forcing.table.origins
    for name, values in window.items():
        kind = "mean of its interval" if name in means else "at the beginning of its interval"
        numbers = (f"{value:.6g}" for value in (values.mean(), values.min(), values.max()))
        table.add_row(*(Text(cell) for cell in (name, UNITS[name], *numbers, kind, _origin(name, origins))))
    return table


def _origin(quantity: str, origins: Mapping[str, tuple[str, str]]) -> str:
    """Variables of the file that a quantity is made of, with their units there."""
    from bmi_noahpy.forcing.table import ALTERNATIVES

    if not origins:
        return ""
    ways = ((quantity,), *ALTERNATIVES.get(quantity, ()))
    if quantity == "snowfall":
        ways = (*ways, ("precipitation", "rainfall"))
    way = next((way for way in ways if all(name in origins for name in way)), None)
    return "derived" if way is None else ", ".join("{} [{}]".format(*origins[name]) for name in way)


def _gaps(configuration: Configuration) -> str:
    asked = None if configuration.forcing is None else configuration.forcing.gaps
    if asked is None:
        return "no gaps"
    return f"gaps up to {asked.longest / 3600.0:g} h filled ({asked.method})"


def _precipitation(run: Run | Outline, window: Mapping[str, Array]) -> str:
    """Precipitation of a year, and its share of snow: by the records where they say, else by the scheme of the run."""
    from bmi_noahpy.runs.snow_share import snow_share
    from noahpy_core.constants import FREEZING_POINT

    fallen = window["precipitation"]
    year = f"{float(fallen.mean()) * YEAR:.0f} mm of precipitation a year"
    total = float(fallen.sum())
    if total == 0.0:
        return year
    snow = window.get("snowfall")
    if snow is not None:
        return f"{year}, {100.0 * float(snow.sum()) / total:.0f} % of it snow, as the file says"
    cold = float(fallen[window["air_temperature"] <= FREEZING_POINT].sum()) / total
    frost = f"{year}, {100.0 * cold:.0f} % of it at or below 0 degC"
    share = snow_share(run)
    return frost if share is None else f"{frost}; {100.0 * share[0]:.0f} % of it snow ({share[1]})"


def _sun(run: Run | Outline, window: Mapping[str, Array]) -> tuple[float, float] | None:
    """Hour of the highest sun in the records, and the expected one."""
    from bmi_noahpy.forcing.sun import expected_hour, hour_of_maximum

    assert run.forcing is not None
    table = run.forcing.table
    if table.interval is None or table.interval > np.timedelta64(3, "h"):
        return None
    latitude, longitude = (float(side.flat[0]) for side in (run.domain.latitude, run.domain.longitude))
    sunlight = window["shortwave_down"]
    times = table.times[: len(sunlight)]
    found = hour_of_maximum(times, sunlight, table.interval, latitude)
    return None if found is None else (found, expected_hour(times, longitude))
