"""Values out of and into the model: copies, pointers, units, states, parameters."""

from __future__ import annotations

import bmi_cases as cases
import numpy as np
import pytest

from bmi_noahpy.component.variables import variables
from noahpy_core.parameters import LAYERED_SNOW

TEMPERATURE = "soil__temperature"
TOTAL = "soil_water__volume_fraction"
LIQUID = "soil_water~liquid__volume_fraction"
ICE = "soil_ice__volume_fraction"


@pytest.fixture
def model(tmp_path):
    return cases.started(tmp_path)


@pytest.fixture
def grid_model(tmp_path):
    return cases.started(tmp_path, cases.grid_configuration())


def test_get_value_fills_and_returns_the_array_of_the_caller(grid_model):
    destination = np.zeros((cases.LAYERS, 2, 3))
    assert grid_model.get_value(TEMPERATURE, destination) is destination
    assert np.array_equal(destination.ravel(), grid_model.get_value_ptr(TEMPERATURE))


def test_get_value_is_a_copy(model):
    copy = cases.read(model, TEMPERATURE)
    copy[:] = 0.0
    assert (cases.read(model, TEMPERATURE) > 200.0).all()


def test_layered_values_have_the_layer_slowest(grid_model):
    values = cases.read(grid_model, TEMPERATURE).reshape(cases.LAYERS, 2, 3)
    expected = cases.configuration()["initial"]["soil_temperature"]
    assert np.array_equal(values, np.broadcast_to(np.reshape(expected, (-1, 1, 1)), (cases.LAYERS, 2, 3)))


def test_rows_come_before_columns_of_the_grid(grid_model):
    skin = cases.read(grid_model, "land_surface__temperature").reshape(2, 3)
    assert skin.tolist() == [[270.0, 269.0, 268.0], [271.0, 270.5, 269.5]]


def test_values_at_indices_are_those_of_the_whole(grid_model):
    whole = cases.read(grid_model, TEMPERATURE)
    indices = np.array([0, 7, 29])
    destination = np.empty(3)
    assert grid_model.get_value_at_indices(TEMPERATURE, destination, indices) is destination
    assert np.array_equal(destination, whole[indices])


def test_values_set_at_indices_leave_the_others(grid_model):
    before = cases.read(grid_model, TEMPERATURE)
    grid_model.set_value_at_indices(TEMPERATURE, np.array([3, 8]), np.array([274.0, 275.0]))
    after = cases.read(grid_model, TEMPERATURE)
    assert after[[3, 8]].tolist() == [274.0, 275.0]
    others = np.delete(np.arange(after.size), [3, 8])
    assert np.array_equal(after[others], before[others])


@pytest.mark.parametrize("shape", [(30,), (5, 6), (5, 2, 3), (1, 30, 1)])
def test_set_value_accepts_any_shape_of_the_right_size(grid_model, shape):
    values = np.linspace(265.0, 275.0, 30)
    grid_model.set_value(TEMPERATURE, values.reshape(shape))
    assert np.array_equal(cases.read(grid_model, TEMPERATURE), values)


def test_values_that_are_not_contiguous_are_read_in_order(grid_model):
    values = np.linspace(265.0, 275.0, 60)[::2]
    grid_model.set_value(TEMPERATURE, values)
    destination = np.zeros((30, 2))
    grid_model.get_value(TEMPERATURE, destination[:, 1])
    assert np.array_equal(destination[:, 1], values)
    assert not destination[:, 0].any()


# --- pointers


def test_a_pointer_is_the_same_live_array_across_updates(model):
    pointers = {name: model.get_value_ptr(name) for name, variable in variables().items() if variable.grid < 3}
    for _ in range(3):
        model.update()
        for name, pointer in pointers.items():
            assert model.get_value_ptr(name) is pointer
            assert pointer.ndim == 1
            assert pointer.dtype == np.dtype(model.get_var_type(name))
            assert np.array_equal(pointer, cases.read(model, name), equal_nan=True)


def test_a_pointer_shows_what_set_value_sets(model):
    pointer = model.get_value_ptr(TEMPERATURE)
    model.set_value(TEMPERATURE, np.full(cases.LAYERS, 274.5))
    assert (pointer == 274.5).all()


def test_writing_through_a_pointer_is_the_same_as_set_value(tmp_path):
    written, given = cases.started(tmp_path), cases.started(tmp_path)
    warmer = cases.read(given, TEMPERATURE) + 1.5
    given.set_value(TEMPERATURE, warmer)
    written.get_value_ptr(TEMPERATURE)[:] = warmer
    assert np.array_equal(cases.read(written, TEMPERATURE), warmer)
    for model in (written, given):
        model.update()
    for name in (TEMPERATURE, ICE, "land_surface__temperature"):
        assert np.array_equal(cases.read(written, name), cases.read(given, name))


def test_writing_through_several_pointers_takes_all_of_them(model):
    temperature, ice = model.get_value_ptr(TEMPERATURE), model.get_value_ptr(ICE)
    temperature[:] = 270.0
    ice[:] = 0.05
    assert (cases.read(model, TEMPERATURE) == 270.0).all()
    assert (cases.read(model, ICE) == 0.05).all()


def test_a_bad_value_through_a_pointer_is_reported_and_undone(model):
    pointer, ice = model.get_value_ptr(TEMPERATURE), model.get_value_ptr(ICE)
    before = pointer.copy(), ice.copy()
    ice[0] = 0.01
    pointer[2] = np.nan
    with pytest.raises(ValueError, match=r"soil__temperature: value nan at index 2 is not finite"):
        model.update()
    assert model.get_current_time() == 0.0
    assert np.array_equal(pointer, before[0])
    assert np.array_equal(ice, before[1])
    model.update()


# --- states


@pytest.mark.parametrize(
    "name",
    [v.name for v in variables().values() if v.source.kind == "state" and v.role == "output"],
)
def test_every_state_can_be_set_and_matters(tmp_path, name):
    changed, plain = cases.started(tmp_path), cases.started(tmp_path)
    old = cases.read(changed, name)
    new = np.clip(old * 1.02 + 1e-3, *variables()[name].bounds) if variables()[name].bounds else old * 1.02
    changed.set_value(name, new)
    assert np.allclose(cases.read(changed, name), new, rtol=1e-15)
    for model in (changed, plain):
        # The albedo acts under the sun, and snowfall would begin the age of the snow anew.
        model.set_value("land_surface_radiation~incoming~shortwave__energy_flux", np.array([300.0]))
        model.set_value("atmosphere_water__liquid_equivalent_precipitation_rate", np.array([0.0]))
        model.update()
    observed = [TEMPERATURE, LIQUID, "land_surface__temperature", "snowpack__depth", "snowpack__age",
                "land_surface_vegetation_canopy_water__mass-per-area_density"]  # fmt: skip
    assert any(not np.array_equal(cases.read(changed, other), cases.read(plain, other)) for other in observed)


def test_setting_one_element_leaves_every_bit_of_the_others(grid_model):
    store = grid_model._run.values
    water = store.state.snow.water_equivalent.clone()
    depth = cases.read(grid_model, "snowpack__leq_depth")
    depth[1] = 0.012
    grid_model.set_value("snowpack__leq_depth", depth)
    after = store.state.snow.water_equivalent
    assert after[1].item() == pytest.approx(12.0, rel=1e-15)
    assert after[[0, 2, 3, 4, 5]].tolist() == water[[0, 2, 3, 4, 5]].tolist()


def test_both_names_of_the_snow_water_show_the_same(model):
    model.set_value("snowpack__leq_depth", np.array([0.0075]))
    assert cases.read(model, "snowpack__liquid-equivalent_depth")[0] == 0.0075


def test_setting_the_total_water_keeps_the_ice(model):
    ice, total = cases.read(model, ICE), cases.read(model, TOTAL)
    model.set_value(TOTAL, total + 0.03)
    assert np.array_equal(cases.read(model, ICE), ice)
    assert np.allclose(cases.read(model, LIQUID), total + 0.03 - ice, rtol=1e-14)


def test_a_total_water_below_the_ice_leaves_only_ice(model):
    ice, liquid = cases.read(model, ICE), cases.read(model, LIQUID)
    layer = np.array([1])
    model.set_value_at_indices(TOTAL, layer, 0.5 * ice[layer])
    assert cases.read(model, ICE)[1] == 0.5 * ice[1]
    assert cases.read(model, LIQUID)[1] == 0.0
    others = [0, 2, 3, 4]
    assert np.array_equal(cases.read(model, ICE)[others], ice[others])
    assert np.array_equal(cases.read(model, LIQUID)[others], liquid[others])


def test_snow_whose_depth_cannot_hold_its_water_is_refused(model):
    model.set_value("snowpack__depth", np.array([0.0]))
    with pytest.raises(ValueError, match=r"snowpack__depth: 0 m at index 0 cannot hold the 0.008 m .* Set both"):
        model.update()
    model.set_value("snowpack__leq_depth", np.array([0.0]))
    model.update()


# --- parameters


PARAMETERS = [variable.name for variable in variables().values() if variable.role == "parameter"]


OF_LAYERED_SNOW = [name for name in PARAMETERS if variables()[name].source.path.partition(".")[2] in LAYERED_SNOW]


OF_COVER = ("land_vegetation__litter_area_index", "land_vegetation__moss_resistance")
"""Read by the closed surface balance alone."""


@pytest.fixture(scope="module")
def layered_model(tmp_path_factory):
    schemes = {"preset": "conservative"}
    return cases.started(tmp_path_factory.mktemp("layered"), cases.configuration(schemes=schemes))


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_can_be_read_and_set_before_the_first_update(model, layered_model, name):
    low, high = variables()[name].bounds
    value = low + 0.25 * (high - low)
    model = layered_model if name in (*OF_LAYERED_SNOW, *OF_COVER) else model
    model.set_value(name, np.full(cases.read(model, name).shape, value))
    assert (cases.read(model, name) == value).all()


@pytest.mark.parametrize("name", OF_LAYERED_SNOW)
def test_a_parameter_of_snow_layers_is_refused_where_there_are_none(model, name):
    (low, high), values = variables()[name].bounds, cases.read(model, name)
    model.set_value(name, values)
    with pytest.raises(ValueError, match=rf"{name}: belongs to snow of several layers.*preset: conservative"):
        model.set_value(name, np.full(values.shape, low + 0.3 * (high - low)))


@pytest.mark.parametrize("name", ["snowpack__leq_depth", "snowpack__depth"])
def test_what_follows_from_snow_layers_is_refused_and_the_layers_are_not(layered_model, name):
    layered_model.set_value(name, cases.read(layered_model, name))
    with pytest.raises(ValueError, match=rf"{name}: follows from the snow layers"):
        layered_model.set_value(name, np.array([0.2]))


def test_a_parameter_takes_effect_in_the_next_step(tmp_path):
    changed, plain = cases.started(tmp_path), cases.started(tmp_path)
    for model in (changed, plain):
        model.update()
    assert np.array_equal(cases.read(changed, TEMPERATURE), cases.read(plain, TEMPERATURE))
    changed.set_value("soil__porosity", cases.read(changed, "soil__porosity") * 0.9)
    for model in (changed, plain):
        model.update()
    assert not np.array_equal(cases.read(changed, TEMPERATURE), cases.read(plain, TEMPERATURE))


def test_a_parameter_of_one_column_leaves_the_other_columns(tmp_path):
    changed = cases.started(tmp_path / "a", cases.grid_configuration())
    plain = cases.started(tmp_path / "b", cases.grid_configuration())
    changed.set_value_at_indices("soil_at-reference-depth__temperature", np.array([4]), np.array([280.0]))
    for model in (changed, plain):
        model.update()
    heat = [cases.read(model, "soil_profile_bottom_conduction__heat_energy_flux") for model in (changed, plain)]
    assert (heat[0] != heat[1]).tolist() == [False, False, False, False, True, False]


def test_derived_soil_parameters_follow_the_primary_ones_until_they_are_set(tmp_path):
    sections = cases.configuration(soil={"hydraulics": "derived"})
    model = cases.started(tmp_path, sections)
    wilting = "soil_water~wilting-point__volume_fraction"
    pointer, before = model.get_value_ptr(wilting), cases.read(model, wilting)
    model.set_value("soil__porosity", cases.read(model, "soil__porosity") * 0.5)
    assert np.allclose(pointer, 0.5 * before)
    model.set_value(wilting, before)
    model.set_value("soil__porosity", cases.read(model, "soil__porosity") * 1.5)
    assert np.array_equal(pointer, before)


# --- outputs


def test_fluxes_are_zero_before_the_first_step(model):
    for name in ("land_surface_water__runoff_depth", "land_surface_water_evapotranspiration__mass_flux"):
        assert cases.read(model, name).tolist() == [0.0]


def test_volume_fluxes_are_mass_fluxes_over_the_density_of_water(model):
    model.update()
    pairs = {
        "land_surface_water__runoff_volume_flux": "land_surface_water_runoff__mass_flux",
        "land_surface_water__baseflow_volume_flux": "land_subsurface_water_runoff__mass_flux",
        "land_surface_water__evaporation_volume_flux": "land_surface_water_evapotranspiration__mass_flux",
    }
    for volume, mass in pairs.items():
        assert cases.read(model, volume)[0] == pytest.approx(cases.read(model, mass)[0] / 1000.0, rel=1e-12)


def test_runoff_depth_is_all_runoff_of_one_step(model):
    model.update()
    rate = cases.read(model, "land_surface_water__runoff_volume_flux") + cases.read(
        model, "land_surface_water__baseflow_volume_flux"
    )
    assert rate[0] > 0
    assert cases.read(model, "land_surface_water__runoff_depth")[0] == pytest.approx(rate[0] * cases.STEP, rel=1e-12)


def test_shallow_layers_are_means_over_their_depths(model):
    temperature, total = cases.read(model, TEMPERATURE), cases.read(model, TOTAL)
    expected = (0.05 * temperature[0] + 0.05 * temperature[1]) / 0.1
    assert cases.read(model, "land_surface~0-to-10cm-below_soil__temperature")[0] == pytest.approx(expected)
    expected = (0.05 * total[1] + 0.25 * total[2]) / 0.3
    assert cases.read(model, "land_surface~10-to-40cm-below_soil_water__volume_fraction")[0] == pytest.approx(expected)
    mass = cases.read(model, "land_surface~10-to-40cm-below_soil_water__mass-per-area_density")[0]
    assert mass == pytest.approx(expected * 0.3 * 1000.0)


def test_layers_below_the_soil_column_are_not_a_number(tmp_path):
    sections = cases.configuration(
        soil={"thickness": [0.05, 0.1, 0.25], "classes": 7},
        initial={"soil_temperature": 272.0, "soil_moisture": 0.2, "soil_liquid": 0.1},
    )
    model = cases.started(tmp_path, sections)
    assert np.isnan(cases.read(model, "land_surface~100-to-200cm-below_soil__temperature")).all()
    assert np.isfinite(cases.read(model, "land_surface~10-to-40cm-below_soil__temperature")).all()


def test_snow_density_is_water_over_depth_and_zero_without_snow(model):
    assert cases.read(model, "snowpack__mass-per-volume_density")[0] == pytest.approx(8.0 / 0.05)
    model.set_value("snowpack__depth", np.zeros(1))
    assert cases.read(model, "snowpack__mass-per-volume_density")[0] == 0.0


# --- what only some schemes have


def test_what_the_schemes_of_a_run_do_not_have_is_refused_by_name(model):
    with pytest.raises(ValueError, match="snowpack_layer__thickness: the snow of this run has no layers"):
        cases.read(model, "snowpack_layer__thickness")
    with pytest.raises(ValueError, match="snowpack__albedo: the schemes of this run have none"):
        model.set_value("snowpack__albedo", np.array([0.5]))
