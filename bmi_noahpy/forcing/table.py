"""Meteorological records in the model's units, and what may go wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bmi_noahpy.tabular import TimeSpec
from noahpy_core.errors import KeyedError
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing

Array = NDArray[np.float64]
Times = NDArray[np.datetime64]

FORCING_METADATA = dict(quantities(Forcing))

WATER = ("precipitation", "rainfall", "snowfall")
SHORTWAVE = ("shortwave_down", "shortwave_direct", "shortwave_diffuse")
RATES = (*WATER, *SHORTWAVE, "longwave_down")
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

# What replaces a quantity of `AIR` when it is not in the file itself; the first set that the file has is taken.
ALTERNATIVES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "specific_humidity": (
        ("relative_humidity",),
        ("dewpoint_temperature",),
        ("vapour_pressure",),
        ("vapour_pressure_deficit",),
        ("mixing_ratio",),
        ("vapour_mole_fraction",),
    ),
    "wind_speed": (("wind_u", "wind_v"),),
    "shortwave_down": (("shortwave_direct", "shortwave_diffuse"),),
    "precipitation": (("rainfall", "snowfall"),),
}

FEW = 3
"""Missing quantities up to which a message says what may stand for each."""

# Quantities that are not fields of `Forcing`, but give one: units and bounds.
_OTHERS: Mapping[str, tuple[str, tuple[float, float]]] = {
    "relative_humidity": ("1", (0.0, 1.1)),
    "dewpoint_temperature": ("K", (150.0, 320.0)),
    "vapour_pressure": ("Pa", (0.0, 1.0e4)),
    "vapour_pressure_deficit": ("Pa", (0.0, 1.5e4)),
    "mixing_ratio": ("kg kg-1", (0.0, 0.1)),
    "vapour_mole_fraction": ("mol mol-1", (0.0, 0.15)),
    "wind_u": ("m s-1", (-120.0, 120.0)),
    "wind_v": ("m s-1", (-120.0, 120.0)),
    "shortwave_direct": ("W m-2", (0.0, 2000.0)),
    "shortwave_diffuse": ("W m-2", (0.0, 2000.0)),
    "rainfall": ("kg m-2 s-1", (0.0, 0.2)),
}

UNITS: Mapping[str, str] = {
    **{name: metadata["units"] for name, metadata in FORCING_METADATA.items()},
    **{name: units for name, (units, _) in _OTHERS.items()},
}

BOUNDS: Mapping[str, tuple[float, float]] = {
    **{name: metadata["bounds"] for name, metadata in FORCING_METADATA.items()},
    **{name: bounds for name, (_, bounds) in _OTHERS.items()},
}


class ForcingError(ValueError):
    """Meteorological records that cannot drive the model; the message names file, variable, place and remedy."""


class MissingForcing(ForcingError, KeyedError):
    """A key of the configuration that names no file of records."""


class MissingQuantities(ForcingError):
    """Quantities that no variable of the records gives: `missing` has them, with what could stand for each."""

    def __init__(self, text: str, missing: Sequence[str]) -> None:
        super().__init__(text)
        self.missing = tuple(missing)


class UnstatedUnits(ForcingError):
    """A quantity whose units must be said; `quantity` and `name` of the variable are at hand."""

    def __init__(self, text: str, quantity: str, name: str) -> None:
        super().__init__(text)
        self.quantity, self.name = quantity, name


class PresetUnits(ForcingError):
    """A variable in other units than those of its convention; its `quantity`, `name` and `units` are at hand."""

    def __init__(self, text: str, quantity: str, name: str, units: str) -> None:
        super().__init__(text)
        self.quantity, self.name, self.units = quantity, name, units


class AmbiguousVariable(ForcingError):
    """Two variables that could be one quantity; `quantity` and both `names` are at hand."""

    def __init__(self, text: str, quantity: str, names: tuple[str, str]) -> None:
        super().__init__(text)
        self.quantity, self.names = quantity, names


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
    means : Quantities whose values are means over the interval of their record; the others hold at its beginning.
    notes : What was done to the values: clipped, filled.
    origins : Quantity of the file -> its variable and units there, for those that a reader found.
    """

    times: Times
    values: Mapping[str, Array]
    source: str
    sampled: bool = False
    means: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    origins: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

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
        found: int = next(iter(self.values.values())).shape[1]
        return found

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
    """One variable as the file has it: ``[time, column]`` with the file's units and name.

    Parameters
    ----------
    label : What the stamps of its records are: "start", "middle", "end" or "instant"; None: as usual for the quantity.
    accumulated : "since_midnight", "since_start", "no"; None: not said.
    assumed : Whether nothing states the units, so that those of the model are taken.
    """

    values: Array
    units: str
    name: str
    label: str | None = None
    accumulated: str | None = None
    assumed: bool = False


@dataclasses.dataclass(frozen=True)
class RawRecords:
    """What a reader hands over: times and variables by quantity name.

    Parameters
    ----------
    place : The place of a record, counted from 0, in the words of the file; None: its number.
    clock : Of the file: whose midnight accumulations follow, and in whose time problems are told.
    site : Latitude and longitude, where the file says where it is. [degrees]
    notes : Sentences about what is not taken from the file.
    """

    times: Times
    fields: Mapping[str, RawField]
    source: str
    sampled: bool = False
    place: Callable[[int], str] | None = None
    clock: TimeSpec = TimeSpec()
    site: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def _with_alternatives(quantity: str) -> str:
    sets = ALTERNATIVES.get(quantity, ())
    others = ", or ".join(" and ".join(names) for names in sets)
    return f"{quantity} (or {others})" if sets else quantity


def required_quantities(
    found: set[str], source: str, remedy: str, given: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Quantities to use among those found.

    Specific humidity goes before what it follows from, wind speed before its components, total precipitation before
    rain and snow. Snow, or rain, beside the total says of what phase it is.

    Parameters
    ----------
    given : Quantities that need not be found, because they are derived on request.

    Raises
    ------
    MissingQuantities : naming everything missing and what was found; it ends with `remedy`.
    """
    chosen: list[str] = []
    missing: list[str] = []
    for quantity in AIR:
        sets = ALTERNATIVES.get(quantity, ())
        instead = next((names for names in sets if found.issuperset(names)), None)
        if quantity in found:
            chosen.append(quantity)
        elif instead is not None:
            chosen.extend(instead)
        elif quantity not in given:
            missing.append(quantity)
    if len(missing) <= FEW:
        missing = [_with_alternatives(quantity) for quantity in missing]
    if missing:
        recognised = ", ".join(sorted(found)) or "nothing"
        raise MissingQuantities(f"{source}: missing {', '.join(missing)}; recognised {recognised}. {remedy}", missing)
    if "precipitation" in found:
        chosen += [name for name in ("snowfall", "rainfall") if name in found][:1]
    return (*chosen, *(name for name in VEGETATION if name in found))
