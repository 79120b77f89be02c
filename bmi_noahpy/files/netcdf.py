"""Opening netCDF files and Zarr stores, with a sentence for what is none."""

from __future__ import annotations

import math
import numbers
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray

SIGNATURES = (b"CDF", b"\x89HDF")
"""How netCDF files of either kind begin."""


class NotNetcdf(ValueError):
    """A file that is no netCDF, or that cannot be decoded; the message names it and says what it is instead."""


def open_netcdf_file(path: Path, **options: Any) -> xarray.Dataset:
    """The dataset of a netCDF file or a Zarr store (a folder that ends in ``.zarr``); close it after use.

    Parameters
    ----------
    options : Of `xarray.open_dataset`.

    Raises
    ------
    NotNetcdf : a Git LFS pointer, a page of a web site, another kind of file, or times that cannot be decoded.
    """
    import xarray

    if path.suffix == ".zarr" and path.is_dir():
        try:
            with warnings.catch_warnings():
                # Slower to open, and nothing that a reader could change.
                warnings.filterwarnings("ignore", message="Failed to open Zarr store with consolidated metadata")
                found: xarray.Dataset = xarray.open_zarr(path, chunks=None, decode_timedelta=False)
        except ImportError as error:
            raise NotNetcdf(f"{path}: reading Zarr needs the package zarr. Install it: pip install zarr") from error
        except (OSError, ValueError, KeyError) as error:
            raise NotNetcdf(f"{path}: cannot be read as Zarr ({' '.join(str(error).split())[:160]}).") from error
        return found
    problem = _what_it_is(path)
    if problem is not None:
        raise NotNetcdf(f"{path}: not a netCDF file, but {problem}")
    try:
        dataset = xarray.open_dataset(path, **{"decode_timedelta": False, **options})
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        if "decode" in reason or "time" in reason:
            raise NotNetcdf(
                f"{path}: its times cannot be decoded ({reason}). Correct the units attribute of its time."
            ) from error
        raise NotNetcdf(f"{path}: cannot be read as netCDF ({reason}). Fetch or write it again.") from error
    wrong = _scaled_by_no_number(dataset)
    if wrong is not None:
        dataset.close()
        raise NotNetcdf(f"{path}: {wrong}")
    return dataset


def _scaled_by_no_number(dataset: xarray.Dataset) -> str | None:
    """What is wrong about how numbers are packed; None when nothing is. It would be found only where they are read."""
    for name, variable in dataset.variables.items():
        for key in ("scale_factor", "add_offset"):
            value = variable.encoding.get(key, 1.0)
            if not (isinstance(value, numbers.Real) and math.isfinite(value)):
                return f"{key} of {name} is {str(value)[:40]!r}, not a number. Correct the attribute."
    return None


def begins_as_netcdf(path: Path) -> bool:
    """Whether a file begins as netCDF of either kind does, whatever it is called."""
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(SIGNATURES)
    except OSError:
        return False


def _what_it_is(path: Path) -> str | None:
    """What a file is that does not begin like netCDF; None for one that does."""
    try:
        with path.open("rb") as file:
            begin = file.read(512)
    except OSError as error:
        return f"{error.strerror}. Correct the path."
    if begin.startswith(SIGNATURES):
        return None
    if begin.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer. Fetch the data with: git lfs pull."
    if not begin:
        return "an empty file. Fetch or write it again."
    if begin.lstrip()[:1] == b"<":
        return "a page of a web site. Fetch the data themselves."
    if begin.startswith(b"GRIB"):
        return "GRIB. Convert it, for instance with cdo -f nc copy."
    if b"\0" not in begin:
        return "text. Set forcing.format to csv if it is a table."
    return "something else. Give a netCDF file."
