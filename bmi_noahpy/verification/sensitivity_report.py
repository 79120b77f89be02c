"""A comparison of derivatives as a table for people."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from bmi_noahpy.verification.sensitivity_comparison import (
    NOISE,
    RELATIVE_TOLERANCE,
    REQUIRED_SHARE,
    Cell,
    SensitivityComparison,
    judge,
)

LISTED = 20


def print_comparison(comparison: SensitivityComparison, console: Console) -> None:
    """Print the share within tolerance of each parameter on each day, the worst entries, and the verdict."""
    file = comparison.file
    table = Table(title=f"{file.path.name} ({comparison.phase_change}): % within tolerance after so many days")
    table.add_column("parameter")
    for day in file.days:
        table.add_column(str(day), justify="right")
    table.add_column("worst (in tolerances)")
    for number, parameter in enumerate(file.parameters):
        cells = [judge(comparison, number, day) for day in range(len(file.days))]
        table.add_row(parameter, *(_share(cell) for cell in cells), _worst(cells))
    console.print(table)
    for line in worst_entries(comparison):
        console.print(line, highlight=False)
    console.print(_summary(comparison), highlight=False)
    console.print("[green]passed[/]" if comparison.passed else "[red]failed[/]")


def worst_entries(comparison: SensitivityComparison) -> list[str]:
    """One line for each of the entries that are most tolerances away."""
    file = comparison.file
    beyond = comparison.judged & ~comparison.within
    excess = np.where(beyond, comparison.difference / np.maximum(comparison.tolerance, np.finfo(np.float64).tiny), 0.0)
    order = np.argsort(excess, axis=None)[::-1]
    lines = []
    for place in order[: min(LISTED, int(beyond.sum()))]:
        p, d, q = np.unravel_index(int(place), excess.shape)
        lines.append(
            f"d {file.quantities[q]}/d {file.parameters[p]} after day {file.days[d]}: {comparison.ours[p, d, q]:.9g}, "
            f"original {file.sensitivity[p, d, q]:.9g}"
        )
    hidden = int(beyond.sum()) - len(lines)
    return lines + ([f"... and {hidden} more beyond tolerance."] if hidden > 0 else [])


def _summary(comparison: SensitivityComparison) -> str:
    return (
        f"{100.0 * comparison.share:.3f} % of {int(comparison.judged.sum())} entries are within {RELATIVE_TOLERANCE:g} "
        f"relative, or {NOISE:g} of the scale of their units; {100.0 * comparison.share_of_plain:.3f} % of the "
        f"{int(comparison.plain.sum())} that are larger than that. Required: {100.0 * REQUIRED_SHARE:g} % of both."
    )


def _share(cell: Cell | None) -> str:
    return "-" if cell is None else f"{100.0 * cell.within / cell.judged:.0f}"


def _worst(cells: list[Cell | None]) -> str:
    worst = max((cell for cell in cells if cell is not None), key=lambda cell: cell.worst, default=None)
    return "-" if worst is None else f"{worst.worst:.2g}: {worst.quantity}, day {worst.day}"
