"""What a calibration found, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bmi_noahpy.calibration.results.ensemble import StartScore
from bmi_noahpy.calibration.results.outcome import Outcome
from bmi_noahpy.calibration.results.scoring import (
    AFTER,
    BEFORE,
    ENSEMBLE,
    PERIODS,
    ScoreRow,
    below_benchmarks,
    mean_score,
    worsened,
)
from bmi_noahpy.calibration.results.split_scores import split_scores
from bmi_noahpy.calibration.results.uncertainty import Estimate
from bmi_noahpy.observations.benchmarks import BENCHMARKS

LARGE_FACTOR = 1.2
"""Factor of the forcing, or its inverse, beyond which it is named."""


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
        console.print(_means(outcome.scores))
        for line in remarks(outcome):
            console.print(line, markup=False, soft_wrap=True)
    for path in outcome.files:
        console.print(f"Results: {path}", markup=False, soft_wrap=True)


def _estimates(found: Sequence[Estimate]) -> Table:
    table = _table("Parameters", "name", "units", "configured", "calibrated", "95 % interval", "bounds", "remark")
    for one in found:
        interval, bounds = f"{one.low:.4g} to {one.high:.4g}", f"{one.lower_bound:.4g} to {one.upper_bound:.4g}"
        _row(table, one.name, one.units, f"{one.configured:.4g}", f"{one.value:.4g}", interval, bounds, one.remark)
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


def _means(rows: Sequence[ScoreRow]) -> Table:
    """Mean NSE over the series of each quantity, by every prediction."""
    runs = [run for run in (BEFORE, AFTER, ENSEMBLE, *BENCHMARKS) if any(row.run == run for row in rows)]
    table = _table("Mean NSE beside simple predictions", "quantity", "period", *runs)
    for quantity in dict.fromkeys(row.quantity for row in rows):
        for period in PERIODS:
            values = [mean_score(rows, quantity, period, run) for run in runs]
            if any(value == value for value in values):
                _row(table, quantity, period, *(f"{value:.3f}" if value == value else "-" for value in values))
    return table


def print_split_scores(outcomes: Sequence[Outcome], console: Console) -> None:
    """Mean NSE in validation over all splits, of the ensemble, of each start and of simple predictions."""
    table = _table("Mean NSE in validation over all splits", "quantity", "prediction", "mean", "lowest", "highest", "n")
    for row in split_scores(outcomes):
        numbers = (f"{value:.3f}" for value in (row.mean, row.lowest, row.highest))
        _row(table, row.quantity, row.prediction, *numbers, str(row.splits))
    console.print(table)


def remarks(outcome: Outcome) -> list[str]:
    """What a reader of the scores must not overlook, a line each."""
    lines = []
    members = sorted({one.start for one in outcome.starts})
    if members:
        text = f"{len(members)} of {len(outcome.losses)} starts fit as well as the observations can tell"
        spread = [_spread(outcome.starts, quantity) for quantity in dict.fromkeys(s.quantity for s in outcome.starts)]
        lines.append(". Mean NSE of each in validation: ".join(filter(None, (text, ", ".join(filter(None, spread))))))
    covered = [f"{period} {100 * share:.0f} %" for period, share in outcome.coverage.items() if share == share]
    if covered:
        lines.append(f"Observations within the band of 90 % of the ensemble: {', '.join(covered)}.")
    period = PERIODS[-1] if any(row.period == PERIODS[-1] for row in outcome.scores) else PERIODS[0]
    lines += [
        f"Worse than a simple prediction in {period}: {line}" for line in below_benchmarks(outcome.scores, period)
    ]
    lines += [f"Worse than before: {line}" for line in worsened(outcome.scores)]
    changed = [f"{one.name} x {one.value:.3g}" for one in outcome.estimates if _is_far_from_one(one)]
    if changed:
        percent = 100.0 * (LARGE_FACTOR - 1.0)
        lines.append(
            f"Weather changed by more than {percent:.0f} %: {', '.join(changed)}. It may make up for what is wrong "
            "with the model: compare with what is known of the instruments, or raise objective.forcing_prior."
        )
    at_bounds = [one.name for one in outcome.estimates if one.remark.startswith("at the")]
    if at_bounds:
        lines.append(
            f"{len(at_bounds)} of {len(outcome.estimates)} values ended at a bound: {', '.join(at_bounds)}. Their "
            "intervals mean little: widen the bounds if that is physical, or leave them out."
        )
    return lines


def _is_far_from_one(one: Estimate) -> bool:
    """Whether it is a factor of the forcing that changes it by much."""
    is_factor = one.name.startswith("forcing.") and one.units == "1" and one.configured == 1.0
    return is_factor and not 1.0 / LARGE_FACTOR <= one.value <= LARGE_FACTOR


def _spread(starts: Sequence[StartScore], quantity: str) -> str:
    values = [one.nse for one in starts if one.quantity == quantity and one.period == PERIODS[-1]]
    return f"{quantity} {min(values):.3f} to {max(values):.3f}" if values else ""


def _table(title: str, *headers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=header in ("name", "series"))
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(cell) for cell in cells))
