"""The observed series that a calibration file names."""

from __future__ import annotations

import fnmatch

from bmi_noahpy.calibration.file.sections import ObservationFile
from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.reading import read_as
from bmi_noahpy.observations.simulated import PlotError


def read_file(section: ObservationFile) -> list[Observed]:
    """The series of a file that count.

    Raises
    ------
    FileNotFoundError, PlotError : the file is missing, cannot be read, or nothing in it counts.
    """
    found = read_as(section.file, section.spec())
    chosen = [series for series in found if _counts(series, section)]
    if not chosen:
        names = ", ".join(series.column for series in found)
        raise PlotError(f"{section.file}: none of {names} counts. Correct quantities, columns or exclude.")
    return chosen


def _counts(series: Observed, section: ObservationFile) -> bool:
    use = section.use(series.quantity)
    if use is None:
        return False
    if use.depths is not None and series.depth is not None and not use.depths[0] <= series.depth <= use.depths[1]:
        return False
    listed = section.columns is None or _matches(series.column, section.columns)
    return listed and not _matches(series.column, section.exclude)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
