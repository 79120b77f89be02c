"""Names, units, types, grids: known before initialize, and in the form the frameworks need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import bmi_cases as cases
import numpy as np
import pytest
from bmipy import Bmi

import bmi_noahpy
from bmi_noahpy import BmiNoahPy
from bmi_noahpy.component.sources import SOURCES
from bmi_noahpy.component.variables import find_variable, variables
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import Fluxes, Forcing, State

NGEN_INPUTS = {
    "land_surface_air__temperature": "K",
    "land_surface_air__pressure": "Pa",
    "atmosphere_air_water~vapor__relative_saturation": "kg kg-1",
    "land_surface_wind__x_component_of_velocity": "m s-1",
    "land_surface_wind__y_component_of_velocity": "m s-1",
    "land_surface_radiation~incoming~shortwave__energy_flux": "W m-2",
    "land_surface_radiation~incoming~longwave__energy_flux": "W m-2",
    "atmosphere_water__liquid_equivalent_precipitation_rate": "mm s-1",
}

REGISTERED = {
    "soil__temperature": "K",
    "soil_water__volume_fraction": "m3 m-3",
    "soil_ice__volume_fraction": "m3 m-3",
    "land_surface__temperature": "K",
    "land_surface_vegetation_canopy_water__mass-per-area_density": "kg m-2",
    "snowpack__leq_depth": "m",
    "snowpack__depth": "m",
    "snowpack__mass-per-volume_density": "kg m-3",
    "constituent-state_land~snow-covered__area_fraction": "1",
    "snowpack__age": "s",
    "atmosphere_bottom_air_bulk__sensible_heat_aerodynamic_conductance": "m s-1",
    "atmosphere_bottom_air_bulk__momentum_aerodynamic_conductance": "m s-1",
    "land_surface_air__temperature": "K",
    "land_surface_air__pressure": "Pa",
    "land_surface_wind__speed": "m s-1",
    "land_surface_air_radiation~shortwave~downwelling__energy_flux": "W m-2",
    "land_surface_air_radiation~longwave~downwelling__energy_flux": "W m-2",
    "atmosphere_water_precipitation__mass_flux": "kg m-2 s-1",
    "land_vegetation_canopy__area_fraction": "1",
    "land_vegetation__leaf-area_index": "1",
    "land_surface_water_evapotranspiration__mass_flux": "kg m-2 s-1",
    "snowpack_snow_sublimation__mass_flux": "kg m-2 s-1",
    "snowpack_meltwater__mass_flux": "kg m-2 s-1",
    "land_surface_water_runoff__mass_flux": "kg m-2 s-1",
    "land_subsurface_water_runoff__mass_flux": "kg m-2 s-1",
    "land_surface_soil_conduction__heat_energy_flux": "W m-2",
    "land_surface__upward_component_of_sensible_heat_energy_flux": "W m-2",
    "land_surface__upward_component_of_latent_heat_energy_flux": "W m-2",
    "land_surface__albedo": "1",
    "land_surface__emissivity": "1",
    "atmosphere_bottom_air_flowing__log-law_roughness_length": "m",
    "soil_water__brooks-corey_b_parameter": "1",
    "soil~saturated_water__hydraulic_conductivity": "m s-1",
    "soil__porosity": "m3 m-3",
    "soil_water_at-field_capacity__volume_fraction": "m3 m-3",
    "soil_water~wilting-point__volume_fraction": "m3 m-3",
    "soil_layer__thickness": "m",
    "soil_at-reference-depth__temperature": "K",
    "land_vegetation__time_min_of_stomatal_resistance": "s m-1",
    "land_vegetation_canopy_water_interception__capacity": "kg m-2",
    "land_surface~0-to-10cm-below_soil__temperature": "K",
    "land_surface~0-to-10cm-below_soil_water__volume_fraction": "m3 m-3",
}


def test_every_function_of_bmipy_is_there():
    assert not BmiNoahPy.__abstractmethods__
    assert isinstance(BmiNoahPy(), Bmi)


def test_inputs_are_the_eight_that_nextgen_supplies():
    model = BmiNoahPy()
    assert {name: model.get_var_units(name) for name in model.get_input_var_names()} == NGEN_INPUTS


def test_names_units_types_and_grids_are_known_before_initialize():
    model = BmiNoahPy()
    names = model.get_input_var_names() + model.get_output_var_names()
    assert len(set(names)) == model.get_input_item_count() + model.get_output_item_count() == len(names)
    for name in names:
        assert model.get_var_type(name) == "float64"
        assert model.get_var_itemsize(name) == 8
        assert model.get_var_grid(name) in (0, 1)
        assert model.get_var_units(name)


def test_names_of_the_registry_are_spelt_as_there():
    registry = pytest.importorskip("standard_names").NamesRegistry.from_latest().names
    model = BmiNoahPy()
    for name, units in REGISTERED.items():
        assert name in registry, name
        assert model.get_var_units(name) == units, name


def test_all_names_have_the_form_of_standard_names():
    is_valid_name = pytest.importorskip("standard_names").is_valid_name
    wrong = [name for name, variable in variables().items() if variable.role != "balance" and not is_valid_name(name)]
    assert wrong == []


def test_all_units_are_understood_by_udunits():
    units = pytest.importorskip("gimli.units").units
    for variable in variables().values():
        assert str(units.Unit(variable.units)) is not None
        assert variable.units not in ("-", "none", "fraction", "")


@pytest.mark.parametrize(
    ("root", "container"), [("state", State), ("forcing", Forcing), ("fluxes", Fluxes), ("parameters", Parameters)]
)
def test_every_quantity_of_the_model_has_a_name(root, container):
    kind = SOURCES[root]
    reached = {variable.source.path for variable in variables().values() if isinstance(variable.source, kind)}
    # Fluxes that repeat a member of State or Forcing are read there.
    repeated = {"albedo", "emissivity", "vegetation_fraction", "leaf_area_index", "snow_free_albedo"}
    assert {path for path, _ in quantities(container)} - reached == (repeated if root == "fluxes" else set())


def test_parameters_and_balance_are_readable_but_in_no_list(tmp_path):
    model = cases.started(tmp_path)
    listed = model.get_input_var_names() + model.get_output_var_names()
    for name in ("soil__porosity", "land_surface_wind_at-speed__reference_height", "ngen::mass_stored"):
        assert name not in listed
        assert np.isfinite(cases.read(model, name)).all()


def test_bounds_are_converted_with_the_unit():
    assert find_variable("snowpack__leq_depth").bounds == (0.0, 100.0)


def test_sizes_are_python_integers(tmp_path):
    for number, sections in enumerate((cases.configuration(), cases.grid_configuration())):
        model = cases.started(tmp_path / str(number), sections)
        for name in model.get_output_var_names():
            assert type(model.get_var_nbytes(name)) is int
            assert type(model.get_var_itemsize(name)) is int
            assert type(model.get_var_grid(name)) is int


def test_bytes_are_those_of_the_values(tmp_path):
    model = cases.started(tmp_path, cases.grid_configuration())
    assert model.get_var_nbytes("land_surface__temperature") == 8 * 6
    assert model.get_var_nbytes("soil__temperature") == 8 * 6 * cases.LAYERS
    for name in model.get_input_var_names() + model.get_output_var_names():
        assert model.get_value_ptr(name).nbytes == model.get_var_nbytes(name)


def test_component_name_is_noahpy():
    assert BmiNoahPy().get_component_name() == "NoahPy"


def test_names_are_known_without_importing_pytorch():
    program = (
        "import sys, bmi_noahpy; model = bmi_noahpy.BmiNoahPy();"
        "assert model.get_input_var_names() and model.get_output_var_names(); assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(bmi_noahpy.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)


# --- introspection


def test_every_variable_is_in_one_set_and_is_described():
    extension = BmiNoahPy().get_extension("introspection")
    sets = {name: extension.get_variable_set(name) for name in extension.get_variable_sets()}
    assert list(sets) == ["inputs", "states", "parameters", "diagnostics"]
    assert sorted(name for names in sets.values() for name in names) == sorted(variables())
    for what, names in sets.items():
        for name in names:
            assert extension.get_var_role(name) == what.removesuffix("s")
            assert len(extension.get_var_description(name)) > 4, name
            low, high = extension.get_var_bounds(name)
            assert low < high
            settable = find_variable(name).settable
            assert settable == (what != "diagnostics")


def test_introspection_says_bounds_in_units_of_bmi_and_what_is_a_mean():
    extension = BmiNoahPy().get_extension("introspection")
    assert extension.get_var_bounds("snowpack__leq_depth") == (0.0, 100.0)
    assert extension.get_var_bounds("land_surface_water__runoff_depth") == (-np.inf, np.inf)
    assert extension.is_var_averaged("land_surface_water__runoff_depth")
    assert not extension.is_var_averaged("soil__temperature")
    assert extension.is_var_optional("land_vegetation__leaf-area_index")
    with pytest.raises(ValueError, match=r"'fluxes' is no set of variables\. Sets are inputs, states"):
        extension.get_variable_set("fluxes")
