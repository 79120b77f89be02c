"""What is possible but hardly true of observed values: a code for no value, a wrong unit, a probe that stands still."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from bmi_noahpy.observations.columns import UNITS
from bmi_noahpy.observations.observed import Array, Observed
from bmi_noahpy.observations.simulated import DAY_SECONDS, Times

FEWEST: Mapping[str, tuple[float, str]] = {
    "soil_liquid_water": (0.02, "are they fractions, and not per cent?"),
    "soil_moisture": (0.02, "are they fractions, and not per cent?"),
    "snow_depth": (0.01, "are they metres?"),
    "snow_water_equivalent": (1.0, "are they metres, and not mm?"),
    "albedo": (0.02, "are they fractions, and not per cent?"),
    "net_radiation": (20.0, "are they MJ m-2, or kW m-2?"),
    "latent_heat_flux": (2.0, "are they mm, or MJ m-2?"),
    "sensible_heat_flux": (2.0, "are they MJ m-2, or kW m-2?"),
}
"""Quantity -> a greatest value below which its units are doubted."""
MOST: Mapping[str, tuple[float, str]] = {
    "snow_depth": (6.0, "are they cm?"),
    "snow_water_equivalent": (3000.0, "are they mm, and not cm or m?"),
    "soil_temperature": (335.0, "are they degC, and not degF?"),
    "net_radiation": (1200.0, "are they W m-2?"),
    "sensible_heat_flux": (1000.0, "are they W m-2?"),
    "latent_heat_flux": (1000.0, "are they W m-2?"),
    "ground_heat_flux": (500.0, "are they W m-2?"),
}
"""Quantity -> a value that is hardly ever exceeded."""
ENOUGH = 12
"""Fewer values are not judged."""
STILL = 48
"""Values of a probe that are all the same from which on it is doubted."""
MONTH = 28 * DAY_SECONDS
OFTEN = 3
"""How often an extreme that looks like a code stands there to be told."""

_CODE = re.compile(r"-?(?:9{2,}(?:\.9+)?|9\.9{2,}|[67]9{3}|[67]9{4}|7{4}|8{4})")


def code_like(number: float) -> bool:
    """Whether a number is written like those that stand for no value: 999, 99.9, 6999, 7777."""
    return bool(_CODE.fullmatch(f"{number:.10g}"))


def doubts(series: Observed, numbers: Array) -> list[str]:
    """A sentence for everything that is possible but hardly true.

    Parameters
    ----------
    series : All records, in the units of the model; NaN where missing.
    numbers : The same in the units of the file.
    """
    present = numbers[np.isfinite(numbers)]
    values = series.values[np.isfinite(series.values)]
    if not present.size:
        return []
    return [*codes(present), *_units(series.quantity, values), *_still(values)]


def codes(present: Array) -> list[str]:
    """A sentence for an extreme that looks like a code of missing values."""
    if not present.size:
        return []
    sentences = []
    for extreme in {float(present.max()), float(present.min())}:
        count = int(np.count_nonzero(present == extreme))
        if code_like(extreme) and (count >= OFTEN or abs(extreme) >= 999.0) and count < present.size:
            times = "once" if count == 1 else f"{count} times"
            sentences.append(f"{extreme:g} stands there {times}; if it means missing, say so (missing: {extreme:g})")
    return sentences


def _units(quantity: str, values: Array) -> list[str]:
    greatest = float(np.abs(values).max())
    least, question = FEWEST.get(quantity, (0.0, ""))
    if values.size >= ENOUGH and 0.0 < greatest < least:
        return [f"no value is above {greatest:.2g} {UNITS[quantity]}; {question}"]
    most, question = MOST.get(quantity, (np.inf, ""))
    if greatest > most:
        return [f"the greatest value is {greatest:.4g} {UNITS[quantity]}; {question}"]
    return []


def _still(values: Array) -> list[str]:
    if values.size < STILL or float(values.max() - values.min()) > 0.0 or values[0] == 0.0:
        return []
    return [f"all {values.size} values are the same"]


def odd_stamps(shown: Times, spacing: float) -> str | None:
    """Why means of a day or longer hardly begin at their stamps, as is assumed where nothing says what these are.

    Parameters
    ----------
    shown : What the clock of the file shows.
    spacing : Time from one record to the next. [s]
    """
    days = shown.astype("datetime64[D]")
    hour = float(np.median((shown - days) / np.timedelta64(1, "h")))
    day = float(np.median((days - days.astype("datetime64[M]")) / np.timedelta64(1, "D"))) + 1.0
    monthly = MONTH <= spacing <= 1.2 * MONTH
    if spacing < DAY_SECONDS or not (hour > 0.0 or (monthly and day > 1.0)):
        return None
    stamp = f"{int(hour):02d}:{round(60.0 * (hour % 1.0)):02d}" if not monthly else f"day {day:.0f} of the month"
    return (
        f"stamps are at {stamp}, and values are taken as means from then on; if they are not, say time.label (or "
        "--window): start, middle, end or instant"
    )
