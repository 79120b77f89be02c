"""The state at the end of a step."""

from __future__ import annotations

from torch import Tensor

from noahpy_core.parameters import Parameters
from noahpy_core.physics.surface import snow_age
from noahpy_core.physics.transitions import FRESH_SNOW_SCALE, PRESENCE_SCALE
from noahpy_core.state import State, SurfaceMemory
from noahpy_core.steps.conservative.parts import ConservativeParts, Schemes


def new_state(
    schemes: Schemes, state: State, parts: ConservativeParts, parameters: Parameters, dt: Tensor | float
) -> State:
    """The state at the end of the step.

    Parameters
    ----------
    schemes : Of the slots.
    state : At the start.
    parts : What the parts of the step have found.
    parameters : Of the step, resolved.
    dt : Length of the step. [s]
    """
    around, heat, snow = parts.around, parts.heat, parameters.snow
    snowy, cover = around.snowy, around.snowy.cover
    settled = schemes.snow.settled(heat.layers, heat.snow_temperature, snowy.patch.scale, snow, 0.5 * dt)
    albedo = schemes.snow.aged(snowy, heat.snow_skin, around.snowfall, snow, dt)
    transitions = schemes.transitions
    fresh = transitions.amount(around.snowfall * dt, FRESH_SNOW_SCALE)
    presence = transitions.amount(snowy.layers.mass.sum(0), PRESENCE_SCALE)
    age = snow_age(state.snow.age, fresh, presence, dt)
    skin = _merged(cover, heat.snow_skin, heat.bare_skin)
    return State(
        parts.moved.soil, schemes.snow.state(settled, albedo, age), _memory(parts, parameters), parts.canopy.water, skin
    )


def _memory(parts: ConservativeParts, parameters: Parameters) -> SurfaceMemory:
    """What surface memory holds is for others to read: no step of this kind does."""
    around, heat, cover = parts.around, parts.heat, parts.around.snowy.cover
    transfer = _merged(cover, heat.over_snow.transfer, heat.on_ground.transfer)
    vapour = _merged(cover, heat.over_snow.vapour, heat.on_ground.vapour)
    assert parameters.snow.snow_roughness is not None
    return SurfaceMemory(
        albedo=_merged(cover, around.snowy.albedo, around.ground.albedo),
        emissivity=_merged(cover, heat.system.snow_skin.emissivity, around.ground.emissivity),
        roughness_length=_merged(cover, parameters.snow.snow_roughness, around.ground.roughness_length),
        snow_free_roughness_length=around.ground.roughness_length,
        specific_humidity=around.air.humidity + vapour / transfer,
        aerodynamic_conductance=transfer / around.air.density,
        momentum_conductance=transfer / around.air.density,
    )


def _merged(cover: Tensor, over_snow: Tensor, on_ground: Tensor) -> Tensor:
    """Mean over the column's area of what snow and bare ground have."""
    return cover * over_snow + (1.0 - cover) * on_ground
