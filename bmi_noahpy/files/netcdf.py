"""Opening netCDF files and Zarr stores, with a sentence for what is none."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmi_noahpy.files.brief import brief

if TYPE_CHECKING:
    import xarray

LONGEST = 160
"""Of what a message repeats of a library's or of a file."""
FARTHEST = 1.0e8
"""Numbers of time beyond it are no hours or days that anybody means; seconds since 1970 are, but those decode."""
TABLE = "Set forcing.format to csv if it is a table."
"""What to do about records that are text."""
SIGNATURES = (b"CDF", b"\x89HDF")
"""How netCDF files of either kind begin."""


class NotNetcdf(ValueError):
    """A file that is no netCDF, or that cannot be decoded; the message names it and says what it is instead."""


def open_netcdf_file(path: Path, *, of_text: str = TABLE, **options: Any) -> xarray.Dataset:
    """The dataset of a netCDF file or a Zarr store (a folder that ends in ``.zarr``); close it after use.

    Parameters
    ----------
    of_text : What to do about a file that is text.
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
    check_netcdf(path, of_text=of_text)
    try:
        with warnings.catch_warnings():
            # What other calendars are made of is said where they are read.
            warnings.filterwarnings("ignore", message="Unable to decode time axis|.*not supported by CF")
            dataset = xarray.open_dataset(path, **{"decode_timedelta": False, **options})
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, OverflowError) as error:
        undecoded = _undecoded_time(path)
        if undecoded is not None:
            raise NotNetcdf(f"{path}: {undecoded}") from error
        reason = brief(" ".join(str(error).split()), LONGEST)
        raise NotNetcdf(f"{path}: cannot be read as netCDF ({reason}). Fetch or write it again.") from error
    wrong = _scaled_by_no_number(dataset)
    if wrong is not None:
        dataset.close()
        raise NotNetcdf(f"{path}: {wrong}")
    return dataset


def check_netcdf(path: Path, *, of_text: str = TABLE) -> None:
    """Refuse a file that does not begin as netCDF does, by what it is instead.

    Parameters
    ----------
    of_text : What to do about a file that is text.

    Raises
    ------
    NotNetcdf : as said.
    """
    problem = _what_it_is(path, of_text)
    if problem is not None:
        raise NotNetcdf(f"{path}: not a netCDF file, but {problem}")


def _undecoded_time(path: Path) -> str | None:
    """What is wrong about the times of a file; None when they are not what is wrong."""
    import xarray

    try:
        with xarray.open_dataset(path, decode_times=False) as data:
            dated = [name for name, held in data.variables.items() if " since " in str(held.attrs.get("units", ""))]
            wrong = [name for name in dated if not _is_decodable(data, name)]
            return _of_time(str(wrong[0]), data[wrong[0]]) if wrong else None
    except Exception:  # it cannot be opened at all, which is told already
        return None


def _is_decodable(data: xarray.Dataset, name: Hashable) -> bool:
    import xarray

    alone = data[[name]]
    try:
        xarray.decode_cf(alone.drop_vars(set(alone.variables) - {name}), decode_timedelta=False)
    except Exception:  # of whatever kind: the file is refused for it
        return False
    return True


def _of_time(name: str, variable: xarray.DataArray) -> str:
    units, calendar = (brief(str(variable.attrs.get(key)), LONGEST) for key in ("units", "calendar"))
    stated = f"units {units!r}" + ("" if "calendar" not in variable.attrs else f" of the calendar {calendar!r}")
    numbers = variable.values[variable.notnull().values]
    if not numbers.size or abs(numbers).max() < FARTHEST:
        return (
            f"{name}: its {stated} cannot be decoded. Write 'hours since 2019-01-01 00:00', of the calendar 'standard'."
        )
    return (
        f"{name}: its numbers, from {numbers.min():g} to {numbers.max():g}, are no times in {stated}. Correct them, or "
        "declare the missing ones as _FillValue and leave them out."
    )


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


def _what_it_is(path: Path, of_text: str) -> str | None:
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
        return f"text. {of_text}"
    return "something else. Give a netCDF file."
