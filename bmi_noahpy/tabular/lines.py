"""Lines of a text file, and the fields of a line."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from bmi_noahpy.tabular.errors import TableError

SPACES = " "
"""Stands for one or more spaces or tabs between fields."""

MISSING_MARKS = frozenset({"", "na", "nan", "n/a", "#n/a", "null", "none", "-", "--", "---", "missing", "nodata"})
"""Texts that stand for no value, in lower case."""

OTHERS = {
    b"PK": "a spreadsheet or an archive, not a table as text. Save the sheet as CSV, or unpack it.",
    b"\x1f\x8b": "compressed. Unpack it first, as with gunzip.",
    b"GRIB": "GRIB, not a table as text. Convert it to netCDF, for instance with cdo -f nc copy.",
}
"""How files of other kinds begin, and what to do about them."""

_NUMBER = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?")
_MOMENT = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]?\d{1,2}(?::\d{2}){0,2}(?:\.\d+)?)?(?: ?[AaPp][Mm]|Z|[-+]\d{2}:?\d{2})?"
)
_HOUR = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?")
_NAMED_MONTH = re.compile(r"\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?")


def read_lines(path: Path, encoding: str | None) -> tuple[list[str], str]:
    """The lines of a file without their ends, and the encoding they are in.

    Parameters
    ----------
    encoding : As Python names it; None: UTF-8 (or UTF-16 with a mark), else Windows-1252, which has the degree sign.

    Raises
    ------
    TableError : the file is no text, is a Git LFS pointer, or is not in the encoding.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        # A fault of the medium comes without the name of the file.
        raise OSError(error.errno, error.strerror, str(path)) from None
    if raw.startswith(b"version https://git-lfs"):
        raise TableError(f"{path}: a Git LFS pointer, not the data. Fetch them with: git lfs pull.")
    for mark, remedy in OTHERS.items():
        if raw.startswith(mark):
            raise TableError(f"{path}: {remedy}")
    marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not marked and b"\0" in raw[:4096]:
        raise TableError(f"{path}: not a text file. Give a table as text, or set the format.")
    for candidate in [encoding] if encoding else ["utf-16"] if marked else ["utf-8-sig", "cp1252", "latin-1"]:
        try:
            return raw.decode(candidate).splitlines(), candidate
        except (UnicodeDecodeError, LookupError):
            continue
    raise TableError(f"{path}: cannot be read as {encoding or 'UTF-16'}. Set the encoding, as 'utf-8' or 'latin-1'.")


def fields_of(line: str, separator: str) -> list[str]:
    """The fields of a line, without quotes and surrounding blanks."""
    if separator == SPACES:
        return line.split()
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    return [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def is_number(field: str) -> bool:
    """Whether a field is a number, with a point or a comma."""
    return bool(_NUMBER.fullmatch(field))


def is_moment(field: str) -> bool:
    """Whether a field looks like a date, a time of day or both."""
    return bool(_MOMENT.fullmatch(field) or _HOUR.fullmatch(field) or _NAMED_MONTH.fullmatch(field))


def is_value(field: str) -> bool:
    """Whether a field may stand in a data line."""
    return field.lower() in MISSING_MARKS or is_number(field) or is_moment(field)
