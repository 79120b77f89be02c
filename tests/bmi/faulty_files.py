"""Faults at a chosen file operation: counts what a program does with files, and lets the n-th of it fail."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import netCDF4
import torch
from matplotlib.figure import Figure

from bmi_noahpy.output.journal import Journal
from bmi_noahpy.output.records import RecordRows, Rows
from bmi_noahpy.runs.restart import state_file

PLACES: tuple[tuple[Any, str], ...] = (
    (os, "replace"),
    (os, "fsync"),
    (os, "open"),
    (os, "rename"),
    (shutil, "copyfile"),
    (shutil, "rmtree"),
    (pathlib.Path, "mkdir"),
    (pathlib.Path, "unlink"),
    (pathlib.Path, "write_text"),
    (pathlib.Path, "open"),
    (Journal, "append"),
    (RecordRows, "write"),
    (state_file, "_write_state"),
    (netCDF4, "Dataset"),
    (torch, "save"),
    (Figure, "savefig"),
)
"""Where programs meet the disk: in Python, and where the netCDF library is asked to."""


STATUS = 86
"""Exit status of a process that met its fault."""


def full() -> None:
    """There is no room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def broken() -> None:
    """The disk fails."""
    raise OSError(errno.EIO, "Input/output error")


def stopped() -> None:
    """The user wants no more."""
    raise KeyboardInterrupt


def crashed() -> None:
    """The process ends: no handler, no finally, no flushed buffer."""
    os._exit(STATUS)


class Disk:
    """Counts operations; before the one whose number is `fails_at`, `fault` is called.

    Parameters
    ----------
    half : Write half of what the failing operation was to write, where it writes data, before the fault.
    """

    def __init__(
        self, fails_at: int | None = None, fault: Callable[[], None] | None = None, *, half: bool = False
    ) -> None:
        self.fails_at, self.fault, self.half = fails_at, fault, half
        self.counted = itertools.count()
        self.operations: list[str] = []

    def meet(self, name: str, original: Any, given: tuple[Any, ...], more: dict[str, Any]) -> None:
        """One more operation."""
        self.operations.append(name)
        if next(self.counted) == self.fails_at and self.fault is not None:
            if self.half and name in HALVES:
                HALVES[name](original, *given, **more)
            self.fault()

    @contextlib.contextmanager
    def installed(self) -> Iterator[Disk]:
        """While this is active, every operation passes here."""
        before = [(holder, name, getattr(holder, name)) for holder, name in PLACES]
        try:
            for holder, name, original in before:
                setattr(holder, name, self._met(name, original))
            yield self
        finally:
            for holder, name, original in before:
                setattr(holder, name, original)

    def _met(self, name: str, original: Any) -> Any:
        def met(*given: Any, **more: Any) -> Any:
            self.meet(name, original, given, more)
            return original(*given, **more)

        return _class_that_calls(met, original) if isinstance(original, type) else met


def _class_that_calls(met: Callable[..., Any], original: type) -> type:
    """Stands for a class: makes objects of it, and knows them."""

    class Kind(type):
        def __call__(cls, *given: Any, **more: Any) -> Any:
            return met(*given, **more)

        def __instancecheck__(cls, thing: object) -> bool:
            return isinstance(thing, original)

    return Kind(original.__name__, (), {})


# --- what half an operation leaves


def _half_a_record(original: Any, journal: Journal, rows: Any) -> None:
    os.write(journal._file.fileno(), rows.tobytes()[: rows.nbytes // 2 + 3])


def _half_a_file(
    original: Any, rows: RecordRows, file: Any, journal: Rows, begin: int = 0, *, threads: int = 1
) -> None:
    file[rows.names[0]].resize(journal.records, axis=0)
    file[rows.names[0]][begin : journal.records] = 1.0
    file.flush()


def _half_a_copy(original: Any, source: Any, target: Any) -> None:
    content = pathlib.Path(source).read_bytes()
    pathlib.Path(target).write_bytes(content[: len(content) // 2])


def _half_a_text(original: Any, path: pathlib.Path, text: str, **more: Any) -> None:
    original(path, text[: len(text) // 2], **more)


def _half_a_state(original: Any, dataset: Any, arrays: dict[str, Any]) -> None:
    original(dataset, dict(itertools.islice(arrays.items(), len(arrays) // 2)))


def _half_a_checkpoint(original: Any, content: Any, path: pathlib.Path) -> None:
    path.write_bytes(b"PK\x03\x04")


def _half_a_folder(original: Any, path: Any, **more: Any) -> None:
    for file in itertools.islice(pathlib.Path(path).rglob("*"), 1):
        original(file) if file.is_dir() else os.remove(file)


HALVES: dict[str, Callable[..., None]] = {
    "append": _half_a_record,
    "write": _half_a_file,
    "copyfile": _half_a_copy,
    "write_text": _half_a_text,
    "_write_state": _half_a_state,
    "save": _half_a_checkpoint,
    "rmtree": _half_a_folder,
}
