"""What a calibration found, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.scoring import AFTER, BEFORE, PERIODS, ScoreRow
from bmi_noahpy.calibration.results.uncertainty import Estimate


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Objective, cost, parameters, scores and files."""
    losses, cost = outcome.losses, outcome.cost
    console.print(
        f"{outcome.iterations} iterations in {outcome.seconds:.1f} s: objective {float(losses.min()):.5g}"
        + (f" (worst start {float(losses.max()):.5g})" if len(losses) > 1 else ""),
        markup=False,
    )
    console.print(
        f"Computed: {cost.runs} runs of a column ({cost.run_seconds:.1f} s), {cost.gradients} gradients "
        f"({cost.gradient_seconds:.1f} s), {cost.tangents} tangents ({cost.tangent_seconds:.1f} s)",
        markup=False,
    )
    if outcome.estimates:
        console.print(_estimates(outcome.estimates))
    if outcome.scores:
        console.print(_scores(outcome.scores))
    for path in outcome.files:
        console.print(f"Results: {path}", markup=False, soft_wrap=True)


def _estimates(found: Sequence[Estimate]) -> Table:
    table = _table("Parameters", "name", "units", "configured", "calibrated", "95 % interval", "bounds")
    for one in found:
        interval, bounds = f"{one.low:.4g} to {one.high:.4g}", f"{one.lower_bound:.4g} to {one.upper_bound:.4g}"
        _row(table, one.name, one.units, f"{one.configured:.4g}", f"{one.value:.4g}", interval, bounds)
    return table


def _scores(rows: Sequence[ScoreRow]) -> Table:
    table = _table("Scores, configured -> calibrated", "series", "period", "NSE", "KGE", "RMSE", "n")
    by_place = {(row.series, row.period, row.run): row.scores for row in rows}
    for series in dict.fromkeys(row.series for row in rows):
        for period in PERIODS:
            before, after = (by_place.get((series, period, run)) for run in (BEFORE, AFTER))
            if before is None or after is None:
                continue
            pairs = [(before.nse, after.nse), (before.kge, after.kge)]
            cells = [f"{first:.3f} -> {second:.3f}" for first, second in pairs]
            _row(table, series, period, *cells, f"{before.rmse:.3g} -> {after.rmse:.3g}", str(after.count))
    return table


def _table(title: str, *headers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=header in ("name", "series"))
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(cell) for cell in cells))
