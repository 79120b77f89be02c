"""What a worker imports as it starts, while the run is prepared of which it gets tiles: they then begin at once."""

from __future__ import annotations

import contextlib
import importlib

from bmi_noahpy.imports import nothing_collected

NEEDED = "bmi_noahpy.distributed.tile_run"
NEEDED_LATER = ("xarray.backends.netCDF4_", "xarray.backends.h5netcdf_", "pint", "bmi_noahpy.runs.array_run")
"""What other modules import in the middle of something. What is not there is missed where it is needed, and said."""

with nothing_collected():
    importlib.import_module(NEEDED)
    for _name in NEEDED_LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(_name)
