"""Quantities that are possible each, but hardly together: humidity and saturation, radiation and temperature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bmi_noahpy.forcing.derived import STEFAN_BOLTZMANN, pressure_at
from bmi_noahpy.forcing.humidity import LARGEST_SATURATION, saturation_specific_humidity
from bmi_noahpy.forcing.prepared import beyond_total
from bmi_noahpy.forcing.table import Array

OVERSATURATED, FEW = 1.15, 0.3
"""Relative humidity that air hardly has, and the share of records from which on it is told. [1]"""
MOST = 0.6
"""Share of records that no fog keeps saturated. [1]"""
NO_VAPOUR, MANY = 0.005, 0.05
EMISSIVITIES = (0.4, 1.3)
"""Mean longwave radiation, as a share of that of a black body of the air's temperature, lies between. [1]"""
WRONG_HEIGHT = 0.12
"""By how much the mean pressure differs from that of the elevation, as a share of it, before it is told. [1]"""


def inconsistent(values: Mapping[str, Array], elevation: float | None = None) -> Iterator[str]:
    """A sentence for each pair of quantities that do not fit.

    Parameters
    ----------
    values : Quantity -> ``[time]``, in the model's units.
    elevation : Of the column above the sea, where it is known. [m]
    """
    temperature, pressure = values["air_temperature"], values["air_pressure"]
    if "specific_humidity" in values:
        yield from _vapour(values["specific_humidity"], temperature, pressure)
    emitted = float(np.nanmean(values["longwave_down"]) / (STEFAN_BOLTZMANN * np.nanmean(temperature**4)))
    if not EMISSIVITIES[0] <= emitted <= EMISSIVITIES[1]:
        yield (
            f"longwave_down is {emitted:.2g} times that of a black body of the air's temperature, which does not "
            "occur: check its units, the time that its sums are of, and that it is not net radiation"
        )
    if elevation is not None:
        expected, found = pressure_at(elevation), float(np.nanmean(pressure))
        if abs(found / expected - 1.0) > WRONG_HEIGHT:
            yield (
                f"the mean pressure is {found / 100.0:.0f} hPa, that of {elevation:g} m is about "
                f"{expected / 100.0:.0f} hPa: check that it is not reduced to sea level"
            )
    if "snowfall" in values:
        yield from _snow(values["snowfall"], values["precipitation"])


def _vapour(humidity: Array, temperature: Array, pressure: Array) -> Iterator[str]:
    share = humidity / saturation_specific_humidity(temperature, pressure)
    above, below = float(np.mean(share > OVERSATURATED)), float(np.mean(share < NO_VAPOUR))
    if above > FEW:
        yield (
            f"the air is above saturation in {100.0 * above:.0f} % of the records, up to {float(np.nanmax(share)):.2g} "
            "times: check units and variable of its humidity"
        )
    saturated = float(np.mean(np.abs(share - LARGEST_SATURATION) < 1e-6))
    if saturated > MOST:
        yield (
            f"the air is cut to saturation in {100.0 * saturated:.0f} % of the records: check units and variable of "
            "its humidity; a dewpoint is at or below the temperature"
        )
    if below > MANY:
        yield (
            f"the air holds no vapour to speak of in {100.0 * below:.0f} % of the records: check units and variable of "
            "its humidity"
        )


def _snow(snowfall: Array, precipitation: Array) -> Iterator[str]:
    more = beyond_total(snowfall, precipitation)
    if more:
        yield (
            f"snowfall exceeds precipitation in {more} records, where all of it is snow: if precipitation is rain "
            "alone, name it rainfall"
        )
