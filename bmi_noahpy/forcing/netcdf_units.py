"""Units of variables in netCDF files: as their attributes state them, and one for all variables of a sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bmi_noahpy.forcing.netcdf_fields import OpenFiles, Part
from bmi_noahpy.forcing.table import ForcingError, UnstatedUnits
from bmi_noahpy.forcing.units import factor_in_sum


def stated_units(files: Iterable[Any]) -> dict[str, str | None]:
    """Variable -> its units attribute in the first file that has one."""
    found: dict[str, str | None] = {}
    for data in files:
        for name, variable in data.data_vars.items():
            units = variable.attrs.get("units")
            found.setdefault(str(name), None if units is None else str(units))
    return found


def factors_of_sum(
    files: OpenFiles, parts: Sequence[Part], names: tuple[str, ...], quantity: str, asked: str | None
) -> tuple[float, ...]:
    """What the variables of a sum are multiplied by to be in the units of the first one.

    Raises
    ------
    ForcingError : a variable that a file lacks, on other times or cells, or in units of another kind or none.
    """
    factors: list[float] = []
    for name in names:
        for part in parts:
            where = f"{part.path}: {quantity} ({' + '.join(names)})"
            data = files[part.path]
            if name not in data.variables:
                raise ForcingError(f"{where}: no variable {name!r}. Put the variables of a sum in the same files.")
            if data[name].sizes != data[names[0]].sizes:
                raise ForcingError(f"{where}: {name} has other dimensions than {names[0]}. They must agree.")
            units, first = (asked or data[each].attrs.get("units") for each in (name, names[0]))
            if units is None or first is None:
                lacks = name if units is None else names[0]
                text = f"{where}: {lacks}: no units attribute. Set forcing.variables.{quantity}.units."
                raise UnstatedUnits(text, quantity, lacks)
            try:
                factor = factor_in_sum(str(units), str(first), quantity)
            except ForcingError as error:
                raise ForcingError(f"{where}: {error}") from error
            if part is not parts[0] and factor != factors[-1]:
                raise ForcingError(f"{where}: {name} is in other units than in {parts[0].path}. They must agree.")
            factors += [factor] if part is parts[0] else []
    return tuple(factors)
