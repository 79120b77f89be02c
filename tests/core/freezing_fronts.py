"""Closed-form solutions of freezing and thawing half spaces, and the model's columns that stand for them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property
from math import erf, erfc, exp, pi, sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_heat import FUSION
from noahpy_core.physics.soil_thermal import heat_capacity
from noahpy_core.tables import general_parameters

FREEZING = 273.15
DAY = 86400.0
POROSITY = 0.5


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a function that is positive at `low` and negative at `high`."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


class Zone(NamedTuple):
    """Conductivity [W m-1 K-1] and heat capacity [J m-3 K-1]."""

    conductivity: float
    capacity: float

    @property
    def diffusivity(self) -> float:
        return self.conductivity / self.capacity


@dataclasses.dataclass(frozen=True)
class Neumann:
    """One front at 0 degC, at 2 lambda sqrt(a_1 t); zone 1 lies between surface and front.

    Parameters
    ----------
    near, far : Soil above and below the front.
    latent : Heat of the phase change. [J m-3]
    surface, initial : Temperatures. [degC]
    """

    near: Zone
    far: Zone
    latent: float
    surface: float
    initial: float
    interval: float = 0.01
    """Width of the freezing interval that stands for the sharp front in the model. [K]"""

    @property
    def thaws(self) -> bool:
        return self.surface > 0

    @property
    def zones(self) -> tuple[Zone, Zone, Zone]:
        """Frozen, freezing, thawed, as `Lunardini.zones`."""
        return (self.far, self.near, self.near) if self.thaws else (self.near, self.far, self.far)

    @cached_property
    def root(self) -> float:
        """Lambda, from the heat balance of the front."""
        ratio = sqrt(self.near.diffusivity / self.far.diffusivity)
        sign = -1.0 if self.thaws else 1.0

        def released(x: float) -> float:
            """Heat conducted to the surface, less heat from below, less latent heat; times sqrt(t)."""
            upper = -self.near.conductivity * self.surface / erf(x) * exp(-x * x) / sqrt(pi * self.near.diffusivity)
            lower = self.far.conductivity * self.initial / erfc(x * ratio) * exp(-((x * ratio) ** 2))
            lower = lower / sqrt(pi * self.far.diffusivity)
            return sign * (upper - lower) - self.latent * x * sqrt(self.near.diffusivity)

        return bisect(released, 1e-6, 3.0)

    def fronts(self, time: float) -> tuple[float]:
        return (2.0 * self.root * sqrt(self.near.diffusivity * time),)

    def temperature(self, depth: float, time: float) -> float:
        root, scale = self.root, 2.0 * sqrt(self.near.diffusivity * time)
        if depth < root * scale:
            return self.surface * (1.0 - erf(depth / scale) / erf(root))
        ratio = sqrt(self.near.diffusivity / self.far.diffusivity)
        return self.initial * (1.0 - erfc(depth * ratio / scale) / erfc(root * ratio))

    def changed(self, time: float) -> float:
        """Depth of soil whose water has changed phase. [m]"""
        return self.fronts(time)[0]


@dataclasses.dataclass(frozen=True)
class Lunardini:
    """Fully frozen below T_m down to X_1 = 2 psi sqrt(a_1 t), mushy down to X = 2 gamma sqrt(a_4 t), thawed below.

    In the mushy zone the latent heat is spread evenly over T_m to 0 degC and adds to the heat capacity. Differences of
    error functions are taken of erfc: with T_m = -0.1 degC those of erf have lost all their digits.
    """

    coldest: float
    """T_m. [degC]"""
    surface: float = -6.0
    initial: float = 4.0
    latent: float = 1680.0 * 334560.0 * (0.2 - 0.0782)
    zones: tuple[Zone, Zone, Zone] = (Zone(3.462696, 690030.0), Zone(2.939946, 690030.0), Zone(2.417196, 690030.0))
    thaws: bool = False

    @property
    def interval(self) -> float:
        return -self.coldest

    @property
    def diffusivities(self) -> tuple[float, float, float]:
        """a_1, a_4 (of the mushy zone, with latent heat) and a_3."""
        frozen, mushy, thawed = self.zones
        return (
            frozen.diffusivity,
            mushy.conductivity / (mushy.capacity + self.latent / self.interval),
            thawed.diffusivity,
        )

    @cached_property
    def roots(self) -> tuple[float, float]:
        """Psi and gamma, from the continuity of heat flux at both ends of the mushy zone."""
        frozen, mushy, _ = self.zones
        a_1, a_4, _ = self.diffusivities

        def jump(gamma: float) -> float:
            """Flux in the frozen less that in the mushy zone at their contact, times sqrt(pi t)."""
            inner, span = self._inner(gamma)
            psi = inner * sqrt(a_4 / a_1)
            if psi < 1e-12:
                return math.inf
            upper = frozen.conductivity * (self.coldest - self.surface) / erf(psi) * exp(-psi * psi) / sqrt(a_1)
            return upper - mushy.conductivity * self.interval / span * exp(-inner * inner) / sqrt(a_4)

        gamma = bisect(jump, 0.05, 8.0)
        return self._inner(gamma)[0] * sqrt(a_4 / a_1), gamma

    def _inner(self, gamma: float) -> tuple[float, float]:
        """psi sqrt(a_1/a_4), and erf(gamma) - erf(psi sqrt(a_1/a_4)), when fluxes agree at the outer front."""
        _, mushy, thawed = self.zones
        _, a_4, a_3 = self.diffusivities
        outer = gamma * sqrt(a_4 / a_3)
        lower = thawed.conductivity * self.initial / erfc(outer) * exp(-outer * outer) / sqrt(a_3)
        span = mushy.conductivity * self.interval * exp(-gamma * gamma) / sqrt(a_4) / lower
        return bisect(lambda x: erfc(x) - erfc(gamma) - span, 0.0, gamma), span

    def fronts(self, time: float) -> tuple[float, float]:
        psi, gamma = self.roots
        a_1, a_4, _ = self.diffusivities
        return 2.0 * psi * sqrt(a_1 * time), 2.0 * gamma * sqrt(a_4 * time)

    def temperature(self, depth: float, time: float) -> float:
        psi, gamma = self.roots
        a_1, a_4, a_3 = self.diffusivities
        inner, outer = self.fronts(time)
        if depth < inner:
            return self.surface + (self.coldest - self.surface) * erf(depth / 2.0 / sqrt(a_1 * time)) / erf(psi)
        if depth < outer:
            span = erfc(psi * sqrt(a_1 / a_4)) - erfc(gamma)
            return self.coldest * (erfc(depth / 2.0 / sqrt(a_4 * time)) - erfc(gamma)) / span
        return self.initial * (1.0 - erfc(depth / 2.0 / sqrt(a_3 * time)) / erfc(gamma * sqrt(a_4 / a_3)))

    def changed(self, time: float, intervals: int = 200) -> float:
        """Frozen water over the water that can freeze: X_1 and the mushy zone's share by Simpson's rule. [m]"""
        inner, outer = self.fronts(time)
        step = (outer - inner) / intervals
        share = [self.temperature(inner + k * step, time) / self.coldest for k in range(1, intervals)]
        return inner + step / 3.0 * (1.0 + 4.0 * sum(share[::2]) + 2.0 * sum(share[1::2]))


Solution = Neumann | Lunardini

SOLUTIONS: dict[str, tuple[Solution, float]] = {
    "neumann_bonan_sp0503_freeze": (
        Neumann(Zone(2.324, 1.966e6), Zone(1.860, 2.862e6), 0.187 * 1770.0 * 333.7e3, -10.0, 2.0),
        30.0 * DAY,
    ),
    "neumann_purewater_freeze_tubini": (
        Neumann(Zone(2.09, 970.0 * 2108.0), Zone(0.6, 4.187e6), 333.7e6, -5.0, 5.0),
        30.0 * DAY,
    ),
    "neumann_saturated_soil_thaw": (
        Neumann(Zone(1.839, 3.201e6), Zone(2.699, 2.229e6), 0.5 * 333.7e6, 10.0, -2.0),
        30.0 * DAY,
    ),
    "lunardini_Tm-0.1": (Lunardini(-0.1), 10.0 * DAY),
    "lunardini_Tm-1": (Lunardini(-1.0), 10.0 * DAY),
    "lunardini_Tm-4": (Lunardini(-4.0), 10.0 * DAY),
}
"""Each with the time at which the model is compared. [s]"""
NAMES = list(SOLUTIONS)


class LinearCurve(FreezingCurve):
    """All water freezes in proportion to temperature between 0 degC and `interval` below it."""

    def __init__(self, interval: Tensor) -> None:
        super().__init__()
        self.interval = interval

    def freezing_point(self, total: Tensor, soil: SoilParameters) -> Tensor:
        return torch.full_like(total, FREEZING)

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        share = (temperature - FREEZING) / self.interval + 1.0
        freezing = (share > 0) & (temperature < FREEZING)
        return total * share.clamp(0.0, 1.0), torch.where(freezing, total / self.interval, 0.0)


HeatStep = Callable[..., tuple[Tensor, Tensor]]


class Errors(NamedTuple):
    """Relative errors at the end: of the phase change, of each front, and of temperature over its range."""

    changed: float
    fronts: tuple[float, ...]
    temperature: float


class Halfspaces:
    """All solutions as columns of one batch: uniform layers down to 1.25 of the front, then ever thicker ones."""

    def __init__(self, layers: int) -> None:
        self.solutions = [solution for solution, _ in SOLUTIONS.values()]
        self.time = self._each(time for _, time in SOLUTIONS.values())
        deepest = self._each(solution.fronts(time)[-1] for solution, time in SOLUTIONS.values())
        # 18 layers growing by a fifth reach ten fronts deep; finer grids grow as fast with depth.
        refinement = layers / 20.0
        growth = 1.2 ** (1.0 / refinement)
        below = growth ** torch.arange(1, int(18 * refinement) + 1, dtype=torch.float64)
        relative = torch.cat([torch.ones(layers, dtype=torch.float64), below])
        self.column = SoilColumn(relative[:, None] * deepest * 1.25 / layers)
        self.total = (self._each(s.latent for s in self.solutions) / FUSION).expand_as(self.column.thickness)
        self.surface = self._each(s.surface for s in self.solutions) + FREEZING
        self.initial = self._each(s.initial for s in self.solutions) + FREEZING
        self.curve = LinearCurve(self._each(s.interval for s in self.solutions))
        self.parameters = self._parameters()

    @staticmethod
    def _each(values: Any) -> Tensor:
        return torch.tensor(list(values), dtype=torch.float64)

    def _parameters(self) -> Parameters:
        one = torch.ones_like(self.column.thickness)
        soil = SoilParameters(5.0 * one, one, 0.1 * one, POROSITY * one, one, one, one)
        general = general_parameters(
            len(self.solutions), deep_temperature=self.initial, air_temperature_height=2.0, wind_height=2.0
        )
        depth = self.column.bottom_depth[-1] + self.column.thickness[-1]
        general = dataclasses.replace(general, deep_temperature_depth=depth)
        return Parameters(soil, None, None, general)  # type: ignore[arg-type]

    def _properties(self, liquid: Tensor) -> tuple[Tensor, Tensor]:
        """Conductivity and heat capacity of the zone each layer is in; a sharp front changes them half way."""
        share = liquid / self.total
        sharp = torch.tensor([isinstance(solution, Neumann) for solution in self.solutions])
        frozen = torch.where(sharp, share <= 0.5, share <= 0.0)
        thawed = torch.where(sharp, share > 0.5, share >= 1.0)
        values = []
        for number in (0, 1):
            of_zone = [self._each(solution.zones[zone][number] for solution in self.solutions) for zone in range(3)]
            values.append(torch.where(frozen, of_zone[0], torch.where(thawed, of_zone[2], of_zone[1])))
        return values[0], values[1]

    def run(self, steps: int, heat: HeatStep) -> list[Errors]:
        """Errors at the end, of so many steps of a heat scheme.

        Parameters
        ----------
        steps : Number of steps.
        heat : (half spaces, temperature, liquid water, conductivity, heat capacity, dt) -> temperature and liquid water
            after it; all of layers.
        """
        temperature = self.initial.expand_as(self.total).clone()
        liquid, _ = self.curve.equilibrium(temperature, self.total, self.parameters.soil)
        for _ in range(steps):
            conductivity, capacity = self._properties(liquid)
            temperature, liquid = heat(self, temperature, liquid, conductivity, capacity, self.time / steps)
        return [self._errors(k, temperature[:, k] - FREEZING, (liquid / self.total)[:, k]) for k in range(len(NAMES))]

    def dry_capacity(self, liquid: Tensor, capacity: Tensor) -> Tensor:
        """What solids must have so that the layer has the heat capacity of its zone. [J m-3 K-1]"""
        ice = self.total - liquid
        return capacity - heat_capacity(liquid, ice, self.parameters.soil.porosity, torch.zeros_like(liquid))

    def _errors(self, number: int, temperature: Tensor, share: Tensor) -> Errors:
        solution, time = self.solutions[number], float(self.time[number])
        depth = self.column.node_depth[:, number].tolist()
        changed = share if solution.thaws else 1.0 - share
        changed_depth = float((changed * self.column.thickness[:, number]).sum())
        isotherms = (solution.coldest, 0.0) if isinstance(solution, Lunardini) else ()
        modelled = [crossing(depth, temperature.tolist(), value) for value in isotherms] or [changed_depth]
        exact = [solution.temperature(z, time) for z in depth]
        difference = max(abs(a - b) for a, b in zip(temperature.tolist(), exact, strict=True))
        return Errors(
            abs(changed_depth / solution.changed(time) - 1.0),
            tuple(abs(a / b - 1.0) for a, b in zip(modelled, solution.fronts(time), strict=True)),
            difference / abs(solution.surface - solution.initial),
        )


def crossing(depth: list[float], temperature: list[float], value: float) -> float:
    """Depth at which temperature, growing downwards, passes a value."""
    below = next(k for k, t in enumerate(temperature) if t > value)
    weight = (value - temperature[below - 1]) / (temperature[below] - temperature[below - 1])
    return depth[below - 1] + weight * (depth[below] - depth[below - 1])


RESOLUTIONS = ((15, 40), (30, 80), (60, 160))
"""Layers above 1.25 of the front, and steps."""
