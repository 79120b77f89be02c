"""Values of a configuration: numbers with units, one or one per layer, month or column of a grid."""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationInfo

from bmi_noahpy.config.errors import EMPTY, Problem, Problems
from bmi_noahpy.config.maps import read_map
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.files.reading import expanded
from bmi_noahpy.region.cell_map import CellMap
from bmi_noahpy.region.file import Region
from bmi_noahpy.units import convert, split_number
from noahpy_core.quantities import quantities

Leading = Literal["", "layer", "month"]
Values = Any
"""A number; numbers in nested tuples: [layer or month], [y][x] or [layer or month][y][x]; or a map of a domain file."""

MONTHS = 12
LARGEST = 1e300
"""Beyond it a whole number has no floating-point value."""
LARGEST_CLASS = 10**6

_SHAPES: dict[Leading, dict[int, str]] = {
    "": {0: "one number", 2: "[y][x] for a grid"},
    "layer": {0: "one number", 1: "one per layer", 3: "[layer][y][x] for a grid"},
    "month": {0: "one number", 1: "twelve monthly values", 3: "[month][y][x] for a grid"},
}


_NUMBERS = frozenset((int, float))


def refuse_empty(value: Any) -> Any:
    """The value, unless the file left it empty."""
    if value is EMPTY or (isinstance(value, str) and not value.strip()):
        raise ValueError("empty value. Give one, or remove the key.")
    return value


@dataclasses.dataclass(frozen=True)
class Reader:
    """Validator of one physical quantity.

    Parameters
    ----------
    units : Units of the model, into which values with units are converted.
    bounds : Smallest and largest acceptable value.
    leading : Which dimension may stand before y and x.
    whole : True for numbers of classes.
    optional : True when null is a value.
    """

    units: str
    bounds: tuple[float, float] | None = None
    leading: Leading = ""
    whole: bool = False
    optional: bool = False

    @classmethod
    def of(cls, container: type, path: str, *, leading: Leading | None = None, optional: bool = False) -> Reader:
        """The reader of a quantity of a core container, with the units, bounds and dimensions of its metadata."""
        metadata = dict(quantities(container))[path]
        own: Leading = "layer" if metadata["dims"] else ""
        return cls(metadata["units"], metadata["bounds"], own if leading is None else leading, optional=optional)

    def __call__(self, value: Any) -> Values:
        """The value in the units of the model, as floats in nested tuples.

        Raises
        ------
        ValueError : for anything that is not such a value, with the place in a list and the remedy.
        """
        if refuse_empty(value) is None:
            if self.optional:
                return None
            raise ValueError("empty value. Give one, or remove the key.")
        if isinstance(value, CellMap):
            return read_map(value, self.units, self.bounds, months=self.leading == "month", whole=self.whole)
        units: str | None = None
        if isinstance(value, Mapping):
            if set(value) != {"values", "units"}:
                raise ValueError(f"has the keys {', '.join(map(str, value))}. Give numbers, or {{values, units}}.")
            value, units = value["values"], str(value["units"])
        plain = self._plain_list(value) if units is None and type(value) is list else None
        if plain is not None:
            return plain
        read = self._read(value, units, ())
        self._check_shape(read)
        return read

    def _plain_list(self, numbers: list[Any]) -> tuple[float, ...] | None:
        """Numbers in the units of the model, which nearly all lists are, at once; None: look more closely."""
        if self.whole or self.bounds is None or not numbers or not _NUMBERS.issuperset(map(type, numbers)):
            return None
        if 1 not in _SHAPES[self.leading] or (self.leading == "month" and len(numbers) != MONTHS):
            return None
        low, high = max(self.bounds[0], -LARGEST), min(self.bounds[1], LARGEST)
        return tuple(map(float, numbers)) if all(low <= number <= high for number in numbers) else None

    def _read(self, value: Any, units: str | None, place: tuple[int, ...]) -> Values:
        if isinstance(value, (list, tuple)):
            if not value:
                raise ValueError(f"{_where(place)}empty list. Give {self._wanted()}.")
            return tuple(self._read(entry, units, (*place, index)) for index, entry in enumerate(value))
        try:
            return self._number(value, units)
        except ValueError as error:
            raise ValueError(f"{_where(place)}{error}") from None

    def _number(self, value: Any, units: str | None) -> float:
        if isinstance(refuse_empty(value), str):
            split = split_number(value)
            if split is None:
                raise ValueError(f"{value!r} is not a number. Give {self._wanted()}.")
            number, own_units = split
            units = own_units or units
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value) if abs(value) < LARGEST else math.inf
        else:
            raise ValueError(f"{value!r} is not a number. Give {self._wanted()}.")
        try:
            converted = convert(number, units, self.units) if units else number
        except ValueError as error:
            raise ValueError(f"{value!r}: {error}") from None
        return self._within(converted, value)

    def _within(self, number: float, given: Any) -> float:
        if not math.isfinite(number):
            raise ValueError(f"{given!r} is not finite. Give {self._wanted()}.")
        if self.whole and (number != int(number) or abs(number) > LARGEST_CLASS):
            raise ValueError(f"{given!r} is not a whole number. Give the number of a class.")
        if self.bounds and not self.bounds[0] <= number <= self.bounds[1]:
            low, high = self.bounds
            units = "" if self.units == "1" else f" {self.units}"
            raise ValueError(f"impossible value {given!r}. It must lie within {low:g} to {high:g}{units}.")
        return int(number) if self.whole else number

    def _check_shape(self, value: Values) -> None:
        shapes = set(_shapes(value))
        allowed = _SHAPES[self.leading]
        if len(shapes) > 1:
            raise ValueError(f"lists of different lengths. Give {' or '.join(allowed.values())}.")
        shape = shapes.pop()
        if len(shape) not in allowed:
            raise ValueError(f"lists nested {len(shape)} deep. Give {' or '.join(allowed.values())}.")
        if self.leading == "month" and shape and shape[0] != MONTHS:
            raise ValueError(f"{shape[0]} values. Give twelve monthly values, January first, or one number.")

    def _wanted(self) -> str:
        return "a plain number" if self.units == "1" else f"a number in {self.units}, or with its units"


def _where(place: tuple[int, ...]) -> str:
    return f"value {', '.join(str(index + 1) for index in place)}: " if place else ""


def _shapes(value: Values) -> Iterator[tuple[int, ...]]:
    if not isinstance(value, tuple):
        yield ()
        return
    for entry in value:
        for shape in _shapes(entry):
            yield (len(value), *shape)


def column_values(value: Values, columns: int, leading: int | None = None) -> NDArray[Any]:
    """The value of every column: ``[column]``, or ``[leading, column]`` when `leading` (layers or 12) is given."""
    array = np.asarray(value)
    if leading is None:
        shape: tuple[int, ...] = (columns,)
        array = array.reshape(-1)
    else:
        shape = (leading, columns)
        if array.ndim == 3:
            array = array.reshape(array.shape[0], -1)
        array = array if array.ndim == 2 else array.reshape(-1, 1)
    found = np.empty(shape, array.dtype)
    found[...] = array
    return found


@dataclasses.dataclass(frozen=True)
class Overrides:
    """Validator of parameters given by name instead of by class, for the fields of a core container."""

    container: type

    @property
    def names(self) -> list[str]:
        """What may be given."""
        return [field.name for field in dataclasses.fields(self.container)]

    def __call__(self, value: Any) -> dict[str, Values]:
        """Name -> value; raises `Problems` with everything that is wrong."""
        if not isinstance(refuse_empty(value), Mapping):
            raise ValueError(f"must hold names with values, got {value!r}. Indent parameters below it, or remove it.")
        problems, read = [], {}
        for name, given in value.items():
            if name not in self.names:
                problems.append(Problem(str(name), f"unknown parameter. {suggest(str(name), self.names)}"))
                continue
            try:
                read[name] = Reader.of(self.container, name)(given)
            except Problems as error:
                problems += [problem._replace(key=name) for problem in error.problems]
            except ValueError as error:
                problems.append(Problem(name, str(error)))
        if problems:
            raise Problems(problems)
        return read


def read_instant(value: Any) -> datetime.datetime:
    """A moment in UTC, to the second, from a date or time; times with an offset are converted."""
    value = refuse_empty(value)
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise ValueError(f"{value!r} is not a time. Write it like 2007-04-01T00:00 (UTC).") from None
    if not isinstance(value, datetime.date):
        raise ValueError(f"{value!r} is not a time. Write it like 2007-04-01T00:00 (UTC).")
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    found: datetime.datetime = value.replace(microsecond=0)
    return found


_YEARS = re.compile(r"\s*(\d+)\s*years?\s*")


@dataclasses.dataclass(frozen=True)
class SpanReader:
    """Validator of a length of time: whole calendar years, or seconds, or a number with units.

    Parameters
    ----------
    bounds : Smallest and largest acceptable length. [s]
    """

    bounds: tuple[float, float]

    def __call__(self, value: Any) -> str | float:
        """``"2 years"`` as it stands, everything else in seconds."""
        years = _YEARS.fullmatch(value) if isinstance(value, str) else None
        if years and int(years[1]):
            return f"{int(years[1])} year" + ("s" if int(years[1]) > 1 else "")
        seconds: float = Reader("s", self.bounds)(value)
        return seconds


def span_end(start: datetime.datetime, span: str | float) -> datetime.datetime:
    """When a length of time that `SpanReader` read ends; the same day of a later year for years."""
    if not isinstance(span, str):
        return start + datetime.timedelta(seconds=span)
    later = start.year + int(span.split()[0])
    leap_day = (start.month, start.day) == (2, 29) and not calendar.isleap(later)
    return start.replace(year=later, month=3, day=1) if leap_day else start.replace(year=later)


def read_coordinate(limit: tuple[float, float]) -> Any:
    """Validator of a latitude or longitude: a number, or the values along one side of a grid."""
    reader = Reader("degree", limit, "layer")

    def read(value: Any) -> Values:
        if value is None:
            return None
        values = reader(value)
        if isinstance(values, tuple):
            steps = np.diff(np.asarray(values))
            if steps.ndim != 1:
                raise ValueError(f"{values!r} is nested. Give the values along one side of the grid.")
            if not (np.all(steps > 0) or np.all(steps < 0)):
                raise ValueError(f"{list(values)} is not ordered. Values must increase, or decrease, all along.")
        return values

    return read


def read_path(value: Any, info: ValidationInfo) -> Path:
    """An absolute path; relative ones start from the folder of the configuration."""
    if not isinstance(refuse_empty(value), (str, Path)):
        raise ValueError(f"{value!r} is not a path. Give the name of a file.")
    folder = Path((info.context or {}).get("folder", "."))
    return expanded(folder, value)


def read_paths(value: Any, info: ValidationInfo) -> Path | tuple[Path, ...]:
    """One path (or pattern), or several."""
    if not isinstance(value, (list, tuple)):
        return read_path(value, info)
    if not value:
        raise ValueError("empty list. Give the names of files.")
    return tuple(read_path(entry, info) for entry in value)


def read_domain_file(value: Any) -> Region | None:
    """The region that `read_configuration` has read from a domain file."""
    if value is not None and not isinstance(value, Region):
        raise ValueError(f"{value!r} is not the name of a file. Give the path of a netCDF file.")
    return value


def read_device(value: Any) -> str:
    """Where steps are computed: "cpu", "cuda" or "cuda:1"."""
    if isinstance(value, str) and re.fullmatch(r"cpu|cuda(:\d+)?", value):
        return value
    raise ValueError(f"{value!r} is no device. Use cpu, cuda, or cuda:1 for the second graphics processor.")


def read_optional_path(value: Any, info: ValidationInfo) -> Path | None:
    """As `read_path`, or None."""
    return None if refuse_empty(value) is None else read_path(value, info)
