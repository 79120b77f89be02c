"""Records that are in memory: a pandas DataFrame or an xarray Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.files.brief import suggest
from bmi_noahpy.forcing.build import build_table
from bmi_noahpy.forcing.calendars import is_foreign, on_our_days
from bmi_noahpy.forcing.names import choose_variables, split_units, statistics_among
from bmi_noahpy.forcing.netcdf_times import declared_statistics, dimension_of_time, label_of, name_of_time, read_times
from bmi_noahpy.forcing.placement import place_on
from bmi_noahpy.forcing.prepared import Period
from bmi_noahpy.forcing.recognition import unsaid
from bmi_noahpy.forcing.statistics import left_out
from bmi_noahpy.forcing.table import RATES, ForcingError, ForcingTable, RawField, RawRecords, UnstatedUnits
from bmi_noahpy.tabular import TimeSpec
from bmi_noahpy.tabular.clock import Label

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SOURCE = "records"


def table_of(
    data: pd.DataFrame | xr.Dataset,
    *,
    units: Mapping[str, str] | None = None,
    label: Label | None = None,
    period: Period | None = None,
) -> ForcingTable:
    """Checked records of a run out of a table or a dataset in memory.

    Parameters
    ----------
    data : A DataFrame with times as its index (UTC where they have no zone), or a Dataset with a coordinate of time;
        further dimensions of its variables are the columns of the run. Names are recognised as those of files.
    units : By name of column or variable, where neither the name (``Tair_degC``) nor the attribute states them. They
        are never taken for granted.
    label : What a time is: "start", "middle" or "end" of the interval of a record, or an "instant".
    period : Records outside, save the nearest ones, are dropped.

    Raises
    ------
    ForcingError : missing or ambiguous variables, units that are not stated or of another kind, irregular times,
        missing and impossible values.
    """
    given = dict(units or {})
    if hasattr(data, "data_vars"):
        _refuse_unknown(given, [str(name) for name in data.data_vars])
        return build_table(_of_dataset(data, given, label), period)
    if not hasattr(data, "columns"):
        raise ForcingError(f"{SOURCE}: a {type(data).__name__}. Give a pandas DataFrame or an xarray Dataset.")
    _refuse_unknown(given, [str(name) for name in data.columns])
    return build_table(_of_frame(data, given, label), period)


def _refuse_unknown(units: Mapping[str, str], names: Sequence[str]) -> None:
    """Refuse units of a variable that there is not, and names that are there twice."""
    for name in units:
        if name not in names:
            raise ForcingError(f"{SOURCE}: units: no variable {name!r}. {suggest(name, names)}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ForcingError(f"{SOURCE}: two columns are called {twice!r}. Keep one of them.")


def _of_frame(frame: Any, units: Mapping[str, str], label: Label | None) -> RawRecords:
    import pandas as pd

    if not isinstance(frame.index, pd.DatetimeIndex):
        raise ForcingError(f"{SOURCE}: the index is {type(frame.index).__name__}, not times. Set a DatetimeIndex.")
    index = frame.index.tz_convert("UTC").tz_localize(None) if frame.index.tz is not None else frame.index
    labels = {str(name): split_units(str(name))[0] for name in frame.columns}
    fields = {}
    chosen = choose_variables(labels, {}, SOURCE)
    for quantity, name in chosen.items():
        stated = _stated(quantity, name, units.get(name) or split_units(name)[1])
        fields[quantity] = RawField(_numbers(name, frame[name])[:, None], stated, name, label)
    notes = _notes(labels, {}, chosen)
    return RawRecords(index.to_numpy(dtype="datetime64[s]"), fields, SOURCE, notes=notes)


def _numbers(name: str, column: pd.Series[Any]) -> NDArray[np.float64]:
    """A column as numbers; NaN where it has none.

    Raises
    ------
    ForcingError : naming the first value that is no real number.
    """
    # Numbers need no look at each of them.
    looked_at = () if column.dtype.kind in "fiub" else column
    wrong = next(((row, value) for row, value in enumerate(looked_at, start=1) if not _is_real(value)), None)
    if wrong is not None:
        raise ForcingError(f"{SOURCE}: {name}: record {wrong[0]} is {str(wrong[1])[:60]!r}, not a number. Correct it.")
    numbers: NDArray[np.float64] = column.to_numpy(np.float64, na_value=np.nan)
    return numbers


def _is_real(value: Any) -> bool:
    if not isinstance(value, str):
        return not np.iscomplexobj(value)
    try:
        float(value)
    except ValueError:
        return False
    # To Python 28_0 is 280; in a table it is a slip.
    return "_" not in value


def _of_dataset(data: Any, units: Mapping[str, str], label: Label | None) -> RawRecords:
    time_name = name_of_time(data, TimeSpec(), SOURCE)
    dimension = dimension_of_time(data[time_name])
    labels = {
        str(name): str(variable.attrs.get("standard_name", name))
        for name, variable in data.data_vars.items()
        if dimension in variable.dims and str(name) != data[time_name].attrs.get("bounds")
    }
    declared = declared_statistics(data)
    chosen = choose_variables(labels, {}, SOURCE, declared=declared)
    placements = place_on({name: (data[name], dimension) for name in chosen.values()}, None, SOURCE)
    times, notes = read_times(data[time_name], TimeSpec(), SOURCE), _notes(labels, declared, chosen)
    rows: Any = slice(None)
    if is_foreign(times):
        times, rows, note = on_our_days(times, SOURCE)
        notes = (*notes, note)
    fields = {}
    for quantity, name in chosen.items():
        stated = _stated(quantity, name, units.get(name) or data[name].attrs.get("units"))
        values = placements[name].read(data[name], dimension, slice(None))[rows]
        fields[quantity] = RawField(values, stated, name, label or label_of(data, time_name, data[name]))
    rates = [field.label for quantity, field in fields.items() if quantity in RATES]
    late = unsaid(None, list(labels), "netcdf", rates)
    return RawRecords(times, fields, SOURCE, notes=(*notes, *(f"{SOURCE}: {text}" for text in late)))


def _notes(labels: Mapping[str, str], declared: Mapping[str, str], chosen: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{SOURCE}: {text}" for text in left_out(statistics_among(labels, declared, chosen.values()), chosen))


def _stated(quantity: str, name: str, units: Any) -> str:
    if units is None:
        text = (
            f"{SOURCE}: {quantity} ({name}): no units. Say them: units={{{name!r}: ...}}, or call it {name}_K or alike."
        )
        raise UnstatedUnits(text, quantity, name)
    return str(units)
