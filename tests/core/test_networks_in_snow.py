"""A network in the place of each piece of layered snow: budgets close, what it knows reaches it, its weights learn."""

from __future__ import annotations

import inspect

import pytest
import torch
from random_columns import layered, random_case
from torch import Tensor, nn

from noahpy_core import NoahModel, preset
from noahpy_core.slot_list import SLOTS

CASE = random_case(45, seed=6)
STEP = 3600.0
PIECES = {
    "phase": (0.0, 1.0),
    "fresh_density": (60.0, 300.0),
    "compaction": (1.0e-7, 1.0e-5),
    "snow_conductivity": (0.05, 0.9),
    "snow_albedo": (0.4, 0.95),
    "snow_cover": (0.0, 1.0),
    "retention": (0.0, 5.0),
}
"""Slot -> range of what the network proposes."""


class Guess(nn.Module):
    """A linear layer on whatever tensors a slot gives."""

    def __init__(self, slot: str) -> None:
        super().__init__()
        self.low, self.high = PIECES[slot]
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2, 0.1, 0.05, 0.02], dtype=torch.float64))

    def share(self, *given: Tensor) -> Tensor:
        """Between low and high."""
        scaled = [weight * torch.tanh(value / 300.0) for weight, value in zip(self.weight, given, strict=False)]
        return self.low + (self.high - self.low) * torch.sigmoid(torch.stack(torch.broadcast_tensors(*scaled)).sum(0))


class OfAir(Guess):
    def forward(self, air):
        return self.share(air.temperature, air.humidity, air.wind_speed)


class OfPack(Guess):
    def forward(self, density, load, temperature, wetness, parameters):
        return self.share(density, load, temperature, wetness)


class OfLayers(Guess):
    def forward(self, density, temperature, wetness):
        return self.share(density, temperature, wetness)


class OfSurface(Guess):
    def forward(self, albedo, melting, snowfall, skin_temperature, depth, parameters, dt):
        return self.share(albedo, melting, snowfall, skin_temperature, depth)


class OfWater(Guess):
    def forward(self, water_equivalent, parameters):
        return self.share(water_equivalent)


class OfPores(Guess):
    def forward(self, thickness, ice, parameters):
        return self.share(thickness, ice)


NETWORKS = {
    "phase": OfAir,
    "fresh_density": OfAir,
    "compaction": OfPack,
    "snow_conductivity": OfLayers,
    "snow_albedo": OfSurface,
    "snow_cover": OfWater,
    "retention": OfPores,
}


@pytest.mark.parametrize("slot", list(PIECES))
def test_a_network_can_be_each_piece_of_the_snow(slot):
    network = NETWORKS[slot](slot)
    model = NoahModel(CASE.column, preset("conservative"), {slot: network})
    before = layered(CASE.state)
    after, fluxes = model(before, CASE.forcing, CASE.parameters, STEP)
    assert fluxes.water_residual.abs().max() * STEP < 1.0e-9
    assert fluxes.enthalpy_residual.abs().max() < 1.0e-8

    seen = after.snow.water_equivalent.sum() + after.snow.depth.sum() + after.snow.albedo.sum()
    (gradient,) = torch.autograd.grad(seen + after.soil.temperature.sum(), network.weight)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) > 0.0


def test_pieces_of_the_snow_know_temperature_water_snowfall_and_depth():
    given = {slot: set(inspect.signature(SLOTS[slot].contract.__call__).parameters) for slot in PIECES}
    assert given["compaction"] >= {"density", "load", "temperature", "wetness"}
    assert given["snow_conductivity"] >= {"density", "temperature", "wetness"}
    assert given["snow_albedo"] >= {"albedo", "melting", "snowfall", "skin_temperature", "depth"}
    assert given["retention"] >= {"thickness", "ice"}
