"""Verification of gradients: our reverse mode against differences of the Fortran original."""

from __future__ import annotations

import dataclasses
import json as json_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bmi_noahpy.config import Configuration, load_configuration
from bmi_noahpy.verify.sensitivity_derivatives import reverse_derivatives
from bmi_noahpy.verify.sensitivity_file import SensitivityFile, is_sensitivity_file, read_sensitivities
from bmi_noahpy.verify.sensitivity_names import find_input, find_result
from bmi_noahpy.verify.sensitivity_run import ColumnRun, open_run

RELATIVE_TOLERANCE = 1.0e-3
NOISE = 1.0e-7
"""Resolution of the original's differences, as a share of the scale: the round-off of a run, some 1e-13,
over the relative step of 1e-6."""
REQUIRED_SHARE = 0.99
"""Share of the judged entries that must be within tolerance."""
LAST_DAY = {"heat_limited": 120}
"""Last judged day by freeze-thaw scheme: the derivative of this one means nothing after the first freeze-up."""
PHASE_CHANGES = ("enthalpy", "heat_limited")


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


def verify_sensitivities(
    path: str | Path, forcing: str | Path, *, phase_change: str | None = None, last_day: int | None = None
) -> SensitivityComparison:
    """Compare reverse-mode derivatives with a file of the original's differences.

    Parameters
    ----------
    path : File of sensitivities.
    forcing : Forcing file (or configuration) of the runs they belong to.
    phase_change : Freeze-thaw scheme of the runs. Without it, the one the file names; without that, the one whose
        derivatives on the first day are nearer.
    last_day : Leave out what comes later. By default nothing, or with heat_limited what comes after day 120.

    Raises
    ------
    ValueError : The file does not fit the run, or the scheme is unknown.
    """
    if phase_change is not None and phase_change not in PHASE_CHANGES:
        raise ValueError(f"phase change {phase_change!r} is unknown. Use {' or '.join(PHASE_CHANGES)}.")
    file, configuration = read_sensitivities(path), load_configuration(forcing)
    scheme = phase_change or file.phase_change or _likely_scheme(file, configuration)
    column = open_run(configuration, scheme)
    inputs = [find_input(name, configuration) for name in file.parameters]
    column.check_values(inputs, file.parameters, file.values)
    return _compare(file.first_days(last_day or LAST_DAY.get(scheme, file.days[-1])), column)


def _likely_scheme(file: SensitivityFile, configuration: Configuration) -> str:
    """The freeze-thaw scheme whose derivatives are nearer on the first day."""
    first = file.first_days(file.days[0])
    return max(PHASE_CHANGES, key=lambda scheme: _compare(first, open_run(configuration, scheme)).share)


def _compare(file: SensitivityFile, column: ColumnRun) -> SensitivityComparison:
    inputs = [find_input(name, column.configuration) for name in file.parameters]
    results = [find_result(name) for name in file.quantities]
    return SensitivityComparison(
        file=file,
        phase_change=str(column.model.options.phase_change),
        ours=reverse_derivatives(column, inputs, file.days, results),
        judged=file.consistent & np.isfinite(file.sensitivity),
        tolerance=_tolerance(file),
    )


def _tolerance(file: SensitivityFile) -> NDArray[np.float64]:
    """A share of the sensitivity, but not below the resolution of the original's differences.

    Differences resolve the change of a result with a relative change of the parameter, |value d(result)/d(value)|, to a
    share of the scale: the largest such change of any result in the same units.
    """
    values = np.abs(file.values)[:, None, None]
    change = values * np.abs(np.where(file.consistent, file.sensitivity, 0.0))
    units = np.array([find_result(name).units for name in file.quantities])
    scale = np.array([change[:, :, units == one].max() for one in units])
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(values > 0.0, NOISE * scale / values, 0.0)
    return np.maximum(RELATIVE_TOLERANCE * np.abs(file.sensitivity), floor)


def report_if_sensitivities(
    path: str | Path,
    forcing: str | Path | None,
    *,
    last_day: int | None = None,
    json: str | Path | None = None,
    console: Console | None = None,
) -> int | None:
    """Verify a file of sensitivities, print the table, write the JSON file if one is named.

    Returns
    -------
    0 when the file passed, 1 when it did not: the exit status of the command. None when the file is of another kind.

    Raises
    ------
    ValueError : There is no forcing, or as for `verify_sensitivities`.
    """
    from bmi_noahpy.verify.sensitivity_report import print_comparison

    if not is_sensitivity_file(path):
        return None
    if forcing is None:
        raise ValueError(f"{path} holds sensitivities of a run. Name its forcing file with --forcing.")
    comparison = verify_sensitivities(path, forcing, last_day=last_day)
    print_comparison(comparison, console or Console())
    if json is not None:
        Path(json).write_text(json_module.dumps(comparison.as_dict(), indent=2) + "\n", encoding="utf-8")
    return 0 if comparison.passed else 1
