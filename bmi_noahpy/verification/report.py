"""A verification as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bmi_noahpy.atomic import replaced
from bmi_noahpy.verification.result import Failure, VariableReport, Verification

LISTED_FAILURES = 20


def print_verification(verification: Verification, console: Console) -> None:
    """Print the table of variables, the share of cases within tolerance, the cases that are not, and the verdict."""
    table = Table(title=f"{verification.file} ({verification.mode})")
    free = verification.mode == "free"
    for heading in ("variable", "here", "largest difference", "tolerance", "where", "within %"):
        table.add_column(heading)
    if free:
        table.add_column("lowest NSE")
    for report in verification.variables:
        table.add_row(*_cells(report, free=free))
    console.print(table)
    console.print(
        f"{verification.within} of {verification.cases} cases ({100.0 * verification.share:.3f} %) "
        "have every output within tolerance."
    )
    if verification.early_temperature is not None:
        console.print(
            f"Largest temperature difference in the first {verification.early_days} days: "
            f"{verification.early_temperature:.1e} K."
        )
    for report in verification.variables:
        _print_layers(report, console)
    for failure in verification.failures[:LISTED_FAILURES]:
        console.print(describe(failure), highlight=False)
    hidden = len(verification.failures) - LISTED_FAILURES
    if hidden > 0:
        console.print(f"... and {hidden} more.")
    console.print("[green]passed[/]" if verification.passed else "[red]failed[/]")


def _print_layers(report: VariableReport, console: Console) -> None:
    if report.short_layers:
        console.print(f"{report.quantity}: efficiency too low in layers {_listed(report.short_layers)}.")
    if report.unpredictable_layers:
        console.print(
            f"{report.quantity}: layers {_listed(report.unpredictable_layers)} not judged. Runs of this model whose "
            "initial states differ by 1e-13 disagree there by as much."
        )


def _listed(layers: tuple[int, ...]) -> str:
    return ", ".join(str(layer) for layer in layers)


def describe(failure: Failure) -> str:
    """One line on a case beyond tolerance."""
    layer = "" if failure.layer is None else f" layer {failure.layer}"
    line = f"case {failure.label}: {failure.variable}{layer} {failure.ours:.15g}, original {failure.theirs:.15g}"
    line += f"; then {', '.join(failure.others)}" if failure.others else ""
    return line + {None: "", True: " (a tie: round-off decides)", False: " (no tie)"}[failure.tie]


def write_json(verification: Verification, path: str | Path) -> None:
    """Write the verification to a JSON file."""
    Path(path).write_text(json.dumps(verification.as_dict(), indent=2) + "\n", encoding="utf-8")


def write_csv(rows: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Write scores to a CSV file, which an interruption leaves as it was.

    Parameters
    ----------
    rows : Each with the same keys, which become the heading.
    path : The file.
    """
    import pandas as pd

    path = Path(path)
    with replaced(path) as partial:
        pd.DataFrame(list(rows)).to_csv(partial, index=False, float_format="%.9g")


def _cells(report: VariableReport, *, free: bool) -> list[str]:
    units = "relative" if report.relative else report.units
    layer = "" if report.layer is None else f", layer {report.layer}"
    cells = [
        report.name,
        report.quantity,
        f"{report.largest:.2e}",
        f"{report.tolerance:.0e} {units}",
        f"{report.case}{layer}" if report.largest > 0.0 else "-",
        f"{100.0 * report.share:.2f}",
    ]
    if free:
        cells.append("" if report.efficiency is None else f"{min(report.efficiency):.6f}")
    return cells
