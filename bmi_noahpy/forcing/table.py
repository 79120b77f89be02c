"""Meteorological records in the model's units, and what may go wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noahpy_core.errors import KeyedError
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing

Array = NDArray[np.float64]
Times = NDArray[np.datetime64]

FORCING_METADATA = dict(quantities(Forcing))

RATES = ("precipitation", "rainfall", "snowfall", "shortwave_down", "longwave_down")
AIR = (
    "air_temperature",
    "air_pressure",
    "specific_humidity",
    "wind_speed",
    "shortwave_down",
    "longwave_down",
    "precipitation",
)
VEGETATION = ("vegetation_fraction", "leaf_area_index", "snow_free_albedo")

# What replaces a quantity of `AIR` when it is not in the file itself.
ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "specific_humidity": ("relative_humidity",),
    "wind_speed": ("wind_u", "wind_v"),
    "precipitation": ("rainfall", "snowfall"),
}

UNITS = {
    **{name: metadata["units"] for name, metadata in FORCING_METADATA.items()},
    "relative_humidity": "1",
    "wind_u": "m s-1",
    "wind_v": "m s-1",
    "rainfall": "kg m-2 s-1",
    "snowfall": "kg m-2 s-1",
}

BOUNDS = {
    **{name: metadata["bounds"] for name, metadata in FORCING_METADATA.items()},
    "relative_humidity": (0.0, 1.1),
    "wind_u": (-120.0, 120.0),
    "wind_v": (-120.0, 120.0),
    "rainfall": (0.0, 0.2),
    "snowfall": (0.0, 0.2),
}


class ForcingError(ValueError):
    """Meteorological records that cannot drive the model; the message names file, variable, place and remedy."""


class MissingForcing(ForcingError, KeyedError):
    """A key of the configuration that names no file of records."""


@dataclasses.dataclass(frozen=True)
class ForcingTable:
    """Records at a regular interval, checked, in the model's units.

    Parameters
    ----------
    times : Start of the interval each record describes, UTC, ``datetime64[s]``, ``[time]``.
    values : Quantity name -> ``[time, column]``, named and in the units of `noahpy_core.state.Forcing`, except that
        ``relative_humidity`` [1] may stand for ``specific_humidity``.
    source : Where the records come from, for messages.
    sampled : True when a model step longer than the interval takes the record at its start, as Noah's own driver
        does with its text files; False when it takes the mean of the records within the step.
    """

    times: Times
    values: Mapping[str, Array]
    source: str
    sampled: bool = False

    @property
    def quantities(self) -> frozenset[str]:
        """What a window holds."""
        return frozenset(self.values)

    def window(self, first: int, last: int) -> dict[str, Array]:
        """Records from `first` up to, not including, `last`."""
        return {quantity: array[first:last] for quantity, array in self.values.items()}

    def choose(self, columns: ArrayLike) -> ForcingTable:
        """The same records of some of the columns; those of one column serve all."""
        if self.columns == 1:
            return self
        index = np.asarray(columns)
        values = {quantity: array[:, index] for quantity, array in self.values.items()}
        return dataclasses.replace(self, values=values)

    @property
    def columns(self) -> int:
        """Number of columns in the records (1: the same weather everywhere)."""
        return next(iter(self.values.values())).shape[1]

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self.times)

    @property
    def interval(self) -> np.timedelta64 | None:
        """Time between records; None for a single record."""
        return self.times[1] - self.times[0] if self.records > 1 else None


@dataclasses.dataclass(frozen=True)
class RawField:
    """One variable as the file has it: ``[time, column]`` with the file's units and name."""

    values: Array
    units: str
    name: str


@dataclasses.dataclass(frozen=True)
class RawRecords:
    """What a reader hands over: times and variables by quantity name."""

    times: Times
    fields: Mapping[str, RawField]
    source: str
    sampled: bool = False


def required_quantities(found: set[str], source: str, remedy: str) -> tuple[str, ...]:
    """Quantities to use among those found.

    Specific humidity goes before relative humidity, wind speed before its components, total precipitation before rain
    and snow.

    Raises
    ------
    ForcingError : naming everything missing and what was found; it ends with `remedy`.
    """
    chosen: list[str] = []
    missing: list[str] = []
    for quantity in AIR:
        alternatives = ALTERNATIVES.get(quantity, ())
        if quantity in found:
            chosen.append(quantity)
        elif alternatives and found.issuperset(alternatives):
            chosen.extend(alternatives)
        else:
            missing.append(f"{quantity} (or {' and '.join(alternatives)})" if alternatives else quantity)
    if missing:
        recognised = ", ".join(sorted(found)) or "nothing"
        raise ForcingError(f"{source}: missing {', '.join(missing)}; recognised {recognised}. {remedy}")
    return (*chosen, *(name for name in VEGETATION if name in found))
