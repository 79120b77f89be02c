"""Figures of a simulation alone: soil sections, snow, surface energy balance."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bmi_noahpy.observations.simulated import ColumnOutput, Series
from bmi_noahpy.plot.figures import COLOURS, MELTING_POINT, date_axis, depth_axis, new_figure
from bmi_noahpy.plot.snowpack import draw_snowpack, layers_of

SMOOTHING_DAYS = 31
LONG_RUN_DAYS = 400

RADIATION_AND_TURBULENCE = {
    "net_radiation": "net radiation (down)",
    "sensible_heat_flux": "sensible heat (up)",
    "latent_heat_flux": "latent heat (up)",
}
GROUND = {"ground_heat_flux": "ground heat (down)", "melt_heat": "snow melt"}


def soil_figure(output: ColumnOutput) -> Figure | None:
    """Temperature and liquid water over time and depth with the 0 degC isotherm; None without soil temperature."""
    temperature, water = output.series("soil_temperature"), output.series("soil_liquid_water")
    if temperature is None:
        return None
    panels = 1 if water is None else 2
    figure = new_figure(output.title, 11.0, 1.0 + 3.4 * panels)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    celsius = temperature.with_values(temperature.values - MELTING_POINT).daily()
    half_range = float(np.nanpercentile(np.abs(celsius.values), 99.5)) or 1.0
    mesh = draw_section(axes[0], output, celsius, cmap="RdBu_r", norm=CenteredNorm(halfrange=half_range))
    figure.colorbar(mesh, ax=axes[0], label="soil temperature [°C]", extend="both", pad=0.01)
    if water is not None:
        mesh = draw_section(axes[1], output, water.daily(), cmap="YlGnBu", vmin=0.0)
        figure.colorbar(mesh, ax=axes[1], label="liquid water [m³ m⁻³]", pad=0.01)
    for panel in axes:
        _isotherm(panel, output, celsius)
        depth_axis(panel, output.faces)
        date_axis(panel)
    return figure


def snow_figure(output: ColumnOutput) -> Figure | None:
    """Snow depth, water equivalent, and the layers where the file has them; None without the first two."""
    panels = [
        (output.series("snow_depth"), "snow depth [m]"),
        (output.series("snow_water_equivalent"), "snow water equivalent [kg m⁻²]"),
    ]
    present = [(series, label) for series, label in panels if series is not None]
    if not present:
        return None
    layers = layers_of(output)
    panels_wanted = len(present) + (layers is not None)
    figure = new_figure(output.title, 11.0, 1.0 + 2.4 * panels_wanted)
    axes = figure.subplots(panels_wanted, 1, sharex=True, squeeze=False)[:, 0]
    if layers is not None:
        mesh = draw_snowpack(axes[-1], *layers)
        figure.colorbar(mesh, ax=axes[-1], label="temperature of the snow [°C]", pad=0.01)
    for panel, (series, label) in zip(axes, present, strict=False):
        panel.fill_between(series.valid, series.values, color=COLOURS[5], alpha=0.4, linewidth=0)
        panel.plot(series.valid, series.values, color=COLOURS[0], linewidth=1.0)
        panel.set_ylabel(label)
        panel.set_ylim(0.0, max(1.05 * float(np.nanmax(series.values)), 1e-3))
        panel.grid(alpha=0.3)
        date_axis(panel, (series.begin[0], series.end[-1]))
    return figure


def energy_figure(output: ColumnOutput) -> Figure | None:
    """Daily means of the surface energy balance; None when the file has none of its fluxes."""
    groups = [
        {label: series for name, label in names.items() if (series := output.series(name)) is not None}
        for names in (RADIATION_AND_TURBULENCE, GROUND)
    ]
    groups = [group for group in groups if group]
    if not groups:
        return None
    figure = new_figure(output.title, 11.0, 1.0 + 2.9 * len(groups))
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    smoothed = False
    for panel, group in zip(axes, groups, strict=True):
        for colour, (label, series) in zip(COLOURS, group.items(), strict=False):
            smoothed |= _daily_line(panel, series.daily(), colour, label)
        panel.axhline(0.0, color="black", linewidth=0.6)
        panel.set_ylabel("heat flux [W m⁻²]")
        panel.grid(alpha=0.3)
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        first = next(iter(group.values()))
        date_axis(panel, (first.begin[0], first.end[-1]))
    what = f"daily means (thin) and means of {SMOOTHING_DAYS} days" if smoothed else "daily means"
    axes[0].set_title(f"Surface energy balance, {what}", fontsize=10, loc="left")
    return figure


def draw_section(axes: Axes, output: ColumnOutput, series: Series, **colours: Any) -> QuadMesh:
    """Values of a variable of the soil over time and depth."""
    middle = series.middle
    edges: Any = np.concatenate([series.begin[:1], middle[:-1] + np.diff(middle) // 2, series.end[-1:]])
    return axes.pcolormesh(edges, output.faces, series.values.T, shading="flat", rasterized=True, **colours)


def _isotherm(axes: Axes, output: ColumnOutput, celsius: Series) -> None:
    crosses = np.nanmin(celsius.values) < 0.0 < np.nanmax(celsius.values)
    if not crosses or celsius.values.shape[0] < 2:
        return
    axes.contour(celsius.middle, output.depth, celsius.values.T, levels=[0.0], colors="black", linewidths=0.9)
    axes.plot([], [], color="black", linewidth=0.9, label="0 °C")
    axes.legend(loc="lower right", fontsize=8, framealpha=0.8)


def _daily_line(axes: Axes, series: Series, colour: str, label: str) -> bool:
    """Draw a series; whether it was so long that a running mean was added."""
    if series.values.size < LONG_RUN_DAYS:
        axes.plot(series.middle, series.values, color=colour, linewidth=1.0, label=label)
        return False
    axes.plot(series.middle, series.values, color=colour, linewidth=0.4, alpha=0.35)
    axes.plot(series.middle, _running_mean(series.values), color=colour, linewidth=1.8, label=label)
    return True


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.ones(SMOOTHING_DAYS)
    return np.convolve(values, weights, mode="same") / np.convolve(np.ones_like(values), weights, mode="same")
