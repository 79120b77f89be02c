"""What the preset `conservative` does to a site: Noah's schemes with pieces of it, and it with pieces changed.

The built-in example (tundra, 20 layers, made-up weather) in steps of half an hour, so that numerics matter little: each
set of schemes runs through the same two years again and again, and then once more, of which the table is made.

    python noah_and_conservative.py [--years 8] [--step 1800] [--sets noah-permafrost conservative]
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bmi_noahpy import Configuration, prepare, read_configuration, spin_up
from bmi_noahpy.example import example_configuration, write_example
from noahpy_core import run

FREEZING, YEAR = 273.15, 365.0 * 86400.0
ENTHALPY = {"phase_change": "enthalpy", "supercooled_water": "niu_yang2006"}
SETS: dict[str, tuple[str, dict[str, str]]] = {
    "noah-permafrost": ("noah-permafrost", {}),
    "... louis1979": ("noah-permafrost", {"turbulence": "louis1979"}),
    "... exponential cover": ("noah-permafrost", {"snow_cover": "exponential"}),
    "... enthalpy": ("noah-permafrost", ENTHALPY),
    "... enthalpy, richards": ("noah-permafrost", {**ENTHALPY, "soil_water": "richards"}),
    "conservative": ("conservative", {}),
    "... phase threshold": ("conservative", {"phase": "threshold"}),
    "... sturm1997": ("conservative", {"snow_conductivity": "sturm1997"}),
    "... hansson2004": ("conservative", {"ice_impedance": "hansson2004"}),
    "... niu_yang2006": ("conservative", {"ice_impedance": "niu_yang2006"}),
}
"""Preset, and what is another scheme; dots stand for the preset above."""
WATER = ("evapotranspiration", "surface_runoff", "saturation_excess", "drainage")
OUTPUTS = ("soil.temperature", "skin_temperature", "snow.water_equivalent", *WATER)


class Site(NamedTuple):
    """What a set of schemes makes of the site."""

    shallow: float
    """Mean temperature at 0.4 m. [degC]"""
    deep: float
    """At 10 m. [degC]"""
    thaw: float
    """Bottom of the lowest layer of those from the top that were above freezing for a while. [m]"""
    skin: tuple[float, float]
    """Mean and lowest temperature. [degC]"""
    snow: float
    """Largest snow water equivalent. [kg m-2]"""
    evaporated: float
    """[kg m-2 a-1]"""
    surface_runoff: float
    drained: float


def configuration(name: str, step: int, folder: Path) -> Configuration:
    """The example with a set of schemes."""
    preset, schemes = SETS[name]
    write_example(folder, preset)
    given: dict[str, Any] = example_configuration(preset)
    given["period"] = {**given["period"], "step": step}
    given["schemes"] = {"preset": preset, **schemes}
    return read_configuration(given, folder)


def site(name: str, step: int, years: int, folder: Path) -> Site:
    """Two years after others."""
    prepared = prepare(configuration(name, step, folder))
    assert prepared.forcing is not None
    with warnings.catch_warnings(), torch.no_grad():
        # It is the same number of years for all, settled or not.
        warnings.simplefilter("ignore")
        state = spin_up(prepared, steps=prepared.steps, cycles=max(years // 2, 1)).state
        weather = prepared.forcing.block(0, prepared.steps)
        found = run(prepared.model, state, weather, prepared.parameters, prepared.step, outputs=OUTPUTS).outputs
    thickness = prepared.model.column.thickness[:, 0].numpy()
    return summary({path: values[..., 0] for path, values in found.items()}, thickness)


def summary(series: dict[str, Tensor], thickness: np.ndarray) -> Site:
    """Numbers of the table.

    Parameters
    ----------
    series : ``[time]`` and ``[time, layer]``.
    thickness : Of the layers. [m]
    """
    bottom = thickness.cumsum()
    celsius = series["soil.temperature"].numpy() - FREEZING
    at = np.interp((0.4, 10.0), bottom - 0.5 * thickness, celsius.mean(0))
    warm = (celsius.max(0) > 0.0).cumprod()
    skin = series["skin_temperature"] - FREEZING
    water = {name: float(series[name].mean()) * YEAR for name in WATER}
    return Site(
        shallow=float(at[0]),
        deep=float(at[1]),
        thaw=float((warm * thickness).sum()),
        skin=(float(skin.mean()), float(skin.min())),
        snow=float(series["snow.water_equivalent"].max()),
        evaporated=water["evapotranspiration"],
        surface_runoff=water["surface_runoff"] + water["saturation_excess"],
        drained=water["drainage"],
    )


def table_of(sites: dict[str, Site]) -> Table:
    """What is printed."""
    table = Table(title="What schemes do to the built-in example")
    heads = ("schemes", "0.4 m", "10 m", "thaws to", "skin, mean / lowest", "snow", "evaporation", "runoff", "drainage")
    for head in heads:
        table.add_column(head)
    for name, found in sites.items():
        table.add_row(
            name, f"{found.shallow:.1f}", f"{found.deep:.1f}", f"{found.thaw:.2f}",
            "{:.1f} / {:.0f}".format(*found.skin), f"{found.snow:.0f}", f"{found.evaporated:.0f}",
            f"{found.surface_runoff:.0f}", f"{found.drained:.0f}",
        )  # fmt: skip
    return table


def main(arguments: Sequence[str] | None = None) -> dict[str, Site]:
    """Run from the command line; what each set makes of the site."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--years", type=int, default=8, help="of spin-up")
    parser.add_argument("--step", type=int, default=1800, help="in seconds")
    parser.add_argument(
        "--sets", nargs="+", choices=list(SETS), default=list(SETS), metavar="SET", help=", ".join(SETS)
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sites = {name: site(name, options.step, options.years, Path(folder)) for name in options.sets}
    Console(width=140).print(table_of(sites))
    return sites


if __name__ == "__main__":
    main()
