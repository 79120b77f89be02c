"""Forcing from the framework, from the file, and from both."""

from __future__ import annotations

import bmi_cases as cases
import numpy as np
import pytest

WITHOUT_FILE = {"forcing": None}
STATES = ("soil__temperature", "soil_ice__volume_fraction", "land_surface__temperature", "snowpack__leq_depth")
SPEED, X, Y = (
    "land_surface_wind__speed",
    "land_surface_wind__x_component_of_velocity",
    "land_surface_wind__y_component_of_velocity",
)
TEMPERATURE = "land_surface_air__temperature"


def assert_same(model, other):
    for name in STATES:
        assert np.array_equal(cases.read(model, name), cases.read(other, name)), name


@pytest.mark.parametrize(
    ("build", "columns"), [(cases.configuration, 1), (cases.grid_configuration, 6)], ids=["column", "grid"]
)
def test_forcing_set_step_by_step_gives_the_run_of_the_file(tmp_path, build, columns):
    from_file = cases.started(tmp_path / "file", build())
    supplied = cases.started(tmp_path / "framework", build(**WITHOUT_FILE))
    for step in range(8):
        cases.supply(supplied, step, columns)
        supplied.update()
        from_file.update()
    assert_same(supplied, from_file)


def test_missing_inputs_are_named(tmp_path):
    model = cases.started(tmp_path, cases.configuration(**WITHOUT_FILE))
    cases.supply(model, 0)
    other = cases.started(tmp_path, cases.configuration(**WITHOUT_FILE))
    other.set_value(TEMPERATURE, np.array([270.0]))
    other.set_value(X, np.array([2.0]))
    with pytest.raises(RuntimeError) as error:
        other.update()
    message = str(error.value)
    assert TEMPERATURE not in message
    for name in ("land_surface_air__pressure", Y, "atmosphere_water__liquid_equivalent_precipitation_rate"):
        assert name in message
    assert "set_value" in message
    model.update()


def test_an_input_set_in_some_columns_only_is_missing(tmp_path):
    model = cases.started(tmp_path, cases.grid_configuration(**WITHOUT_FILE))
    cases.supply(model, 0, 6)
    fresh = cases.started(tmp_path, cases.grid_configuration(**WITHOUT_FILE))
    for name in fresh.get_input_var_names():
        fresh.set_value_at_indices(name, np.arange(5), cases.read(model, name)[:5])
    with pytest.raises(RuntimeError, match=TEMPERATURE):
        fresh.update()
    for name in fresh.get_input_var_names():
        fresh.set_value_at_indices(name, np.array([5]), cases.read(model, name)[5:])
    fresh.update()


def test_an_input_without_value_is_not_a_number(tmp_path):
    model = cases.started(tmp_path, cases.configuration(**WITHOUT_FILE))
    assert np.isnan(cases.read(model, TEMPERATURE)).all()
    model.get_value_ptr(TEMPERATURE)[:] = 271.0
    assert cases.read(model, TEMPERATURE).tolist() == [271.0]


def test_inputs_show_the_file_until_they_are_set(tmp_path):
    model = cases.started(tmp_path)
    records = cases.weather()
    assert cases.read(model, TEMPERATURE)[0] == records["air_temperature"][0]
    for step in range(3):
        model.update()
        assert cases.read(model, TEMPERATURE)[0] == records["air_temperature"][step]
    assert cases.read(model, X)[0] == records["wind_speed"][2]
    assert cases.read(model, Y)[0] == 0.0


def test_an_input_once_set_replaces_the_file_until_it_is_set_again(tmp_path):
    model, other = cases.started(tmp_path), cases.started(tmp_path)
    model.set_value(TEMPERATURE, np.array([281.0]))
    for _ in range(3):
        other.set_value(TEMPERATURE, np.array([281.0]))
        for each in (model, other):
            each.update()
        assert cases.read(model, TEMPERATURE).tolist() == [281.0]
    assert_same(model, other)


def test_an_input_set_to_the_value_of_the_file_also_stays(tmp_path):
    model = cases.started(tmp_path)
    first = cases.read(model, TEMPERATURE)
    model.set_value(TEMPERATURE, first)
    model.update()
    model.update()
    assert np.array_equal(cases.read(model, TEMPERATURE), first)


def test_an_input_set_for_one_column_leaves_the_file_for_the_others(tmp_path):
    model = cases.started(tmp_path, cases.grid_configuration())
    model.set_value_at_indices(TEMPERATURE, np.array([2]), np.array([281.0]))
    for _ in range(3):
        model.update()
    expected = np.full(6, cases.weather()["air_temperature"][2])
    expected[2] = 281.0
    assert np.array_equal(cases.read(model, TEMPERATURE), expected)


def test_wind_components_act_by_their_speed(tmp_path):
    components, speed = cases.started(tmp_path), cases.started(tmp_path)
    components.set_value(X, np.array([-3.0]))
    components.set_value(Y, np.array([4.0]))
    speed.set_value(SPEED, np.array([5.0]))
    assert cases.read(components, SPEED).tolist() == [5.0]
    for model in (components, speed):
        model.update()
    assert_same(components, speed)


def test_the_wind_that_was_set_last_counts(tmp_path):
    model = cases.started(tmp_path)
    model.set_value(SPEED, np.array([5.0]))
    assert (cases.read(model, X)[0], cases.read(model, Y)[0]) == (5.0, 0.0)
    model.set_value(X, np.array([0.0]))
    model.set_value(Y, np.array([2.0]))
    assert cases.read(model, SPEED).tolist() == [2.0]
    model.set_value(SPEED, np.array([7.0]))
    assert cases.read(model, SPEED).tolist() == [7.0]


def test_other_names_of_an_input_are_the_same_input(tmp_path):
    model, other = cases.started(tmp_path), cases.started(tmp_path)
    model.set_value("atmosphere_water_precipitation__mass_flux", np.array([1e-3]))
    other.set_value("atmosphere_water__liquid_equivalent_precipitation_rate", np.array([1e-3]))
    assert cases.read(model, "atmosphere_water__liquid_equivalent_precipitation_rate").tolist() == [1e-3]
    for each in (model, other):
        each.update()
    assert_same(model, other)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("land_vegetation_canopy__area_fraction", 0.33),
        ("land_vegetation__leaf-area_index", 1.7),
        ("land_surface~snow-free__albedo", 0.31),
    ],
)
def test_vegetation_is_prescribed_by_the_configuration_or_set(tmp_path, name, value):
    changed = cases.started(tmp_path / "a", cases.configuration(**WITHOUT_FILE))
    plain = cases.started(tmp_path / "b", cases.configuration(**WITHOUT_FILE))
    changed.set_value(name, np.array([value]))
    assert cases.read(changed, name).tolist() == [value]
    # The albedo of a step is used by the next one, under sun.
    for step in range(9):
        for model in (changed, plain):
            cases.supply(model, step)
            model.update()
    assert cases.read(changed, name).tolist() == [value]
    assert np.isfinite(cases.read(plain, name)).all()
    assert not np.array_equal(cases.read(changed, "soil__temperature"), cases.read(plain, "soil__temperature"))


def test_the_framework_can_go_on_where_the_file_ends(tmp_path):
    sections = cases.configuration(period={"end": "2007-04-10T01:00"})
    model, reference = cases.started(tmp_path / "a", sections), cases.started(tmp_path / "b")
    for step in range(4):
        if step == 2:
            with pytest.raises(RuntimeError, match=r"the forcing ends after 2 steps; no value for .*get_end_time"):
                model.update()
        if step >= 2:
            cases.supply(model, step)
        model.update()
        reference.update()
    assert_same(model, reference)


def test_an_input_set_again_and_again_is_checked_and_taken_as_at_first(tmp_path):
    model = cases.started(tmp_path, cases.configuration(forcing=None))
    given = {name: cases.weather()[field][:1] for name, field in cases.INPUT_OF.items()}
    given["land_surface_wind__y_component_of_velocity"] = np.zeros(1)
    for _ in range(2):
        for name, values in given.items():
            model.set_value(name, values)
        model.update()
    air = "land_surface_air__temperature"
    changing = np.array([281.0])
    model.set_value(air, changing)
    changing[0] = 250.0
    assert cases.read(model, air)[0] == 281.0
    for wrong, said in ((np.nan, "not finite"), (500.0, "outside 150 to 350"), (-np.inf, "not finite")):
        with pytest.raises(ValueError, match=said):
            model.set_value(air, np.array([wrong]))
    with pytest.raises(ValueError, match="2 values given, 1 needed"):
        model.set_value(air, np.zeros(2))
    assert cases.read(model, air)[0] == 281.0
    rain = "atmosphere_water__liquid_equivalent_precipitation_rate"
    model.set_value(rain, np.array([1e-3]))
    assert cases.read(model, "atmosphere_water_precipitation__mass_flux")[0] == 1e-3
    model.set_value("land_surface_wind__speed", np.array([7.0]))
    model.set_value("land_surface_wind__speed", np.array([8.0]))
    assert cases.read(model, "land_surface_wind__x_component_of_velocity")[0] == 8.0
    model.set_value("land_surface_wind__x_component_of_velocity", np.array([3.0]))
    model.set_value("land_surface_wind__y_component_of_velocity", np.array([4.0]))
    assert cases.read(model, "land_surface_wind__speed")[0] == 5.0
    model.update()


def test_components_of_the_same_layers_and_schemes_share_a_model_and_nothing_else(tmp_path):
    one, other = (cases.started(tmp_path / name) for name in ("one", "other"))
    assert one._active("test").model is other._active("test").model
    one.set_value("soil__porosity", 0.9 * cases.read(one, "soil__porosity"))
    one.update()
    assert (cases.read(other, "soil__porosity") > cases.read(one, "soil__porosity")).all()
    assert (cases.read(other, "land_surface_soil_conduction__heat_energy_flux") == 0.0).all()
