"""Error of the soil temperature by the length of the step, in both kinds of column: table and figure.

``python tests/benchmarks/step_length.py figure.svg`` runs two years of 17 climates (weather of the long checks) with
steps from 5 minutes to a day, and compares the mean temperature at 0.4 m of the second year with that of 5 minutes. Of
the conservative column it says how much of the error of 3 hours is the step's, and how much the weather's.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import matplotlib
import torch
from torch import Tensor

from noahpy_core import NoahModel, initial_state, preset, run
from noahpy_core.state import State
from noahpy_core.trees import map_tensors

matplotlib.use("Agg")
from matplotlib import pyplot

CLIMATES = Path(__file__).parents[3] / "shared" / "climates" / "climates.py"
STEPS = (300.0, 900.0, 1800.0, 3600.0, 10800.0, 21600.0, 43200.0, 86400.0)
THREE_HOURS = 10800.0
PRESETS = ("noah-permafrost", "conservative")
DEPTH = 4
"""Layer of the twenty that is 0.4 m deep."""
MONTH = 30 * 86400.0


def climates() -> ModuleType:
    """The weather."""
    spec = importlib.util.spec_from_file_location("climates", CLIMATES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_layers(column: object, state: State) -> State:
    """The same without snow, with places for three layers of it."""
    one = torch.zeros_like(state.canopy_water)
    return initial_state(
        column, soil_temperature=state.soil.temperature, soil_moisture=state.soil.moisture,
        soil_liquid=state.soil.liquid_water, skin_temperature=state.skin_temperature, snow_water_equivalent=one,
        snow_depth=one, canopy_water=one, albedo=state.surface.albedo, roughness_length=state.surface.roughness_length,
        specific_humidity=state.surface.specific_humidity, snow_layers=3,
    )  # fmt: skip


def second_year(weather: ModuleType, names: list[str], scheme: str, dt: float, records: float | None = None) -> Tensor:
    """Mean temperature at 0.4 m, ``[climate]``, with weather in means over a step, or over longer records [s]. [K]"""
    column, state, parameters = weather.setup(names, "20")
    if scheme == "conservative":
        state = with_layers(column, state)
    model, forcing = NoahModel(column, preset(scheme)), weather.forcing(names, 2, records or dt)
    parts = round((records or dt) / dt)
    forcing = map_tensors(lambda series: series.repeat_interleave(parts, 0), forcing)
    steps, year, chunk = len(forcing.air_temperature), len(forcing.air_temperature) // 2, int(MONTH / dt)
    total = torch.zeros(len(names), dtype=torch.float64)
    for start in range(0, steps, chunk):
        part = map_tensors(lambda series, k=start: series[k : k + chunk], forcing)
        found = run(model, state, part, parameters, dt, outputs=["soil.temperature"], execution="compiled")
        state = found.final_state
        total += found.outputs["soil.temperature"][max(year - start, 0) :, DEPTH].sum(0)
    return total / (steps - year)


def print_errors(what: str, bias: Tensor, names: list[str]) -> None:
    """One line of an error [K] by climate."""
    each = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, bias.tolist(), strict=True))
    print(f"{what}: mean {bias.abs().mean():.3f}, worst {bias.abs().max():.3f} K: {each}", flush=True)


def main(path: str, names: list[str]) -> None:
    """Print the table and draw the figure."""
    weather = climates()
    figure, axes = pyplot.subplots(figsize=(6.0, 3.6), layout="constrained")
    with torch.no_grad():
        for scheme, colour in zip(PRESETS, ("tab:red", "tab:blue"), strict=True):
            means = {dt: second_year(weather, names, scheme, dt) for dt in STEPS}
            errors = {dt: (means[dt] - means[STEPS[0]]).abs() for dt in STEPS[1:]}
            for dt in errors:
                print_errors(f"{scheme} {dt:.0f} s", means[dt] - means[STEPS[0]], names)
            if scheme == "conservative":
                averaged = second_year(weather, names, scheme, STEPS[0], THREE_HOURS)
                print_errors("of it the step, 10800 s", means[THREE_HOURS] - averaged, names)
                print_errors("of it the weather, 10800 s", averaged - means[STEPS[0]], names)
            hours = [dt / 3600.0 for dt in errors]
            axes.loglog(hours, [error.mean() for error in errors.values()], "o-", color=colour, label=f"{scheme}, mean")
            axes.loglog(hours, [error.max() for error in errors.values()], "--", color=colour, label=f"{scheme}, worst")
    axes.set_xticks(hours, [f"{hour:g}" for hour in hours])
    axes.minorticks_off()
    axes.set_xlabel("step / h")
    axes.set_ylabel("error of the mean at 0.4 m / K")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    every = list(climates().C)
    main(arguments[0], [name for name in every if name not in arguments[1:]])
