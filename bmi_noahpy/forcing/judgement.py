"""What is possible but hardly true of records: a wrong unit, a shifted clock, a total taken for an amount."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from bmi_noahpy.forcing.consistency import inconsistent
from bmi_noahpy.forcing.outliers import far_values
from bmi_noahpy.forcing.streamed import RECORDS_TO_LOOK_AT, StreamedTable
from bmi_noahpy.forcing.sun import LIGHT, expected_hour, hour_of_maximum
from bmi_noahpy.forcing.table import Array, ForcingTable, Times
from bmi_noahpy.forcing.unstated import DIM
from bmi_noahpy.region.domain import Domain

ENOUGH = 12
"""Fewer records are not judged."""
DRY_AIR = 0.03
"""No climate has a lower mean relative humidity. [1]"""
CALM, STORM = 0.1, 25.0
"""No mean wind is weaker, or stronger. [m s-1]"""
DAYS = 5.0
"""Fewer say nothing about the daily course of the sun."""
DAYLIT = 60.0
"""Latitude up to which the sun rises high enough every day. [degrees]"""
WET_MONTH = 3000.0
"""More precipitation than the wettest months on record of most places. [kg m-2]"""
MONTH = 30 * 86400.0
CLOCK = 1.75
"""How far the hour of the highest sun may be from the expected one. [h]"""


def implausible(
    table: ForcingTable | StreamedTable, domain: Domain | None = None, elevation: float | None = None
) -> list[str]:
    """A sentence about everything in the records of the first column that is possible, but hardly true.

    Parameters
    ----------
    domain : Where the columns are; None: the sun is not judged.
    elevation : Of the first column above the sea, where it is known. [m]
    """
    if table.records < ENOUGH:
        return []
    window = first_column(table)
    times = table.times[:RECORDS_TO_LOOK_AT]
    place = None if domain is None else (float(domain.latitude.flat[0]), float(domain.longitude.flat[0]))
    told = [*_Judged(window, times, table.interval, place).sentences(), *far_values(window)]
    told += inconsistent(window, elevation)
    return [f"{table.source}: {text}" for text in told]


def first_column(table: ForcingTable | StreamedTable) -> dict[str, Array]:
    """The records that are judged, ``[time]`` by quantity: of the first column, `RECORDS_TO_LOOK_AT` at most."""
    # So many of all columns may not fit into memory.
    window = table.first_column() if isinstance(table, StreamedTable) else table.window(0, RECORDS_TO_LOOK_AT)
    return {name: values[:, 0] for name, values in window.items()}


@dataclasses.dataclass(frozen=True)
class _Judged:
    values: dict[str, Array]
    times: Times
    interval: np.timedelta64 | None
    place: tuple[float, float] | None

    def sentences(self) -> Iterator[str]:
        yield from self._humidity()
        yield from self._wind()
        yield from self._precipitation()
        yield from self._temperature()
        yield from self._sun()

    def _mean(self, quantity: str) -> float | None:
        values = self.values.get(quantity)
        if values is None or not np.isfinite(values).any():
            return None
        return float(np.nanmean(values))

    def _humidity(self) -> Iterator[str]:
        mean = self._mean("relative_humidity")
        if mean is not None and mean < DRY_AIR:
            yield (
                f"the mean relative humidity is {100.0 * mean:.2g} %, which does not occur: are its values fractions? "
                "Then set forcing.variables.relative_humidity.units to '1'"
            )
        moist = self._mean("specific_humidity")
        if moist is not None and moist < 2e-5:
            yield f"the mean specific humidity is {moist:.2g} kg kg-1, drier than polar winters: check its units"

    def _wind(self) -> Iterator[str]:
        mean = self._mean("wind_speed")
        if mean is not None and mean < CALM:
            yield f"the mean wind is {mean:.2g} m s-1, which does not occur: check the units of wind_speed"
        if mean is not None and mean > STORM:
            yield f"the mean wind is {mean:.3g} m s-1, more than any place has: check the units of wind_speed"

    def _precipitation(self) -> Iterator[str]:
        mean = self._mean("precipitation")
        if mean is not None and mean * MONTH > WET_MONTH:
            yield (
                f"precipitation amounts to {mean * MONTH:.0f} mm a month: check its units, and whether it is a running "
                "total (forcing.variables.precipitation.accumulated)"
            )

    def _temperature(self) -> Iterator[str]:
        values = self.values["air_temperature"]
        if float(np.nanmax(values) - np.nanmin(values)) < 1e-6 and len(values) > 48:
            yield f"air_temperature is {values[0]:g} K in all records"

    def _sun(self) -> Iterator[str]:
        if self.place is None or self.interval is None or self.interval > np.timedelta64(3, "h"):
            return
        shortwave = self.values["shortwave_down"]
        found = hour_of_maximum(self.times, shortwave, self.interval, self.place[0])
        if found is None:
            yield from self._no_course(shortwave, float(self.place[0]), self.interval)
            return
        expected = expected_hour(self.times, self.place[1])
        shift = (found - expected + 12.0) % 24.0 - 12.0
        allowed = CLOCK + 0.5 * float(self.interval / np.timedelta64(1, "h"))
        if abs(shift) > allowed:
            yield (
                f"the sun is highest at {_clock(found)} UTC, expected at longitude {self.place[1]:g} is "
                f"{_clock(expected)}: check forcing.time.utc_offset and forcing.time.label"
            )

    def _no_course(self, shortwave: Array, latitude: float, interval: np.timedelta64) -> Iterator[str]:
        """Whole days without a daily course, where the sun rises every day."""
        days = (self.times[-1] - self.times[0] + interval) / np.timedelta64(1, "D")
        if days < DAYS or abs(latitude) > DAYLIT:
            return
        highest = float(np.nanmax(shortwave))
        if highest < DIM:
            yield (
                f"shortwave_down is {highest:.3g} W m-2 at the highest, which no day of latitude {latitude:g} has: "
                "check its units"
            )
        elif float(np.nanmean(shortwave)) > LIGHT:
            yield "shortwave_down is about the same by day and by night: check that it is not the mean of whole days"


def _clock(hour: float) -> str:
    minutes = round(hour * 60.0) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
