"""The variables of the BMI component: CSDMS Standard Names and the model quantities they stand for.

Units and bounds come from the metadata of the core quantities; only a conversion to another BMI unit is written here.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bmi_noahpy.component.sources import Source

Bounds = tuple[float, float]
Role = Literal["input", "alternative", "output", "parameter", "balance"]

SCALES = {
    ("kg m-2 s-1", "mm s-1"): 1.0,
    ("kg m-2 s-1", "m s-1"): 1.0e-3,
    ("kg m-2", "m"): 1.0e-3,
}
"""What a core value is multiplied by to give the value in BMI units."""

INPUTS = (
    ("land_surface_air__temperature", "forcing.air_temperature"),
    ("land_surface_air__pressure", "forcing.air_pressure"),
    # Land models coupled through NextGen receive specific humidity under this name, in kg kg-1.
    ("atmosphere_air_water~vapor__relative_saturation", "forcing.specific_humidity"),
    ("land_surface_wind__x_component_of_velocity", "wind.x"),
    ("land_surface_wind__y_component_of_velocity", "wind.y"),
    ("land_surface_radiation~incoming~shortwave__energy_flux", "forcing.shortwave_down"),
    ("land_surface_radiation~incoming~longwave__energy_flux", "forcing.longwave_down"),
    ("atmosphere_water__liquid_equivalent_precipitation_rate", "forcing.precipitation", "mm s-1"),
)
"""Inputs every framework must supply when the configuration names no forcing file."""

ALTERNATIVES = (
    ("atmosphere_bottom_air_water~vapor__mass_fraction", "forcing.specific_humidity"),
    ("land_surface_wind__speed", "forcing.wind_speed"),
    ("land_surface_air_radiation~shortwave~downwelling__energy_flux", "forcing.shortwave_down"),
    ("land_surface_air_radiation~longwave~downwelling__energy_flux", "forcing.longwave_down"),
    ("atmosphere_water_precipitation__mass_flux", "forcing.precipitation"),
    ("atmosphere_snow_precipitation__mass_flux", "forcing.snowfall"),
)
"""Other names of the inputs, and an input that the model can do without. They are not in `get_input_var_names`, because
a framework would then demand them."""

ADDITIONS = (
    ("land_surface_water_irrigation__mass_flux", "added.irrigation"),
    ("land_surface_water_run-on__mass_flux", "added.run_on"),
    ("soil_layer_water_source__mass_flux", "added.soil_water_source"),
    ("soil_layer_heat_source__energy_flux", "added.soil_heat_source"),
    ("soil_profile_bottom_water_inflow__mass_flux", "added.bottom_water_inflow"),
    ("soil_profile_bottom_heat_inflow__energy_flux", "added.bottom_heat_inflow"),
)
"""Inputs that add water or heat, zero unless set; in no list of names for the same reason."""

OUTPUTS = (
    # soil
    ("soil__temperature", "state.soil.temperature"),
    ("soil_water__volume_fraction", "total.moisture"),
    ("soil_water~liquid__volume_fraction", "state.soil.liquid_water"),
    ("soil_ice__volume_fraction", "state.soil.ice"),
    ("soil_layer__thickness", "derived.layer_thickness"),
    ("model_grid_cell__row-major-order_index", "grid.cells"),
    ("land_surface~0-to-10cm-below_soil__temperature", "derived.temperature_0_10"),
    ("land_surface~10-to-40cm-below_soil__temperature", "derived.temperature_10_40"),
    ("land_surface~40-to-100cm-below_soil__temperature", "derived.temperature_40_100"),
    ("land_surface~100-to-200cm-below_soil__temperature", "derived.temperature_100_200"),
    ("land_surface~0-to-10cm-below_soil_water__volume_fraction", "derived.moisture_0_10"),
    ("land_surface~10-to-40cm-below_soil_water__volume_fraction", "derived.moisture_10_40"),
    ("land_surface~40-to-100cm-below_soil_water__volume_fraction", "derived.moisture_40_100"),
    ("land_surface~100-to-200cm-below_soil_water__volume_fraction", "derived.moisture_100_200"),
    ("land_surface~0-to-100cm-below_soil_water__volume_fraction", "derived.moisture_0_100"),
    ("land_surface~0-to-10cm-below_soil_water__mass-per-area_density", "derived.mass_0_10"),
    ("land_surface~10-to-40cm-below_soil_water__mass-per-area_density", "derived.mass_10_40"),
    ("land_surface~40-to-100cm-below_soil_water__mass-per-area_density", "derived.mass_40_100"),
    ("land_surface~100-to-200cm-below_soil_water__mass-per-area_density", "derived.mass_100_200"),
    # surface and snow
    ("land_surface__temperature", "state.skin_temperature"),
    ("land_surface_vegetation_canopy_water__mass-per-area_density", "state.canopy_water"),
    ("snowpack__leq_depth", "state.snow.water_equivalent", "m"),
    ("snowpack__liquid-equivalent_depth", "state.snow.water_equivalent", "m"),
    ("snowpack__depth", "state.snow.depth"),
    ("snowpack__mass-per-volume_density", "derived.snow_density"),
    ("snowpack__age", "state.snow.age"),
    ("land_surface__albedo", "state.surface.albedo"),
    ("land_surface__emissivity", "state.surface.emissivity"),
    ("atmosphere_bottom_air_flowing__log-law_roughness_length", "state.surface.roughness_length"),
    ("land_surface~snow-free__log-law_roughness_length", "state.surface.snow_free_roughness_length"),
    ("land_surface_air_water~vapor__mass_fraction", "state.surface.specific_humidity"),
    (
        "atmosphere_bottom_air_bulk__sensible_heat_aerodynamic_conductance",
        "state.surface.aerodynamic_conductance",
    ),
    ("atmosphere_bottom_air_bulk__momentum_aerodynamic_conductance", "state.surface.momentum_conductance"),
    # vegetation: prescribed, so also settable
    ("land_vegetation_canopy__area_fraction", "forcing.vegetation_fraction"),
    ("land_vegetation__leaf-area_index", "forcing.leaf_area_index"),
    ("land_surface~snow-free__albedo", "forcing.snow_free_albedo"),
    # water
    ("atmosphere_rainfall_water__mass_flux", "fluxes.rainfall"),
    ("atmosphere_snowfall_water__mass_flux", "fluxes.snowfall"),
    ("land_surface_water__runoff_depth", "derived.runoff_depth"),
    ("land_surface_water__runoff_volume_flux", "fluxes.surface_runoff", "m s-1"),
    ("land_surface_water_runoff__mass_flux", "fluxes.surface_runoff"),
    ("land_surface_water__baseflow_volume_flux", "derived.subsurface_runoff", "m s-1"),
    ("land_subsurface_water_runoff__mass_flux", "derived.subsurface_runoff"),
    ("soil_profile_bottom_water_drainage__mass_flux", "fluxes.drainage"),
    ("soil_profile_bottom_water_saturation-excess__mass_flux", "fluxes.saturation_excess"),
    ("land_surface_water__evaporation_volume_flux", "fluxes.evapotranspiration", "m s-1"),
    ("land_surface_water_evapotranspiration__mass_flux", "fluxes.evapotranspiration"),
    ("land_surface_water_evaporation__potential_mass_flux", "fluxes.potential_evaporation"),
    ("soil_surface_water_evaporation__mass_flux", "fluxes.soil_evaporation"),
    ("land_vegetation_canopy_water_evaporation__mass_flux", "fluxes.canopy_evaporation"),
    ("land_vegetation_water_transpiration__mass_flux", "fluxes.transpiration"),
    ("soil_water_root-uptake__mass_flux", "fluxes.root_uptake"),
    ("snowpack_snow_sublimation__mass_flux", "fluxes.sublimation"),
    ("land_surface_water_condensation__mass_flux", "fluxes.dew"),
    ("snowpack_meltwater__mass_flux", "fluxes.snow_melt"),
    ("land_vegetation_canopy_water_throughfall__mass_flux", "fluxes.throughfall"),
    ("soil_surface_water_infiltration__mass_flux", "fluxes.infiltration"),
    ("soil_water_numerical-source__mass_flux", "fluxes.numerical_water_source"),
    ("land_surface_water__mass_flux_residual", "fluxes.water_residual"),
    ("soil_profile_water__mass-per-area_density", "fluxes.soil_water_storage"),
    ("soil_rhizosphere_water__relative_saturation", "fluxes.root_zone_saturation"),
    # energy
    ("land_surface__upward_component_of_latent_heat_energy_flux", "fluxes.latent_heat_flux"),
    ("land_surface__upward_component_of_sensible_heat_energy_flux", "fluxes.sensible_heat_flux"),
    ("land_surface_soil_conduction__heat_energy_flux", "fluxes.ground_heat_flux"),
    ("land_surface__potential_latent_heat_energy_flux", "fluxes.potential_latent_heat_flux"),
    ("land_surface_radiation~incoming~absorbed__energy_flux", "fluxes.absorbed_radiation"),
    ("land_surface_radiation~net~shortwave__energy_flux", "fluxes.net_shortwave"),
    ("land_surface_radiation~outgoing~longwave~emitted__energy_flux", "fluxes.longwave_up"),
    ("soil_profile_top_conduction__heat_energy_flux", "fluxes.soil_heat_flux"),
    ("soil_profile_bottom_conduction__heat_energy_flux", "fluxes.deep_heat_flux"),
    ("land_surface_precipitation_advection__heat_energy_flux", "fluxes.precipitation_heat"),
    ("land_surface_rain_freezing__heat_energy_flux", "fluxes.freezing_rain_heat"),
    ("snowpack_melting__heat_energy_flux", "fluxes.melt_heat"),
    ("land_surface__numerical_heat_energy_flux", "fluxes.numerical_heat_source"),
    ("land_surface__energy_flux_residual", "fluxes.energy_residual"),
    ("soil_profile__heat_energy_flux_residual", "fluxes.soil_heat_residual"),
    # diagnostics
    ("constituent-state_land~snow-covered__area_fraction", "fluxes.snow_cover_fraction"),
    ("land_surface~snow-free__emissivity", "fluxes.snow_free_emissivity"),
    ("atmosphere_bottom_air_flowing_bulk__richardson_number", "fluxes.bulk_richardson_number"),
    ("land_surface_water_evaporation__actual-to-potential_ratio", "fluxes.evaporation_ratio"),
    ("land_vegetation_canopy__stomatal_resistance", "fluxes.canopy_resistance"),
    ("land_vegetation__plant_coefficient", "fluxes.plant_coefficient"),
    ("land_vegetation__light_stress_factor", "fluxes.light_stress"),
    ("land_vegetation__temperature_stress_factor", "fluxes.temperature_stress"),
    ("land_vegetation__humidity_stress_factor", "fluxes.humidity_stress"),
    ("land_vegetation__moisture_stress_factor", "fluxes.moisture_stress"),
)

PARAMETER_NAMES = {
    "soil.clapp_hornberger_b": "soil_water__brooks-corey_b_parameter",
    "soil.saturated_hydraulic_conductivity": "soil~saturated_water__hydraulic_conductivity",
    "soil.porosity": "soil__porosity",
    "soil.field_capacity": "soil_water_at-field_capacity__volume_fraction",
    "soil.wilting_point": "soil_water~wilting-point__volume_fraction",
    "vegetation.minimum_stomatal_resistance": "land_vegetation__time_min_of_stomatal_resistance",
    "vegetation.canopy_capacity": "land_vegetation_canopy_water_interception__capacity",
    "general.deep_temperature": "soil_at-reference-depth__temperature",
    "general.deep_temperature_depth": "soil_at-temperature__reference_depth",
    "general.wind_height": "land_surface_wind_at-speed__reference_height",
}
"""Parameters with a registered name; the others are named after their container and field (`PARAMETER_OBJECTS`)."""

GRIDS = {(): 0, ("layer",): 1, ("snow_layer",): 3}
"""Grid of what has these dimensions besides the column."""

PARAMETER_OBJECTS = {"soil": "soil", "vegetation": "land_vegetation", "snow": "snowpack", "general": "land_surface"}

OF_SCHEMES = (
    ("soil__temperature_remainder", "state.soil.temperature_remainder"),
    ("snowpack_layer__mass-per-area_density", "state.snow.layer_mass"),
    ("snowpack_layer__enthalpy-per-area_density", "state.snow.layer_enthalpy"),
    ("snowpack_layer__thickness", "state.snow.layer_thickness"),
    ("snowpack_layer__temperature", "fluxes.snow_temperature"),
    ("snowpack_layer_water~liquid__mass-per-area_density", "fluxes.snow_liquid_water"),
    ("snowpack__albedo", "state.snow.albedo"),
    ("snowpack_bottom_water__mass_flux", "fluxes.snow_outflow"),
    ("land_surface_water_advection__heat_energy_flux", "fluxes.advected_heat"),
    ("land_surface_column__heat_energy_flux_residual", "fluxes.enthalpy_residual"),
)
"""What only some schemes have: in no list of names, but readable; states among it can be set."""

BALANCE = ("ngen::mass_in", "ngen::mass_out", "ngen::mass_stored", "ngen::mass_leaked")
"""Water balance since initialize(), as NextGen asks for it: in no list of names, but readable."""


class UnknownVariable(ValueError):
    """A name the component does not know.

    Parameters
    ----------
    name : As it was given.
    near : Valid names that look like it.
    """

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        remedy = f"Did you mean {', '.join(near)}?" if near else "See get_input_var_names and get_output_var_names."
        super().__init__(f"unknown variable {name!r}. {remedy}")
        self.name, self.near = name, near


@dataclasses.dataclass(frozen=True)
class Variable:
    """One name a framework can use.

    Parameters
    ----------
    name : CSDMS Standard Name.
    source : Where its values come from.
    role : "input" and "output" are in the lists of names; "alternative" names, parameters and the balance are not.
    grid : Identifier of the grid: 0 the columns, 1 the soil layers of the columns, 2 a single number, 3 the layers of
        the snow.
    scale : Core value times `scale` is the BMI value.
    bounds : Acceptable range in BMI units.
    description : What it is, in words.
    optional : True when the model has a rule of its own for a quantity that is not given.
    """

    name: str
    source: Source
    role: Role
    units: str
    grid: int
    scale: float = 1.0
    bounds: Bounds | None = None
    description: str = ""
    optional: bool = False

    @property
    def settable(self) -> bool:
        """Whether set_value accepts it: inputs, states and parameters, but not what the model computes."""
        return self.source.kind != "result"


def variables() -> dict[str, Variable]:
    """Every variable by name, parameters included."""
    return _table()


@functools.cache
def _table() -> dict[str, Variable]:
    metadata = _metadata()
    parameters = [source.removeprefix("parameters.") for source in metadata if source.startswith("parameters.")]
    declared: tuple[tuple[Role, tuple[tuple[str, ...], ...]], ...] = (
        ("input", INPUTS),
        ("alternative", (*ALTERNATIVES, *ADDITIONS)),
        ("output", OUTPUTS),
        ("parameter", tuple((_parameter_name(path), f"parameters.{path}") for path in parameters)),
        ("alternative", OF_SCHEMES),
        ("balance", tuple((name, f"balance.{name.rpartition('_')[2]}") for name in BALANCE)),
    )
    return {row[0]: _variable(role, row, metadata[row[1]]) for role, rows in declared for row in rows}


def _metadata() -> dict[str, dict[str, Any]]:
    """Units, dimensions and bounds of every quantity a path can name."""
    # Not at the top, so that the lists of names are there without PyTorch.
    from bmi_noahpy.component.derived import DERIVED
    from noahpy_core.parameters import Parameters
    from noahpy_core.quantities import quantities
    from noahpy_core.state import ADDED, Fluxes, Forcing, State

    containers = {"state": State, "forcing": Forcing, "fluxes": Fluxes, "parameters": Parameters}
    found = {f"{root}.{path}": facts for root, cls in containers.items() for path, facts in quantities(cls)}
    for path, derived in DERIVED.items():
        found[f"derived.{path}"] = vars(derived)
    found["total.moisture"] = found.pop("derived.moisture")
    found |= {f"added.{field}": found[f"forcing.{field}"] for field in ADDED}
    fastest = found["forcing.wind_speed"]["bounds"][1]
    wind = {"units": found["forcing.wind_speed"]["units"], "dims": (), "bounds": (-fastest, fastest)}
    for component, way in (("x", "eastward"), ("y", "northward")):
        found[f"wind.{component}"] = {**wind, "long_name": f"{way} component of the wind"}
    cells = "place of the column in the flattened grid of its domain, from 0"
    found["grid.cells"] = {"units": "1", "dims": (), "bounds": None, "long_name": cells}
    for name in ("in", "out", "stored", "leaked"):
        text = f"water {name} since the start, mean over the columns"
        found[f"balance.{name}"] = {"units": "m", "dims": (), "bounds": None, "long_name": text}
    return found


def _variable(role: Role, row: tuple[str, ...], facts: dict[str, Any]) -> Variable:
    from bmi_noahpy.component.sources import SOURCES

    name, place = row[:2]
    part, _, path = place.partition(".")
    units = row[2] if len(row) > 2 else facts["units"]
    scale = 1.0 if units == facts["units"] else SCALES[facts["units"], units]
    bounds = facts["bounds"] and (facts["bounds"][0] * scale, facts["bounds"][1] * scale)
    grid = 2 if part == "balance" else GRIDS[facts["dims"]]
    return Variable(
        name, SOURCES[part](path), role, units, grid, scale, bounds, facts["long_name"], path in OPTIONAL_PATHS
    )


def _parameter_name(path: str) -> str:
    group, _, field = path.partition(".")
    return PARAMETER_NAMES.get(path, f"{PARAMETER_OBJECTS[group]}__{field}")


OPTIONAL_PATHS = frozenset(
    {"leaf_area_index", "snow_free_albedo", "vegetation_fraction", "snowfall"}
    | {place.partition(".")[2] for _, place in ADDITIONS}
    | {f"soil.{name}" for name in ("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity")}
)


def find_variable(name: str) -> Variable:
    """The variable of that name.

    Raises
    ------
    UnknownVariable : naming the nearest valid names.
    """
    known = _table()
    if name in known:
        return known[name]
    raise UnknownVariable(name, tuple(difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)))
