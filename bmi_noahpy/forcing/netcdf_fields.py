"""What netCDF files hold: variables whose records are read when they are needed."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.forcing.placement import LATITUDES, LONGITUDES, Placement
from bmi_noahpy.forcing.table import Array, ForcingError, Times
from bmi_noahpy.tabular import TimeSpec

CODE_PRECISION = 1e-6
"""How near to a code of missing values a number of a file is taken for it, as a share of it."""


class OpenFiles:
    """Files that are open while a window is read. Use it as a context manager.

    No file stays open between windows: the library keeps chunks of each variable of each open file in memory.

    Parameters
    ----------
    records_only : Whether times and places of the records are known, and need not be made out again.
    """

    def __init__(self, *, records_only: bool = False) -> None:
        self._open: dict[Path, Any] = {}
        self._records_only = records_only

    def __enter__(self) -> OpenFiles:
        """Nothing is open yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything."""
        for data in self._open.values():
            data.close()
        self._open.clear()

    def __getitem__(self, path: Path) -> Any:
        """The dataset of a file."""
        if path not in self._open:
            try:
                self._open[path] = self._opened(path)
            except NotNetcdf as error:
                raise ForcingError(str(error)) from error
        return self._open[path]

    def _opened(self, path: Path) -> Any:
        if self._records_only:
            return open_netcdf_file(path, cache=False, **_without_times())
        return _with_places(open_netcdf_file(path, cache=False))


@functools.cache
def _without_times() -> dict[str, Any]:
    """Options of xarray that leave coordinates as the file has them, in half the time; old versions know only one."""
    import xarray

    known = inspect.signature(xarray.open_dataset).parameters
    return {"decode_times": False} | ({"create_default_indexes": False} if "create_default_indexes" in known else {})


def _with_places(data: Any) -> Any:
    """A dataset whose latitudes and longitudes are coordinates, also where no attribute says that they are."""
    return data.set_coords([name for name in data.data_vars if str(name).lower() in (*LATITUDES, *LONGITUDES)])


@dataclasses.dataclass(frozen=True)
class Part:
    """The records of one variable in one file.

    Parameters
    ----------
    dimension : The dimension of time.
    shape : Length of every other dimension.
    chunk : Records that the file stores, and so reads, together.
    label : What its stamps are, as the file says.
    """

    path: Path
    times: Times
    dimension: str
    shape: Mapping[str, int]
    units: str | None
    chunk: int
    label: str | None = None


@dataclasses.dataclass(frozen=True)
class NetcdfField:
    """One variable, its records joined over all files.

    Parameters
    ----------
    name : In the files.
    units : Of the files, or as configured.
    parts : Its records, earlier files first.
    placement : How its cells become columns.
    label : What the stamps of its records are; None: as usual for the quantity.
    accumulated : "since_midnight", "since_start", "no"; None: not said.
    shift : Number of the record that describes the first interval of the table.
    summed : The variables whose sum it is, if it is one.
    factors : What each of these is multiplied by to be in `units`.
    codes : Numbers that stand for missing values, beside those that the file declares.
    rows : The record of the files at each time, -1 for none; None: one after the other.
    """

    name: str
    units: str
    parts: tuple[Part, ...]
    placement: Placement
    label: str | None = None
    accumulated: str | None = None
    shift: int = 0
    summed: tuple[str, ...] = ()
    factors: tuple[float, ...] = ()
    codes: tuple[float, ...] = ()
    rows: NDArray[np.int64] | None = None

    def read(self, first: int, last: int, files: OpenFiles) -> Array:
        """Records of the intervals from `first` up to, not including, `last`: ``[time, column]``."""
        first, last = first + self.shift, last + self.shift
        if self.rows is None:
            return self._records(first, last, files)
        rows = self.rows[first:last]
        there = rows >= 0
        values = np.full((len(rows), self.placement.columns), np.nan)
        if there.any():
            begin = int(rows[there].min())
            values[there] = self._records(begin, int(rows[there].max()) + 1, files)[rows[there] - begin]
        return values

    def _records(self, first: int, last: int, files: OpenFiles) -> Array:
        """Records of the files, by their number in all of them."""
        blocks, begin = [], 0
        for part in self.parts:
            end = begin + len(part.times)
            if begin < last and first < end:
                rows = slice(max(first, begin) - begin, min(last, end) - begin)
                names = self.summed or (self.name,)
                read = [
                    # A single variable is as the file has it, to the bit.
                    values if factor == 1.0 else values * factor
                    for name, factor in zip(names, self.factors or (1.0,) * len(names), strict=True)
                    for values in [self._decoded(files[part.path][name], part.dimension, rows)]
                ]
                blocks.append(sum(read[1:], read[0]))
            begin = end
        return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]

    def _decoded(self, variable: Any, dimension: str, rows: slice) -> Array:
        """Records of one variable of one file, with NaN for what is missing."""
        values = self.placement.read(variable, dimension, rows)
        for code in self.codes:
            # Files of single precision hold 6999.9 as another number.
            values = np.where(np.isclose(values, code, rtol=CODE_PRECISION, atol=0.0), np.nan, values)
        return values

    def choose(self, columns: Any) -> NetcdfField:
        """The same variable with some of its columns."""
        return dataclasses.replace(self, placement=self.placement.choose(columns))

    @property
    def chunk_records(self) -> int:
        """Records that the files store, and so read, together."""
        return self.parts[0].chunk


@dataclasses.dataclass(frozen=True)
class NetcdfRecords:
    """All variables of a set of files, on one time axis."""

    times: Times
    fields: Mapping[str, NetcdfField]
    source: str
    derivations: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    clock: TimeSpec = TimeSpec()
