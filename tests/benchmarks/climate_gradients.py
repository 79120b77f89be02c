"""Gradients of the conservative column against differences: in 17 climates, by every input and parameter.

``python tests/benchmarks/climate_gradients.py --days 30`` (also 365 and 1095) prints, for four seasons (one where the
run is a year or longer) after a year of spin-up, the share of derivatives within 1e-3 of the difference, the medians,
and the worst: means over the run of snow water, two soil temperatures, latent heat and soil water, each by all of the
state, forcing and parameters that have a derivative.

Inputs that sit on a kink have one derivative on each side, and a central difference is neither (the weather's
vegetation fraction is at its bounds for months, saturated soil is exactly full): one-sided ones are told beside.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from step_length import climates, with_layers
from torch import Tensor

from noahpy_core import Forcing, NoahModel, Parameters, State, preset, run
from noahpy_core.trees import map_tensors

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "core"))

from run_inputs import Inputs, names_of, with_every_parameter
from season_gradients import STEP, TARGETS, WANTED, Season, errors, gradients

DAY, YEAR = 86400.0, 365


def seasons(names: list[str], days: int) -> list[Season]:
    """Of all climates together, after a year of spin-up."""
    weather = climates()
    column, state, parameters = weather.setup(names, "20")
    model, parameters = NoahModel(column, preset("conservative")), with_every_parameter(parameters)
    forcing = weather.forcing(names, 2 + days // YEAR, STEP)
    state = _after(model, with_layers(column, state), forcing, parameters, slice(0, _steps(YEAR)))
    found, start = [], YEAR
    for _ in range(1 if days >= YEAR else 4):
        part = slice(_steps(start), _steps(start + days))
        inputs = Inputs(state, map_tensors(lambda series, k=part: series[k], forcing), parameters)
        found.append(Season(model, inputs, names_of(inputs)))
        state = _after(model, state, forcing, parameters, slice(_steps(start), _steps(start + YEAR // 4)))
        start += YEAR // 4
    return found


def _steps(days: int) -> int:
    return int(days * DAY / STEP)


def _after(model: NoahModel, state: State, forcing: Forcing, parameters: Parameters, part: slice) -> State:
    with torch.no_grad():
        some = map_tensors(lambda series: series[part], forcing)
        return run(model, state, some, parameters, STEP, outputs=[], execution="compiled").final_state


def main() -> None:
    """Print shares and what is off."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--days", type=int, default=30)
    options.add_argument("climates", nargs="*")
    given = options.parse_args()
    names = given.climates or list(climates().C)
    parts = seasons(names, given.days)
    off, nearest = (
        torch.stack(found) for found in zip(*(errors(part, gradients(part)) for part in parts), strict=True)
    )
    inputs = parts[0].names
    print(f"{given.days} days, {len(inputs)} inputs, {off.numel()} derivatives: {_told(off, nearest)}")
    for place, name in enumerate(names):
        print(f"{name}: {_told(off[..., place], nearest[..., place])}")
    for place, target in enumerate(TARGETS):
        print(f"{target}: {_told(off[:, place], nearest[:, place])}")
    for season, target, place, column in (nearest > WANTED).nonzero().tolist():
        worst = nearest[season, target, place, column]
        print(f"off: {names[column]}, season {season}, {TARGETS[target]} by {inputs[place]}: {worst:.1e}")


def _told(off: Tensor, nearest: Tensor) -> str:
    """Shares and the worst."""
    central, either = (100.0 * (part < WANTED).double().mean().item() for part in (off, nearest))
    return (
        f"{central:.2f} % within {WANTED:.0e} (with one-sided differences {either:.2f} %), median "
        f"{off[off > 0].median():.0e}, 99.9 % below {nearest.quantile(0.999):.0e}, worst {nearest.max():.0e}"
    )


if __name__ == "__main__":
    main()
