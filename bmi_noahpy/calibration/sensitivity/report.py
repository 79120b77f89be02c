"""Sensitivities as tables, files and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.colors import CenteredNorm
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bmi_noahpy.atomic import replaced
from bmi_noahpy.calibration.results.scoring import write_rows
from bmi_noahpy.calibration.sensitivity.analysis import SEASONS, Sensitivities
from bmi_noahpy.plot.figures import new_figure, save

SHOWN = 15
"""Parameters in a table or figure, those that matter most."""
QUANTITY_UNITS = {"soil_temperature": "K", "soil_liquid_water": "m3 m-3", "soil_moisture": "m3 m-3"}


def print_tables(found: Sensitivities, console: Console) -> None:
    """A table for each quantity: the parameters that matter most, by depth, each with its strongest season."""
    for number, quantity in enumerate(found.quantities):
        values = found.values[:, number]
        title = f"Change of the seasonal mean of {_words(quantity)} [{QUANTITY_UNITS[quantity]}] {_meaning(found)}"
        table = Table(title=Text(title), title_justify="left", title_style="bold")
        table.add_column("parameter", no_wrap=True)
        for depth in found.depths:
            table.add_column(f"{depth:g} m", no_wrap=True)
        for row in _strongest(values):
            cells = [_cell(values[row, place]) for place in range(len(found.depths))]
            table.add_row(*(Text(text) for text in (found.parameters[row], *cells)))
        console.print(table)
    console.print(f"{found.seconds:.1f} s", markup=False)


def write_report(found: Sensitivities, folder: Path) -> list[Path]:
    """``sensitivity.csv``, ``sensitivity.nc`` and ``sensitivity.png`` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_write_csv(found, folder), _write_netcdf(found, folder), _draw(found, folder)]


def _meaning(found: Sensitivities) -> str:
    return "if the parameter crossed its interval" if found.scale == "range" else "with one per cent of the parameter"


def _words(quantity: str) -> str:
    return quantity.replace("_", " ")


def _cell(seasons: NDArray[np.float64]) -> str:
    """The strongest season and its value."""
    if np.isnan(seasons).all():
        return "–"
    season = int(np.nanargmax(np.abs(seasons)))
    return f"{seasons[season]:+.2g} {SEASONS[season]}"


def _strongest(values: NDArray[np.float64]) -> list[int]:
    """Rows by their largest effect at any depth and season; those without any are left out."""
    sizes = np.nanmax(np.abs(values).reshape(len(values), -1), axis=1)
    return [int(row) for row in np.argsort(-sizes, kind="stable")[:SHOWN] if sizes[row] > 0.0]


def _write_csv(found: Sensitivities, folder: Path) -> Path:
    header = ("parameter", "units", "at", "quantity", "depth_m", "season", "sensitivity", "derivative")
    rows = []
    for index in np.ndindex(found.values.shape):
        parameter, quantity, depth, season = index
        if np.isfinite(found.values[index]):
            names = found.parameters[parameter], found.units[parameter], f"{found.at[parameter]:.8g}"
            place = found.quantities[quantity], f"{found.depths[depth]:g}", SEASONS[season]
            rows.append((*names, *place, f"{found.values[index]:.8g}", f"{found.derivatives[index]:.8g}"))
    return write_rows(folder / "sensitivity.csv", header, rows)


def _write_netcdf(found: Sensitivities, folder: Path) -> Path:
    dims = ("parameter", "depth", "season")
    data = xr.Dataset(
        coords={
            "parameter": ("parameter", found.parameters),
            "depth": ("depth", found.depths, {"units": "m", "standard_name": "depth", "positive": "down"}),
            "season": ("season", list(SEASONS)),
            "parameter_units": ("parameter", found.units),
            "parameter_value": ("parameter", found.at),
        },
        attrs={"Conventions": "CF-1.11", "title": f"{found.title}: sensitivities", "scale": found.scale},
    )
    for number, quantity in enumerate(found.quantities):
        name, units = _words(quantity), QUANTITY_UNITS[quantity]
        long_name = f"change of the seasonal mean of {name} {_meaning(found)}"
        data[quantity] = (dims, found.values[:, number], {"units": units, "long_name": long_name})
        derivative = {"long_name": f"derivative of the seasonal mean of {name} by the parameter"}
        data[f"{quantity}_derivative"] = (dims, found.derivatives[:, number], derivative)
    path = folder / "sensitivity.nc"
    with replaced(path) as partial:
        data.to_netcdf(partial, format="NETCDF4")
    return path


def _draw(found: Sensitivities, folder: Path) -> Path:
    """A map of parameters by depth and season for each quantity."""
    chosen = [_strongest(found.values[:, number]) for number in range(len(found.quantities))]
    rows = max(len(rows) for rows in chosen)
    figure = new_figure(f"{found.title}: effects {_meaning(found)}", 4.0 + 5.5 * len(chosen), 2.2 + 0.3 * rows)
    panels = figure.subplots(1, len(chosen), squeeze=False)[0]
    for number, (axes, strongest) in enumerate(zip(panels, chosen, strict=True)):
        values = found.values[strongest, number].reshape(len(strongest), -1)
        largest = float(np.nanmax(np.abs(values), initial=1e-12))
        # Square roots, so that small effects are told from none.
        shown = np.sign(values) * np.sqrt(np.abs(values) / largest)
        axes.imshow(shown, aspect="auto", cmap="RdBu_r", norm=CenteredNorm(halfrange=1.0))
        axes.set_yticks(range(len(strongest)), [found.parameters[row] for row in strongest], fontsize=7)
        seasons = len(SEASONS)
        axes.set_xticks(range(values.shape[1]), list(SEASONS) * len(found.depths), fontsize=6, rotation=90)
        for place, depth in enumerate(found.depths):
            axes.text(place * seasons + 1.5, -0.8, f"{depth:g} m", ha="center", fontsize=8)
            axes.axvline(place * seasons - 0.5, color="black", linewidth=0.6)
        unit = QUANTITY_UNITS[found.quantities[number]]
        name = _words(found.quantities[number])
        axes.set_xlabel(f"{name}; full colour is {largest:.3g} {unit}, by the square root")
    return save(figure, folder / "sensitivity.png")
