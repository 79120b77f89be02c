"""Gradients of a run by all of its inputs, and how far they are from differences."""

from __future__ import annotations

from typing import NamedTuple

import torch
from run_inputs import Inputs, changed
from torch import Tensor

from noahpy_core import NoahModel, run

STEP = 10800.0
"""[s]"""
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
        trees = changed(self.inputs, self.names, change)
        # Differences may go beyond the bounds of what sits on one.
        found = run(self.model, *trees, STEP, outputs=OUTPUTS, execution="compiled", check=False)
        snow, temperature, latent, moisture = (found.outputs[name].mean(0) for name in OUTPUTS)
        # In mm, as snow.
        water = 1000.0 * (moisture * self.model.column.thickness).sum(0)
        return torch.stack([snow, temperature[4], temperature[0], latent, water])


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
