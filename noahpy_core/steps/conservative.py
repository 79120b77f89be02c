"""The conservative time step, read from top to bottom: nothing is created, and every flux is that of the step's end.

Surface, snow and soil exchange heat as one implicit system, evaporation being limited to what each store has. What
evaporated is taken from the stores; then rain that passed the canopy, and water that left the snow, move through the
soil and carry their heat. Each part closes by itself, so the whole does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import FREEZING_POINT, LATENT_HEAT_FUSION, MINIMUM_MOISTURE, WATER_DENSITY
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_most, positive_part, safe_divide
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import diagnose_air
from noahpy_core.physics.closed_balance import Balance, BareSkin, SnowSkin
from noahpy_core.physics.coupled_heat import first_guess, solve_coupled
from noahpy_core.physics.coupled_system import (
    SnowRows,
    SoilRows,
    System,
    bare_skin_balance,
    snow_flow,
    snow_skin_balance,
    snow_temperature,
    visible_skin,
)
from noahpy_core.physics.energy_balance import shaded_conductivity
from noahpy_core.physics.evaporation import CanopyResistance, Demand
from noahpy_core.physics.exchange_louis import Louis1979, surface_layer
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.snow_layered import LARGEST_RUNNING_SHARE, LayeredSnow, SnowyGround
from noahpy_core.physics.snow_layers import SnowLayers
from noahpy_core.physics.soil_enthalpy import WATER_HEAT, carry_heat, soil_store
from noahpy_core.physics.soil_water import SoilDemand
from noahpy_core.physics.soil_water_richards import RichardsSoilWater
from noahpy_core.physics.surface import snow_age, snow_free_ground
from noahpy_core.state import Fluxes, Forcing, SoilState, State, SurfaceMemory
from noahpy_core.steps.conservative_fluxes import conservative_fluxes
from noahpy_core.steps.conservative_parts import CanopyWater, ConservativeParts, HeatStep, Moved, Surroundings

ROUND_OFF = 1.0e-14
"""Share of a store that is left by round-off. [1]"""


class ConservativeStep(ModelPart):
    """The closed column: coupled heat, layered snow, Richards soil water.

    Parameters
    ----------
    column : Soil layers.
    canopy_resistance, ... : The scheme of each slot.
    """

    def __init__(
        self,
        column: SoilColumn,
        turbulence: Louis1979,
        canopy_resistance: Callable[..., CanopyResistance],
        evaporation: Callable[..., Demand],
        soil_thermal: Callable[..., Tensor],
        supercooled_water: FreezingCurve,
        soil_water: RichardsSoilWater,
        snow: LayeredSnow,
    ) -> None:
        super().__init__()
        self.column = column
        self.turbulence = turbulence
        self.canopy_resistance = canopy_resistance
        self.evaporation = evaporation
        self.soil_thermal = soil_thermal
        self.curve = supercooled_water
        self.soil_water = soil_water
        self.snow = snow

    def forward(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]:
        """Advance the state by one step.

        Parameters
        ----------
        state : At the start of the step, ``[column]``, ``[layer, column]`` and ``[snow layer, column]``.
        forcing : Air and vegetation during the step, ``[column]``.
        parameters : See `noahpy_core.parameters`.
        dt : Length of the step, one number or one per column. [s]

        Returns
        -------
        The state at the end of the step, and the mean fluxes over it. Each field says its units.

        Raises
        ------
        ValueError : the state has no snow layers.
        ConvergenceError : naming the columns whose equations were not solved.
        """
        parameters = dataclasses.replace(parameters, soil=parameters.soil.resolved(), snow=parameters.snow.resolved())
        around = self._surroundings(state, forcing, parameters, dt)
        heat = self._heat(state, forcing, around, parameters, dt)
        canopy = self._canopy(state, around, heat, parameters, dt)
        moved = self._moved(around, heat, canopy.throughfall + heat.melt_water, parameters, dt)
        after = self._new_state(state, around, heat, canopy, moved, parameters, dt)
        parts = ConservativeParts(around, heat, canopy, moved)
        return after, conservative_fluxes(parts, state, after, forcing, parameters, self.column, dt)

    # --- before heat ------------------------------------------------------------------------------------------------

    def _surroundings(self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float) -> Surroundings:
        """Air, vegetation, precipitation by phase, the pack with it, and what can evaporate."""
        soil = state.soil
        air = diagnose_air(forcing, parameters.general)
        ground = snow_free_ground(forcing, parameters.vegetation)
        snowfall = self.snow.snowfall(forcing, air)
        rainfall = forcing.precipitation - snowfall
        snowy = self.snow.snowed_on(state.snow, snowfall, rainfall, air, parameters.snow, dt)
        neutral = surface_layer(air, ground.roughness_length).neutral / air.density
        resistance = self.canopy_resistance(
            soil, air, ground, forcing.shortwave_down, neutral, ground.emissivity, parameters
        )
        one = torch.ones_like(snowfall)
        # Over the step the canopy is on average as wet as after half of the rain it catches.
        caught = ground.vegetation_fraction * (1.0 - snowy.cover) * rainfall
        wet = at_most(state.canopy_water + 0.5 * dt * caught, parameters.vegetation.canopy_capacity)
        shares = self.evaporation(soil, wet, ground, one, one, parameters)
        available = positive_part(soil.liquid_water - MINIMUM_MOISTURE) * self.column.thickness * WATER_DENSITY
        return Surroundings(air, ground, rainfall, snowfall, snowy, resistance, shares, available, caught)

    # --- heat -------------------------------------------------------------------------------------------------------

    def _heat(
        self, state: State, forcing: Forcing, around: Surroundings, parameters: Parameters, dt: Tensor | float
    ) -> HeatStep:
        """The coupled system solved, and all that follows from its fluxes."""
        system = self._system(state, forcing, around, parameters, dt)
        at = solve_coupled(self.curve, system, first_guess(system, state.soil.temperature, state.skin_temperature))
        temperature, _ = snow_temperature(system.snow, at.enthalpy)
        over_snow = snow_skin_balance(system, at.snow_skin, temperature[0]).balance
        on_ground = bare_skin_balance(system, at.bare_skin, at.temperature[0]).balance
        cover, number = system.cover, system.snow_layers

        every = torch.cat([temperature, at.temperature, system.deep_temperature.expand_as(cover)[None]])
        conducted = system.between * (every[:-1] - every[1:])
        flow, _ = snow_flow(system.snow, at.enthalpy)
        layers, outflow, warm = self._snow_after(around.snowy, over_snow, conducted[:number], flow, parameters, dt)
        frost = (1.0 - cover) * on_ground.condensation * on_ground.frost_share
        layers = self._frosted(layers, frost * dt, around)

        into_soil = cover * conducted[number - 1] + (1.0 - cover) * on_ground.heat + warm
        falling = conducted[number:]
        arriving = torch.cat([into_soil[None], falling[:-1]])
        return HeatStep(
            system=system,
            at=at,
            snow_temperature=temperature,
            snow_skin=visible_skin(at.snow_skin, temperature[0]),
            over_snow=over_snow,
            on_ground=on_ground,
            layers=layers,
            melt_water=outflow,
            soil_enthalpy=system.soil.start + dt * (arriving - falling),
            soil_flux=into_soil,
            deep_flux=falling[-1],
            frost=frost,
        )

    def _system(
        self, state: State, forcing: Forcing, around: Surroundings, parameters: Parameters, dt: Tensor | float
    ) -> System:
        """The equations of the step."""
        soil, snowy, air, ground = state.soil, around.snowy, around.air, around.ground
        rows = snowy.patch
        held = LATENT_HEAT_FUSION * self.snow.held(snowy, parameters.snow)
        largest = LARGEST_RUNNING_SHARE * LATENT_HEAT_FUSION * positive_part(snowy.layers.mass) * rows.scale

        store = soil_store(soil.moisture, self.column.thickness, parameters)
        conductivity = self.soil_thermal(soil.liquid_water, soil.ice, parameters.soil)
        half = 0.5 * self.column.thickness / conductivity
        deepest = parameters.general.deep_temperature_depth - self.column.node_depth[-1]

        top, inner, lowest = snowy.conductances()
        shaded = shaded_conductivity(
            conductivity[0], parameters.general.canopy_shading_coefficient, ground.vegetation_fraction
        )

        return System(
            snow=SnowRows(rows.mass, rows.enthalpy, held, largest),
            soil=SoilRows(
                start=store.enthalpy(soil.temperature, soil.ice),
                store=store,
                b=parameters.soil.clapp_hornberger_b,
                suction=parameters.soil.saturated_suction,
                porosity=parameters.soil.porosity,
            ),
            snow_skin=self._snow_skin(forcing, around, parameters, dt),
            bare_skin=self._bare_skin(state, forcing, around, dt),
            cover=snowy.cover,
            top=top,
            between=torch.cat(
                [
                    inner,
                    (1.0 / (lowest + half[0]))[None],
                    1.0 / (half[:-1] + half[1:]),
                    (conductivity[-1] / deepest)[None],
                ]
            ),
            bare=shaded / (0.5 * self.column.thickness[0]),
            deep_temperature=parameters.general.deep_temperature,
            dt=dt + torch.zeros_like(air.temperature),
        )

    @staticmethod
    def _snow_skin(forcing: Forcing, around: Surroundings, parameters: Parameters, dt: Tensor | float) -> SnowSkin:
        snow, air = parameters.snow, around.air
        assert snow.snow_emissivity is not None
        assert snow.snow_roughness is not None
        absorbed = (1.0 - around.snowy.albedo) * forcing.shortwave_down + snow.snow_emissivity * forcing.longwave_down
        return SnowSkin(
            air=surface_layer(air, snow.snow_roughness),
            pressure=air.pressure,
            humidity=air.humidity,
            absorbed=absorbed,
            emissivity=snow.snow_emissivity,
            largest_sublimation=around.snowy.largest_sublimation(dt),
        )

    @staticmethod
    def _bare_skin(state: State, forcing: Forcing, around: Surroundings, dt: Tensor | float) -> BareSkin:
        """Shares of soil, canopy and plants, and the most each can give; the top layer is shared by soil and roots."""
        air, ground, shares, available = around.air, around.ground, around.shares, around.available
        plant_share = positive_part(shares.roots.sum(0))
        of_top = safe_divide(shares.soil, shares.soil + shares.roots[0])
        for_roots = torch.cat([(available[0] * (1.0 - of_top))[None], available[1:]])
        taken = shares.roots > 0
        # The most the plants can have before the first of their layers is empty.
        until_empty = torch.where(taken, for_roots / torch.where(taken, shares.roots, 1.0), 1.0e9)
        largest_plant = -(-until_empty).amax(0) * plant_share / dt
        return BareSkin(
            air=surface_layer(air, ground.roughness_length),
            pressure=air.pressure,
            humidity=air.humidity,
            density=air.density,
            absorbed=(1.0 - ground.albedo) * forcing.shortwave_down + ground.emissivity * forcing.longwave_down,
            emissivity=ground.emissivity,
            soil_share=shares.soil,
            canopy_share=shares.canopy,
            plant_share=plant_share,
            plant_resistance=around.resistance.resistance,
            largest_soil=available[0] * of_top / dt,
            largest_canopy=positive_part(state.canopy_water) / dt + around.caught,
            largest_plant=largest_plant,
        )

    def _snow_after(
        self, snowy: SnowyGround, balance: Balance, conducted: Tensor, flow: Tensor, parameters: Parameters,
        dt: Tensor | float,
    ) -> tuple[SnowLayers, Tensor, Tensor]:  # fmt: skip
        """Layers after heat, vapour and running water; water leaving the base [kg m-2 s-1], heat beyond it [W m-2].

        Parameters
        ----------
        conducted : Heat down from each layer, per square metre of snow. [W m-2]
        flow : Heat that ran down with water from each layer, per square metre of snow. [J m-2]
        """
        cover, layers = snowy.cover, snowy.layers
        arriving = torch.cat([balance.heat[None], conducted[:-1]])
        ran = cover * (torch.cat([torch.zeros_like(flow[:1]), flow[:-1]]) - flow)
        vapour = cover * dt * (balance.soil - balance.condensation)
        mass = layers.mass + ran / LATENT_HEAT_FUSION
        enthalpy = layers.enthalpy + cover * dt * (arriving - conducted) + ran
        # Vapour leaves and joins ice at the melting point, and takes its share of the thickness.
        top = mass[0] - vapour
        kept = (top + 1.0e-6) / (mass[0] + 1.0e-6)
        after = SnowLayers(
            torch.cat([top[None], mass[1:]]),
            enthalpy,
            torch.cat([(layers.thickness[0] * at_most(kept, 1.0))[None], layers.thickness[1:]]),
        )
        ice_before = torch.cat([positive_part(snowy.ice[0] - vapour)[None], snowy.ice[1:]])
        after, water, warm = self.snow.drained(after, ice_before, parameters.snow)
        return after, (cover * flow[-1] / LATENT_HEAT_FUSION + water) / dt, warm / dt

    def _frosted(self, layers: SnowLayers, frost: Tensor, around: Surroundings) -> SnowLayers:
        """Frost of bare ground joins the pack as ice at the melting point. [kg m-2]"""
        none = torch.zeros_like(layers.mass[1:])
        depth = frost / self.snow.fresh_density(around.air)
        return SnowLayers(
            layers.mass + torch.cat([frost[None], none]),
            layers.enthalpy,
            layers.thickness + torch.cat([depth[None], none]),
        )

    # --- water ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _canopy(
        state: State, around: Surroundings, heat: HeatStep, parameters: Parameters, dt: Tensor | float
    ) -> CanopyWater:
        """Rain and dew on bare ground, caught by the canopy up to its capacity."""
        bare, ground = 1.0 - around.snowy.cover, heat.on_ground
        dew = bare * ground.condensation * (1.0 - ground.frost_share)
        arriving = bare * around.rainfall + dew
        caught = around.ground.vegetation_fraction * arriving
        had = state.canopy_water + dt * caught
        left = had - dt * bare * ground.canopy
        # A canopy that gave all it had is dry: what round-off leaves would have a wet fraction of infinite slope.
        filled = torch.where(left > ROUND_OFF * had, left, 0.0)
        # Exactly full, not but for round-off: beyond, plants would have a negative share.
        kept = at_most(filled, parameters.vegetation.canopy_capacity)
        drip = (filled - kept) / dt
        return CanopyWater(kept, drip, arriving - caught + drip)

    def _moved(
        self, around: Surroundings, heat: HeatStep, supply: Tensor, parameters: Parameters,
        dt: Tensor | float,
    ) -> Moved:  # fmt: skip
        """Soil after evaporation has been taken from it and water has moved through it with its heat."""
        bare, ground = 1.0 - around.snowy.cover, heat.on_ground
        store, thickness = heat.system.soil.store, self.column.thickness
        freezing_point = self.curve.freezing_point(store.total, heat.system.soil.curve_parameters())
        temperature, ice = store.state(heat.soil_enthalpy, heat.at.temperature, heat.at.temperature >= freezing_point)

        roots = bare * ground.plants * safe_divide(around.shares.roots, around.shares.roots.sum(0))
        uptake = torch.cat([(roots[0] + bare * ground.soil)[None], roots[1:]])
        liquid = store.total - ice - uptake * dt / (thickness * WATER_DENSITY)
        # Where most of the water froze meanwhile, ice makes up for it, at the cost of the layer's heat.
        thawed = positive_part(-liquid)
        liquid, ice = liquid + thawed, positive_part(ice - thawed)
        # Water leaves at the temperature of its layer, which therefore stays.
        lost = WATER_HEAT * uptake * (temperature - FREEZING_POINT)
        enthalpy = heat.soil_enthalpy - dt * lost

        none = SoilDemand(torch.zeros_like(supply), torch.zeros_like(uptake))
        water = self.soil_water(liquid, ice, supply, none, parameters, dt)
        flux = torch.cat([(water.infiltration - water.exfiltration)[None], water.exchange, water.drainage[None]])
        # Rain has the temperature of the air, water from the snow that of melting.
        warmth = safe_divide(supply - heat.melt_water, supply) * (around.air.temperature - FREEZING_POINT)
        moved = carry_heat(
            soil_store(water.liquid + water.ice, thickness, parameters), water.ice, enthalpy, flux,
            WATER_HEAT * water.infiltration * warmth, dt,
        )  # fmt: skip
        after = SoilState(moved.temperature, water.liquid, water.ice)
        return Moved(after, water, uptake, moved.through, lost.sum(0))

    # --- results ----------------------------------------------------------------------------------------------------

    def _new_state(
        self, state: State, around: Surroundings, heat: HeatStep, canopy: CanopyWater, moved: Moved,
        parameters: Parameters, dt: Tensor | float,
    ) -> State:  # fmt: skip
        """The state at the end of the step. What surface memory holds is for others to read: no step does."""
        snowy, snow = around.snowy, parameters.snow
        cover, air = snowy.cover, around.air
        settled = self.snow.settled(heat.layers, heat.snow_temperature, snowy.patch.scale, snow, dt)
        albedo = self.snow.aged(snowy, heat.snow_skin, around.snowfall, snow, dt)
        fresh = torch.where(around.snowfall > 0, torch.ones_like(cover), 0.0)
        age = snow_age(state.snow.age, fresh, torch.where(cover > 0, torch.ones_like(cover), 0.0), dt)

        def merged(over_snow: Tensor, on_ground: Tensor) -> Tensor:
            return cover * over_snow + (1.0 - cover) * on_ground

        transfer = merged(heat.over_snow.transfer, heat.on_ground.transfer)
        vapour = merged(heat.over_snow.vapour, heat.on_ground.vapour)
        assert snow.snow_roughness is not None
        memory = SurfaceMemory(
            albedo=merged(snowy.albedo, around.ground.albedo),
            emissivity=merged(heat.system.snow_skin.emissivity, around.ground.emissivity),
            roughness_length=merged(snow.snow_roughness, around.ground.roughness_length),
            snow_free_roughness_length=around.ground.roughness_length,
            specific_humidity=air.humidity + vapour / transfer,
            aerodynamic_conductance=transfer / air.density,
            momentum_conductance=transfer / air.density,
        )
        skin = merged(heat.snow_skin, heat.at.bare_skin)
        return State(moved.soil, self.snow.state(settled, albedo, age), memory, canopy.water, skin)
