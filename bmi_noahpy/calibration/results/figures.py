"""Figures of a calibration: observed and simulated series by depth, convergence, parameter values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from bmi_noahpy.calibration.problem.fit import Fit
from bmi_noahpy.calibration.results.ensemble import Ensemble
from bmi_noahpy.calibration.results.scoring import AFTER, BEFORE, Compared, ScoreRow
from bmi_noahpy.calibration.results.uncertainty import Estimate
from bmi_noahpy.observations.observed import Pairs
from bmi_noahpy.observations.quantities import CELSIUS, FIGURES, LABELS
from bmi_noahpy.plot.figures import COLOURS, MELTING_POINT, date_axis, new_figure, save

STYLES = {BEFORE: (COLOURS[5], 0.8), AFTER: (COLOURS[1], 1.1)}
ESTIMATES_SHOWN = 60


def series_figures(
    fit: Fit, compared: Compared, ensemble: Ensemble, rows: Sequence[ScoreRow], folder: Path
) -> list[Path]:
    """Observed, configured and calibrated series, one panel for each observed one, one figure for each kind.

    The band of 90 % of the ensemble is shaded, and so is the validation period.
    """
    paths = []
    for name, quantities in FIGURES.items():
        chosen = [number for number, target in enumerate(compared.targets) if target.quantity in quantities]
        chosen.sort(key=lambda n: (quantities.index(compared.targets[n].quantity), compared.targets[n].depth or 0.0))
        if not chosen:
            continue
        figure = new_figure(fit.run.configuration.name, 13.0, 1.2 + 2.0 * len(chosen))
        panels = figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
        for axes, number in zip(panels, chosen, strict=True):
            _band(axes, compared, ensemble, number)
            _series_panel(axes, fit, compared, number, rows)
        lines, labels = panels[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside upper right", ncols=4, frameon=False)
        paths.append(save(figure, folder / f"observed_{name}.png"))
    return paths


def _band(axes: Axes, compared: Compared, ensemble: Ensemble, number: int) -> None:
    target = compared.targets[number]
    zero = MELTING_POINT if target.quantity in CELSIUS else 0.0
    low, high = (
        Pairs(target.times, (ensemble.mean[number] + side * ensemble.half_width[number]).numpy(), target.values.numpy())
        for side in (-1.0, 1.0)
    )
    lower, upper = low.with_gaps(), high.with_gaps()
    axes.fill_between(
        lower.times, lower.simulated - zero, upper.simulated - zero, color=COLOURS[1], alpha=0.15, linewidth=0,
        label="90 % of ensemble",
    )  # fmt: skip


def _series_panel(axes: Axes, fit: Fit, compared: Compared, number: int, rows: Sequence[ScoreRow]) -> None:
    target = compared.targets[number]
    zero = MELTING_POINT if target.quantity in CELSIUS else 0.0
    observed = target.values.numpy()
    line = Pairs(target.times, observed, observed).with_gaps()
    axes.plot(line.times, line.observed - zero, color="black", linewidth=1.2, label="observed")
    for run, (colour, width) in STYLES.items():
        line = Pairs(target.times, compared.simulated[run][number].numpy(), observed).with_gaps()
        axes.plot(line.times, line.simulated - zero, color=colour, linewidth=width, label=run)
    if zero:
        axes.axhline(0.0, color="grey", linewidth=0.5)
    validation = None if fit.calibration.validation is None else fit.calibration.validation.span
    if validation is not None:
        span = np.datetime64(validation.start, "ns"), np.datetime64(validation.end, "ns")
        axes.axvspan(*span, color="grey", alpha=0.12, linewidth=0)  # type: ignore[arg-type]
    axes.set_ylabel(LABELS[target.quantity])
    axes.set_title(_title(target.name, rows), fontsize=9, loc="left")
    axes.grid(alpha=0.3)
    date_axis(axes)


def _title(name: str, rows: Sequence[ScoreRow]) -> str:
    parts = [
        f"{row.period} NSE {row.scores.nse:.2f} KGE {row.scores.kge:.2f} RMSE {row.scores.rmse:.3g}"
        for row in rows
        if row.series == name and row.run == AFTER
    ]
    return "   ".join([name, *parts])


def convergence_figure(history: Tensor, title: str, folder: Path) -> Path:
    """Best objective so far of every start; `history` is ``[iteration, start]``."""
    figure = new_figure(title, 8.0, 4.5)
    axes = figure.subplots()
    finite = torch.where(torch.isfinite(history), history, torch.nan).numpy()
    iterations = np.arange(1, len(finite) + 1)
    for start in range(finite.shape[1]):
        axes.plot(iterations, finite[:, start], color=COLOURS[0], alpha=0.5, linewidth=1.0)
    axes.plot(iterations, np.nanmin(finite, axis=1), color=COLOURS[1], linewidth=1.8, label="best of all starts")
    if np.nanmin(finite) > 0.0:
        axes.set_yscale("log")
    axes.set(xlabel="iteration", ylabel="objective")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3, which="both")
    return save(figure, folder / "convergence.png")


def parameter_figure(estimates: Sequence[Estimate], title: str, folder: Path) -> Path:
    """Calibrated values with their intervals of 95 %, each between its bounds."""
    shown = list(estimates)[:ESTIMATES_SHOWN]
    figure = new_figure(title, 9.0, 1.2 + 0.24 * len(shown))
    axes = figure.subplots()
    for row, one in enumerate(shown):
        value, low, high, configured = (
            _place(one, number) for number in (one.value, one.low, one.high, one.configured)
        )
        axes.plot([low, high], [row, row], color=COLOURS[1], linewidth=2.0, alpha=0.6)
        axes.plot(value, row, "o", color=COLOURS[1], markersize=4, label="calibrated, 95 %" if row == 0 else None)
        axes.plot(configured, row, "|", color="black", markersize=8, label="configured" if row == 0 else None)
    axes.set_yticks(range(len(shown)), [f"{one.name}  {one.value:.3g} {one.units}" for one in shown], fontsize=7)
    axes.set(xlim=(-0.02, 1.02), xlabel="place between the bounds", ylim=(len(shown) - 0.5, -0.5))
    figure.legend(loc="outside lower right", ncols=2, frameon=False)
    axes.grid(alpha=0.3, axis="x")
    return save(figure, folder / "parameters.png")


def _place(one: Estimate, number: float) -> float:
    low, high = one.lower_bound, one.upper_bound
    if low > 0.0 and high / low >= 50.0:
        return float(np.clip(np.log(max(number, 1e-300) / low) / np.log(high / low), 0.0, 1.0))
    return float(np.clip((number - low) / (high - low), 0.0, 1.0))
