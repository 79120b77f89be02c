"""Verification of gradients: our reverse mode against differences of the Fortran original."""

from __future__ import annotations

import json as json_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bmi_noahpy.config import Configuration, load_configuration
from bmi_noahpy.verification.report import write_csv
from bmi_noahpy.verification.sensitivity_comparison import NOISE, RELATIVE_TOLERANCE, SensitivityComparison
from bmi_noahpy.verification.sensitivity_derivatives import reverse_derivatives
from bmi_noahpy.verification.sensitivity_file import SensitivityFile, is_sensitivity_file, read_sensitivities
from bmi_noahpy.verification.sensitivity_names import find_input, find_result
from bmi_noahpy.verification.sensitivity_report import print_comparison
from bmi_noahpy.verification.sensitivity_run import ColumnRun, open_run

LAST_DAY = {"heat_limited": 120}
"""Last judged day by freeze-thaw scheme: the derivative of this one means nothing after the first freeze-up."""
PHASE_CHANGES = ("enthalpy", "heat_limited")


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
    csv: str | Path | None = None,
    console: Console | None = None,
) -> int | None:
    """Verify a file of sensitivities, print the table, write the JSON and CSV files that are named.

    Returns
    -------
    0 when the file passed, 1 when it did not: the exit status of the command. None when the file is of another kind.

    Raises
    ------
    ValueError : There is no forcing, or as for `verify_sensitivities`.
    """
    if not is_sensitivity_file(path):
        return None
    if forcing is None:
        raise ValueError(f"{path} holds sensitivities of a run. Name its forcing file with --forcing.")
    comparison = verify_sensitivities(path, forcing, last_day=last_day)
    print_comparison(comparison, console or Console())
    if json is not None:
        Path(json).write_text(json_module.dumps(comparison.as_dict(), indent=2) + "\n", encoding="utf-8")
    if csv is not None:
        write_csv(comparison.as_dict()["cells"], csv)
    return 0 if comparison.passed else 1
