"""Inputs of the soil heat step for random columns."""

from __future__ import annotations

import dataclasses

import torch
from random_columns import Draw, random_case
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.physics.enthalpy import EnthalpySoilHeat
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_heat import FUSION, Coupling, SoilHeat, heat_conduction
from noahpy_core.physics.soil_thermal import CoteKonrad2005

FREEZING = 273.15


@dataclasses.dataclass(frozen=True)
class HeatCase:
    """Everything the soil heat step needs, except its length."""

    column: SoilColumn
    temperature: Tensor
    liquid: Tensor
    ice: Tensor
    coupling: Coupling
    conductivity: Tensor
    parameters: Parameters

    @property
    def total(self) -> Tensor:
        return self.liquid + self.ice

    def step(self, curve: FreezingCurve, dt: Tensor | float) -> SoilHeat:
        """The result of one step of the enthalpy scheme."""
        heat = EnthalpySoilHeat(self.column, curve)
        return heat(
            self.temperature, self.liquid, self.ice, self.coupling, self.conductivity, self.parameters, dt
        )  # fmt: skip

    def after(self, heat: SoilHeat, **changes: object) -> HeatCase:
        """The case from the state a step has left."""
        return dataclasses.replace(
            self, temperature=heat.temperature, liquid=heat.liquid, ice=heat.ice, **changes
        )  # fmt: skip

    def with_temperature_of_surface(self, temperature: Tensor) -> HeatCase:
        return dataclasses.replace(self, coupling=self.coupling._replace(temperature=temperature))

    def with_general(self, **values: Tensor) -> HeatCase:
        general = dataclasses.replace(self.parameters.general, **values)
        return dataclasses.replace(self, parameters=dataclasses.replace(self.parameters, general=general))

    def isolated(self) -> HeatCase:
        """The same columns without any heat flux at top and bottom."""
        factor = torch.full_like(self.coupling.factor, 1.0e30)
        depth = torch.full_like(self.parameters.general.deep_temperature_depth, 1.0e30)
        return dataclasses.replace(self, coupling=self.coupling._replace(factor=factor)).with_general(
            deep_temperature_depth=depth
        )

    def on_curve(self, curve: FreezingCurve) -> HeatCase:
        """The same temperatures and total water, with the liquid water in equilibrium."""
        liquid, _ = curve.equilibrium(self.temperature, self.total, self.parameters.soil)
        return dataclasses.replace(self, liquid=liquid, ice=self.total - liquid)

    def heat_moved(self, heat: SoilHeat, dt: Tensor | float) -> Tensor:
        """Sum of what each layer gained or lost, sensible and latent, and of the boundary fluxes. [J m-2]"""
        coefficients = heat_conduction(
            self.liquid, self.ice, self.coupling, self.conductivity, self.column, self.parameters
        )
        sensible = coefficients.capacity * (heat.temperature - self.temperature).abs()
        latent = FUSION * self.column.thickness * (heat.liquid - self.liquid).abs()
        return (sensible + latent).sum(0) + dt * (heat.top_flux.abs() + heat.bottom_flux.abs())

    def heat_content(self) -> Tensor:
        """Sensible heat above 0 K, with which the round-off of a temperature scales. [J m-2]"""
        coefficients = heat_conduction(
            self.liquid, self.ice, self.coupling, self.conductivity, self.column, self.parameters
        )
        return (coefficients.capacity * self.temperature).sum(0)


def heat_case(columns: int, layers: int = 20, *, seed: int = 0, regime: str = "mixed", span: float = 20.0) -> HeatCase:
    """Random columns of a regime of `random_case`, under a surface within `span` of the freezing point. [K]"""
    case, draw = random_case(columns, layers, seed=seed, regime=regime), Draw(seed + 1, columns)
    soil = case.state.soil
    return HeatCase(
        column=case.column,
        temperature=soil.temperature,
        liquid=soil.liquid_water,
        ice=soil.ice,
        coupling=Coupling(
            draw.uniform(FREEZING - span, FREEZING + span), draw.log_uniform(1.0, 20.0), draw.uniform(0.05, 3.0)
        ),
        conductivity=CoteKonrad2005()(soil.liquid_water, soil.ice, case.parameters.soil),
        parameters=case.parameters,
    )
