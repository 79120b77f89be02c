"""Versions of the output file: each is whole, and has the records that the one before lacks."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bmi_noahpy.atomic import replaced

if TYPE_CHECKING:
    import h5py


class _Version(NamedTuple):
    """A version as it was when it took its place."""

    records: int
    number: int
    size: int
    changed: int


class Versions:
    """Puts one version of a netCDF file after the other in its place, each in one move.

    A version is a copy of the last one, so that no full chunk is compressed twice; it is made anew where there is none,
    or where somebody else has changed it.

    Parameters
    ----------
    path : The file.
    create : Makes an empty one under another path.
    """

    def __init__(self, path: Path, create: Callable[[Path], None]) -> None:
        self._path, self._create = path, create
        self._last: _Version | None = None

    @contextlib.contextmanager
    def next(self, records: int) -> Iterator[tuple[h5py.File, int]]:
        """The next version, open to be written to, and the number of records it has; it takes its place at the end.

        Parameters
        ----------
        records : How many it will have.
        """
        import h5py

        with replaced(self._path) as partial:
            held = self._held()
            if held is None:
                self._create(partial)
            else:
                shutil.copyfile(self._path, partial)
            with h5py.File(partial, "r+") as file:
                yield file, held or 0
        self._last = self._found(records)

    def _held(self) -> int | None:
        """Records of the last version; None where what is there is not as it was left."""
        last = self._last
        return None if last is None or last != self._found(last.records) else last.records

    def _found(self, records: int) -> _Version | None:
        try:
            about = self._path.stat()
        except OSError:
            return None
        return _Version(records, about.st_ino, about.st_size, about.st_mtime_ns)
