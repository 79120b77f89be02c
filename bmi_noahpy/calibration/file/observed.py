"""The observed series that a calibration file names."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Sequence

from bmi_noahpy.calibration.file.sections import ObservationFile
from bmi_noahpy.observations.inflow import MOSTLY, Inflow, attainable, inflows, told
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.observed import Observed
from bmi_noahpy.observations.reading import read_as
from bmi_noahpy.observations.simulated import PlotError


def read_file(section: ObservationFile) -> list[Observed]:
    """The series of a file that count; those with water that no column can have are told, or left out.

    Raises
    ------
    FileNotFoundError, PlotError : the file is missing, cannot be read, or nothing in it counts.
    """
    found = read_as(section.file, section.spec())
    chosen = [series for series in found if _counts(series, section)]
    if not chosen:
        names = ", ".join(series.column for series in found)
        raise PlotError(f"{section.file}: none of {names} counts. Correct quantities, columns or exclude.")
    events = inflows(found)
    return [series for series in chosen if _is_of_a_column(section, series, events)]


def _is_of_a_column(section: ObservationFile, series: Observed, events: Sequence[Inflow]) -> bool:
    """Whether a series counts, with a warning where a column cannot have all of its water."""
    own = [one for one in events if one.column == series.column]
    if not own:
        return True
    efficiency = attainable(series, own)
    mostly, left_out = efficiency < MOSTLY, section.inflow == "leave_out"
    end = "It does not count." if mostly and left_out else "Say inflow: leave_out, or exclude it." if mostly else ""
    warnings.warn(f"{section.file}: {told(own, efficiency)} {end}".rstrip(), ObservationWarning, stacklevel=3)
    return not (mostly and left_out)


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
