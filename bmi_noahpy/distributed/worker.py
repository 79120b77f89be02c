"""What a worker imports as it starts, while the run is prepared of which it gets tiles: they then begin at once."""

from __future__ import annotations

import importlib

from bmi_noahpy.distributed import tile_run

__all__ = ["tile_run"]

IMPORTED_WHEN_NEEDED = ("xarray.backends.netCDF4_", "xarray.backends.h5netcdf_", "pint", "bmi_noahpy.runs.array_run")
"""What other modules import in the middle of something."""

for _name in IMPORTED_WHEN_NEEDED:
    try:
        importlib.import_module(_name)
    except ImportError:
        # What cannot be done without it is said where it is needed.
        continue
