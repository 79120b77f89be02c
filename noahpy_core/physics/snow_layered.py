"""The layered snowpack: the pieces of its physics, each exchangeable, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import FREEZING_POINT, GHOST_MASS, LATENT_HEAT_FUSION, WATER_HEAT
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.parameters import SnowParameters
from noahpy_core.physics.atmosphere import Air
from noahpy_core.physics.first_pack import Functions, first_pack
from noahpy_core.physics.snow_layers import (
    Patch,
    Snowfall,
    SnowLayers,
    drained,
    patch,
    patch_scale,
    with_rain,
    with_snowfall,
)
from noahpy_core.physics.snow_processes import LARGEST_SNOW_DENSITY, SMALLEST_CONDUCTIVITY
from noahpy_core.state import Forcing, SnowState

LARGEST_SUBLIMATION = 0.35
"""Share of the ice of the top layer that can sublimate in a step."""
LARGEST_HELD_SHARE = 0.4
"""Of liquid water in a layer, whatever its pores hold."""
SMALLEST_PACK = 0.5
"""Snow on the ground that it covers, at least: a vanishing layer has no temperature. [kg m-2]"""
SKIN_DISTANCE = 0.05
"""Largest distance between the skin and the node of the top layer. [m]"""
LARGEST_SETTLING = 2.0
"""Logarithm of the largest ratio of densities in a step."""
MELTING_RANGE = 1.0
"""Below the melting point, over which a surface counts more and more as melting for its albedo. [K]"""


class SnowyGround(NamedTuple):
    """The pack with this step's snow and rain on it, before heat is exchanged."""

    layers: SnowLayers
    patch: Patch
    cover: Tensor
    """Share of the ground under snow, ``[column]``. [1]"""
    ice: Tensor
    """Of each layer. [kg m-2]"""
    conductivity: Tensor
    """[W m-1 K-1]"""
    albedo: Tensor
    rain: Tensor
    """Rain on snow, per square metre of ground. [kg m-2 s-1]"""
    arriving_heat: Tensor
    """Enthalpy of this snow and rain, counted from liquid water at the melting point. [W m-2]"""

    def largest_sublimation(self, dt: Tensor | float) -> Tensor:
        """Per square metre of snow. [kg m-2 s-1]"""
        # Of what is there: a limit by the patch, which is never empty, would take more. And of ice: rain on next to no
        # snow would have to freeze first, and the heat of that would be left in what remains.
        return LARGEST_SUBLIMATION * positive_part(self.ice[0]) * self.patch.scale / dt

    def largest_flow(self, held: Tensor, vapour: Tensor) -> Tensor:
        """Heat that can run down with water within the heat step, per square metre of snow. [J m-2]

        Of each layer, ``[snow layer, column]``: at most half of what it does not hold, and what the layer below can
        take in or pass on. The rest runs down after it.

        Parameters
        ----------
        held : Heat of the water that layers hold, ``[snow layer, column]``. [J m-2]
        vapour : What the top layer loses while it melts, ``[column]``. [kg m-2]
        """
        rows = self.patch
        mass = positive_part(self.layers.mass) * rows.scale
        mass = torch.cat([(mass[0] - vapour)[None], mass[1:]])
        # As much runs as stays beyond what is held (`coupled_system.snow_flow`): all of this when all is water.
        own = 0.5 * positive_part(LATENT_HEAT_FUSION * mass - held)
        room = positive_part(LATENT_HEAT_FUSION * rows.mass - rows.enthalpy)
        flow, passed_on = [own[-1]], torch.zeros_like(own[-1])
        for layer in range(own.shape[0] - 2, -1, -1):
            # A layer keeps its mass within the heat step: water that it has neither room for nor passes on would count
            # as heat of what it has, and metres of rain on a few kilograms would make it hotter than any fire.
            passed_on = torch.minimum(own[layer], passed_on + room[layer + 1])
            flow.append(passed_on)
        return torch.stack(flow[::-1])

    def conductances(self) -> tuple[Tensor, Tensor, Tensor]:
        """From skin to top layer, between layers, and resistance of the lowest half layer. [W m-2 K-1, W-1 m2 K]"""
        thickness, conductivity = self.patch.thickness, self.conductivity
        to_skin = at_most(0.5 * thickness[0], SKIN_DISTANCE)
        upper = 0.5 * thickness / conductivity
        lower = torch.cat([((thickness[0] - to_skin) / conductivity[0])[None], upper[1:]])
        return conductivity[0] / to_skin, 1.0 / (lower[:-1] + upper[1:]), lower[-1]


class LayeredSnow(ModelPart):
    """One to a few layers with enthalpy, water and thickness inside the coupled heat step; the state has their number.

    Parameters
    ----------
    phase, fresh_density, ... : The scheme of each piece (see `noahpy_core.physics.snow_processes`).
    """

    def __init__(
        self,
        phase: Callable[..., Tensor],
        fresh_density: Callable[..., Tensor],
        compaction: Callable[..., Tensor],
        snow_conductivity: Callable[..., Tensor],
        snow_albedo: Callable[..., Tensor],
        snow_cover: Callable[..., Tensor],
        retention: Callable[..., Tensor],
    ) -> None:
        super().__init__()
        self.phase = phase
        self.fresh_density = fresh_density
        self.compaction = compaction
        self.conductivity = snow_conductivity
        self.albedo = snow_albedo
        self.cover = snow_cover
        self.retention = retention

    def stored(self, snow: SnowState) -> SnowLayers:
        """The layers of a state.

        Raises
        ------
        ValueError : The state has none.
        """
        if snow.layer_mass is None or snow.layer_enthalpy is None or snow.layer_thickness is None:
            raise ValueError(
                "snow: the state has no snow layers, and the scheme 'layered' needs them. "
                "Make it with noahpy_core.initial_state(..., snow_layers=3)."
            )
        return SnowLayers(snow.layer_mass, snow.layer_enthalpy, snow.layer_thickness)

    def snowfall(self, forcing: Forcing, air: Air) -> Tensor:
        """Snow among the precipitation: what the forcing says, else by the phase of the air. [kg m-2 s-1]"""
        if forcing.snowfall is not None:
            return between(forcing.snowfall, 0.0, forcing.precipitation)
        return forcing.precipitation * between(self.phase(air), 0.0, 1.0)

    def snowed_on(
        self, snow: SnowState, snowfall: Tensor, rainfall: Tensor, air: Air, parameters: SnowParameters,
        dt: Tensor | float,
    ) -> SnowyGround:  # fmt: skip
        """The pack settled over half of the step, with the step's snow and rain.

        Rain joins the top layer with its heat and freezes there if it must.

        Parameters
        ----------
        snow : At the start of the step; layers are ``[snow layer, column]``.
        snowfall, rainfall : ``[column]``. [kg m-2 s-1]
        air : The air that they fall through, ``[column]``.
        parameters : Of snow, resolved.
        dt : Length of the step. [s]
        """
        before = self.stored(snow)
        assert snow.albedo is not None
        assert parameters.cover_scale is not None
        fallen = Snowfall(snowfall * dt, at_most(air.temperature, FREEZING_POINT), self.fresh_density(air))

        old = before.mass.sum(0)
        whole = old + fallen.mass
        cover = at_most(between(self.cover(whole, parameters), 0.0, 1.0), whole / SMALLEST_PACK)
        scale = patch_scale(cover, parameters.cover_scale)
        # Half of the settling before heat is exchanged, half after: it passes the snow of the middle of the step, and
        # what falls meanwhile has settled over half of the step at its end, as it has on average.
        before = self.settled(before, patch(before, scale).temperature, scale, parameters, 0.5 * dt)
        layers = with_snowfall(before, fallen, scale)

        rain = cover * rainfall
        rain_heat = WATER_HEAT * (air.temperature - FREEZING_POINT) * rain
        layers = with_rain(layers, rain * dt, dt * (rain_heat + LATENT_HEAT_FUSION * rain))

        # A pack that begins has the albedo of what it is made of.
        assert parameters.fresh_albedo is not None
        fresh_share = fallen.mass / (old + fallen.mass + GHOST_MASS)
        albedo = snow.albedo + fresh_share * (parameters.fresh_albedo - snow.albedo)

        arriving = fallen.enthalpy / dt - LATENT_HEAT_FUSION * snowfall + rain_heat
        rows = patch(layers, scale)
        conductivity = at_least(
            self.conductivity(rows.density, rows.temperature, layers.wetness), SMALLEST_CONDUCTIVITY
        )
        return SnowyGround(layers, rows, cover, layers.ice, conductivity, albedo, rain, arriving)

    def held(self, ground: SnowyGround, parameters: SnowParameters) -> Tensor:
        """Water each layer holds per square metre of snow. [kg m-2]"""
        rows = ground.patch
        ice = rows.mass - at_most(positive_part(rows.enthalpy) / LATENT_HEAT_FUSION, rows.mass)
        held = positive_part(self.retention(rows.thickness, ice, parameters))
        return at_most(held, LARGEST_HELD_SHARE * rows.mass)

    def drained(
        self, layers: SnowLayers, ice_before: Tensor, parameters: SnowParameters
    ) -> tuple[SnowLayers, Tensor, Tensor]:
        """Layers after water beyond what they hold has run down (see `snow_layers.drained`).

        Parameters
        ----------
        layers : Before, ``[snow layer, column]``.
        ice_before : Ice for which the thickness of each layer stands, ``[snow layer, column]``. [kg m-2]
        parameters : Of snow, resolved.
        """

        def retention(thickness: Tensor, ice: Tensor) -> Tensor:
            return positive_part(self.retention(thickness, ice, parameters))

        return drained(layers, ice_before, retention)

    def settled(
        self, layers: SnowLayers, temperature: Tensor, scale: Tensor, parameters: SnowParameters, dt: Tensor | float
    ) -> SnowLayers:
        """Layers after settling, which changes their thickness [m] and nothing else, ``[snow layer, column]``.

        Parameters
        ----------
        layers : Per square metre of ground.
        temperature : ``[snow layer, column]``. [K]
        scale : From what lies on a square metre of ground to that on one of snow, ``[column]``. [1]
        parameters : Of snow, resolved.
        dt : Over which they settle. [s]
        """
        density = layers.density
        above = torch.cumsum(layers.mass, 0) - 0.5 * layers.mass
        rate = positive_part(self.compaction(density, above * scale, temperature, layers.wetness, parameters))
        settled = at_most(density * torch.exp(at_most(rate * dt, LARGEST_SETTLING)), LARGEST_SNOW_DENSITY)
        return layers._replace(thickness=layers.thickness * density / torch.maximum(settled, density))

    def aged(
        self, ground: SnowyGround, skin: Tensor, snowfall: Tensor, parameters: SnowParameters, dt: Tensor | float
    ) -> Tensor:
        """Albedo at the end of the step, ``[column]``. [1]

        Parameters
        ----------
        ground : The pack with the snow of the step.
        skin : Temperature of the skin over the step, ``[column]``. [K]
        snowfall : ``[column]``. [kg m-2 s-1]
        parameters : Of snow, resolved.
        dt : Length of the step. [s]
        """
        melting = between(1.0 + (skin - FREEZING_POINT) / MELTING_RANGE, 0.0, 1.0)
        depth = ground.patch.thickness.sum(0)
        return between(self.albedo(ground.albedo, melting, snowfall, skin, depth, parameters, dt), 0.0, 1.0)

    def state(self, layers: SnowLayers, albedo: Tensor, age: Tensor) -> SnowState:
        """The state that holds the layers.

        Parameters
        ----------
        layers : At the end of the step, ``[snow layer, column]``.
        albedo : ``[column]``. [1]
        age : Of the surface, ``[column]``. [s]
        """
        return SnowState(
            water_equivalent=layers.mass.sum(0),
            depth=layers.thickness.sum(0),
            age=age,
            layer_mass=layers.mass,
            layer_enthalpy=layers.enthalpy,
            layer_thickness=layers.thickness,
            albedo=albedo,
        )


TENSORS = Functions(torch.full_like, positive_part, at_least, at_most, torch.stack)


def layered_snow(snow: SnowState, temperature: Tensor, layers: int) -> SnowState:
    """A pack without layers, given some: dry, of one density and temperature, its albedo that of fresh snow.

    Parameters
    ----------
    temperature : Of the pack, up to melting. [K]
    layers : Number of layers, 1 or more.
    """
    return first_pack(snow, temperature, layers, TENSORS)
