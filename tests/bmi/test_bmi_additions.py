"""Inputs that add water and heat, and inputs that count for one call only."""

from __future__ import annotations

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

from bmi_noahpy import BmiNoahPy

IRRIGATION = "land_surface_water_irrigation__mass_flux"
RUN_ON = "land_surface_water_run-on__mass_flux"
WATER = "soil_layer_water_source__mass_flux"
HEAT = "soil_layer_heat_source__energy_flux"
BOTTOM_WATER = "soil_profile_bottom_water_inflow__mass_flux"
BOTTOM_HEAT = "soil_profile_bottom_heat_inflow__energy_flux"
ADDITIONS = (IRRIGATION, RUN_ON, WATER, HEAT, BOTTOM_WATER, BOTTOM_HEAT)
AIR, RAIN, SOIL = gradients.AIR, gradients.RAIN, gradients.TEMPERATURE
RESIDUAL = "land_surface_water__mass_flux_residual"


EAGER = {"execution": "eager"}
"""Kernels of steps with additions take seconds to make: long checks take them."""


@pytest.fixture(params=["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def column(request, tmp_path):
    return gradients.started(tmp_path, execution=request.param)


def test_additions_are_inputs_that_are_zero_unless_set_and_in_no_list(column):
    said = column.get_extension("introspection")
    for name in ADDITIONS:
        assert name not in column.get_input_var_names()
        assert said.get_var_role(name) == "input"
        assert said.is_var_optional(name)
        assert (cases.read(column, name) == 0.0).all()
    assert cases.read(column, HEAT).size == cases.LAYERS
    column.update()
    assert (cases.read(column, IRRIGATION) == 0.0).all()


def test_what_is_added_is_in_the_balance_that_frameworks_read(column):
    column.set_value(IRRIGATION, [4e-4])
    column.set_value(RUN_ON, [1e-4])
    column.set_value(WATER, [0.0, 2e-5, 0.0, -1e-5, 0.0])
    column.set_value(BOTTOM_WATER, [1e-6])
    before = cases.read(column, "ngen::mass_in")
    for _ in range(5):
        column.update()
    assert np.abs(cases.read(column, RESIDUAL)).max() < 1e-12
    terms = {term: cases.read(column, f"ngen::mass_{term}")[0] for term in ("in", "out", "stored", "leaked")}
    assert abs(terms["in"] - terms["out"] - terms["stored"] - terms["leaked"]) < 1e-12
    rained = cases.weather()["precipitation"][:5].sum() * cases.STEP / 1000.0
    added = 5 * cases.STEP * (5e-4 + 1e-5 + 1e-6) / 1000.0
    assert terms["in"] - before[0] == pytest.approx(rained + added, rel=1e-9)


def test_heat_in_a_layer_warms_it(tmp_path, column):
    other = gradients.started(tmp_path / "plain", **EAGER)
    column.set_value(HEAT, [0.0, 0.0, 0.0, 0.0, 5.0])
    column.set_value(BOTTOM_HEAT, [1.0])
    for model in (column, other):
        for _ in range(24):
            model.update()
    warmed = cases.read(column, SOIL) - cases.read(other, SOIL)
    assert warmed[4] > 0.01 or (cases.read(column, gradients.ICE) < cases.read(other, gradients.ICE) - 1e-4)[4]


def test_a_window_gives_the_derivative_by_every_addition(column):
    step = {IRRIGATION: 1e-6, RUN_ON: 1e-6, WATER: 1e-7, HEAT: 1e-3, BOTTOM_WATER: 1e-7, BOTTOM_HEAT: 1e-3}
    given = {IRRIGATION: [3e-4], RUN_ON: [1e-4], WATER: [0.0, 1e-5, 0.0, 0.0, 0.0], HEAT: [0.0] * 5}
    given |= {BOTTOM_WATER: [0.0], BOTTOM_HEAT: [0.1]}
    extension = column.get_extension("gradient")
    start = gradients.state(extension)
    of = "land_surface~0-to-100cm-below_soil_water__volume_fraction"

    def run(changed: str | None = None, change: float = 0.0) -> float:
        extension.set_state(start)
        extension.set_time(0.0)
        for name, values in given.items():
            column.set_value(name, np.array(values) + (change if name == changed else 0.0))
        for _ in range(3):
            column.update()
        return float(cases.read(column, of)[0] + cases.read(column, SOIL).sum())

    extension.start_recording()
    run()
    extension.add_adjoint_seed(of, np.ones(1))
    extension.add_adjoint_seed(SOIL, np.ones(cases.LAYERS))
    extension.stop_recording()
    found = dict.fromkeys(ADDITIONS, 0.0)
    while extension.recorded_steps():
        extension.update_adjoint()
        for name in ADDITIONS:
            found[name] += gradients.adjoint(column, name).sum()
    for name in ADDITIONS:
        expected = (run(name, step[name]) - run(name, -step[name])) / (2 * step[name])
        assert found[name] == pytest.approx(expected, rel=2e-4, abs=1e-9), name
        assert expected != 0.0


def test_single_steps_have_transposed_derivatives_by_additions(column):
    for name in ADDITIONS:
        column.set_value(name, np.full(gradients.size(column, name), 1e-6))
    column.update()
    results = [gradients.STATE, "land_surface_water__runoff_depth"]
    random = np.random.default_rng(2)
    direction = random.normal(size=sum(gradients.size(column, name) for name in ADDITIONS))
    seed = random.normal(size=sum(gradients.size(column, name) for name in results))
    forward = seed @ gradients.pushed(column, results, ADDITIONS, direction)
    backward = direction @ gradients.pulled(column, results, ADDITIONS, seed)
    assert forward == pytest.approx(backward, rel=1e-12)


def test_what_was_not_set_has_no_derivative_and_says_how_to_have_one(column):
    column.update()
    with pytest.raises(ValueError, match=f"{HEAT} was not part of the step"):
        gradients.pulled(column, [SOIL], [HEAT], np.ones(cases.LAYERS))


def test_additions_out_of_bounds_are_refused(column):
    with pytest.raises(ValueError, match="irrigation__mass_flux: value -1 kg m-2 s-1 at index 0 is outside 0 to 1"):
        column.set_value(IRRIGATION, [-1.0])


def test_additions_are_in_the_bytes_of_the_state(tmp_path):
    column = gradients.started(tmp_path, **EAGER)
    column.set_value(WATER, [1e-5, 0.0, 0.0, 0.0, 0.0])
    column.update()
    saver = column.get_extension("serialization")
    other = gradients.started(tmp_path / "other", **EAGER)
    other.get_extension("serialization").set_serialized_state(
        saver.get_serialized_state(np.empty(saver.get_serialized_size(), np.uint8))
    )
    for model in (column, other):
        model.update()
    assert np.array_equal(cases.read(column, gradients.TOTAL), cases.read(other, gradients.TOTAL))


# --- for one call -----------------------------------------------------------------------------------------------------


def air_of_step(model: BmiNoahPy) -> float:
    model.update()
    return float(cases.read(model, AIR)[0])


def test_an_input_is_held_by_default_and_can_count_for_one_call(column):
    file = cases.weather()["air_temperature"]
    inputs = column.get_extension("inputs")
    assert inputs.get_input_lasting(AIR) == "hold"
    inputs.set_input_lasting(AIR, "call")
    column.set_value(AIR, [290.0])
    assert cases.read(column, AIR)[0] == 290.0
    assert [air_of_step(column) for _ in range(3)] == [290.0, file[1], file[2]]
    inputs.set_input_lasting(AIR, "hold")
    column.set_value(AIR, [291.0])
    assert [air_of_step(column) for _ in range(2)] == [291.0, 291.0]
    inputs.release_input(AIR)
    assert air_of_step(column) == file[5]


def test_a_value_for_one_call_counts_in_all_its_steps_and_then_the_one_held_again(tmp_path):
    column = gradients.started(tmp_path, **EAGER)
    inputs = column.get_extension("inputs")
    column.set_value(AIR, [288.0])
    inputs.set_input_lasting(AIR, "call")
    column.set_value(AIR, [290.0])
    column.update_until(3 * cases.STEP)
    held = gradients.started(tmp_path / "held", **EAGER)
    held.set_value(AIR, [290.0])
    held.update_until(3 * cases.STEP)
    assert np.array_equal(cases.read(column, SOIL), cases.read(held, SOIL))
    assert cases.read(column, AIR)[0] == 288.0
    assert air_of_step(column) == 288.0


def test_a_call_without_a_step_does_not_use_up_a_value_for_one_call(column):
    column.get_extension("inputs").set_input_lasting(AIR, "call")
    column.set_value(AIR, [290.0])
    column.update_until(column.get_current_time())
    assert air_of_step(column) == 290.0


def test_the_configuration_chooses_how_long_inputs_count(tmp_path):
    model = gradients.started(tmp_path, framework_inputs="call", **EAGER)
    assert model.get_extension("inputs").get_input_lasting(RAIN) == "call"
    model.get_value_ptr(AIR)[:] = 290.0
    assert [air_of_step(model) for _ in range(2)] == [290.0, cases.weather()["air_temperature"][1]]


def test_a_wind_speed_for_one_call_goes_before_components_that_are_held(column):
    speed, inputs = "land_surface_wind__speed", column.get_extension("inputs")
    column.set_value(gradients.WIND_X, [3.0])
    column.set_value(gradients.WIND_Y, [4.0])
    inputs.set_input_lasting(speed, "call")
    column.set_value(speed, [1.5])
    assert cases.read(column, speed)[0] == 1.5
    column.update()
    assert cases.read(column, speed)[0] == 5.0


def test_without_a_file_an_input_for_one_call_is_missing_in_the_next(tmp_path):
    model = gradients.started(tmp_path, forcing=None, framework_inputs="call", **EAGER)
    given = {name: cases.weather()[field][:1] for name, field in cases.INPUT_OF.items()}
    for name, values in {**given, gradients.WIND_Y: [0.0]}.items():
        model.set_value(name, values)
    model.update()
    with pytest.raises(RuntimeError, match=r"no value for.*land_surface_air__temperature"):
        model.update()


@pytest.mark.parametrize("given", [np.array, list], ids=["array", "list"])
def test_without_a_file_one_component_of_the_wind_after_a_speed_is_not_enough(tmp_path, given):
    model = gradients.started(tmp_path, forcing=None, **EAGER)
    for name, field in cases.INPUT_OF.items():
        model.set_value(name, cases.weather()[field][:1])
    model.set_value(gradients.WIND_Y, [0.0])
    model.update()
    model.set_value("land_surface_wind__speed", given([3.0]))
    model.set_value(gradients.WIND_X, given([2.0]))
    with pytest.raises(RuntimeError, match=r"no value for.*y_component"):
        model.update()
    model.set_value(gradients.WIND_Y, given([1.5]))
    model.update()
    assert cases.read(model, "land_surface_wind__speed")[0] == 2.5


def test_values_for_one_call_are_in_the_bytes_of_the_state(tmp_path):
    column = gradients.started(tmp_path, **EAGER)
    column.get_extension("inputs").set_input_lasting(AIR, "call")
    column.set_value(AIR, [290.0])
    saver = column.get_extension("serialization")
    other = gradients.started(tmp_path / "other", **EAGER)
    other.get_extension("serialization").set_serialized_state(
        saver.get_serialized_state(np.empty(saver.get_serialized_size(), np.uint8))
    )
    assert [air_of_step(other) for _ in range(2)] == [290.0, cases.weather()["air_temperature"][1]]


def test_what_is_no_input_has_no_duration(column):
    inputs = column.get_extension("inputs")
    with pytest.raises(ValueError, match="soil__temperature: is no input"):
        inputs.set_input_lasting(SOIL, "call")
    with pytest.raises(ValueError, match="set_input_lasting: 'day' is unknown"):
        inputs.set_input_lasting(AIR, "day")
