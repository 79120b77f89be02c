"""Our derivatives beside the original's, and the verdict on them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.verification.sensitivity_file import SensitivityFile

RELATIVE_TOLERANCE = 1.0e-3
NOISE = 1.0e-7
"""Resolution of the original's differences, as a share of the scale: the round-off of a run, some 1e-13,
over the relative step of 1e-6."""
REQUIRED_SHARE = 0.99
"""Share of the judged entries that must be within tolerance."""


@dataclasses.dataclass(frozen=True)
class SensitivityComparison:
    """Our derivatives beside the original's, ``[parameter, day, quantity]`` throughout.

    Attributes
    ----------
    judged : Entries that count: those the file calls consistent.
    tolerance : Largest accepted difference, in the units of the entry.
    """

    file: SensitivityFile
    phase_change: str
    ours: NDArray[np.float64]
    judged: NDArray[np.bool_]
    tolerance: NDArray[np.float64]

    @property
    def difference(self) -> NDArray[np.float64]:
        """How far ours are from the original's."""
        return np.abs(self.ours - self.file.sensitivity)

    @property
    def within(self) -> NDArray[np.bool_]:
        """Where the difference is within tolerance."""
        return self.difference <= self.tolerance

    @property
    def plain(self) -> NDArray[np.bool_]:
        """Judged entries larger than the resolution of differences, judged by the relative tolerance alone."""
        floor = self.tolerance > RELATIVE_TOLERANCE * np.abs(self.file.sensitivity)
        return self.judged & ~floor

    @property
    def share(self) -> float:
        """Share of the judged entries within tolerance."""
        return _share(self.within[self.judged])

    @property
    def share_of_plain(self) -> float:
        """Share within tolerance of the entries that are larger than the resolution of differences."""
        return _share(self.within[self.plain])

    @property
    def passed(self) -> bool:
        """Whether enough of all entries, and of those above the resolution, are within tolerance."""
        return min(self.share, self.share_of_plain) >= REQUIRED_SHARE

    def as_dict(self) -> dict[str, Any]:
        """The result as numbers, words, lists and dictionaries, ready for JSON."""
        cells = [
            dataclasses.asdict(cell)
            for parameter in range(len(self.file.parameters))
            for day in range(len(self.file.days))
            if (cell := judge(self, parameter, day)) is not None
        ]
        return {
            "file": self.file.path.name,
            "phase_change": self.phase_change,
            "last_day": self.file.days[-1],
            "judged": int(self.judged.sum()),
            "share": self.share,
            "above_resolution": int(self.plain.sum()),
            "share_above_resolution": self.share_of_plain,
            "passed": self.passed,
            "cells": cells,
        }


def _share(within: NDArray[np.bool_]) -> float:
    """Share that is True; of nothing, all."""
    return float(within.mean()) if within.size else 1.0


@dataclasses.dataclass(frozen=True)
class Cell:
    """One parameter on one day.

    Attributes
    ----------
    judged, within : Number of quantities judged, and of those within tolerance.
    worst, quantity : Largest difference in units of its tolerance, and the quantity that has it.
    """

    parameter: str
    day: int
    judged: int
    within: int
    worst: float
    quantity: str


def judge(comparison: SensitivityComparison, parameter: int, day: int) -> Cell | None:
    """The verdict on one parameter on one day, None where the file has nothing reliable."""
    file, place = comparison.file, (parameter, day)
    judged = comparison.judged[place]
    if not judged.any():
        return None
    tolerance = np.maximum(comparison.tolerance[place], np.finfo(np.float64).tiny)
    excess = np.where(judged, comparison.difference[place] / tolerance, 0.0)
    return Cell(
        parameter=file.parameters[parameter],
        day=file.days[day],
        judged=int(judged.sum()),
        within=int((judged & comparison.within[place]).sum()),
        worst=float(excess.max()),
        quantity=file.quantities[int(excess.argmax())],
    )
