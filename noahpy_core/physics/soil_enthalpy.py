"""Enthalpy of soil as a function of its state, the state after a gain of it, and the heat that moving water carries.

Enthalpy per square metre of a layer, counted from solids and liquid water at the melting point T_0:
H = dz ((C_dry + c_w W + c_i I)(T - T_0) - rho_w L_f I), with liquid water W and ice I as volume fractions. It holds for
any state, in equilibrium or not, so a budget closes however well an equation was solved.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import (
    HEAT_CAPACITY_SOIL_ICE,
    HEAT_CAPACITY_SOIL_WATER,
    WATER_HEAT,
)
from noahpy_core.numerics import at_most, positive_part, solve_tridiagonal
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_heat import FUSION
from noahpy_core.state import SoilState


class SoilStore(NamedTuple):
    """What the enthalpy of a layer depends on besides temperature and phase, ``[layer, column]``."""

    thickness: Tensor
    total: Tensor
    """Liquid water and ice. [m3 m-3]"""
    dry_capacity: Tensor
    """Of solids; air has next to none, and without it water that moves does not change it. [J m-3 K-1]"""

    def enthalpy_at(self, warmth: Tensor, ice: Tensor) -> Tensor:
        """At a temperature less the melting point [K] with so much ice [m3 m-3]. [J m-2]"""
        return self.thickness * (self.capacity(ice) * warmth - FUSION * ice)

    def capacity(self, ice: Tensor) -> Tensor:
        """Heat capacity. [J m-3 K-1]"""
        liquid = self.total - ice
        return self.dry_capacity + HEAT_CAPACITY_SOIL_WATER * liquid + HEAT_CAPACITY_SOIL_ICE * ice

    def slope(self, warmth: Tensor, ice: Tensor, liquid_slope: Tensor) -> Tensor:
        """Of the enthalpy by temperature, when liquid water follows it with a slope. [J m-2 K-1]

        Parameters
        ----------
        warmth : Temperature less the melting point, ``[layer, column]``. [K]
        ice : ``[layer, column]``. [m3 m-3]
        liquid_slope : Of liquid water by temperature, ``[layer, column]``. [K-1]
        """
        thawing = _heat_of_thawing(warmth)
        return self.thickness * (self.capacity(ice) + liquid_slope * thawing)

    def by_liquid(self, warmth: Tensor) -> Tensor:
        """Slope of the enthalpy by liquid water in the place of ice, at a temperature less melting [K]. [J m-2]"""
        return self.thickness * _heat_of_thawing(warmth)

    def frozen(self, before: SoilState, gained: Tensor, warmth: Tensor, thawed: Tensor) -> Tensor:
        """Ice that fits a temperature, of layers whose water stays, ``[layer, column]``. [m3 m-3]

        Parameters
        ----------
        before : Temperature and ice before.
        gained : Heat since then, ``[layer, column]``. [J m-2]
        warmth : Solution of the heat equation, less the melting point. [K]
        thawed : Where there is no ice, of bool.
        """
        thawing = _heat_of_thawing(warmth)
        change = (self.capacity(before.ice) * (warmth - before.warmth) - gained / self.thickness) / thawing
        return torch.where(thawed, 0.0, at_most(positive_part(before.ice + change), self.total))

    def warmed(self, before: SoilState, liquid: Tensor, ice: Tensor, gained: Tensor) -> Tensor:
        """How much warmer layers are that have gained heat, whatever became of their water, ``[layer, column]``. [K]

        Parameters
        ----------
        before : The soil before; this store has the water it holds now.
        liquid, ice : That it has now, of which the store's total is the sum. [m3 m-3]
        gained : Heat since then, ``[layer, column]``. [J m-2]

        Notes
        -----
        By differences alone: the enthalpies themselves are 1e8 to 1e9 J m-2, and heat below their last digit would be
        lost.
        """
        frozen = ice - before.ice
        capacity = HEAT_CAPACITY_SOIL_WATER * (liquid - before.liquid_water) + HEAT_CAPACITY_SOIL_ICE * frozen
        return (gained / self.thickness + FUSION * frozen - capacity * before.warmth) / self.capacity(ice)


def _heat_of_thawing(warmth: Tensor) -> Tensor:
    """Of ice at a temperature less the melting point [K], by its volume as water. [J m-3]"""
    return FUSION + (HEAT_CAPACITY_SOIL_WATER - HEAT_CAPACITY_SOIL_ICE) * warmth


def soil_store(total: Tensor, thickness: Tensor, parameters: Parameters) -> SoilStore:
    """The store of layers that hold so much water.

    Parameters
    ----------
    total : Liquid water and ice, ``[layer, column]``. [m3 m-3]
    thickness : ``[layer, column]`` or ``[layer, 1]``. [m]
    parameters : With porosity and the heat capacity of minerals.
    """
    dry = (1.0 - parameters.soil.porosity) * parameters.general.mineral_heat_capacity
    return SoilStore(thickness.expand_as(total), total, dry)


def soil_after(before: SoilState, liquid: Tensor, ice: Tensor, warmed: Tensor) -> SoilState:
    """The soil with other water and so much warmer, the digits that kelvins have no place for in the remainder.

    Parameters
    ----------
    before : With a remainder, or without: then those digits are lost.
    liquid, ice : ``[layer, column]``. [m3 m-3]
    warmed : ``[layer, column]``. [K]
    """
    if before.temperature_remainder is None:
        return SoilState(before.temperature + warmed, liquid, ice)
    change = before.temperature_remainder + warmed
    temperature = before.temperature + change
    # The difference of neighbouring temperatures is exact, so this is what the sum has rounded away. All of the
    # derivative is the temperature's.
    remainder = (change - (temperature - before.temperature)).detach()
    return SoilState(temperature, liquid, ice, remainder)


class MovedHeat(NamedTuple):
    """Soil after water has moved through it."""

    warmth: Tensor
    """Above the melting point, ``[layer, column]``. [K]"""
    through: Tensor
    """Heat that water carried down through each face, the surface first, ``[layer + 1, column]``. [W m-2]"""


def carry_heat(
    store: SoilStore,
    ice: Tensor,
    heat: Tensor,
    flux: Tensor,
    arriving: Tensor,
    dt: Tensor | float,
) -> MovedHeat:
    """Temperatures after water has carried its heat along, implicit and upstream.

    Parameters
    ----------
    store : With the water after the move; ice does not move.
    heat : Before the move, above the layer with its ice at the melting point, without what plants and evaporation took.
        [J m-2]
    flux : Water through each face, positive down, ``[layer + 1, column]``; nothing rises through the last.
        [kg m-2 s-1]
    arriving : Heat of water entering at the surface. [W m-2]
    dt : [s]

    Notes
    -----
    Water leaves a layer at the layer's new temperature. The matrix is an M-matrix because the heat capacity grows by
    what flows in and shrinks by what flows out: a uniform temperature stays uniform, no temperature overshoots.
    """
    # Halves of |q| + q: water that starts to move where all is at rest takes heat along in the derivative too, while
    # that of the positive part is 0 at 0.
    down, rise = 0.5 * WATER_HEAT * (flux.abs() + flux), 0.5 * WATER_HEAT * (flux.abs() - flux)
    capacity = store.thickness * store.capacity(ice)
    right = torch.cat([(heat[0] + dt * arriving)[None], heat[1:]])
    warmth = solve_tridiagonal(
        lower=-dt * down[:-1], diagonal=capacity + dt * (down[1:] + rise[:-1]), upper=-dt * rise[1:], right=right
    )
    between_layers = down[1:-1] * warmth[:-1] - rise[1:-1] * warmth[1:]
    top = arriving - rise[0] * warmth[0]
    through = torch.cat([top[None], between_layers, (down[-1] * warmth[-1])[None]])
    return MovedHeat(warmth, through)
