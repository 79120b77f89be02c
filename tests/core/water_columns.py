"""Columns that are hard on a soil water step: mixed horizons, ice, fronts, full, dry, and exactly on thresholds."""

from __future__ import annotations

import dataclasses

import torch
from random_columns import Draw, random_parameters
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.ice_impedance import NiuYang2006Impedance
from noahpy_core.physics.retention import frozen_pore_space
from noahpy_core.physics.richards import Flow
from noahpy_core.physics.soil_water import SoilDemand
from noahpy_core.physics.soil_water_richards import RichardsSoilWater, RichardsWater
from noahpy_core.tables import soil_class_names, soil_parameters

LAYERS = (
    0.045, 0.046, 0.075, 0.123, 0.204, 0.336, 0.4, 0.4, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.9, 2.2,
)  # fmt: skip
STEPS = (60.0, 300.0, 1800.0, 3600.0, 10800.0, 86400.0)
FLOOR = 0.02
CLASSES = tuple(number for number in soil_class_names() if number not in (15, 16))


@dataclasses.dataclass(frozen=True)
class WaterCase:
    """Everything the soil water step needs."""

    column: SoilColumn
    liquid: Tensor
    ice: Tensor
    supply: Tensor
    demand: SoilDemand
    parameters: Parameters
    dt: Tensor

    def step(self) -> RichardsWater:
        """The result of one step."""
        scheme = RichardsSoilWater(self.column)
        return scheme(self.liquid, self.ice, self.supply, self.demand, self.parameters, self.dt)

    def flow(self) -> Flow:
        """What the equations are given."""
        soil, shape = self.parameters.soil, self.liquid
        assert soil.wilting_point is not None
        return Flow(
            old=self.liquid,
            thickness=self.column.thickness.expand_as(shape),
            soil_demand=self.demand.soil / 1000.0,
            root_demand=self.demand.roots / 1000.0,
            root_minimum=soil.wilting_point.clamp(min=FLOOR),
            supply=self.supply / 1000.0,
            drainage_factor=self.parameters.general.drainage_factor,
            dt=self.dt,
            unfrozen=self.unfrozen(),
            upstream=torch.zeros_like(self.dt),
        )

    def primary(self) -> tuple[Tensor, ...]:
        """b, suction, room and conductivity."""
        soil = self.parameters.soil
        return frozen_pore_space(soil, self.liquid, self.ice, self.unfrozen())

    def unfrozen(self) -> Tensor:
        """Share of the conductivity that ice leaves."""
        return NiuYang2006Impedance()(self.liquid, self.ice, self.parameters.soil)

    def select(self, number: int) -> WaterCase:
        """One of the columns."""
        one = slice(number, number + 1)
        return dataclasses.replace(
            self, liquid=self.liquid[:, one], ice=self.ice[:, one], supply=self.supply[one], dt=self.dt[one],
            demand=SoilDemand(self.demand.soil[one], self.demand.roots[:, one]),
            parameters=self.parameters.select(one),
        )  # fmt: skip

    def to(self, dtype: torch.dtype) -> WaterCase:
        """The same in another number type."""
        return WaterCase(
            column=self.column.to(dtype=dtype), liquid=self.liquid.to(dtype), ice=self.ice.to(dtype),
            supply=self.supply.to(dtype), demand=SoilDemand(self.demand.soil.to(dtype), self.demand.roots.to(dtype)),
            parameters=self.parameters.to(dtype=dtype), dt=self.dt.to(dtype),
        )  # fmt: skip

    def with_soil(self, **values: Tensor) -> WaterCase:
        """The same with other soil parameters, derived ones included."""
        soil = dataclasses.replace(self.parameters.soil, **values)
        return dataclasses.replace(self, parameters=dataclasses.replace(self.parameters, soil=soil.resolved()))


def hard_columns(columns: int, *, seed: int = 0, layers: tuple[float, ...] = LAYERS) -> WaterCase:
    """Random columns of 1 to 3 horizons of any class, half of them with some layers exactly on thresholds."""
    draw, count = Draw(seed, columns), len(layers)
    parameters = random_parameters(draw, count)
    soil = _horizons(draw, count)
    drainage = draw.choice((0.0, 0.1, 0.6, 1.0)).to(torch.float64)
    parameters = dataclasses.replace(
        parameters, soil=soil, general=dataclasses.replace(parameters.general, drainage_factor=drainage)
    )
    total = FLOOR + (soil.porosity - FLOOR) * _saturation(draw, count)
    ice_share = torch.where(draw.chance(0.5), draw.uniform(0.0, 1.0), draw.uniform(0.0, 1.0, count))
    ice_share = torch.where(draw.chance(0.1, count), 1.0, ice_share)
    ice = torch.where(draw.chance(0.5) & draw.chance(0.7, count), (total - FLOOR) * ice_share, 0.0)
    liquid, ice = _on_thresholds(draw, total - ice, ice, soil)
    number = torch.arange(count)[:, None]
    rooted = number < draw.choice(tuple(range(count)))
    heavy = torch.where(draw.chance(0.1), draw.uniform(0.0, 0.3), draw.log_uniform(1.0e-6, 0.3))
    supply = torch.where(draw.chance(0.4), 0.0, heavy)
    saturated = soil.saturated_hydraulic_conductivity[0] * 1000.0
    return WaterCase(
        column=SoilColumn(torch.tensor(layers, dtype=torch.float64)),
        liquid=liquid,
        ice=ice,
        supply=torch.where(draw.chance(0.1), saturated, supply),
        demand=SoilDemand(
            torch.where(draw.chance(0.5), draw.uniform(0.0, 2.0e-4), 0.0),
            torch.where(draw.chance(0.5) & rooted, draw.uniform(0.0, 5.0e-5, count), 0.0),
        ),
        parameters=parameters,
        dt=draw.choice(STEPS).to(torch.float64),
    )


def nearly_sealed(case: WaterCase, *, seed: int = 0) -> WaterCase:
    """The same columns, half of the layers with ice in all pores but a few, which can be less than the floor."""
    draw, layers = Draw(seed, case.dt.shape[0]), case.liquid.shape[0]
    porosity = case.parameters.soil.porosity
    total = torch.where(draw.chance(0.5, layers), porosity, case.liquid + case.ice)
    little = torch.where(draw.chance(0.3, layers), FLOOR * draw.uniform(0.0, 1.0, layers), case.liquid)
    hit = draw.chance(0.5, layers)
    liquid = torch.where(hit, torch.minimum(little, total), case.liquid)
    ice = torch.where(hit, total - liquid, case.ice)
    return dataclasses.replace(case, liquid=liquid, ice=torch.minimum(ice, porosity - liquid).clamp(min=0.0))


def _horizons(draw: Draw, layers: int) -> SoilParameters:
    number = torch.arange(layers)[:, None]
    first, second = draw.choice(tuple(range(layers + 1))), draw.choice(tuple(range(layers + 1)))
    upper, middle, lower = (draw.choice(CLASSES) for _ in range(3))
    below = torch.where(number < torch.maximum(first, second), middle, lower)
    mixed = torch.where(number < torch.minimum(first, second), upper, below)
    return soil_parameters(torch.where(draw.chance(0.3), upper, mixed)).resolved()


def _saturation(draw: Draw, layers: int) -> Tensor:
    """Dry, nearly full, full, random by layer, a front from above or below, or uniform."""
    random, uniform = draw.uniform(0.0, 1.0, layers), draw.uniform(0.0, 1.0)
    kind = draw.choice(tuple(range(6)))
    wet_above = torch.arange(layers)[:, None] < draw.choice(tuple(range(layers)))
    front = torch.where(wet_above, 0.98 + 0.02 * uniform, 0.1 * uniform)
    front = torch.where(draw.chance(0.5), front.flip(0), front)
    values = (0.05 * random, 1.0 - 0.02 * random**2, torch.ones_like(random), random, front)
    saturation = uniform.expand_as(random)
    for number, value in enumerate(values):
        saturation = torch.where(kind == number, value, saturation)
    return saturation


def _on_thresholds(draw: Draw, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
    layers, hit = liquid.shape[0], draw.chance(0.5)

    def some() -> Tensor:
        return hit & draw.chance(0.1, layers)

    assert soil.wilting_point is not None
    ice = torch.where(some(), soil.porosity - FLOOR, ice)
    ice = torch.where(some(), 0.0, ice)
    room, wilting = soil.porosity - ice, soil.wilting_point.clamp(min=FLOOR)
    liquid = torch.where(some(), room, liquid)
    for value in (torch.full_like(wilting, FLOOR), torch.full_like(wilting, FLOOR + 0.01), wilting, wilting + 0.01):
        liquid = torch.where(some(), value, liquid)
    return torch.minimum(liquid, room), ice
