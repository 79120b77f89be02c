"""The output of all tiles in one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import netCDF4
import numpy as np

from bmi_noahpy.atomic import partial_path, replace_folder, replaced
from bmi_noahpy.distributed.plan import Tile, planned_identity
from bmi_noahpy.files.netcdf import NotNetcdf, open_netcdf_file
from bmi_noahpy.output.chunks import encoder, put
from bmi_noahpy.output.layout import create_file
from bmi_noahpy.output.sampling import make_sampler
from bmi_noahpy.output.variables import choose_variables, has_snow_layers

if TYPE_CHECKING:
    from bmi_noahpy.runs.run import Run


BLOCK_BYTES = 32 * 2**20
GATHERED = "noahpy_tiles_of"
"""Attribute of an output out of tiles, with the identity of their run: it is complete, as it appears at once."""


def gather(path: Path, run: Run, spec: Any, tiles: Sequence[Tile], folder: Path) -> None:
    """Write the output of a run out of that of its tiles: netCDF, or Zarr when the path ends in ``.zarr``."""
    if path.suffix != ".zarr":
        with replaced(path) as partial:
            _gather(partial, run, spec, tiles, folder)
        return
    from bmi_noahpy.distributed.zarr_store import netcdf_to_zarr

    whole, partial = folder / "whole.nc", partial_path(path)
    _gather(whole, run, spec, tiles, folder)
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


def _gather(path: Path, run: Run, spec: Any, tiles: Sequence[Tile], folder: Path) -> None:
    variables = choose_variables(spec.variables, snow_layers=has_snow_layers(run))
    columns = make_sampler(
        variables, every=spec.every, daily=spec.daily or (), step=float(run.step), start=run.start
    ).columns
    encode = encoder(int(spec.compression))
    with create_file(path, run, columns, int(spec.compression)) as made:
        made.setncattr(GATHERED, planned_identity(folder))
    with ExitStack() as stack:
        parts = [stack.enter_context(netCDF4.Dataset(tile.output(folder))) for tile in tiles]
        for part in parts:
            part.set_auto_mask(False)
        whole = stack.enter_context(h5py.File(path, "r+"))
        for name in ("time", "time_bnds"):
            values = parts[0][name][:]
            whole[name].resize(len(values), axis=0)
            whole[name][:] = values
        for column in columns:
            variable, shape = whole[column.name], parts[0][column.name].shape
            variable.resize(shape[0], axis=0)
            for rows in _blocks(shape, run.domain.columns, variable.chunks[0]):
                values = np.concatenate([part[column.name][rows] for part in parts], axis=-1)
                put(variable, rows.start, run.domain.scatter(values), encode)


def _blocks(shape: tuple[int, ...], columns: int, chunk: int) -> Iterator[slice]:
    """Ranges of records that fit into memory, each from the beginning of a chunk on."""
    chunks = BLOCK_BYTES // (8 * chunk * columns * int(np.prod(shape[1:-1], dtype=np.int64)))
    length = max(chunks, 1) * chunk
    for first in range(0, shape[0], length):
        yield slice(first, min(first + length, shape[0]))
