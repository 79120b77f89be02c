"""Records of an unfinished output file, as plain numbers one after another."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Journal:
    """A file that only grows at its end, so whatever kills its writer leaves every record before the last intact.

    Parameters
    ----------
    path : The file; made when absent.
    width : Numbers in a record.
    keep : Records to keep of what is there; the rest, and an unfinished last one, is cut off.

    Raises
    ------
    ValueError : it holds fewer than `keep` records.
    """

    def __init__(self, path: Path, width: int, *, keep: int = 0) -> None:
        self.path = path
        self.width = width
        self._bytes = 8 * width
        held = count_records(path, width)
        if keep > held:
            raise ValueError(f"{path}: holds {held} records, {keep} are needed.")
        # Never through a link: somebody else may have put it there.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
        self._file.truncate(keep * self._bytes)
        self._file.seek(0, os.SEEK_END)
        self.records = keep

    def append(self, rows: Array) -> None:
        """Add records, ``[record, width]``; all of them or, after an error, none."""
        if not len(rows):
            return
        left = np.ascontiguousarray(rows, dtype="<f8").data.cast("B")
        try:
            while left:
                left = left[self._file.write(left) :]
        except BaseException:
            self._file.truncate(self.records * self._bytes)
            self._file.seek(0, os.SEEK_END)
            raise
        self.records += len(rows)

    def rows(self, first: int, last: int) -> Array:
        """Records from `first` up to, not including, `last`, ``[record, width]``."""
        return read_rows(self.path, self.width, first, last)

    def sync(self) -> None:
        """Return when every record would survive a loss of power."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file and leave it where it is."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        self.close()
        self.path.unlink(missing_ok=True)


def count_records(path: Path, width: int) -> int:
    """Complete records in a journal; 0 when there is none."""
    return path.stat().st_size // (8 * width) if path.exists() else 0


def read_rows(path: Path, width: int, first: int, last: int) -> Array:
    """Records of a journal from `first` up to, not including, `last`, ``[record, width]``."""
    if last <= first:
        return np.empty((0, width))
    count = (last - first) * width
    return np.fromfile(path, dtype="<f8", count=count, offset=8 * first * width).reshape(last - first, width)


def journal_of(path: Path) -> Path:
    """The journal of an output file."""
    return path.with_name(path.name + ".journal")
