"""One column of an output file, ready to draw or to compare."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.region.domain import COMPUTED

Array = NDArray[np.float64]
Times = NDArray[np.datetime64]

DAY = np.timedelta64(1, "D")
SECOND = np.timedelta64(1, "s")
DAY_SECONDS = 86400.0
FINEST_NEEDED = 10800.0
"""Instants this far apart still give the mean of a day with a daily cycle. [s]"""
SAMPLES_NEEDED = 4
"""Instants that the mean of a shorter interval needs."""


class PlotError(ValueError):
    """A file that cannot be drawn; the message says what it lacks."""


class TooSeldom(PlotError):
    """A state that was written too seldom for the means it is to be compared with."""


class SamplingWarning(UserWarning):
    """A state that was written too seldom for what is asked of it."""


@dataclasses.dataclass(frozen=True)
class Series:
    """Values of one variable, ``[time]`` or ``[time, layer]``, and the interval that each stands for.

    Parameters
    ----------
    valid : Time at which a value holds: the end of the interval of a state, the middle of that of a mean.
    spacing : Time from one value to the next where values are instants, of which steps between were not written; None:
        the intervals leave no gaps. [s]
    """

    name: str
    units: str
    begin: Times
    end: Times
    valid: Times
    values: Array
    spacing: float | None = None

    @property
    def middle(self) -> Times:
        """Middle of the interval."""
        return self.begin + (self.end - self.begin) // 2

    @property
    def instants(self) -> bool:
        """Whether values are those of an instant, not means."""
        return bool((self.valid == self.end).all())

    @property
    def length(self) -> float:
        """Length of an interval. [s]"""
        return float(np.median((self.end - self.begin) / SECOND))

    def with_values(self, values: Array) -> Series:
        """The same times with other values."""
        return dataclasses.replace(self, values=values)

    def with_units(self, units: str) -> Series:
        """The same numbers called by other units."""
        return dataclasses.replace(self, units=units)

    def gives_means_over(self, seconds: float) -> bool:
        """Whether means over intervals of this length can be taken: instants few and far between give none."""
        if self.spacing is None or seconds <= 1.5 * self.length:
            return True
        return self.spacing <= min(FINEST_NEEDED, seconds / SAMPLES_NEEDED)

    def daily(self) -> Series:
        """Means of calendar days.

        The series itself when its intervals are not shorter than a day, or when it holds instants too far apart for a
        mean of the day.
        """
        return self.by_day() if self.gives_means_over(DAY_SECONDS) else self

    def by_day(self) -> Series:
        """Means of what there is of each calendar day; the series itself when its intervals are not shorter."""
        if self.length >= DAY_SECONDS or self.values.shape[0] == 0:
            return self
        days = self.middle.astype("datetime64[D]")
        first = np.flatnonzero(np.r_[True, days[1:] != days[:-1]])
        count = np.diff(np.r_[first, days.size]).reshape((-1,) + (1,) * (self.values.ndim - 1))
        values = np.add.reduceat(self.values, first, axis=0) / count
        begin = days[first].astype(self.begin.dtype)
        middle = begin + DAY // 2
        return dataclasses.replace(self, begin=begin, end=begin + DAY, valid=middle, values=values, spacing=None)


@dataclasses.dataclass(frozen=True)
class ColumnOutput:
    """One column of an output file.

    Parameters
    ----------
    title : Name of the run and place of the column.
    depth : Middle of the layers. [m]
    faces : Upper and lower faces of the layers, one more than there are layers. [m]
    """

    title: str
    depth: Array
    faces: Array
    step: float
    data: xr.Dataset

    def series(self, name: str) -> Series | None:
        """A variable by its name in the file, or its daily mean; None when the file has neither."""
        found = next((candidate for candidate in (name, f"{name}_mean") if candidate in self.data), None)
        if found is None:
            return None
        variable = self.data[found]
        bounds = self.data["time_bnds"].values.astype("datetime64[ns]")
        begin, end = bounds[:, 0], bounds[:, 1]
        instantaneous = "time: point" in variable.attrs.get("cell_methods", "")
        spacing = None
        if instantaneous:
            apart = float(np.median((end - begin) / SECOND))
            spacing = apart if apart > 1.5 * self.step else None
            # A state stands for the step that led to it, however many steps lie between records.
            begin = np.maximum(begin, end - np.timedelta64(round(self.step * 1e9), "ns"))
        return Series(
            name=name,
            units=variable.attrs["units"],
            begin=begin,
            end=end,
            valid=end if instantaneous else begin + (end - begin) // 2,
            values=variable.values.astype(np.float64),
            spacing=spacing,
        )


def too_seldom(series: Series) -> str:
    """What instants far apart are, and how a run gives means."""
    hours = (series.spacing or series.length) / 3600.0
    return (
        f"{series.name} was written as an instant every {hours:g} h (output.every), which is no mean of the time "
        "between. Run again with output.every: 1 or output.daily: [mean]"
    )


def read_column(path: str | Path, cell: tuple[int, int] | None = None) -> ColumnOutput:
    """Load one column of an output file.

    Parameters
    ----------
    cell : Row and column of a grid, or 0 and the number of a point, from 0; ignored for a single column. None: the
        first one that was computed.

    Raises
    ------
    FileNotFoundError, PlotError : no such file, not an output file of this program, no records, or no such cell.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"output file {path} does not exist. `noahpy run` makes one.")
    with _open(path) as data:
        return column_of(data, str(path), cell)


def column_of(data: xr.Dataset, source: str, cell: tuple[int, int] | None = None) -> ColumnOutput:
    """One column of a dataset that a run wrote.

    Parameters
    ----------
    source : For messages.
    cell : As for `read_column`.

    Raises
    ------
    PlotError : not an output of this program, no records, or no such cell.
    """
    if not {"time", "time_bnds", "layer"} <= set(data.variables) or "step_seconds" not in data.attrs:
        raise PlotError(f"{source}: not an output of noahpy. Give the netCDF file that `noahpy run` wrote.")
    if data.sizes["time"] == 0:
        raise PlotError(f"{source}: holds no records. Run the model again.")
    return _column(source, data, cell)


def _open(path: Path) -> xr.Dataset:
    try:
        return open_netcdf_file(path, of_text="Give the netCDF file that `noahpy run` wrote.")
    except NotNetcdf as error:
        raise PlotError(str(error)) from error


def _column(source: str, data: xr.Dataset, cell: tuple[int, int] | None) -> ColumnOutput:
    title = str(data.attrs.get("title", Path(source).stem)).partition(":")[0]
    dims = tuple(dict.fromkeys((*data["lat"].dims, *data["lon"].dims)))
    if dims:
        shape = tuple(data.sizes[name] for name in dims)
        place = (cell or _first_computed(data, shape))[-len(shape) :]
        if any(index >= size for index, size in zip(place, shape, strict=True)):
            what = f"{shape[0]} rows, {shape[1]} columns" if len(shape) == 2 else f"{shape[0]} points"
            raise PlotError(f"{source}: no cell {','.join(map(str, cell or place))}. The grid has {what}.")
        data = data.isel(dict(zip(dims, place, strict=True)))
        title = f"{title}, cell {','.join(map(str, place))}"
        if "cell_status" in data and int(data["cell_status"]) != COMPUTED:
            raise PlotError(f"{source}: cell {','.join(map(str, place))} was not computed. Choose another one.")
    data = data.load()
    bounds = _layer_bounds(data)
    return ColumnOutput(
        title=f"{title} ({_degrees(data['lat'], 'N', 'S')}, {_degrees(data['lon'], 'E', 'W')})",
        depth=bounds.mean(axis=1),
        faces=np.append(bounds[:, 0], bounds[-1, 1]),
        step=float(data.attrs["step_seconds"]),
        data=data,
    )


def _first_computed(data: xr.Dataset, shape: tuple[int, ...]) -> tuple[int, ...]:
    if "cell_status" not in data:
        return (0,) * len(shape)
    first = int(np.argmax(data["cell_status"].values == COMPUTED))
    return tuple(int(index) for index in np.unravel_index(first, shape))


def _layer_bounds(data: xr.Dataset) -> Array:
    name = "layer_bnds" if "layer_bnds" in data else "layer_depth_bnds"
    return np.asarray(data[name].values, dtype=np.float64)


def _degrees(value: Any, positive: str, negative: str) -> str:
    number = float(value)
    return f"{abs(number):.2f}° {positive if number >= 0 else negative}"
