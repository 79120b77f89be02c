"""A netCDF file as a Zarr store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from bmi_noahpy.distributed.extras import require

FORMAT = 2
"""Version of the Zarr specification: the one that every reader knows, netCDF-C among them."""
CHUNK_BYTES = 4 * 2**20
DIMENSIONS = "_ARRAY_DIMENSIONS"


def netcdf_to_zarr(source: Path, store: Path) -> None:
    """Write a Zarr store (version 2, consolidated metadata) with the variables, attributes and groups of a file."""
    zarr = require("zarr", "output.file ends in .zarr")
    with netCDF4.Dataset(source) as dataset:
        dataset.set_auto_mask(False)
        root = zarr.open_group(str(store), mode="w", zarr_format=FORMAT)
        _copy_group(dataset, root)
        for name, group in dataset.groups.items():
            group.set_auto_mask(False)
            _copy_group(group, root.create_group(name))
    zarr.consolidate_metadata(str(store), zarr_format=FORMAT)


def _copy_group(source: Any, target: Any) -> None:
    target.attrs.update({key: _plain(source.getncattr(key)) for key in source.ncattrs()})
    for name, variable in source.variables.items():
        attributes = {key: _plain(variable.getncattr(key)) for key in variable.ncattrs() if key != "_FillValue"}
        fill = variable.getncattr("_FillValue") if "_FillValue" in variable.ncattrs() else None
        records = _records(variable)
        array = target.create_array(
            name,
            shape=variable.shape,
            chunks=(records, *variable.shape[1:]) if variable.shape else (),
            dtype=variable.dtype,
            fill_value=fill,
        )
        array.attrs.update(attributes | {DIMENSIONS: list(variable.dimensions)})
        if not variable.shape:
            array[...] = variable[...]
            continue
        for first in range(0, variable.shape[0], records):
            rows = slice(first, min(first + records, variable.shape[0]))
            array[rows] = variable[rows]


def _records(variable: Any) -> int:
    """Entries along the first dimension of a chunk."""
    if not variable.shape:
        return 1
    row = int(variable.dtype.itemsize * np.prod(variable.shape[1:], dtype=np.int64))
    found: int = max(min(CHUNK_BYTES // max(row, 1), variable.shape[0]), 1)
    return found


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
