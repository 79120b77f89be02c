"""An untrained network with random weights for every slot; its proposals go well beyond what the slot allows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from noahpy_core.physics.evaporation import CanopyResistance, Demand
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_hydraulics import Hydraulics
from noahpy_core.physics.transitions import SmoothTransitions
from noahpy_core.physics.turbulence import Conductance


class Guess(nn.Module):
    """Random smooth functions of some inputs of order one, between -0.3 and 1.3."""

    def __init__(self, inputs: int, outputs: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1000 * seed + 10 * inputs + outputs)
        self.first, self.second = nn.Linear(inputs, 8).double(), nn.Linear(8, outputs).double()
        with torch.no_grad():
            for weights in self.parameters():
                weights.normal_(generator=generator)
            self.second.bias.zero_()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x = torch.stack(torch.broadcast_tensors(*inputs), -1)
        return (0.5 + 0.8 * torch.tanh(0.5 * self.second(torch.tanh(self.first(x))))).unbind(-1)


def exponential(share: Tensor, low: float, high: float) -> Tensor:
    """Numbers that spread over orders of magnitude and beyond both ends."""
    return low * (high / low) ** share


class Scheme(nn.Module):
    inputs, outputs = 1, 1

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.guess = Guess(self.inputs, self.outputs, seed)


class Transitions(SmoothTransitions):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.guess = Guess(1, 1, seed)

    def rising(self, x, threshold, width):
        return self.guess((x - threshold) / width)[0]

    def amount(self, x, scale):
        return self.guess(x / scale)[0]


class Surface(Scheme):
    inputs, outputs = 3, 2

    def forward(self, ground, cover, age, parameters):
        return self.guess(ground.vegetation_fraction, cover, age / 1e6)


class SnowCover(Scheme):
    def forward(self, water_equivalent, parameters):
        return self.guess(water_equivalent / 50.0)[0]


class ThermalRoughness(Scheme):
    def forward(self, roughness_length, parameters):
        return 2.0 * self.guess(10.0 * roughness_length)[0]


class Turbulence(Scheme):
    inputs, outputs = 2, 3

    def forward(self, memory, skin_temperature, air, parameters):
        heat, momentum, richardson = self.guess(0.1 * (skin_temperature - air.temperature), 0.2 * air.wind_speed)
        return Conductance(exponential(heat, 1e-5, 0.1), exponential(momentum, 1e-5, 0.1), richardson)


class Resistance(Scheme):
    inputs, outputs = 2, 6

    def forward(self, soil, air, ground, shortwave, conductance, emissivity, parameters):
        resistance, *fractions = self.guess(shortwave / 500.0, soil.liquid_water[0])
        return CanopyResistance(1000.0 * resistance, *fractions)


class Evaporation(Scheme):
    inputs, outputs = 2, 3

    def forward(self, soil, canopy_water, ground, potential, plant_coefficient, parameters):
        bare, canopy, _ = self.guess(ground.vegetation_fraction, plant_coefficient)
        roots = self.guess(soil.liquid_water, ground.vegetation_fraction)[2]
        return Demand(bare * potential, canopy * potential, roots * potential)


class SnowMelt(Scheme):
    def forward(self, available_heat):
        return self.guess(available_heat / 300.0)[0] * available_heat / 3e5


class Infiltration(Scheme):
    inputs = 3

    def forward(self, liquid, ice, supply, wilting_point, parameters, dt):
        return 1e-3 * (self.guess(liquid[0], ice[0], 1e3 * supply)[0] - 0.3)


class SoilHydraulics(Scheme):
    inputs, outputs = 2, 2

    def forward(self, liquid, ice, soil):
        diffusivity, conductivity = self.guess(liquid / soil.porosity, ice)
        return Hydraulics(exponential(diffusivity, 1e-9, 1e-3), exponential(conductivity, 1e-10, 1e-2) - 1e-9)


class SoilThermal(Scheme):
    inputs = 2

    def forward(self, liquid, ice, soil):
        return 4.0 * self.guess(liquid / soil.porosity, ice)[0]


class SupercooledWater(Scheme):
    def forward(self, temperature, liquid, ice, soil):
        return (liquid + ice) * self.guess(0.3 * (temperature - 273.15))[0]


class Curve(FreezingCurve):
    """For the enthalpy heat step: a network gives exponent and strength of the ice term."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.guess = Guess(2, 1, seed)
        self.strength = nn.Parameter(torch.tensor(0.5 + 0.3 * seed, dtype=torch.float64))

    def exponent(self, soil):
        return 10.0 * self.guess(soil.porosity, soil.saturated_suction)[0]

    def ice_term(self, ice):
        return self.strength**2 * torch.log(1.0 + 8.0 * ice)

    def ice_term_slope(self, ice):
        return self.strength**2 * 8.0 / (1.0 + 8.0 * ice)


class PhaseChange(Scheme):
    inputs = 2

    def forward(self, temperature, liquid, ice, coupling, conductivity, parameters, dt):
        return (liquid + ice) * self.guess(0.3 * (temperature - 273.15), ice)[0]


SLOTS: dict[str, type[nn.Module]] = {
    "transitions": Transitions,
    "surface": Surface,
    "snow_cover": SnowCover,
    "thermal_roughness": ThermalRoughness,
    "turbulence": Turbulence,
    "canopy_resistance": Resistance,
    "evaporation": Evaporation,
    "snow_melt": SnowMelt,
    "infiltration": Infiltration,
    "soil_hydraulics": SoilHydraulics,
    "soil_thermal": SoilThermal,
    "supercooled_water": SupercooledWater,
    "phase_change": PhaseChange,
}


def random_scheme(slot: str, phase_change: str, seed: int) -> nn.Module:
    """An untrained network for a slot of a model with one of the heat steps."""
    if slot == "supercooled_water" and phase_change == "enthalpy":
        return Curve(seed)
    return SLOTS[slot](seed)
