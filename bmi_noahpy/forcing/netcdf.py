"""NetCDF records: one column, columns, or a grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.forcing.names import NAMES, choose_variables, find_time
from bmi_noahpy.forcing.spec import TimeSpec, VariableSpec
from bmi_noahpy.forcing.table import Array, ForcingError, RawField, RawRecords, Times


def read_netcdf(path: Path, variables: Mapping[str, VariableSpec], time: TimeSpec) -> RawRecords:
    """Records with the dimensions ``(time)``, ``(time, column)`` or ``(time, y, x)`` in any order.

    Dimensions of length one do not matter; the others, in the order of the first variable, are flattened to columns
    (the last one fastest). Variables are recognised by their standard name, then by their name. Units come from
    `variables`, else from the attribute.

    Raises
    ------
    ForcingError : for missing or ambiguous variables, missing units, dimensions that differ between variables, and
        calendars other than the Gregorian one.
    """
    import xarray

    with xarray.open_dataset(path, decode_timedelta=False) as data:
        quantities = choose_variables(
            _labels(data), {quantity: asked.name for quantity, asked in variables.items()}, str(path)
        )
        time_name = time.name if time.name is not None else _find_time(data, str(path))
        if time_name not in data.variables:
            raise ForcingError(
                f"{path}: forcing.time.name: no variable {time_name!r} among {', '.join(map(str, data.variables))}."
            )
        times = _times(data[time_name], time, f"{path}: {time_name}")
        dimension = str(data[time_name].dims[0])
        layout = _layout([data[name] for name in quantities.values()], dimension, str(path))
        fields = {}
        for quantity, name in quantities.items():
            asked = variables.get(quantity)
            units = (asked.units if asked else None) or data[name].attrs.get("units")
            if units is None:
                raise ForcingError(f"{path}: {name}: no units attribute. Set forcing.variables.{quantity}.units.")
            fields[quantity] = RawField(_columns(data[name], dimension, layout), str(units), name)
    return RawRecords(times, fields, str(path))


def _labels(data: Any) -> dict[str, str]:
    """Variable -> standard name where that is one of ours and unique, else the variable's own name."""
    aliases = {alias.lower() for names in NAMES.values() for alias in names}
    standard = {str(name): str(variable.attrs.get("standard_name", "")) for name, variable in data.data_vars.items()}
    shared = {name for name in standard.values() if list(standard.values()).count(name) > 1}
    return {
        name: label if label.lower() in aliases and label not in shared else name for name, label in standard.items()
    }


def _find_time(data: Any, source: str) -> str:
    """The one-dimensional coordinate of standard name or axis "time", else by name."""
    for name, variable in data.variables.items():
        if variable.attrs.get("standard_name") == "time" or variable.attrs.get("axis") == "T":
            return str(name)
    return find_time([str(name) for name in data.variables], source)


def _times(variable: Any, time: TimeSpec, where: str) -> Times:
    """Decoded times in UTC, to the second."""
    if variable.ndim != 1:
        raise ForcingError(f"{where}: has the dimensions {variable.dims}. Time must have exactly one.")
    if not np.issubdtype(variable.dtype, np.datetime64):
        calendar = variable.encoding.get("calendar", variable.attrs.get("calendar"))
        raise ForcingError(
            f"{where}: cannot be read as Gregorian dates (calendar {calendar!r}, units "
            f"{variable.encoding.get('units', variable.attrs.get('units'))!r}). Convert it to the standard calendar."
        )
    half_second = np.timedelta64(500, "ms")
    offset = np.timedelta64(round(time.utc_offset * 3600), "s")
    return (variable.values.astype("datetime64[ms]") + half_second).astype("datetime64[s]") - offset


def _layout(variables: list[Any], dimension: str, source: str) -> tuple[str, ...]:
    """Dimensions other than time of the first variable that varies in space."""
    layout: tuple[str, ...] = ()
    for variable in variables:
        if dimension not in variable.dims:
            raise ForcingError(f"{source}: {variable.name}: has no dimension {dimension!r}, only {variable.dims}.")
        space = tuple(str(name) for name in variable.dims if name != dimension and variable.sizes[name] > 1)
        layout = layout or space
        if space and set(space) != set(layout):
            raise ForcingError(
                f"{source}: {variable.name}: has the dimensions {space}, other variables {layout}. They must agree."
            )
    return layout


def _columns(variable: Any, dimension: str, layout: tuple[str, ...]) -> Array:
    """``[time, column]`` in double precision; one column when the variable does not vary in space."""
    single = [name for name in variable.dims if name not in (dimension, *layout)]
    squeezed = variable.isel(dict.fromkeys(single, 0))
    present = tuple(name for name in layout if name in squeezed.dims)
    values = squeezed.transpose(dimension, *present).values.astype(np.float64)
    return values.reshape(values.shape[0], -1)
