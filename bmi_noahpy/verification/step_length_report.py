"""The comparison of step lengths as tables for people and as CSV for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bmi_noahpy.verification.report import write_csv
from bmi_noahpy.verification.step_lengths import COMPARED, MEANS, RunAtStep, StepLengths, units

SHOWN_DEPTHS = (0.0, 0.4, np.inf)
"""Soil is shown at the layers nearest to these depths: surface, root zone, bottom; the CSV file has all. [m]"""


NOAH = "noah"
"""The surface balance whose step matters most."""

DAY = 86400.0
PER_SECOND, PER_DAY = "kg m-2 s-1", "mm d-1"
"""Fluxes of water are shown by the day."""

ROUND_OFF = 1e-9
"""Smaller amounts are shown as zero."""


class Difference(NamedTuple):
    """One quantity with one length of a step against the shortest.

    Parameters
    ----------
    quantity, units : Its path in `State` or name in `Fluxes`, and its units.
    depth : Of the centre of the soil layer, None where there is none. [m]
    step, reference : Lengths of the steps. [s]
    mean, absolute : Mean difference, and mean absolute difference, over time and columns.
    largest : Largest difference, with its sign.
    at, column : Where that was: end of the interval, and number of the column from 0.
    """

    quantity: str
    depth: float | None
    units: str
    step: float
    reference: float
    mean: float
    absolute: float
    largest: float
    at: np.datetime64
    column: int


def differences(found: StepLengths, *, all_layers: bool = True) -> Iterator[Difference]:
    """Each quantity, layer by layer, of each longer step against the shortest.

    Parameters
    ----------
    found : The runs.
    all_layers : False for the layers nearest to `SHOWN_DEPTHS`.
    """
    layers = range(len(found.depths)) if all_layers else _shown(found.depths)
    for name in COMPARED:
        for layer in layers if name.startswith("soil.") else [None]:
            for run in found.runs[1:]:
                yield _difference(found, name, layer, run)


def _difference(found: StepLengths, name: str, layer: int | None, run: RunAtStep) -> Difference:
    reference = found.runs[0]
    values = run.series[name] - reference.series[name]
    if layer is not None:
        values = values[:, layer]
    interval, column = np.unravel_index(int(np.abs(values).argmax()), values.shape)
    end = found.start.astype("datetime64[s]") + np.timedelta64(round((int(interval) + 1) * found.interval), "s")
    return Difference(
        quantity=name,
        depth=None if layer is None else float(found.depths[layer]),
        units=units(name),
        step=run.step,
        reference=reference.step,
        mean=float(values.mean()),
        absolute=float(np.abs(values).mean()),
        largest=float(values[interval, column]),
        at=end,
        column=int(column),
    )


def _shown(depths: NDArray[np.float64]) -> list[int]:
    nearest = [int(np.argmin(np.abs(depths - min(depth, depths[-1])))) for depth in SHOWN_DEPTHS]
    return list(dict.fromkeys(nearest))


def print_step_lengths(found: StepLengths, console: Console) -> None:
    """Print what each step length creates, and how far it is from the shortest.

    Parameters
    ----------
    found : The runs.
    console : Where to print.
    """
    surface, water = found.schemes
    console.print(f"surface_balance: {surface}, soil_water: {water}, {found.years:.3g} years from {found.start}")
    console.print(_created(found))
    for chosen in (MEANS, [name for name in COMPARED if name not in MEANS]):
        console.print(_differences(found, tuple(chosen)))
    if surface == NOAH:
        console.print(
            "Noah's schemes keep the exchange coefficients of the step before, and floors of theirs create water. The "
            'same for the conservative column: --set "schemes={preset: conservative}"',
            markup=False,
        )


def _created(found: StepLengths) -> Table:
    table = Table(title="What each step length creates, and what becomes of the water")
    for heading in (
        "step s", "water created mm a-1", "of precipitation %", "heat left over W m-2", "water residual mm",
        "evapotranspiration mm a-1", "runoff and drainage mm a-1", "took s",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for run in found.runs:
        created = run.created
        share = 100.0 * created.water / created.precipitation if created.precipitation > 0.0 else np.nan
        off = run.series["surface_runoff"].mean() + run.series["drainage"].mean()
        per_year = found.interval * len(run.series["drainage"]) / found.years
        table.add_row(
            f"{run.step:g}",
            _number(created.water / found.years),
            _number(share),
            _number(created.heat),
            f"{run.water_residual:.1e}",
            f"{run.series['evapotranspiration'].mean() * per_year:.4g}",
            f"{off * per_year:.4g}",
            f"{run.seconds:.1f}",
        )
    return table


def _number(value: float) -> str:
    return "0" if abs(value) < ROUND_OFF else f"{value:.3g}"


def _differences(found: StepLengths, names: tuple[str, ...]) -> Table:
    interval = f"{found.interval / 3600.0:g} h"
    what = f"means over {interval}" if names[0] in MEANS else f"states every {interval}"
    table = Table(title=f"Against steps of {found.runs[0].step:g} s: {what}, mean absolute (largest) difference")
    table.add_column("quantity")
    for run in found.runs[1:]:
        table.add_column(f"{run.step:g} s", justify="right")
    rows: dict[str, list[str]] = {}
    for item in differences(found, all_layers=False):
        if item.quantity in names:
            depth = "" if item.depth is None else f" at {item.depth:.2f} m"
            factor, unit = (DAY, PER_DAY) if item.units == PER_SECOND else (1.0, item.units)
            name = f"{item.quantity.replace('_', ' ').replace('.', ' ')}{depth}, {unit}"
            rows.setdefault(name, []).append(f"{item.absolute * factor:.2g} ({item.largest * factor:+.2g})")
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def write_step_lengths(found: StepLengths, path: str | Path) -> None:
    """Write every difference to a CSV file, one row for each quantity, layer and step length.

    Parameters
    ----------
    found : The runs.
    path : The file.
    """
    write_csv([item._asdict() for item in differences(found)], path)
