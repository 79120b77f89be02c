"""Years of the conservative column in 17 climates: bounds, budgets, drift, and skins that go to and fro.

``python tests/benchmarks/long_climates.py --dt 86400 --years 50`` makes the lines of the documentation on fifty years
of daily steps, ``--dt 10800 --years 30`` those on thirty years of steps of 3 hours, ``--dt 60 --years 1`` and
``--dt 300 --years 2`` those on alternation and on the budgets of short steps. A step that is not solved ends the
years of its climate, and is told.
"""

from __future__ import annotations

import argparse
import dataclasses

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


@dataclasses.dataclass
class Extremes:
    """Of one climate so far."""

    soil: tuple[float, float] = (1.0e9, 0.0)
    skin: tuple[float, float] = (1.0e9, 0.0)
    moisture: tuple[float, float] = (1.0e9, -1.0e9)
    """Least, and most beyond the porosity. [m3 m-3]"""
    worst: tuple[float, float] = (0.0, 0.0)
    """Of one step, water [kg m-2] and enthalpy [W m-2]."""
    total: tuple[float, float] = (0.0, 0.0)
    """Residuals added up. [kg m-2, J m-2]"""
    swings: int = 0
    steps: int = 0

    def add(self, found: dict[str, Tensor], porosity: Tensor, dt: float) -> None:
        """A part of the series of one climate."""
        soil, skin, moisture = (found[name] for name in OUTPUTS[:3])
        water, heat = found["water_residual"] * dt, found["enthalpy_residual"]
        self.soil = (min(self.soil[0], soil.min().item()), max(self.soil[1], soil.max().item()))
        self.skin = (min(self.skin[0], skin.min().item()), max(self.skin[1], skin.max().item()))
        beyond = (moisture - porosity).max().item()
        self.moisture = (min(self.moisture[0], moisture.min().item()), max(self.moisture[1], beyond))
        self.worst = (max(self.worst[0], water.abs().max().item()), max(self.worst[1], heat.abs().max().item()))
        self.total = (self.total[0] + water.sum().item(), self.total[1] + heat.sum().item() * dt)
        change = skin.diff(dim=0)
        back = (change[1:] * change[:-1] < 0) & (change[1:].abs() > SWING) & (change[:-1].abs() > SWING)
        self.swings, self.steps = self.swings + int(back.sum()), self.steps + len(skin)

    def told(self, dt: float) -> str:
        """In one line."""
        years = self.steps * dt / YEAR
        # Beyond that a change there and back is weather.
        swings = f"; to and fro {self.swings} of {self.steps}" if dt <= LONGEST else ""
        return (
            f"{years:.1f} years; soil {self.soil[0]:.1f} to {self.soil[1]:.1f} K, skin {self.skin[0]:.1f} to "
            f"{self.skin[1]:.1f} K; moisture from {self.moisture[0]:.4f}, beyond porosity {self.moisture[1]:.1e}; "
            f"worst step {self.worst[0]:.1e} mm, {self.worst[1]:.1e} W m-2; sum {self.total[0]:.1e} mm, "
            f"{self.total[1] / max(self.steps * dt, 1.0):.1e} W m-2{swings}"
        )


def one_climate(name: str, scheme: str, dt: float, years: int) -> tuple[Extremes, str]:
    """Its extremes, and what was not solved."""
    weather = climates()
    column, state, parameters = weather.setup([name], "20")
    model, state = NoahModel(column, preset(scheme)), with_layers(column, state)
    forcing, found = weather.forcing([name], years, dt), Extremes()
    chunk = max(int(MONTH / dt), 1)
    for start in range(0, len(forcing.air_temperature), chunk):
        part: Forcing = map_tensors(lambda series, k=start: series[k : k + chunk], forcing)
        try:
            done = run(model, state, part, parameters, dt, outputs=OUTPUTS, execution="compiled")
        except ConvergenceError as error:
            return found, f"; not solved after {start * dt / YEAR:.2f} years: {error}"
        final: State = done.final_state
        state = final
        found.add(dict(done.outputs), parameters.soil.porosity, dt)
    return found, ""


def main() -> None:
    """Print a line for each climate."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dt", type=float, default=86400.0)
    options.add_argument("--years", type=int, default=50)
    options.add_argument("--preset", default="conservative")
    options.add_argument("climates", nargs="*")
    given = options.parse_args()
    with torch.no_grad():
        for name in given.climates or list(climates().C):
            found, unsolved = one_climate(name, given.preset, given.dt, given.years)
            print(f"{name}: {found.told(given.dt)}{unsolved}", flush=True)


if __name__ == "__main__":
    main()
