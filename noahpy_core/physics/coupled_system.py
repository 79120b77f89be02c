"""Skins, snow layers and soil layers as one implicit system: its equations and their derivatives.

Temperatures are counted from the melting point (warmth): near it soil freezes within thousandths of a kelvin, of which
an absolute temperature in single precision has few.

Unknowns of a column are the enthalpy of each snow layer per square metre of snow, the temperature of each soil layer,
and the two skin temperatures. Everything that exchanges heat does so at the end of the step. The snow's unknown is its
enthalpy because temperature is a function of it, also while snow melts.

The skin of the snow is a potential s: while it is below the melting point (or the top layer, if that is all water) it
is the temperature; the excess of heat over what it conducts at that point enters the top layer as enthalpy. Melt is
not a term of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import (
    FREEZING_POINT,
    LATENT_HEAT_FUSION,
    SPECIFIC_HEAT_ICE,
    WATER_DENSITY,
    WATER_HEAT,
)
from noahpy_core.numerics import at_least, at_most, positive_part
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.closed_balance import Balance, BareSkin, SnowSkin, bare_balance, snow_balance
from noahpy_core.physics.freezing import FreezingCurve, curve_parameters
from noahpy_core.physics.soil_enthalpy import SoilStore


class SnowRows(NamedTuple):
    """Snow layers per square metre of snow, ``[snow layer, column]``."""

    mass: Tensor
    """[kg m-2]"""
    start: Tensor
    """Enthalpy at the start. [J m-2]"""
    held: Tensor
    """Enthalpy above which water runs down. [J m-2]"""
    largest_flow: Tensor
    """Most heat that can run down with water in a step. [J m-2]"""
    vapour: Tensor
    """Ice that the top layer loses in the step as vapour while it melts, ``[column]``. [kg m-2]"""

    def all_water(self) -> Tensor:
        """Enthalpy of the layer as water at the melting point, without what has left the pack by then. [J m-2]

        Vapour, and water that runs from the lowest layer, are not there to be melted and warmed: the pack would take in
        the heat of more ice than it has, and soil in a thin layer would get it all at once.
        """
        ran = torch.cat([torch.zeros_like(self.mass[1:]), self.largest_flow[-1:]])
        return LATENT_HEAT_FUSION * self._melted() - ran

    def water_capacity(self) -> Tensor:
        """Heat capacity of the layer as water, of which what runs from it is as warm as the rest. [J m-2 K-1]"""
        return WATER_HEAT * self._melted()

    def _melted(self) -> Tensor:
        """The layer as water. [kg m-2]"""
        return self.mass - torch.cat([self.vapour[None], torch.zeros_like(self.mass[1:])])


class SoilRows(NamedTuple):
    """Soil layers, ``[layer, column]``."""

    start: Tensor
    """Enthalpy at the start. [J m-2]"""
    store: SoilStore
    b: Tensor
    suction: Tensor
    porosity: Tensor

    def of_top(self, water: Tensor) -> Tensor:
        """Water of the top layer, ``[column]`` [kg m-2], as a share of each layer, ``[layer, column]``. [m3 m-3]"""
        top = water / (self.store.thickness[0] * WATER_DENSITY)
        return torch.cat([top[None], torch.zeros_like(self.start[1:])])

    def curve_parameters(self) -> SoilParameters:
        """What a freezing curve reads."""
        return curve_parameters(self.b, self.suction, self.porosity)


class System(NamedTuple):
    """A column's equations."""

    snow: SnowRows
    soil: SoilRows
    snow_skin: SnowSkin
    bare_skin: BareSkin
    cover: Tensor
    """Share of the ground under snow, ``[column]``. [1]"""
    top: Tensor
    """Conductance between snow skin and the middle of the top layer, ``[column]``. [W m-2 K-1]"""
    between: Tensor
    """From the top snow layer down, the last to the deep boundary, ``[snow layer + layer, column]``. [W m-2 K-1]"""
    bare: Tensor
    """Conductance between bare skin and soil, ``[column]``. [W m-2 K-1]"""
    deep_temperature: Tensor
    dt: Tensor
    """``[column]``. [s]"""

    @property
    def snow_layers(self) -> int:
        """Number of snow layers."""
        return self.snow.mass.shape[0]

    def conductance_above(self) -> Tensor:
        """Of the face above each row; snow conducts to the soil where it lies. ``[row, column]`` [W m-2 K-1]"""
        number = self.snow_layers
        # Rows of snow count per square metre of snow, rows of soil per square metre of ground: the face between them
        # has the area of the snow.
        above = torch.cat([self.top[None], self.between[:-1]])
        return torch.cat([above[:number], (self.cover * above[number])[None], above[number + 1 :]])


class Unknowns(NamedTuple):
    """What is solved for."""

    enthalpy: Tensor
    """Of the snow layers, ``[snow layer, column]``. [J m-2]"""
    warmth: Tensor
    """Of the soil layers, above the melting point, ``[layer, column]``. [K]"""
    snow_skin: Tensor
    """The potential of the snow's skin, above the melting point, ``[column]``. [K]"""
    bare_skin: Tensor
    """Above the melting point, ``[column]``. [K]"""

    @property
    def temperature(self) -> Tensor:
        """Of the soil layers, ``[layer, column]``. [K]"""
        return FREEZING_POINT + self.warmth


class Rows(NamedTuple):
    """State functions of each row at a guess, ``[row, column]``."""

    unknown: Tensor
    """Enthalpy of snow [J m-2], warmth of soil [K]."""
    store: Tensor
    """Enthalpy. [J m-2]"""
    store_slope: Tensor
    store_by_skin: Tensor
    """Of the top soil layer by the bare skin, which lets water leave it, ``[column]``. [J m-2 K-1]"""
    warmth: Tensor
    warmth_slope: Tensor
    flow: Tensor
    """Heat that runs down with water in the step; none from soil. [J m-2]"""
    flow_slope: Tensor


def snow_warmth(snow: SnowRows, enthalpy: Tensor) -> tuple[Tensor, Tensor]:
    """Warmth of snow layers and its slope by enthalpy: none while ice and water are together. [K, K m2 J-1]"""
    of_ice, of_water = SPECIFIC_HEAT_ICE * snow.mass, snow.water_capacity()
    beyond = positive_part(enthalpy - snow.all_water())
    warmth = at_most(enthalpy, 0.0) / of_ice + beyond / of_water
    # Both ends belong to melting: there the slope is that of the side where the temperature stays.
    slope = torch.where(enthalpy < 0, 1.0 / of_ice, torch.where(beyond > 0, 1.0 / of_water, 0.0))
    return warmth, slope


def snow_flow(snow: SnowRows, enthalpy: Tensor) -> tuple[Tensor, Tensor]:
    """Heat that runs down with water from each layer in the step, and its slope. [J m-2, 1]"""
    beyond = enthalpy - snow.held
    # At both ends the slope is none: nothing runs below, and no more above.
    running = (beyond > 0) & (beyond < snow.largest_flow)
    flow = torch.minimum(positive_part(beyond), snow.largest_flow)
    return flow, torch.where(running, torch.ones_like(flow), 0.0)


class SoilEnthalpy(NamedTuple):
    """Of soil layers in equilibrium, ``[layer, column]``."""

    value: Tensor
    """[J m-2]"""
    slope: Tensor
    """By temperature. [J m-2 K-1]"""
    by_leaving: Tensor
    """By water that leaves the layer. [J m-2]"""


def soil_enthalpy(curve: FreezingCurve, soil: SoilRows, warmth: Tensor, leaving: Tensor | float = 0.0) -> SoilEnthalpy:
    """Enthalpy of soil layers whose water is in equilibrium, or about to leave.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    soil : What the layers hold, ``[layer, column]``.
    warmth : Temperature above the melting point, ``[layer, column]``. [K]
    leaving : Water that leaves in the step, ``[layer, column]``. [m3 m-3]

    Notes
    -----
    What leaves in a step does not freeze in it. Else it would have to be thawed after the layers have found their
    temperatures, and a layer that has little but this water would be left tens of kelvins too cold.
    """
    store = soil.store
    liquid, liquid_slope = curve.equilibrium_at(warmth, store.total, soil.curve_parameters())
    freezes = liquid > leaving
    ice = positive_part(store.total - torch.where(freezes, liquid, leaving))
    return SoilEnthalpy(
        store.enthalpy_at(warmth, ice),
        store.slope(warmth, ice, torch.where(freezes, liquid_slope, 0.0)),
        torch.where(freezes, 0.0, store.by_liquid(warmth)),
    )


def rows_at(curve: FreezingCurve, system: System, at: Unknowns, on_ground: Balance) -> Rows:
    """State functions at a guess.

    Parameters
    ----------
    curve : Liquid water of frozen soil by temperature.
    system : The equations.
    at : The guess.
    on_ground : Balance of its bare skin, which says what evaporates.
    """
    snow, snow_slope = snow_warmth(system.snow, at.enthalpy)
    flow, flow_slope = snow_flow(system.snow, at.enthalpy)
    of_bare = system.dt * (1.0 - system.cover)
    leaving, by_skin = (
        system.soil.of_top(of_bare * water) for water in (on_ground.from_soil, on_ground.from_soil_slope)
    )
    stored = soil_enthalpy(curve, system.soil, at.warmth, leaving)
    # No water runs down from soil in this system.
    none = torch.zeros_like(at.warmth)
    return Rows(
        unknown=torch.cat([at.enthalpy, at.warmth]),
        store=torch.cat([at.enthalpy, stored.value]),
        store_slope=torch.cat([torch.ones_like(at.enthalpy), stored.slope]),
        store_by_skin=(stored.by_leaving * by_skin)[0],
        warmth=torch.cat([snow, at.warmth]),
        warmth_slope=torch.cat([snow_slope, torch.ones_like(at.warmth)]),
        flow=torch.cat([flow, none]),
        flow_slope=torch.cat([flow_slope, none]),
    )


def visible_skin(potential: Tensor, top_layer: Tensor) -> Tensor:
    """Warmth of the snow's skin: its potential, up to melting, or to a top layer that is all water. [K]"""
    return torch.minimum(potential, at_least(top_layer, 0.0))


class SnowSkinBalance(NamedTuple):
    """The balance of the snow's skin and its derivatives, ``[column]``. [W m-2, W m-2 K-1]"""

    balance: Balance
    excess: Tensor
    """Heat into the snow less what is conducted from skin to layer."""
    by_potential: Tensor
    by_layer: Tensor


def snow_skin_balance(system: System, potential: Tensor, top_layer: Tensor) -> SnowSkinBalance:
    """The equation of the snow's skin and its slopes.

    Parameters
    ----------
    system : The equations.
    potential : Of the skin, above the melting point, ``[column]``. [K]
    top_layer : Warmth of the top snow layer, ``[column]``. [K]
    """
    skin = visible_skin(potential, top_layer)
    balance = snow_balance(system.snow_skin, FREEZING_POINT + skin)
    # Of the two in the minimum one has the slope. Where they are equal it is the potential, the unknown itself.
    free = potential <= at_least(top_layer, 0.0)
    follows = ~free & (top_layer > 0.0)
    return SnowSkinBalance(
        balance,
        balance.heat - system.top * (potential - top_layer),
        torch.where(free, balance.slope, 0.0) - system.top,
        torch.where(follows, balance.slope, 0.0) + system.top,
    )


class BareSkinBalance(NamedTuple):
    """The balance of the bare skin and its derivative, ``[column]``. [W m-2, W m-2 K-1]"""

    balance: Balance
    excess: Tensor
    by_skin: Tensor


def bare_skin_balance(system: System, skin: Tensor, top_soil: Tensor) -> BareSkinBalance:
    """The equation of the bare skin and its slope.

    Parameters
    ----------
    system : The equations.
    skin, top_soil : Warmth of the skin and of the top soil layer, ``[column]``. [K]
    """
    balance = bare_balance(system.bare_skin, FREEZING_POINT + skin)
    return BareSkinBalance(balance, balance.heat - system.bare * (skin - top_soil), balance.slope - system.bare)


class Linear(NamedTuple):
    """Tridiagonal equations of the next guess, ``[row, column]``."""

    lower: Tensor
    diagonal: Tensor
    upper: Tensor


def jacobian(system: System, rows: Rows) -> Linear:
    """Derivative of the rows by their unknowns, skins held. [1 for snow, J m-2 K-1 for soil]"""
    number, dt = system.snow_layers, system.dt
    above, below = dt * system.conductance_above(), dt * system.between
    slope, flow_slope = rows.warmth_slope, rows.flow_slope
    none = torch.zeros_like(slope[:1])
    # Water that leaves the lowest snow layer leaves the system.
    from_above = torch.cat([none, flow_slope[: number - 1], torch.zeros_like(slope[number - 1 : -1])])
    return Linear(
        lower=-above * torch.cat([none, slope[:-1]]) - from_above,
        diagonal=rows.store_slope + (above + below) * slope + flow_slope,
        upper=-below * torch.cat([slope[1:], none]),
    )


def residual(system: System, rows: Rows, into_snow: Tensor, into_soil: Tensor) -> Tensor:
    """What each row has too much at the end of the step, ``[row, column]``. [J m-2]

    Parameters
    ----------
    system : The equations.
    rows : State functions at the guess, ``[row, column]``.
    into_snow : Heat from the skin, per square metre of snow. [W m-2]
    into_soil : Heat from the bare skin, per square metre of bare ground. [W m-2]
    """
    number, dt, warmth = system.snow_layers, system.dt, rows.warmth
    deep = (system.deep_temperature - FREEZING_POINT).expand_as(warmth[0])[None]
    # Per square metre of snow down to its base, per square metre of ground below.
    falling = dt * system.between * (warmth - torch.cat([warmth[1:], deep]))
    to_soil = falling[:number][-1] * system.cover + dt * (1.0 - system.cover) * into_soil
    arriving = torch.cat([(dt * into_snow)[None], falling[: number - 1], to_soil[None], falling[number:-1]])
    water_from_above = torch.cat([torch.zeros_like(rows.flow[:1]), rows.flow[: number - 1]])
    water_from_above = torch.cat([water_from_above, torch.zeros_like(rows.flow[number:])])
    old = torch.cat([system.snow.start, system.soil.start])
    return rows.store - old - arriving + falling - water_from_above + rows.flow
