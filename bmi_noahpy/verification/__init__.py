"""Verification against the Fortran original: every step from the original's state, or a free run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.console import Console

from bmi_noahpy.verification.reference import Reference, read_reference
from bmi_noahpy.verification.report import print_verification, write_csv, write_json
from bmi_noahpy.verification.result import Verification, judge_free_run, judge_steps
from bmi_noahpy.verification.run import free_run_differences, step_differences, twin_efficiency
from bmi_noahpy.verification.sensitivities import verify_sensitivities
from bmi_noahpy.verification.sensitivity_comparison import SensitivityComparison
from bmi_noahpy.verification.sensitivity_derivatives import results_after, reverse_derivatives
from bmi_noahpy.verification.sensitivity_names import Input, Result
from bmi_noahpy.verification.sensitivity_run import open_run
from bmi_noahpy.verification.ties import is_tie
from noahpy_core.execution import check_execution

__all__ = [
    "Input",
    "Result",
    "SensitivityComparison",
    "Verification",
    "open_run",
    "results_after",
    "reverse_derivatives",
    "verify",
    "verify_sensitivities",
]

MODES = ("steps", "free")

MOST_EXPLAINED = 50
"""Cases beyond tolerance that are searched for a tie; more of them are no matter of ties."""


def verify(path: str | Path, *, mode: str = "steps", early_days: int = 60, execution: str = "auto") -> Verification:
    """Compare this model with a reference file of the original.

    Parameters
    ----------
    path : A file with single steps or a run.
    mode : "steps": every step from the state of the original. "free" (runs only): on from the initial state.
    early_days : Days at the start of a free run whose largest temperature difference is reported.
    execution : "eager" or "compiled"; "auto" is eager for single steps and compiled for free runs.

    Raises
    ------
    ValueError : an unknown mode or execution, a file that cannot be read, or a free run of single steps.
    """
    if mode not in MODES:
        raise ValueError(f"verification mode {mode!r} is unknown. Use one of {', '.join(MODES)}.")
    check_execution(execution)
    reference = read_reference(path)
    if mode == "steps":
        return verify_steps(reference, execution)
    return verify_free_run(reference, execution, early_days=early_days)


def verify_steps(reference: Reference, execution: str = "auto") -> Verification:
    """Compare every step, and look for a tie in each of the few cases that differ."""
    verification = judge_steps(reference, step_differences(reference, execution))
    if len(verification.failures) > MOST_EXPLAINED:
        return verification
    failures = tuple(
        dataclasses.replace(failure, tie=is_tie(reference, failure.case, execution))
        for failure in verification.failures
    )
    return dataclasses.replace(verification, failures=failures)


def verify_free_run(reference: Reference, execution: str = "auto", *, early_days: int = 60) -> Verification:
    """Compare a free run, and where a layer falls short find out whether the run is predictable there at all."""
    differences = free_run_differences(reference, execution)
    verification = judge_free_run(reference, differences, early_days)
    if verification.passed or reference.enthalpy:
        return verification
    return judge_free_run(reference, differences, early_days, twin_efficiency(reference, execution))


def run_and_report(
    path: str | Path,
    *,
    mode: str = "steps",
    execution: str = "auto",
    json: str | Path | None = None,
    csv: str | Path | None = None,
    console: Console | None = None,
) -> int:
    """Verify, print the table, write the JSON and CSV files that are named.

    Returns
    -------
    0 when the file passed, 1 when it did not: the exit status of the command.
    """
    verification = verify(path, mode=mode, execution=execution)
    print_verification(verification, console or Console())
    if json is not None:
        write_json(verification, json)
    if csv is not None:
        write_csv(verification.rows(), csv)
    return 0 if verification.passed else 1
