"""Figures of simulated against observed series, one panel for each observed one."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bmi_noahpy.observations.daily_cycle import clock_doubt
from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.observed import Observed, Pairs, at_depth, pair
from bmi_noahpy.observations.quantities import CELSIUS, FIGURES, LABELS
from bmi_noahpy.observations.scores import scores
from bmi_noahpy.observations.simulated import DAY, ColumnOutput, PlotError, SamplingWarning, Series, TooSeldom
from bmi_noahpy.plot.figures import COLOURS, MELTING_POINT, date_axis, new_figure

FEW = 200
"""Observations that are drawn as dots on the simulated line."""

DAILY_CYCLES_SHOWN = 60
"""Longest period in days of which every value is drawn."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One observed series, the simulated one at its depth, and the values of both that belong together."""

    observed: Observed
    series: Series
    pairs: Pairs

    @property
    def dense(self) -> bool:
        """Whether lines of all values would be a band of daily cycles."""
        times = self.pairs.times
        span = (times[-1] - times[0]) / DAY
        return bool(span > DAILY_CYCLES_SHOWN and times.size > 2 * span)


def compare(output: ColumnOutput, observed: Sequence[Observed], window: str = "auto") -> list[Comparison]:
    """The observed series that the output has at common times, with the simulated ones.

    Series that are not compared are named with the reason: a `SamplingWarning` for means whose state was written too
    seldom, else an `ObservationWarning`; so is one whose daily cycle does not keep the time of the simulated one.

    Raises
    ------
    PlotError : nothing can be compared: no common variable, no common time, or states written too seldom.
    """
    compared, refused, others = [], [], {}
    for item in observed:
        try:
            found = _compare(output, item, window)
        except TooSeldom as error:
            refused.append(error)
            continue
        if isinstance(found, str):
            others[item.column] = found
        elif found.pairs.times.size == 0:
            others[item.column] = "no common time"
        else:
            compared.append(found)
    if refused and not compared:
        raise refused[0]
    for reason in refused:
        warnings.warn(f"not scored: {reason}", SamplingWarning, stacklevel=2)
    if not compared:
        raise PlotError(_nothing_in_common(output, observed, set(others.values())))
    if others:
        named = ", ".join(f"{column} ({reason})" for column, reason in others.items())
        warnings.warn(f"observations not scored: {named}.", ObservationWarning, stacklevel=2)
    for comparison in compared:
        doubt = clock_doubt(comparison.observed.quantity, comparison.pairs)
        if doubt is not None:
            warnings.warn(f"{comparison.observed.column}: {doubt}.", ObservationWarning, stacklevel=2)
    return compared


def score_table(compared: Sequence[Comparison]) -> pd.DataFrame:
    """Scores of each series: the column of the file, quantity, depth [m], scores, and the number and span of pairs."""
    rows = []
    for found in compared:
        fit = scores(found.pairs.simulated, found.pairs.observed)
        rows.append(
            {
                "column": found.observed.column,
                "quantity": found.observed.quantity,
                "depth_m": found.observed.depth,
                "units": found.series.units,
                **dataclasses.asdict(fit),
                "first": str(found.pairs.times[0])[:16],
                "last": str(found.pairs.times[-1])[:16],
            }
        )
    return pd.DataFrame(rows)


def comparison_figures(output: ColumnOutput, overlapping: Sequence[Comparison]) -> dict[str, Figure]:
    """A figure for soil temperature, soil water, snow and surface, as far as both sides have them."""
    figures = {}
    for name, quantities in FIGURES.items():
        chosen = sorted(
            (found for found in overlapping if found.observed.quantity in quantities),
            key=lambda found: (quantities.index(found.observed.quantity), found.observed.depth or 0.0),
        )
        if chosen:
            figures[name] = _figure(output, chosen)
    return figures


def _compare(output: ColumnOutput, observed: Observed, window: str) -> Comparison | str:
    """A comparison, or why there is none."""
    series = output.series(observed.quantity)
    if series is None:
        return f"the output has no {observed.quantity}"
    if observed.depth is not None:
        series = at_depth(series, output, observed.depth)
    if series is None:
        return f"{observed.depth:g} m is below the soil of {output.faces[-1]:g} m"
    return Comparison(observed, series, pair(series, observed, window).complete())


def _nothing_in_common(output: ColumnOutput, observed: Sequence[Observed], reasons: set[str]) -> str:
    if "no common time" not in reasons:
        below = next((reason for reason in reasons if "below the soil" in reason), None)
        if below is not None:
            return f"observations: {below}. Add layers and run again."
        wanted = ", ".join(sorted({item.quantity for item in observed}))
        return f"observations: the output file has none of {wanted}. Add them to output.variables and run again."
    times = np.concatenate([item.times for item in observed])
    simulated = output.data["time_bnds"].values
    return (
        f"observations: they cover {_day(times.min())} to {_day(times.max())}, "
        f"the output {_day(simulated.min())} to {_day(simulated.max())}. Run the model over a common period."
    )


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))


def _figure(output: ColumnOutput, chosen: Sequence[Comparison]) -> Figure:
    columns = 1 if len(chosen) < 3 else 2
    rows = math.ceil(len(chosen) / columns)
    figure = new_figure(output.title, 11.0 if columns == 1 else 15.0, 0.9 + 2.3 * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).T.flatten()
    limits = _limits(chosen)
    if any(comparison.dense for comparison in chosen):
        figure.suptitle(f"{output.title}: daily means, scores of all values", fontsize=12)
    for panel, comparison in zip(panels, chosen, strict=False):
        _panel(panel, comparison)
        date_axis(panel, limits)
    for panel in panels[len(chosen) :]:
        panel.set_visible(False)
    if len(chosen) < panels.size:
        panels[len(chosen) - 1].tick_params(labelbottom=True)
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure


def _limits(comparisons: Iterable[Comparison]) -> tuple[np.datetime64, np.datetime64]:
    joined = np.concatenate([comparison.pairs.times for comparison in comparisons])
    return joined.min(), joined.max()


def _panel(axes: Axes, comparison: Comparison) -> None:
    observed, pairs = comparison.observed, comparison.pairs
    zero = MELTING_POINT if observed.quantity in CELSIUS else 0.0
    if pairs.times.size < FEW:
        within = slice(*np.searchsorted(comparison.series.valid, [pairs.times[0], pairs.times[-1] + DAY]))
        line = comparison.series.valid[within], comparison.series.values[within] - zero
        axes.plot(pairs.times, pairs.observed - zero, "o", color="black", markersize=3.0, label="observed", zorder=3)
    else:
        shown = (pairs.daily() if comparison.dense else pairs).with_gaps()
        line = shown.times, shown.simulated - zero
        axes.plot(shown.times, shown.observed - zero, color="black", linewidth=1.0, label="observed", zorder=1)
    axes.plot(*line, color=COLOURS[1], linewidth=1.0, label="simulated", zorder=2)
    if zero:
        axes.axhline(0.0, color="grey", linewidth=0.6)
    axes.set_ylabel(LABELS[observed.quantity])
    axes.set_title(_title(observed, pairs), fontsize=9, loc="left")
    axes.grid(alpha=0.3)


def _title(observed: Observed, pairs: Pairs) -> str:
    fit = scores(pairs.simulated, pairs.observed)
    name = observed.quantity.replace("_", " ")
    where = name if observed.depth is None else f"{name} at {observed.depth:g} m"
    unit = LABELS[observed.quantity].strip("[]").replace("°C", "K").removesuffix("1")
    values = f"NSE {_number(fit.nse)}   KGE {_number(fit.kge)}   RMSE {fit.rmse:.3g} {unit}".rstrip()
    return f"{where} ({observed.column})\n{values}   n = {fit.count}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
