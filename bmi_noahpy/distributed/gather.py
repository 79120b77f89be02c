"""The output of all tiles in one file."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.atomic import partial_path, replace_folder, replaced
from bmi_noahpy.distributed.plan import PlanError, Tile, planned_identity
from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.output.journal import count_records, read_rows
from bmi_noahpy.output.layout import Layout, create_file
from bmi_noahpy.output.records import BOUNDS, RecordRows
from bmi_noahpy.output.sampling import make_sampler
from bmi_noahpy.output.variables import choose_variables, has_snow_layers
from bmi_noahpy.region.domain import Domain

if TYPE_CHECKING:
    from bmi_noahpy.runs.any_run import AnyRun


Array = NDArray[np.float64]

GATHERED = "noahpy_tiles_of"
"""Attribute of an output out of tiles, with the identity of their run: it is complete, as it appears at once."""


def gather(path: Path, run: AnyRun, spec: Any, tiles: Sequence[Tile], folder: Path, threads: int = 1) -> None:
    """Write the output of a run out of the records of its tiles: netCDF, or Zarr when the path ends in ``.zarr``.

    Parameters
    ----------
    threads : So many compress.
    """
    if path.suffix != ".zarr":
        with replaced(path) as partial:
            _gather(partial, run, spec, tiles, folder, threads)
        return
    from bmi_noahpy.distributed.zarr_store import netcdf_to_zarr

    whole, partial = folder / "whole.nc", partial_path(path)
    _gather(whole, run, spec, tiles, folder, threads)
    try:
        netcdf_to_zarr(whole, partial)
        replace_folder(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    whole.unlink()


def gathered_from(path: Path) -> str | None:
    """Identity of the run whose tiles an output was made of; None for any other file, or none."""
    if not path.exists():
        return None
    try:
        with open_netcdf_file(path) as data:
            found = data.attrs.get(GATHERED)
    except (OSError, NotNetcdf):
        return None
    return None if found is None else str(found)


def _gather(path: Path, run: AnyRun, spec: Any, tiles: Sequence[Tile], folder: Path, threads: int) -> None:
    variables = choose_variables(spec.variables, snow_layers=has_snow_layers(run))
    columns = make_sampler(
        variables, every=spec.every, daily=spec.daily or (), step=float(run.step), start=run.start
    ).columns
    compression = int(spec.compression)
    with create_file(path, run, columns, compression) as made:
        made.setncattr(GATHERED, planned_identity(folder))

    layout = Layout(run)
    shapes = [layout.shape(column.variable.dims) for column in columns]
    rows = RecordRows([column.name for column in columns], shapes, compression)
    leading = [layout.lengths(column.variable.dims) for column in columns]
    with h5py.File(path, "r+") as whole:
        rows.write(whole, _SideBySide(rows, leading, run.domain, tiles, folder), threads=threads)


class _SideBySide:
    """The records of all tiles as those of one file.

    Parameters
    ----------
    rows : Of the file.
    leading : What is before the horizontal dimensions of each of its columns.
    domain : Of the run.

    Raises
    ------
    PlanError : a tile has lost records.
    """

    def __init__(
        self, rows: RecordRows, leading: Sequence[Sequence[int]], domain: Domain, tiles: Sequence[Tile], folder: Path
    ) -> None:
        self._rows, self._leading, self._domain = rows, leading, domain
        self._parts = [
            (
                tile.journal(folder),
                # Compressed only where they are whole again.
                RecordRows(rows.names, [(*shape, tile.columns) for shape in leading], 0),
                domain.places[tile.first : tile.last],
            )
            for tile in tiles
        ]
        held = [count_records(journal, part.width) for journal, part, _ in self._parts]
        self.records = max(held)
        if min(held) < self.records:
            short = self._parts[int(np.argmin(held))][0]
            raise PlanError(f"{short}: holds {min(held)} records, other tiles {self.records}. Begin anew: --overwrite.")

    def rows(self, first: int, last: int) -> Array:
        """Records from `first` up to, not including, `last`, ``[record, width]``."""
        whole = np.full((last - first, self._rows.width), np.nan)
        cells = math.prod(self._domain.shape)
        targets = [
            target.reshape(len(whole), *shape, cells)
            for target, shape in zip(self._rows.parts(whole), self._leading, strict=True)
        ]
        for journal, part, places in self._parts:
            records = read_rows(journal, part.width, first, last)
            whole[:, :BOUNDS] = records[:, :BOUNDS]
            for target, values in zip(targets, part.parts(records), strict=True):
                target[..., places] = values
        return whole
