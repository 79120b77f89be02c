"""Faults at a chosen file operation: counts what a program does with files, and lets the n-th of it fail."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import netCDF4

from bmi_noahpy.output import records
from bmi_noahpy.output.journal import Journal
from bmi_noahpy.runs.restart import state_file

PLACES: tuple[tuple[Any, str], ...] = (
    (os, "replace"),
    (os, "fsync"),
    (os, "open"),
    (os, "rename"),
    (shutil, "rmtree"),
    (pathlib.Path, "mkdir"),
    (pathlib.Path, "unlink"),
    (pathlib.Path, "write_text"),
    (Journal, "append"),
    (records.RecordRows, "write"),
    (state_file, "_write_state"),
    (netCDF4, "Dataset"),
)
"""Where programs meet the disk: in Python, and where the netCDF library is asked to."""


class Disk:
    """Counts operations; the one whose number is `fails_at` raises `error`."""

    def __init__(self, fails_at: int | None = None, error: Callable[[], BaseException] | None = None) -> None:
        self.fails_at, self.error = fails_at, error
        self.counted = itertools.count()
        self.operations: list[str] = []

    def meet(self, name: str) -> None:
        """One more operation."""
        self.operations.append(name)
        if next(self.counted) == self.fails_at and self.error is not None:
            raise self.error()

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
            self.meet(name)
            return original(*given, **more)

        return met
