"""Years of the conservative column in 17 climates: bounds, budgets, drift, and skins that go to and fro.

``python tests/benchmarks/long_climates.py --dt 86400 --years 50`` makes the lines of the documentation on fifty years
of daily steps, ``--dt 10800 --years 30`` those on thirty years of steps of 3 hours, ``--dt 60 --years 1`` and
``--dt 300 --years 2`` those on alternation and on the budgets of short steps. Climates run beside each other, fewer
`--at-once` where a year of short steps would not fit in memory; a step that is not solved ends the years of all of
them, and is told.
"""

from __future__ import annotations

import argparse

import torch
from step_length import climates, with_layers
from torch import Tensor

from noahpy_core import ConvergenceError, NoahModel, preset, run
from noahpy_core.state import Forcing, State
from noahpy_core.trees import map_tensors

OUTPUTS = ("soil.temperature", "skin_temperature", "soil.moisture", "water_residual", "enthalpy_residual")
YEAR, MONTH = 365.0 * 86400.0, 30.0 * 86400.0
SWING = 1.0
"""Change of the skin in one step, and back in the next, that counts. [K]"""
LONGEST = 600.0
"""Step for which it is counted. [s]"""


class Extremes:
    """Of climates beside each other so far, each ``[column]``."""

    def __init__(self, columns: int) -> None:
        none, most = torch.zeros(columns, dtype=torch.float64), torch.full((columns,), 1.0e9, dtype=torch.float64)
        self.least = {name: most.clone() for name in OUTPUTS}
        self.most = dict.fromkeys(OUTPUTS, -most)
        self.beyond = -most
        """Soil water beyond the porosity. [m3 m-3]"""
        self.total = {"water_residual": none.clone(), "enthalpy_residual": none.clone()}
        """Residuals added up. [kg m-2 s-1, W m-2]"""
        self.swings = none.clone()
        self.steps = 0

    def add(self, found: dict[str, Tensor], porosity: Tensor) -> None:
        """A part of the series ``[time, ..., column]``."""
        for name, values in found.items():
            over = tuple(range(values.ndim - 1))
            self.least[name] = torch.minimum(self.least[name], values.amin(over))
            self.most[name] = torch.maximum(self.most[name], values.amax(over))
        self.beyond = torch.maximum(self.beyond, (found["soil.moisture"] - porosity).amax((0, 1)))
        for name, sums in self.total.items():
            sums += found[name].sum(0)
        change = found["skin_temperature"].diff(dim=0)
        back = (change[1:] * change[:-1] < 0) & (change[1:].abs() > SWING) & (change[:-1].abs() > SWING)
        self.swings += back.sum(0)
        self.steps += len(found["skin_temperature"])

    def told(self, column: int, dt: float) -> str:
        """Of one climate, in one line."""

        def span(name: str) -> str:
            return f"{self.least[name][column]:.1f} to {self.most[name][column]:.1f} K"

        def worst(name: str) -> float:
            return max(float(self.most[name][column]), -float(self.least[name][column]))

        water, heat = (float(sums[column]) for sums in self.total.values())
        # Beyond that a change there and back is weather.
        swings = f"; to and fro {int(self.swings[column])} of {self.steps}" if dt <= LONGEST else ""
        return (
            f"{self.steps * dt / YEAR:.1f} years; soil {span('soil.temperature')}, skin {span('skin_temperature')}; "
            f"moisture from {self.least['soil.moisture'][column]:.4f}, beyond porosity {self.beyond[column]:.1e}; "
            f"worst step {worst('water_residual') * dt:.1e} mm, {worst('enthalpy_residual'):.1e} W m-2; "
            f"sum {water * dt:.1e} mm, {heat / max(self.steps, 1):.1e} W m-2{swings}"
        )


def together(names: list[str], layers: str, scheme: str, dt: float, years: int) -> tuple[Extremes, str]:
    """Extremes of climates beside each other, and what was not solved."""
    weather = climates()
    column, state, parameters = weather.setup(names, layers)
    model, state = NoahModel(column, preset(scheme)), with_layers(column, state)
    forcing, found = weather.forcing(names, years, dt), Extremes(len(names))
    chunk = max(int(MONTH / dt), 1)
    for start in range(0, len(forcing.air_temperature), chunk):
        part: Forcing = map_tensors(lambda series, k=start: series[k : k + chunk], forcing)
        try:
            done = run(model, state, part, parameters, dt, outputs=OUTPUTS, execution="compiled")
        except ConvergenceError as error:
            return found, f"; not solved after {start * dt / YEAR:.2f} years: {error}"
        final: State = done.final_state
        state = final
        found.add(dict(done.outputs), parameters.soil.porosity)
    return found, ""


def main() -> None:
    """Print a line for each climate."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dt", type=float, default=86400.0)
    options.add_argument("--years", type=int, default=50)
    options.add_argument("--layers", default="20", help="set of soil layers: 2, 3, 4, 10_5mm, 20, 40_1cm or 100_1cm")
    options.add_argument("--preset", default="conservative")
    options.add_argument("--at-once", type=int, default=17, help="climates that run beside each other")
    options.add_argument("climates", nargs="*")
    given = options.parse_args()
    names = given.climates or list(climates().C)
    with torch.no_grad():
        for start in range(0, len(names), given.at_once):
            some = names[start : start + given.at_once]
            found, unsolved = together(some, given.layers, given.preset, given.dt, given.years)
            for column, name in enumerate(some):
                print(f"{name}: {found.told(column, given.dt)}{unsolved}", flush=True)


if __name__ == "__main__":
    main()
