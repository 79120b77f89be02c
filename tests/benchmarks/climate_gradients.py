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
from typing import NamedTuple

import torch
from run_inputs import Inputs, changed, names_of, with_every_parameter
from step_length import climates, with_layers
from torch import Tensor

from noahpy_core import Forcing, NoahModel, Parameters, State, preset, run
from noahpy_core.trees import map_tensors

STEP, DAY, YEAR = 10800.0, 86400.0, 365
SHIFTS = (1.0e-6, 1.0e-5, 1.0e-7, 1.0e-4)
"""Of the differences. The others are tried where the first is off: a kink may lie within it, or round-off be large."""
WANTED, DOUBTFUL = 1.0e-3, 1.0e-4
SMALL = 1.0e-3
"""Of the unit of a result, for twice the input or for 1 K more: smaller derivatives are measured by this."""
TARGETS = ("snow water", "temperature at 0.4 m", "temperature of the first layer", "latent heat", "soil water")
OUTPUTS = ("snow.water_equivalent", "soil.temperature", "latent_heat_flux", "soil.moisture")


class Season(NamedTuple):
    """A run whose derivatives are looked at."""

    model: NoahModel
    inputs: Inputs
    names: list[str]

    def results(self, change: Tensor) -> Tensor:
        """Means over the run, ``[target, column]``, with inputs changed by ``[input, column]``."""
        found = run(self.model, *changed(self.inputs, self.names, change), STEP, outputs=OUTPUTS, execution="compiled")
        snow, temperature, latent, moisture = (found.outputs[name].mean(0) for name in OUTPUTS)
        # In mm, as snow.
        water = 1000.0 * (moisture * self.model.column.thickness).sum(0)
        return torch.stack([snow, temperature[4], temperature[0], latent, water])


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


def gradients(season: Season) -> Tensor:
    """By going back through the run, ``[target, input, column]``."""
    change = torch.zeros(len(season.names), len(season.inputs.state), dtype=torch.float64, requires_grad=True)
    results = season.results(change)
    return torch.stack([torch.autograd.grad(one.sum(), change, retain_graph=True)[0] for one in results])


def differences(season: Season, place: int, shift: float, here: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """By one input, ``[target, column]``: central, to less of it and to more.

    Parameters
    ----------
    here : Results without a change.
    """
    change = torch.zeros(len(season.names), len(season.inputs.state), dtype=torch.float64)
    change[place] = shift
    less, more = season.results(-change), season.results(change)
    return (more - less) / (2.0 * shift), (here - less) / shift, (more - here) / shift


@torch.no_grad()
def errors(season: Season, found: Tensor) -> tuple[Tensor, Tensor]:
    """Of each gradient, as shares of the central difference and of the nearest of all, ``[target, input, column]``."""
    here = season.results(torch.zeros(found.shape[1:], dtype=torch.float64))
    central, nearest = torch.full_like(found, torch.inf), torch.full_like(found, torch.inf)
    for place, gradient in enumerate(found.unbind(1)):
        for shift in SHIFTS:
            off = [
                (gradient - expected).abs() / expected.abs().clamp(min=SMALL)
                for expected in differences(season, place, shift, here)
            ]
            central[:, place] = torch.minimum(central[:, place], off[0])
            nearest[:, place] = torch.minimum(nearest[:, place], torch.stack(off).amin(0))
            if central[:, place].max() < DOUBTFUL:
                break
    return central, nearest


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
