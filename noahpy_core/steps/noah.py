"""Noah's time step, read from top to bottom."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable

from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import HEAT_CAPACITY_AIR
from noahpy_core.diagnostics import StepParts, assemble_fluxes
from noahpy_core.exchange import (
    Evaporation,
    Exchange,
    demand_at_hand,
    evaporation_from,
    limited_evaporation,
    limited_potential,
)
from noahpy_core.fixed import ModelPart
from noahpy_core.limited import LimitedScheme
from noahpy_core.numerics import positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.physics import energy_balance
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.physics.canopy import Interception, intercept
from noahpy_core.physics.energy_balance import SurfaceBalance, SurfaceInput
from noahpy_core.physics.evaporation import potential_evaporation
from noahpy_core.physics.snow import PackBalance, Snowpack
from noahpy_core.physics.soil_cover import parameters_of_cover
from noahpy_core.physics.soil_heat import Coupling, SoilHeat
from noahpy_core.physics.soil_water import SoilDemand, SoilWater
from noahpy_core.physics.soil_water_richards import RichardsWater
from noahpy_core.physics.sources import Sources, placed_water, sources
from noahpy_core.physics.surface import (
    Ground,
    Surface,
    limited_fraction,
    roughness_over_snow,
    snow_age,
    snow_free_ground,
)
from noahpy_core.physics.transitions import FRESH_SNOW_SCALE, PRESENCE_SCALE, Transitions
from noahpy_core.slots.canopy_resistance import CanopyResistanceScheme
from noahpy_core.slots.evaporation import EvaporationScheme
from noahpy_core.slots.snow import SnowScheme
from noahpy_core.slots.snow_cover import SnowCoverScheme
from noahpy_core.slots.soil_thermal import SoilThermalScheme
from noahpy_core.slots.soil_water import SoilWaterScheme
from noahpy_core.slots.surface import SurfaceScheme
from noahpy_core.slots.turbulence import TurbulenceScheme
from noahpy_core.state import Fluxes, Forcing, SnowState, SoilState, State, SurfaceMemory


class NoahStep(ModelPart):
    """Noah's step: snow from the soil temperature before, soil under it, bare ground from the soil temperature after.

    Parameters
    ----------
    column : Soil layers.
    transitions, surface, ... : The scheme of each slot, as `noahpy_core.processes` builds it.

    Attributes
    ----------
    keeps_remainder : Whether the scheme of phase change keeps what temperatures in kelvins have no digits for.
    """

    def __init__(
        self,
        column: SoilColumn,
        transitions: Transitions,
        surface: SurfaceScheme,
        snow_cover: SnowCoverScheme,
        turbulence: TurbulenceScheme,
        canopy_resistance: CanopyResistanceScheme,
        evaporation: EvaporationScheme,
        soil_thermal: SoilThermalScheme,
        phase_change: Callable[..., SoilHeat],
        soil_water: SoilWaterScheme,
        snow: SnowScheme,
    ) -> None:
        super().__init__()
        self.column = column
        self.transitions = transitions
        self.surface_properties = surface
        self.snow_cover = snow_cover
        self.turbulence = turbulence
        self.canopy_resistance = canopy_resistance
        self.evaporation = evaporation
        self.soil_thermal = soil_thermal
        self.soil_heat = phase_change
        taken = inspect.signature(getattr(phase_change, "forward", phase_change)).parameters
        self._takes_heat, self.keeps_remainder = "source" in taken, "remainder" in taken
        self.soil_water = soil_water
        self.snow = snow

    def forward(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]:
        """Advance the state by one step.

        Parameters
        ----------
        state : At the start of the step, ``[column]`` and ``[layer, column]``.
        forcing : Air and vegetation during the step, ``[column]``.
        parameters : See `noahpy_core.parameters`.
        dt : Length of the step, one number or one per column. [s]

        Returns
        -------
        The state at the end of the step, and the mean fluxes over it. Each field says its units.

        Raises
        ------
        ValueError : the state has snow layers, or a remainder of temperature that the scheme of phase change does not
            keep, or parameters are given that this step does not read.
        """
        _require_readable(state, parameters, keeps_remainder=self.keeps_remainder)
        parameters = dataclasses.replace(parameters, soil=parameters.soil.resolved())
        soil, transitions = state.soil, self.transitions
        added = sources(forcing, soil.temperature)
        exchange = self._exchange(state, forcing, parameters, dt)
        given = self._surface_input(exchange)

        over_snow = energy_balance.snow_balance(
            given,
            exchange.conduction,
            soil.temperature[0],
            state.skin_temperature,
            exchange.surface.snow_cover,
            transitions,
        )
        snow_left = self._deplete(exchange, over_snow, dt)
        canopy = intercept(
            state.canopy_water,
            exchange.precipitation.liquid + snow_left.melt + exchange.evaporation.dew,
            exchange.evaporation.canopy,
            exchange.ground.vegetation_fraction,
            parameters.vegetation.canopy_capacity,
            dt,
        )
        water, missing = self._soil_water(soil, canopy, exchange.evaporation, added, parameters, dt)
        if isinstance(water, RichardsWater):
            asked = exchange.evaporation
            exchange = exchange._replace(evaporation=evaporation_from(asked, water.soil_evaporation, water.root_uptake))
            given = self._surface_input(exchange)
            over_snow = energy_balance.with_less_latent_heat(over_snow, asked.heat - exchange.evaporation.heat)

        conductivity = self.soil_thermal(water.liquid, water.ice, parameters.soil)
        bare = energy_balance.bare_coupling(given, self._shaded(conductivity[0], exchange.ground, parameters))
        under_snow = energy_balance.snow_coupling(
            soil.temperature[0], over_snow.ground_heat, given.half_layer, exchange.conduction.conductivity
        )
        coupling = energy_balance.merged_coupling(exchange.presence, under_snow, bare, transitions)
        heat = self._soil_heat(soil, water, coupling, conductivity, added.heat, parameters, dt)
        on_ground = energy_balance.bare_balance(given, bare, heat.temperature[0])
        balance = transitions.merge(exchange.presence, over_snow, on_ground)

        settled = self.snow.settled(
            exchange.pack, snow_left, over_snow.skin_temperature, under_snow.temperature, exchange.surface.snow_age, dt
        )
        after = self._new_state(exchange, balance, canopy, heat, settled)
        parts = StepParts(exchange, balance, snow_left, canopy, water, heat, added, missing)
        return after, assemble_fluxes(parts, state, after, forcing, parameters, self.column, dt)

    # --- before snow and ground -------------------------------------------------------------------------------------

    def _exchange(self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float) -> Exchange:
        """Surface properties, turbulence, and evaporation from the state at the start of the step."""
        soil, transitions = state.soil, self.transitions
        air = diagnose_air(forcing, parameters.general)
        ground = snow_free_ground(forcing, parameters.vegetation)
        # Radiation is absorbed with the albedo and emissivity of the previous step, as in the original driver.
        radiation = forcing.shortwave_down * (1.0 - state.surface.albedo)
        radiation = radiation + forcing.longwave_down * state.surface.emissivity

        conductance = self.turbulence(state.surface, state.skin_temperature, air, parameters.general)
        precipitation = self.snow.precipitation(forcing, state.skin_temperature)
        pack = self.snow.snowed_on(state.snow, precipitation, air.temperature, dt)
        presence = transitions.amount(pack.water_equivalent, PRESENCE_SCALE)
        surface = self._surface(state, pack, presence, precipitation.snow * dt, ground, parameters, dt)

        conductivity = self.soil_thermal(soil.liquid_water, soil.ice, parameters.soil)[0]
        shaded = self._shaded(conductivity, ground, parameters)
        half_layer = 0.5 * self.column.thickness[0]
        conduction = energy_balance.ground_conduction(shaded, half_layer, pack, surface.snow_cover, transitions)
        ground_heat = conduction.conductivity * (state.skin_temperature - soil.temperature[0]) / conduction.distance

        potential = potential_evaporation(
            air, conductance.heat, radiation, ground_heat, surface.emissivity, surface.snow_cover, precipitation
        )
        resistance = self.canopy_resistance(
            soil, air, ground, forcing.shortwave_down, conductance.heat, surface.emissivity, parameters
        )

        rate = limited_potential(potential.rate, conductance, surface, presence, radiation, transitions)
        demand = self.evaporation(
            soil, state.canopy_water, ground, positive_part(rate), resistance.plant_coefficient, parameters
        )
        if isinstance(self.evaporation, LimitedScheme):
            potential_rate = positive_part(rate)
            demand = demand_at_hand(demand, potential_rate, soil.liquid_water, soil.ice, self.column, dt)

        return Exchange(
            air=air,
            ground=ground,
            surface=surface,
            conductance=conductance,
            precipitation=precipitation,
            pack=pack,
            presence=presence,
            radiation=radiation,
            potential=potential,
            resistance=resistance,
            evaporation=limited_evaporation(rate, demand, state.canopy_water, presence, surface, dt),
            conduction=conduction,
        )

    def _surface(
        self,
        state: State,
        pack: Snowpack,
        presence: Tensor,
        snowfall: Tensor,
        ground: Ground,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> Surface:
        """Albedo, emissivity and roughness with this step's snow."""
        cover = limited_fraction(self.snow_cover(pack.water_equivalent, parameters.snow))
        fresh = self.transitions.amount(snowfall, FRESH_SNOW_SCALE)
        age = snow_age(state.snow.age, fresh, presence, dt)
        albedo, emissivity = self.surface_properties(ground, cover, age, parameters)
        roughness = roughness_over_snow(cover, pack.depth, ground.roughness_length)
        return Surface(limited_fraction(albedo), limited_fraction(emissivity), roughness, cover, age)

    @staticmethod
    def _shaded(conductivity: Tensor, ground: Ground, parameters: Parameters) -> Tensor:
        return energy_balance.shaded_conductivity(
            conductivity, parameters.general.canopy_shading_coefficient, ground.vegetation_fraction
        )

    def _surface_input(self, exchange: Exchange) -> SurfaceInput:
        return SurfaceInput(
            air=exchange.air,
            potential=exchange.potential,
            emissivity=exchange.surface.emissivity,
            radiation=exchange.radiation,
            latent_heat=exchange.evaporation.heat,
            precipitation=exchange.precipitation,
            half_layer=0.5 * self.column.thickness[0],
        )

    # --- snow and soil water ----------------------------------------------------------------------------------------

    def _deplete(self, exchange: Exchange, balance: SurfaceBalance, dt: Tensor | float) -> PackBalance:
        """Snow water after this step's sublimation and melt."""
        loss = (exchange.evaporation.sublimation - exchange.evaporation.frost) * dt
        heat = balance.melt_demand * exchange.presence
        return self.snow.deplete(exchange.pack, loss, heat, balance.skin_temperature, dt)

    def _soil_water(
        self,
        soil: SoilState,
        canopy: Interception,
        evaporation: Evaporation,
        added: Sources,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> tuple[SoilWater | RichardsWater, Tensor | None]:
        """Soil water after the step, and what a sink asked for and did not find. [kg m-2 s-1]"""
        supply = canopy.throughfall if added.ground is None else canopy.throughfall + added.ground
        demand, missing = SoilDemand(evaporation.soil, evaporation.roots), None
        if added.water is not None:
            placed = placed_water(
                added.water, soil.liquid_water, soil.ice, parameters.soil.porosity, self.column.thickness, dt
            )
            demand, missing = demand._replace(source=placed.source), placed.missing
            supply = supply + placed.surplus
        return self.soil_water(soil.liquid_water, soil.ice, supply, demand, parameters, dt), missing

    def _soil_heat(
        self,
        before: SoilState,
        water: SoilWater | RichardsWater,
        coupling: Coupling,
        conductivity: Tensor,
        source: Tensor | None,
        parameters: Parameters,
        dt: Tensor | float,
    ) -> SoilHeat:
        given = (before.temperature, water.liquid, water.ice, coupling, conductivity, parameters, dt)
        digits = {} if before.temperature_remainder is None else {"remainder": before.temperature_remainder}
        if source is None:
            return self.soil_heat(*given, **digits)
        if not self._takes_heat:
            raise ValueError(
                f"soil_heat_source: the scheme {type(self.soil_heat).__name__} in the slot phase_change takes no heat "
                "from others. Give its forward() an argument source [W m-2], or leave the source out."
            )
        return self.soil_heat(*given, source=source, **digits)

    # --- results ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _new_state(
        exchange: Exchange, balance: SurfaceBalance, canopy: Interception, heat: SoilHeat, pack: SnowState
    ) -> State:
        evaporation, surface = exchange.evaporation, exchange.surface
        # Frost on snow leaves the surface humidity at that of the air, as in the original.
        vapour = evaporation.from_ground + evaporation.sublimation - evaporation.dew
        humidity = exchange.air.humidity + vapour * HEAT_CAPACITY_AIR / exchange.potential.heat_transfer
        memory = SurfaceMemory(
            albedo=surface.albedo,
            emissivity=surface.emissivity,
            roughness_length=surface.roughness_length,
            snow_free_roughness_length=exchange.ground.roughness_length,
            specific_humidity=humidity,
            aerodynamic_conductance=exchange.conductance.heat,
            momentum_conductance=exchange.conductance.momentum,
        )
        soil = SoilState(heat.temperature, heat.liquid, heat.ice, heat.remainder)
        return State(soil, pack, memory, canopy.canopy_water, balance.skin_temperature)


def _require_readable(state: State, parameters: Parameters, *, keeps_remainder: bool) -> None:
    """Raise ValueError where something is given that this step does not read."""
    if state.snow.layer_mass is not None:
        raise ValueError(
            "snow: the state has snow layers, and Noah's step has none. "
            "Make it with noahpy_core.initial_state(..., snow_layers=0), or choose the preset 'conservative'."
        )
    if state.soil.temperature_remainder is not None and not keeps_remainder:
        raise ValueError(
            "soil.temperature_remainder: the state has one, and Noah's step keeps none with this phase_change. "
            "Give the state without it, or choose phase_change 'enthalpy' or the preset 'conservative'."
        )
    unread = parameters_of_cover(parameters.vegetation)
    if unread:
        raise ValueError(
            f"vegetation.{unread[0]}: Noah's step has no resistance of what lies on the soil. Leave it out, or "
            "choose the preset 'conservative'."
        )
