"""A configuration out of a file of records."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from bmi_noahpy.config.data_files import records_in
from bmi_noahpy.config.template import WIDTH, render, template_of
from bmi_noahpy.files.netcdf import begins_as_netcdf
from bmi_noahpy.forcing import ForcingError
from bmi_noahpy.forcing.first_look import FirstLook, look_at

GUESS = "# guess: "


def write_from_records(
    source: str | Path,
    path: str | Path,
    *,
    preset: str | None = None,
    overwrite: bool = False,
    vegetation: str | None = None,
) -> tuple[Path, tuple[str, ...]]:
    """Write a commented YAML file that runs a file of records, with the mapping that is found in it.

    Parameters
    ----------
    source : A text table, a netCDF file, or a folder with netCDF files or a single table.
    preset : Convention that it follows; None: the one that its names are of.
    vegetation : Land cover, by name or number of the table usgs; None: that of the template.

    Returns
    -------
    The file, and the sentences about what was guessed, which stand in it too.

    Raises
    ------
    FileExistsError : `path` exists and may not be replaced.
    ForcingError, NotNetcdf : the records cannot be read, or nothing in them is recognised.
    """
    source, path = Path(source).absolute(), Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Choose another name, or allow to overwrite it.")
    files, named = _files(source)
    look = look_at(files, preset)
    mapping, guesses = _mapping(look, template_of(vegetation), named, path)
    mapping["output"] = {"file": _output(path, files)}
    lines = [f"{GUESS}{guess}." for guess in guesses]
    wrapped = [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="#   ")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*wrapped, ""]) + render(mapping), encoding="utf-8")
    return path, guesses


def _files(source: Path) -> tuple[list[Path], Path]:
    """The files of records, and how a configuration names them.

    Raises
    ------
    ForcingError : a folder of several tables.
    """
    if not source.is_dir() or source.suffix == ".zarr":
        return [source], source
    files = records_in(source)
    if len(files) == 1:
        return files, files[0]
    if not all(map(begins_as_netcdf, files)):
        names = ", ".join(path.name for path in files[:8])
        raise ForcingError(f"{source}: holds several tables: {names}. Name the one with the weather.")
    endings = {path.suffix for path in files}
    return files, source / (f"*{endings.pop()}" if len(endings) == 1 else "*")


def _mapping(
    look: FirstLook, mapping: dict[str, Any], source: Path, path: Path
) -> tuple[dict[str, Any], tuple[str, ...]]:
    mapping["name"] = source.parent.name if "*" in source.name else source.stem
    guesses = list(look.guesses)
    mapping["domain"] = {**mapping["domain"], **look.place}
    if len(look.place) < 2:
        guesses.append("the file does not say where it is: domain.latitude and domain.longitude are an example's")
    step = min(look.interval, 86400.0)
    count = max(round(float((look.times[-1] - look.times[0]) / np.timedelta64(1, "s")) / step), 0)
    end = look.times[0] + np.timedelta64(round(count * step), "s")
    mapping["period"] = {"start": str(look.times[0])[:16], "end": str(end)[:16], "step": int(step)}
    forcing = {"file": Path(os.path.relpath(source, path.absolute().parent)).as_posix()}
    mapping["forcing"] = {**forcing, "variables": look.variables} | ({"preset": look.preset} if look.preset else {})
    if look.time:
        mapping["forcing"]["time"] = look.time
    guesses.append("soil, vegetation and initial state are those of an example: replace them with those of the site")
    return mapping, tuple(guesses)


def _output(path: Path, files: list[Path]) -> str:
    """A name for the results that is none of the records, which may be beside the configuration."""
    folder = path.absolute().parent
    name = f"{path.stem}.nc"
    if len(files) > 1 and any(file.parent.resolve() == folder.resolve() for file in files):
        # A pattern of records would find the results the next time.
        return f"output/{name}"
    taken = {file.resolve() for file in files}
    return f"{path.stem}_out.nc" if (folder / name).resolve() in taken else name
