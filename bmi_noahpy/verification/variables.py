"""What is compared with the Fortran original: its variables in the order of its calculation, ours in its units."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import Air, diagnose_air
from noahpy_core.state import Fluxes, Forcing, State

TEMPERATURE = 1.0e-8
SOIL_WATER = 1.0e-10
WATER_DEPTH = 1.0e-10
ENERGY_FLUX = 1.0e-6
RELATIVE = 1.0e-9

VAPORISATION, SUBLIMATION = 2.501e6, 2.83e6
"""Latent heats with which the original turns water fluxes into W m-2. [J kg-1]"""

WATT_LAYERS = 4
"""The original reports root uptake in W m-2 in this many layers, in kg m-2 s-1 below."""


@dataclasses.dataclass(frozen=True)
class Result:
    """One step of this model, and what it started from."""

    before: State
    forcing: Forcing
    state: State
    fluxes: Fluxes
    parameters: Parameters
    time_step: Tensor

    @property
    def air(self) -> Air:
        """The air of the step with its derived properties."""
        return diagnose_air(self.forcing, self.parameters.general)


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable of the original and its counterpart here.

    Attributes
    ----------
    name : Name in the reference file, lower case; in brackets which layers, where they are compared apart.
    quantity : Path of the counterpart, for the report.
    units : Units of the comparison: the original's.
    compute : The counterpart in these units, ``[column]`` or ``[layer, column]``.
    tolerance : Largest accepted difference, in `units`; a share of the magnitude when `relative`.
    layers : Which layers of the file's variable are compared.
    skip : Whether the original does not compute it with these options.
    """

    name: str
    quantity: str
    units: str
    compute: Callable[[Result], Tensor]
    tolerance: float
    relative: bool = False
    layers: slice = dataclasses.field(default_factory=lambda: slice(None))
    skip: Callable[[Options], bool] = lambda options: False

    @property
    def record(self) -> str:
        """Name of the variable in the file."""
        return self.name.partition(" ")[0]

    @property
    def heat_step(self) -> bool:
        """Whether it comes straight from the solver of the soil heat step."""
        return self.record in ("t1", "stc", "smc", "sh2o")


def _share(name: str, quantity: str, units: str, compute: Callable[[Result], Tensor]) -> Variable:
    return Variable(name, quantity, units, compute, RELATIVE, relative=True)


def _flux(name: str, quantity: str, compute: Callable[[Result], Tensor]) -> Variable:
    return Variable(name, quantity, "W m-2", compute, ENERGY_FLUX)


def _resolved(result: Result, name: str) -> Tensor:
    """A soil property that may be derived from others, in the surface layer."""
    found: Tensor = getattr(result.parameters.soil.resolved(), name)[0]
    return found


def _frost_on_snow(result: Result) -> Tensor:
    """Where the original reports no evapotranspiration although frost falls: on snow, even if it melts in the step."""
    covered = (result.before.snow.water_equivalent > 1.0e-4) | (result.fluxes.snowfall > 0.0)
    return covered & (result.fluxes.potential_latent_heat_flux <= 0.0)


def _evapotranspiration(result: Result) -> Tensor:
    return torch.where(_frost_on_snow(result), 0.0, result.fluxes.evapotranspiration)


def _runoff(result: Result) -> Tensor:
    return 1.0e-3 * (result.fluxes.drainage + result.fluxes.saturation_excess)


VARIABLES: tuple[Variable, ...] = (
    _share("rsmin", "stomatal resistance", "s m-1", lambda r: r.parameters.vegetation.minimum_stomatal_resistance),
    _share("smcmax", "porosity (layer 1)", "m3 m-3", lambda r: r.parameters.soil.porosity[0]),
    _share("smcref", "field_capacity (layer 1)", "m3 m-3", lambda r: _resolved(r, "field_capacity")),
    _share("smcwlt", "wilting_point (layer 1)", "m3 m-3", lambda r: _resolved(r, "wilting_point")),
    _share("smcdry", "dry_limit (layer 1)", "m3 m-3", lambda r: _resolved(r, "dry_limit")),
    _share("th2", "potential temperature", "K", lambda r: r.air.potential_temperature),
    _share("q2sat", "saturation humidity", "kg kg-1", lambda r: r.air.saturation_humidity),
    _share("dqsdt2", "its slope", "kg kg-1 K-1", lambda r: r.air.saturation_slope),
    _share("ch", "aerodynamic_conductance", "m s-1", lambda r: r.state.surface.aerodynamic_conductance),
    _share("cm", "momentum_conductance", "m s-1", lambda r: r.state.surface.momentum_conductance),
    dataclasses.replace(
        _share("ribb", "bulk_richardson_number", "1", lambda r: r.fluxes.bulk_richardson_number),
        skip=lambda options: options.turbulence == "paulson1970",
    ),
    _flux("solnet", "net_shortwave", lambda r: r.fluxes.net_shortwave),
    _flux("lwdn", "absorbed_radiation - net_shortwave", lambda r: r.fluxes.absorbed_radiation - r.fluxes.net_shortwave),
    _flux("fdown", "absorbed_radiation", lambda r: r.fluxes.absorbed_radiation),
    _share("shdfac", "vegetation_fraction", "1", lambda r: r.fluxes.vegetation_fraction),
    _share("xlai", "leaf_area_index", "1", lambda r: r.fluxes.leaf_area_index),
    _share("alb", "snow_free_albedo", "1", lambda r: r.fluxes.snow_free_albedo),
    _share("embrd", "snow_free_emissivity", "1", lambda r: r.fluxes.snow_free_emissivity),
    _share("z0brd", "snow_free_roughness_length", "m", lambda r: r.state.surface.snow_free_roughness_length),
    _share("snotime1", "snow.age", "s", lambda r: r.state.snow.age),
    _share("albedo", "albedo", "1", lambda r: r.state.surface.albedo),
    _share("emissi", "emissivity", "1", lambda r: r.state.surface.emissivity),
    _share("z0", "roughness_length", "m", lambda r: r.state.surface.roughness_length),
    _flux("flx2", "freezing_rain_heat", lambda r: r.fluxes.freezing_rain_heat),
    _share("rcs", "light_stress", "1", lambda r: r.fluxes.light_stress),
    _share("rct", "temperature_stress", "1", lambda r: r.fluxes.temperature_stress),
    _share("rcq", "humidity_stress", "1", lambda r: r.fluxes.humidity_stress),
    _share("rcsoil", "moisture_stress", "1", lambda r: r.fluxes.moisture_stress),
    _share("rc", "canopy_resistance", "s m-1", lambda r: r.fluxes.canopy_resistance),
    _share("pc", "plant_coefficient", "1", lambda r: r.fluxes.plant_coefficient),
    _flux("etp", "potential_latent_heat_flux", lambda r: r.fluxes.potential_latent_heat_flux),
    _flux("edir", "soil_evaporation", lambda r: VAPORISATION * r.fluxes.soil_evaporation),
    _flux("ec", "canopy_evaporation", lambda r: VAPORISATION * r.fluxes.canopy_evaporation),
    _flux("ett", "transpiration", lambda r: VAPORISATION * r.fluxes.transpiration),
    dataclasses.replace(
        _flux("et (top)", "root_uptake", lambda r: VAPORISATION * r.fluxes.root_uptake), layers=slice(WATT_LAYERS)
    ),
    dataclasses.replace(
        _share("et (below)", "root_uptake", "kg m-2 s-1", lambda r: r.fluxes.root_uptake),
        layers=slice(WATT_LAYERS, None),
    ),
    _flux("esnow", "sublimation", lambda r: SUBLIMATION * r.fluxes.sublimation),
    _share("dew", "dew", "m s-1", lambda r: 1.0e-3 * r.fluxes.dew),
    _share("etakin", "evapotranspiration", "kg m-2 s-1", _evapotranspiration),
    _flux("eta", "latent_heat_flux", lambda r: r.fluxes.latent_heat_flux),
    _share("beta", "evaporation_ratio", "1", lambda r: r.fluxes.evaporation_ratio),
    _flux("flx1", "precipitation_heat", lambda r: r.fluxes.precipitation_heat),
    _flux("flx3", "melt_heat", lambda r: r.fluxes.melt_heat),
    Variable("snomlt", "snow_melt", "m", lambda r: 1.0e-3 * r.fluxes.snow_melt * r.time_step, WATER_DEPTH),
    Variable("drip", "throughfall", "m", lambda r: 1.0e-3 * r.fluxes.throughfall * r.time_step, WATER_DEPTH),
    Variable("cmc", "canopy_water", "m", lambda r: 1.0e-3 * r.state.canopy_water, WATER_DEPTH),
    _share("runoff1", "surface_runoff", "m s-1", lambda r: 1.0e-3 * r.fluxes.surface_runoff),
    _share("runoff2", "drainage + saturation_excess", "m s-1", _runoff),
    _share("runoff3", "saturation_excess", "m s-1", lambda r: 1.0e-3 * r.fluxes.saturation_excess),
    Variable("smc", "soil.moisture", "m3 m-3", lambda r: r.state.soil.moisture, SOIL_WATER),
    Variable("sh2o", "soil.liquid_water", "m3 m-3", lambda r: r.state.soil.liquid_water, SOIL_WATER),
    Variable("stc", "soil.temperature", "K", lambda r: r.state.soil.temperature, TEMPERATURE),
    Variable("t1", "skin_temperature", "K", lambda r: r.state.skin_temperature, TEMPERATURE),
    _flux("ssoil", "ground_heat_flux, upward", lambda r: -r.fluxes.ground_heat_flux),
    _flux("sheat", "sensible_heat_flux", lambda r: r.fluxes.sensible_heat_flux),
    Variable("sneqv", "snow.water_equivalent", "m", lambda r: 1.0e-3 * r.state.snow.water_equivalent, WATER_DEPTH),
    Variable("snowh", "snow.depth", "m", lambda r: r.state.snow.depth, WATER_DEPTH),
    _share("sncovr", "snow_cover_fraction", "1", lambda r: r.fluxes.snow_cover_fraction),
    _share("q1", "surface.specific_humidity", "kg kg-1", lambda r: r.state.surface.specific_humidity),
    _share("soilm", "soil_water_storage", "m", lambda r: 1.0e-3 * r.fluxes.soil_water_storage),
    _share("soilw", "root_zone_saturation", "1", lambda r: r.fluxes.root_zone_saturation),
)
"""In the order of the calculation: the first that differs is the place to look."""
