"""The snow after heat, vapour and running water have passed through it."""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.constants import GHOST_MASS, LATENT_HEAT_FUSION, SPECIFIC_HEAT_ICE, WATER_HEAT
from noahpy_core.numerics import at_most, between, positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.physics.closed_balance import Balance
from noahpy_core.physics.snow_layered import SnowyGround
from noahpy_core.physics.snow_layers import SnowLayers
from noahpy_core.state import SnowState
from noahpy_core.steps.conservative.parts import LeftPack, Schemes

DIGITS = 16.0
"""Last digits of the heat of a pack that the operations of a step may round away."""


def pack_after_heat(
    schemes: Schemes, snowy: SnowyGround, balance: Balance, warmth: Tensor, conducted: Tensor, flow: Tensor,
    parameters: Parameters, dt: Tensor | float,
) -> tuple[SnowLayers, LeftPack]:  # fmt: skip
    """Layers after heat, vapour and running water, and what has left them.

    Parameters
    ----------
    schemes : Of the slots.
    snowy : The pack before.
    balance : Of the snow's skin.
    warmth : Of the top layer, above the melting point, ``[column]``. [K]
    conducted : Heat down from each layer, per square metre of snow, ``[snow layer, column]``. [W m-2]
    flow : Heat that ran down with water from each layer, per square metre of snow. [J m-2]
    parameters : Of the step, resolved.
    dt : Length of the step. [s]
    """
    cover, layers = snowy.cover, snowy.layers
    arriving = torch.cat([balance.heat[None], conducted[:-1]])
    ran = cover * (torch.cat([torch.zeros_like(flow[:1]), flow[:-1]]) - flow)
    vapour = cover * dt * (balance.from_ice - balance.condensation)
    evaporated = cover * dt * (balance.soil - balance.from_ice)
    carried = WATER_HEAT * positive_part(warmth) * evaporated + SPECIFIC_HEAT_ICE * at_most(warmth, 0.0) * vapour
    mass = layers.mass + ran / LATENT_HEAT_FUSION
    enthalpy = layers.enthalpy + cover * dt * (arriving - conducted) + ran

    # Vapour leaves and joins at the temperature of the layer, which therefore stays, with its share of the thickness.
    top = mass[0] - vapour - evaporated
    kept = (top + GHOST_MASS) / (mass[0] + GHOST_MASS)
    after = SnowLayers(
        torch.cat([top[None], mass[1:]]),
        torch.cat([(enthalpy[0] - LATENT_HEAT_FUSION * evaporated - carried)[None], enthalpy[1:]]),
        torch.cat([(layers.thickness[0] * at_most(kept, 1.0))[None], layers.thickness[1:]]),
    )
    ice_before = torch.cat([positive_part(snowy.ice[0] - vapour)[None], snowy.ice[1:]])
    after, water, warm = schemes.snow.drained(after, ice_before, parameters.snow)
    left = LeftPack((cover * flow[-1] / LATENT_HEAT_FUSION + water) / dt, warm / dt, carried / dt)
    return after, left


def frosted(layers: SnowLayers, frost: Tensor, heat: Tensor, density: Tensor) -> SnowLayers:
    """The pack with frost of bare ground.

    Parameters
    ----------
    layers : Before, ``[snow layer, column]``.
    frost : ``[column]``. [kg m-2]
    heat : Of the frost, counted from ice at the melting point, ``[column]``. [J m-2]
    density : Of the frost, that of fresh snow, ``[column]``. [kg m-3]
    """
    none = torch.zeros_like(layers.mass[1:])
    return SnowLayers(
        layers.mass + torch.cat([frost[None], none]),
        layers.enthalpy + torch.cat([heat[None], none]),
        layers.thickness + torch.cat([(frost / density)[None], none]),
    )


def stored_layers(snow: SnowState) -> SnowLayers:
    """The layers of a state that has some."""
    assert snow.layer_mass is not None
    assert snow.layer_enthalpy is not None
    assert snow.layer_thickness is not None
    return SnowLayers(snow.layer_mass, snow.layer_enthalpy, snow.layer_thickness)


def enthalpy_gain(before: SnowState, after: SnowLayers) -> Tensor:
    """Of the pack, counted from liquid water at the melting point, ``[column]``. [J m-2]"""
    old = stored_layers(before)
    return (after.enthalpy - old.enthalpy - LATENT_HEAT_FUSION * (after.mass - old.mass)).sum(0)


def unstored_heat(before: SnowState, after: SnowLayers, arrived: Tensor, left: Tensor, dt: Tensor | float) -> Tensor:
    """Heat that the numbers of the layers have no digits for, ``[column]``: the soil below has. [W m-2]

    Parameters
    ----------
    before : At the start of the step.
    after : The pack at its end.
    arrived, left : What the pack was given and what it gave, counted from liquid water at the melting point,
        ``[column]``. [W m-2]
    dt : Length of the step. [s]

    Notes
    -----
    It is round-off, of water too: in single precision a deep pack has steps of 1e-4 kg m-2, 40 J m-2 of latent heat.
    More than that is none, and is left to the closure to show.
    """
    old = stored_layers(before)
    stored = (old.mass + after.mass).sum(0) * LATENT_HEAT_FUSION + (old.enthalpy.abs() + after.enthalpy.abs()).sum(0)
    digits = DIGITS * torch.finfo(stored.dtype).eps * (stored / dt + arrived.abs() + left.abs())
    unstored = arrived - left - enthalpy_gain(before, after) / dt
    return between(unstored, -digits, digits).detach()
