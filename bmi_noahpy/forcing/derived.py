"""Pressure and longwave radiation of files that lack them, when a run asks for it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping

import numpy as np

from bmi_noahpy.forcing.humidity import specific_humidity
from bmi_noahpy.forcing.table import Array, ForcingError

STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
SEA_LEVEL_PRESSURE = 101325.0  # Pa
DERIVABLE = ("air_pressure", "longwave_down")


def pressure_at(elevation: float) -> float:
    """Pressure of the International Standard Atmosphere at a height above the sea [m]. [Pa]"""
    return float(SEA_LEVEL_PRESSURE * (1.0 - 2.25577e-5 * elevation) ** 5.25588)


def brutsaert(temperature: Array, vapour: Array) -> Array:
    """Emissivity of a clear sky, ``1.24 (e / T)^(1/7)``, e in hPa (Brutsaert 1975, Water Resour. Res. 11). [1]"""
    return np.asarray(1.24 * (vapour / 100.0 / temperature) ** (1.0 / 7.0))


def prata(temperature: Array, vapour: Array) -> Array:
    """Emissivity of a clear sky, ``1 - (1 + w) exp[-(1.2 + 3 w)^(1/2)]``, ``w = 46.5 e / T`` with e in hPa. [1]

    References
    ----------
    Prata, A. J., 1996, Q. J. R. Meteorol. Soc. 122, 1127-1151.
    """
    water = 46.5 * vapour / 100.0 / temperature
    return np.asarray(1.0 - (1.0 + water) * np.exp(-np.sqrt(1.2 + 3.0 * water)))


LONGWAVE: Mapping[str, Callable[[Array, Array], Array]] = {"brutsaert": brutsaert, "prata": prata}
"""Parameterisations of clear-sky longwave radiation. Clouds are not seen: it is too small under them."""


def check_wanted(wanted: Mapping[str, float | str]) -> None:
    """Refuse what cannot be derived.

    Parameters
    ----------
    wanted : ``air_pressure: elevation [m]`` and ``longwave_down: name of a parameterisation``.

    Raises
    ------
    ForcingError : an unknown quantity or parameterisation, or an elevation that is no number.
    """
    for name, value in wanted.items():
        if name not in DERIVABLE:
            raise ForcingError(f"forcing.derive: {name!r} cannot be derived. Use {' or '.join(DERIVABLE)}.")
        if name == "longwave_down" and value not in LONGWAVE:
            near = difflib.get_close_matches(str(value), LONGWAVE, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Use {' or '.join(LONGWAVE)}."
            raise ForcingError(f"forcing.derive.longwave_down: unknown parameterisation {value!r}. {remedy}")
        if name == "air_pressure" and not (isinstance(value, (int, float)) and -500.0 <= value <= 9000.0):
            raise ForcingError(f"forcing.derive.air_pressure: {value!r} is not the elevation of a site in m.")


def not_derived(wanted: Mapping[str, float | str], there: Collection[str]) -> list[str]:
    """A sentence for each quantity that is to be derived, but that the records have."""
    return [
        f"{name} is not derived: the file has its own, which is used. Remove forcing.derive.{name}"
        for name in wanted
        if name in there
    ]


def with_pressure(values: Mapping[str, Array], wanted: Mapping[str, float | str]) -> dict[str, Array]:
    """Values with the pressure of the elevation that is asked for; a file that has pressure keeps its own."""
    if "air_pressure" not in wanted or "air_pressure" in values:
        return dict(values)
    return {
        **values,
        "air_pressure": np.full_like(values["air_temperature"], pressure_at(float(wanted["air_pressure"]))),
    }


def with_longwave(values: Mapping[str, Array], wanted: Mapping[str, float | str]) -> dict[str, Array]:
    """Values with longwave radiation of a clear sky; a file that has it keeps its own."""
    if "longwave_down" not in wanted or "longwave_down" in values:
        return dict(values)
    temperature = values["air_temperature"]
    emissivity = LONGWAVE[str(wanted["longwave_down"])](temperature, _vapour_pressure(values))
    return {**values, "longwave_down": emissivity * STEFAN_BOLTZMANN * temperature**4}


def _vapour_pressure(values: Mapping[str, Array]) -> Array:
    """Vapour pressure of air with specific or relative humidity. [Pa]"""
    temperature, pressure = values["air_temperature"], values["air_pressure"]
    humidity = values.get("specific_humidity")
    if humidity is None:
        humidity = specific_humidity(values["relative_humidity"], temperature, pressure)
    return np.asarray(humidity * pressure / (0.622 + 0.378 * humidity))
