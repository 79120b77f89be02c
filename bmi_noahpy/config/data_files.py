"""Telling files of records from configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bmi_noahpy.config.namelist_text import has_namelist
from bmi_noahpy.files.netcdf import SIGNATURES, begins_as_netcdf
from bmi_noahpy.tabular import TableError, TextOptions
from bmi_noahpy.tabular.conventions import declared_layout
from bmi_noahpy.tabular.errors import NoHeader
from bmi_noahpy.tabular.layout import find_layout

CONFIGURATIONS = (".yaml", ".yml")
HEAD = 65536
"""Bytes that are looked at."""
LONGEST = 60
"""Of what a message repeats."""


def looks_like_records(path: Path) -> bool:
    """Whether a file that is not called a configuration is netCDF or a table of numbers."""
    if path.suffix.lower() in CONFIGURATIONS:
        return False
    if path.is_dir():
        return path.suffix == ".zarr" or bool(records_in(path))
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    if head.startswith(SIGNATURES):
        return True
    text = head.decode("utf-8", errors="replace")
    lines = text.splitlines()[:-1] if len(head) == HEAD else text.splitlines()
    if has_namelist(text) or not lines:
        return False
    try:
        return (declared_layout(path, lines) or find_layout(path, lines, TextOptions())) is not None
    except NoHeader:
        return True
    except (TableError, ValueError):
        return False


def holds_namelist(path: Path) -> bool:
    """Whether a file begins with the header of a Noah ASCII forcing file, or cannot be opened to see."""
    try:
        with path.open("rb") as file:
            return has_namelist(file.read(HEAD).decode("utf-8", errors="replace"))
    except OSError:
        return not path.is_dir()


def records_in(folder: Path) -> list[Path]:
    """The records of a folder: its netCDF files, else its tables."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and looks_like_records(path))
    netcdf = [path for path in files if begins_as_netcdf(path)]
    return netcdf or files


def shortened(content: Any) -> str:
    """A value as a message shows it, cut where it is long."""
    text = repr(content)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
