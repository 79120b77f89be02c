"""Which run an output file belongs to, and where it stands in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

RUN_ID = "run_id"
"""Attribute of a file: identity of the run that wrote it."""
COMPLETE = "run_complete"
"""Attribute of a file: 1 when it holds all the records of its run, 0 as long as the run can go on."""


@dataclasses.dataclass(frozen=True)
class OutputMark:
    """Where an output file stands after a step, for a run that goes on from there later.

    Parameters
    ----------
    run_id : Identity of the run, that of the output file.
    records : Complete records.
    names : Names of the variables of the file.
    sampling : Which steps a record is made of, in words.
    count, begin, numbers : The steps since the last record: how many, the beginning of the first [s since start], and
        what they add up to, for one variable after another.
    """

    run_id: str
    records: int
    names: tuple[str, ...]
    count: int
    begin: float
    numbers: NDArray[np.float64]
    sampling: str = ""


def is_unfinished(path: Path) -> bool:
    """Whether a file is the output of a run that ended before its period did."""
    try:
        with netCDF4.Dataset(path) as dataset:
            return RUN_ID in dataset.ncattrs() and not int(getattr(dataset, COMPLETE, 1))
    except (OSError, RuntimeError, ValueError, TypeError):
        return False


def run_id_of(path: Path) -> str | None:
    """Identity of the run that wrote an output file; None when there is no such file, or it has none."""
    try:
        with netCDF4.Dataset(path) as dataset:
            return str(getattr(dataset, RUN_ID, "")) or None
    except OSError:
        return None
