"""What the model carries, what drives it and what it returns.

Every field is a tensor with the column as its last dimension: ``[column]``, or ``[layer, column]`` for soil variables.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from noahpy_core.constants import FREEZING_POINT
from noahpy_core.containers import Container
from noahpy_core.quantities import container, quantity

if TYPE_CHECKING:
    from torch import Tensor

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """`map_tensors`, where scripts of others look for it. It imports torch, and this module must not."""
        if name == "map_tensors":
            return importlib.import_module("noahpy_core.trees").map_tensors
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


LAYER = ("layer",)
SNOW_LAYER = ("snow_layer",)


@dataclasses.dataclass(frozen=True, repr=False)
class SoilState(Container):
    """Temperature and water of the soil layers. Liquid and ice are stored, their sum is derived."""

    temperature: Tensor = quantity(
        "K", "soil temperature", dims=LAYER, standard_name="soil_temperature", bounds=(180.0, 350.0)
    )
    liquid_water: Tensor = quantity("m3 m-3", "volume fraction of liquid water in soil", dims=LAYER, bounds=(0.0, 1.0))
    ice: Tensor = quantity(
        "m3 m-3",
        "volume fraction of ice in soil, as water equivalent",
        dims=LAYER,
        standard_name="volume_fraction_of_frozen_water_in_soil",
        bounds=(0.0, 1.0),
    )
    temperature_remainder: Tensor | None = quantity(
        "K",
        "what a soil temperature in kelvins has no digits for, to be added to it",
        dims=LAYER,
        bounds=(-1.0e-3, 1.0e-3),
        optional=True,
    )

    @property
    def moisture(self) -> Tensor:
        """Total soil water, liquid and frozen (Noah: SMC). [m3 m-3]"""
        return self.liquid_water + self.ice

    @property
    def warmth(self) -> Tensor:
        """Temperature above the melting point, with the remainder where the state has one. [K]"""
        warmth = self.temperature - FREEZING_POINT
        return warmth if self.temperature_remainder is None else warmth + self.temperature_remainder


@dataclasses.dataclass(frozen=True, repr=False)
class SnowState(Container):
    """The snowpack. Layers and albedo are there when the scheme of the pack has them, else None."""

    water_equivalent: Tensor = quantity(
        "kg m-2", "snow water equivalent", standard_name="surface_snow_amount", bounds=(0.0, 1.0e5)
    )
    depth: Tensor = quantity("m", "snow depth", standard_name="surface_snow_thickness", bounds=(0.0, 200.0))
    age: Tensor = quantity("s", "time since the last snowfall", bounds=(0.0, 1.0e10))
    layer_mass: Tensor | None = quantity(
        "kg m-2", "ice and liquid water of a snow layer", dims=SNOW_LAYER, bounds=(0.0, 1.0e5), optional=True
    )
    layer_enthalpy: Tensor | None = quantity(
        "J m-2",
        "enthalpy of a snow layer, from ice at the melting point",
        dims=SNOW_LAYER,
        bounds=(-1.0e11, 1.0e11),
        optional=True,
    )
    layer_thickness: Tensor | None = quantity(
        "m", "thickness of a snow layer", dims=SNOW_LAYER, bounds=(0.0, 200.0), optional=True
    )
    albedo: Tensor | None = quantity("1", "albedo of snow", bounds=(0.0, 1.0), optional=True)

    @property
    def layers(self) -> int:
        """Number of layers; 0 for a pack that has none."""
        return 0 if self.layer_mass is None else self.layer_mass.shape[0]


@dataclasses.dataclass(frozen=True, repr=False)
class SurfaceMemory(Container):
    """Values of the previous step that Noah reads with a lag of one step."""

    albedo: Tensor = quantity("1", "surface albedo", standard_name="surface_albedo", bounds=(0.0, 1.0))
    emissivity: Tensor = quantity(
        "1", "surface emissivity", standard_name="surface_longwave_emissivity", bounds=(0.0, 1.0)
    )
    roughness_length: Tensor = quantity(
        "m",
        "roughness length for momentum, snow included",
        standard_name="surface_roughness_length_for_momentum_in_air",
        bounds=(1.0e-6, 50.0),
    )
    snow_free_roughness_length: Tensor = quantity(
        "m", "roughness length for momentum without snow", bounds=(1.0e-6, 50.0)
    )
    specific_humidity: Tensor = quantity(
        "kg kg-1", "effective specific humidity at the surface", standard_name="surface_specific_humidity"
    )
    aerodynamic_conductance: Tensor = quantity(
        "m s-1", "exchange coefficient times wind speed for heat and moisture", bounds=(0.0, 100.0)
    )
    momentum_conductance: Tensor = quantity(
        "m s-1", "exchange coefficient times wind speed for momentum", bounds=(0.0, 100.0)
    )


@dataclasses.dataclass(frozen=True, repr=False)
class State(Container):
    """The complete prognostic state: one step from it is reproducible bit for bit."""

    soil: SoilState = container(SoilState)
    snow: SnowState = container(SnowState)
    surface: SurfaceMemory = container(SurfaceMemory)
    canopy_water: Tensor = quantity(
        "kg m-2", "water held by the canopy", standard_name="canopy_water_amount", bounds=(0.0, 100.0)
    )
    skin_temperature: Tensor = quantity(
        "K", "temperature of the surface", standard_name="surface_temperature", bounds=(150.0, 400.0)
    )


@dataclasses.dataclass(frozen=True, repr=False)
class Forcing(Container):
    """Air above the surface and prescribed vegetation, during one step.

    A time series is the same class with a leading time dimension: ``[time, column]``.
    """

    air_temperature: Tensor = quantity("K", "air temperature", standard_name="air_temperature", bounds=(150.0, 350.0))
    air_pressure: Tensor = quantity("Pa", "air pressure", standard_name="surface_air_pressure", bounds=(2.0e4, 1.2e5))
    specific_humidity: Tensor = quantity(
        "kg kg-1", "specific humidity of air", standard_name="specific_humidity", bounds=(0.0, 0.1)
    )
    wind_speed: Tensor = quantity("m s-1", "wind speed", standard_name="wind_speed", bounds=(0.0, 120.0))
    shortwave_down: Tensor = quantity(
        "W m-2",
        "downwelling shortwave radiation",
        standard_name="surface_downwelling_shortwave_flux_in_air",
        bounds=(0.0, 2000.0),
    )
    longwave_down: Tensor = quantity(
        "W m-2",
        "downwelling longwave radiation",
        standard_name="surface_downwelling_longwave_flux_in_air",
        bounds=(10.0, 1000.0),
    )
    precipitation: Tensor = quantity(
        "kg m-2 s-1", "precipitation, liquid and solid", standard_name="precipitation_flux", bounds=(0.0, 0.2)
    )
    vegetation_fraction: Tensor = quantity(
        "1", "area fraction of green vegetation", standard_name="vegetation_area_fraction", bounds=(0.0, 1.0)
    )
    leaf_area_index: Tensor | None = quantity(
        "1",
        "leaf area index; when absent it follows from the vegetation fraction",
        standard_name="leaf_area_index",
        bounds=(1.0e-3, 20.0),
        optional=True,
    )
    snow_free_albedo: Tensor | None = quantity(
        "1",
        "albedo without snow; when absent it follows from the vegetation fraction",
        standard_name="surface_albedo_assuming_no_snow",
        bounds=(0.0, 1.0),
        optional=True,
    )

    snowfall: Tensor | None = quantity(
        "kg m-2 s-1",
        "snow among the precipitation; when absent the scheme of the phase decides",
        standard_name="snowfall_flux",
        bounds=(0.0, 0.2),
        optional=True,
    )

    # What others add to the column; absent: nothing.
    irrigation: Tensor | None = quantity(
        "kg m-2 s-1", "water brought to the ground, under canopy and snow", bounds=(0.0, 1.0), optional=True
    )
    run_on: Tensor | None = quantity(
        "kg m-2 s-1", "water that flows onto the ground from elsewhere", bounds=(0.0, 10.0), optional=True
    )
    soil_water_source: Tensor | None = quantity(
        "kg m-2 s-1",
        "water added to a soil layer, negative where it is taken",
        dims=LAYER,
        bounds=(-1.0, 1.0),
        optional=True,
    )
    soil_heat_source: Tensor | None = quantity(
        "W m-2",
        "heat added to a soil layer, negative where it is taken",
        dims=LAYER,
        bounds=(-1.0e4, 1.0e4),
        optional=True,
    )
    bottom_water_inflow: Tensor | None = quantity(
        "kg m-2 s-1", "water rising into the lowest soil layer, negative downward", bounds=(-1.0, 1.0), optional=True
    )
    bottom_heat_inflow: Tensor | None = quantity(
        "W m-2", "heat rising into the lowest soil layer besides conduction", bounds=(-1.0e4, 1.0e4), optional=True
    )

    def at(self, step: int) -> Forcing:
        """The forcing of one step of a ``[time, column]`` series."""
        return self._mapped(lambda series: series[step])


@dataclasses.dataclass(frozen=True, repr=False)
class Fluxes(Container):
    """Everything a budget, an output file or a coupled model needs from one step (means over the step)."""

    # water
    rainfall: Tensor = quantity(
        "kg m-2 s-1", "precipitation reaching the ground as liquid", standard_name="rainfall_flux"
    )
    snowfall: Tensor = quantity(
        "kg m-2 s-1", "precipitation joining the snowpack: snow and freezing rain", standard_name="snowfall_flux"
    )
    potential_evaporation: Tensor = quantity(
        "kg m-2 s-1", "potential evaporation", standard_name="water_potential_evaporation_flux"
    )
    evapotranspiration: Tensor = quantity(
        "kg m-2 s-1",
        "water leaving the land as vapour, dew and frost counted negative",
        standard_name="water_evapotranspiration_flux",
    )
    soil_evaporation: Tensor = quantity(
        "kg m-2 s-1", "evaporation from bare soil", standard_name="water_evaporation_flux_from_soil"
    )
    canopy_evaporation: Tensor = quantity(
        "kg m-2 s-1",
        "evaporation of water held by the canopy",
        standard_name="water_evaporation_flux_from_canopy",
    )
    transpiration: Tensor = quantity("kg m-2 s-1", "transpiration", standard_name="transpiration_flux")
    root_uptake: Tensor = quantity("kg m-2 s-1", "water taken up by roots in each layer", dims=LAYER)
    sublimation: Tensor = quantity("kg m-2 s-1", "sublimation of snow")
    dew: Tensor = quantity("kg m-2 s-1", "dew, or frost on snow")
    snow_melt: Tensor = quantity("kg m-2 s-1", "melt of snow", standard_name="surface_snow_melt_flux")
    throughfall: Tensor = quantity("kg m-2 s-1", "drip from the full canopy", standard_name="canopy_throughfall_flux")
    infiltration: Tensor = quantity("kg m-2 s-1", "water entering the soil")
    surface_runoff: Tensor = quantity("kg m-2 s-1", "water not infiltrating", standard_name="surface_runoff_flux")
    drainage: Tensor = quantity("kg m-2 s-1", "gravitational drainage from the lowest layer")
    saturation_excess: Tensor = quantity(
        "kg m-2 s-1", "water above porosity leaving the lowest layer at the end of the step"
    )
    numerical_water_source: Tensor = quantity(
        "kg m-2 s-1", "water created by the floors of the original model, so that the budget closes"
    )
    # energy
    absorbed_radiation: Tensor = quantity("W m-2", "absorbed shortwave plus longwave radiation")
    net_shortwave: Tensor = quantity(
        "W m-2", "absorbed shortwave radiation", standard_name="surface_net_downward_shortwave_flux"
    )
    longwave_up: Tensor = quantity("W m-2", "longwave radiation emitted by the surface")
    sensible_heat_flux: Tensor = quantity(
        "W m-2", "sensible heat flux", standard_name="surface_upward_sensible_heat_flux"
    )
    latent_heat_flux: Tensor = quantity("W m-2", "latent heat flux", standard_name="surface_upward_latent_heat_flux")
    potential_latent_heat_flux: Tensor = quantity("W m-2", "latent heat flux of potential evaporation")
    ground_heat_flux: Tensor = quantity(
        "W m-2",
        "heat flux into snow or soil at the surface",
        standard_name="downward_heat_flux_at_ground_level_in_soil",
    )
    soil_heat_flux: Tensor = quantity(
        "W m-2", "heat flux into the top of the soil as the soil heat equation received it"
    )
    deep_heat_flux: Tensor = quantity("W m-2", "heat flux out of the lowest layer towards the deep boundary")
    precipitation_heat: Tensor = quantity("W m-2", "heat advected by precipitation")
    freezing_rain_heat: Tensor = quantity("W m-2", "latent heat of freezing rain (negative: released)")
    melt_heat: Tensor = quantity("W m-2", "heat used by snow melt", standard_name="surface_snow_melt_heat_flux")
    numerical_heat_source: Tensor = quantity(
        "W m-2", "heat the linearised surface balance of the original leaves unaccounted for"
    )
    # surface and vegetation
    albedo: Tensor = quantity("1", "surface albedo", standard_name="surface_albedo")
    snow_free_albedo: Tensor = quantity("1", "albedo without snow", standard_name="surface_albedo_assuming_no_snow")
    emissivity: Tensor = quantity("1", "surface emissivity", standard_name="surface_longwave_emissivity")
    snow_free_emissivity: Tensor = quantity("1", "emissivity without snow")
    snow_cover_fraction: Tensor = quantity(
        "1", "area fraction covered by snow at the end of the step", standard_name="surface_snow_area_fraction"
    )
    vegetation_fraction: Tensor = quantity(
        "1", "area fraction of green vegetation", standard_name="vegetation_area_fraction"
    )
    leaf_area_index: Tensor = quantity("1", "leaf area index", standard_name="leaf_area_index")
    bulk_richardson_number: Tensor = quantity("1", "bulk Richardson number of the surface layer")
    evaporation_ratio: Tensor = quantity("1", "actual over potential latent heat flux")
    canopy_resistance: Tensor = quantity("s m-1", "canopy resistance")
    plant_coefficient: Tensor = quantity("1", "transpiration over potential evaporation of a dry canopy")
    light_stress: Tensor = quantity("1", "light factor of stomatal conductance")
    temperature_stress: Tensor = quantity("1", "temperature factor of stomatal conductance")
    humidity_stress: Tensor = quantity("1", "humidity factor of stomatal conductance")
    moisture_stress: Tensor = quantity("1", "soil moisture factor of stomatal conductance")
    # soil
    soil_water_storage: Tensor = quantity(
        "kg m-2", "water in the soil column, liquid and frozen", standard_name="mass_content_of_water_in_soil"
    )
    root_zone_saturation: Tensor = quantity("1", "soil water of the root zone between wilting point and porosity")
    # closure
    water_residual: Tensor = quantity("kg m-2 s-1", "residual of the water budget of the step")
    energy_residual: Tensor = quantity("W m-2", "residual of the surface energy balance of the step")
    soil_heat_residual: Tensor = quantity("W m-2", "residual of the heat budget of the soil column")
    # of layered snow and of the closed balance; None where the scheme has none
    snow_temperature: Tensor | None = quantity(
        "K", "temperature of a snow layer; the melting point where there is none", dims=SNOW_LAYER, optional=True
    )
    snow_liquid_water: Tensor | None = quantity(
        "kg m-2", "liquid water of a snow layer", dims=SNOW_LAYER, optional=True
    )
    snow_outflow: Tensor | None = quantity("kg m-2 s-1", "water leaving the base of the snowpack", optional=True)
    advected_heat: Tensor | None = quantity(
        "W m-2",
        "enthalpy of water and snow arriving, less that of water leaving as runoff, drainage and by evaporation",
        optional=True,
    )
    enthalpy_residual: Tensor | None = quantity(
        "W m-2", "residual of the enthalpy budget of snow and soil", optional=True
    )


ADDED = (
    "irrigation",
    "run_on",
    "soil_water_source",
    "soil_heat_source",
    "bottom_water_inflow",
    "bottom_heat_inflow",
)
"""Fields of `Forcing` that are added to a column besides weather."""

CLOSURES = ("water_residual", "energy_residual", "soil_heat_residual", "enthalpy_residual")
"""Fluxes that close the budgets: round-off whatever the model is given, and without derivative."""
