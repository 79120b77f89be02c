"""What is done to records in memory and in files alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bmi_noahpy.forcing.humidity_sources import SOURCES, humidity_of
from bmi_noahpy.forcing.table import RATES, Array, ForcingError, Times

Period = tuple[np.datetime64, np.datetime64]
Biases = Mapping[str, tuple[float, float]]
"""Quantity -> (factor, offset) that a run corrects it by."""
Window = dict[str, Array]
"""Quantity -> ``[time, column]``, for a part of the records."""


def needed(times: Times, period: Period | None) -> tuple[int, int]:
    """Half-open range of records around the period: the last before it, to the first after it.

    All records when they do not reach around the period's beginning, so that the complaint about that names them all.
    """
    if period is None:
        return 0, len(times)
    start, end = (np.datetime64(moment).astype("datetime64[s]") for moment in period)
    first = int(np.searchsorted(times, start, side="right")) - 1
    last = min(int(np.searchsorted(times, end, side="left")) + 1, len(times))
    return (first, last) if 0 <= first < last else (0, len(times))


def combined_names(quantities: Iterable[str]) -> frozenset[str]:
    """What `combine` makes of these quantities."""
    names = set(quantities)
    if "wind_u" in names:
        names = names - {"wind_u", "wind_v"} | {"wind_speed"}
    if "shortwave_direct" in names:
        names = names - {"shortwave_direct", "shortwave_diffuse"} | {"shortwave_down"}
    if "rainfall" in names:
        names = names - {"rainfall"} | {"precipitation", "snowfall"}
    if names & set(SOURCES):
        names = names - set(SOURCES) | {"specific_humidity"}
    return frozenset(names)


def combine(values: Mapping[str, Array]) -> Window:
    """Wind from its components, radiation and precipitation from their parts, specific humidity from what gives it.

    Relative humidity stays, because it is interpolated as such.
    """
    combined = dict(values)
    if "wind_u" in combined:
        combined["wind_speed"] = np.hypot(combined.pop("wind_u"), combined.pop("wind_v"))
    if "shortwave_direct" in combined:
        combined["shortwave_down"] = combined.pop("shortwave_direct") + combined.pop("shortwave_diffuse")
    if "rainfall" in combined:
        rain = combined.pop("rainfall")
        if "precipitation" in combined:
            combined["snowfall"] = np.maximum(combined["precipitation"] - rain, 0.0)
        else:
            combined["precipitation"] = rain + combined["snowfall"]
    for source in SOURCES:
        if source in combined:
            given = combined.pop(source)
            combined["specific_humidity"] = humidity_of(
                source, given, combined["air_temperature"], combined["air_pressure"]
            )
    return combined


def rain_beyond_total(values: Mapping[str, Array]) -> int:
    """Number of records whose rain exceeds the precipitation of which it is a part, by more than rounding."""
    if "rainfall" not in values or "precipitation" not in values:
        return 0
    return beyond_total(values["rainfall"], values["precipitation"])


def beyond_total(part: Array, total: Array) -> int:
    """Number of values of a part that exceed their total, by more than rounding."""
    return int(np.count_nonzero(part > 1.001 * total + 1e-8))


def rain_sentence(count: int) -> str:
    """What is told of it."""
    return (
        f"rainfall exceeds precipitation in {count} records, where the precipitation counts and all of it is rain: if "
        "precipitation is snow alone, name it snowfall"
    )


def means_among(labels: Mapping[str, str | None]) -> frozenset[str]:
    """Quantities, after `combine`, whose records are means over their interval.

    Radiation and precipitation are, unless their label says that they are instants; the others where a label says that
    their stamp is the start, the middle or the end of an interval.
    """
    means = {name for name, label in labels.items() if label != "instant" and (label or name in RATES)}
    whole = combined_names(labels)
    derived = {"specific_humidity"} if means & set(SOURCES) else set()
    derived |= {"wind_speed"} if "wind_u" in means else set()
    derived |= {"shortwave_down"} if "shortwave_direct" in means else set()
    derived |= {"precipitation", "snowfall"} if means & {"rainfall", "precipitation"} else set()
    return frozenset((means | derived) & whole)


def widen(values: Mapping[str, Array], source: str) -> Window:
    """All quantities with the same number of columns; one column serves any number."""
    columns = max(array.shape[1] for array in values.values())
    for quantity, array in values.items():
        if array.shape[1] not in (1, columns):
            raise ForcingError(f"{source}: {quantity} has {array.shape[1]} columns, other variables {columns}.")
    return {quantity: np.broadcast_to(array, (array.shape[0], columns)) for quantity, array in values.items()}
