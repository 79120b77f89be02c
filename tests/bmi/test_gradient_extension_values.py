"""Parameters, state and time through the extension, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.component.variables import variables
from bmi_noahpy.gradient.extension import WindowError
from bmi_noahpy.gradient.protocol import SupportsGradient, SupportsTime
from noahpy_core.parameters import LAYERED_SNOW, Parameters
from noahpy_core.quantities import quantities


@pytest.fixture
def model(tmp_path):
    return gradients.started(tmp_path)


@pytest.fixture
def extension(model):
    return model.get_extension("gradient")


def test_the_extension_is_found_by_name_and_an_unknown_name_gives_none(model, extension):
    assert "gradient" in model.get_extensions()
    assert isinstance(extension, SupportsGradient)
    assert isinstance(extension, SupportsTime)
    assert model.get_extension("uncertainty") is None


def test_asking_for_the_extension_does_not_import_pytorch():
    code = (
        "import sys; from bmi_noahpy import BmiNoahPy; BmiNoahPy().get_extension('gradient'); "
        "import bmi_noahpy.gradient.protocol, bmi_noahpy.gradient.conformance.report; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_call_before_initialize_says_what_is_missing():
    extension = BmiNoahPy().get_extension("gradient")
    with pytest.raises(RuntimeError, match=r"^get_state_size: the model is not initialized. Call initialize"):
        extension.get_state_size()
    with pytest.raises(RuntimeError, match=r"^start_recording: the model is not initialized"):
        extension.start_recording()


# --- parameters


def test_every_physical_parameter_is_there(extension):
    expected = {
        variable.name
        for variable in variables().values()
        if variable.role == "parameter" and dict(quantities(Parameters))[variable.source.path]["differentiable"]
        if variable.source.path.partition(".")[2] not in LAYERED_SNOW  # of snow that this run has not
    }
    expected -= {"soil__organic_matter", "soil__organic_solids"}  # none is configured
    expected -= {"land_vegetation__litter_area_index", "land_vegetation__moss_resistance"}
    assert set(extension.get_parameter_names()) == expected
    assert {"soil_at-reference-depth__temperature", "snowpack__deep_snow_albedo", gradients.POROSITY} <= expected
    assert len(expected) > 40


def test_parameters_have_size_units_bounds_and_grid(extension):
    assert extension.get_parameter_size(gradients.POROSITY) == cases.LAYERS
    assert extension.get_parameter_units(gradients.POROSITY) == "m3 m-3"
    assert extension.get_parameter_bounds(gradients.POROSITY) == (0.05, 0.95)
    assert extension.get_parameter_grid(gradients.POROSITY) == 1
    assert extension.get_parameter_size("snowpack__deep_snow_albedo") == 1
    assert extension.get_parameter_grid("snowpack__deep_snow_albedo") == 0


def test_a_parameter_that_is_set_is_what_set_value_would_set(model, extension):
    new = gradients.parameter(extension, gradients.POROSITY) * 0.9
    extension.set_parameter(gradients.POROSITY, new)
    assert np.array_equal(cases.read(model, gradients.POROSITY), new)


def test_a_parameter_beyond_its_bounds_is_refused_with_the_bounds(extension):
    before = gradients.parameter(extension, gradients.POROSITY)
    with pytest.raises(ValueError, match=r"soil__porosity: value 0.99 m3 m-3 at index 0 is outside 0.05 to 0.95"):
        extension.set_parameter(gradients.POROSITY, np.full(cases.LAYERS, 0.99))
    assert np.array_equal(gradients.parameter(extension, gradients.POROSITY), before)


def test_a_switch_is_no_parameter_to_differentiate_by(extension):
    with pytest.raises(ValueError, match="land_vegetation__root_layers is no parameter to differentiate by"):
        extension.get_parameter_size("land_vegetation__root_layers")


def test_a_parameter_that_follows_from_others_is_listed_once_it_is_set(tmp_path):
    model = gradients.started(tmp_path, soil={"hydraulics": "derived"})
    extension, wilting = model.get_extension("gradient"), "soil_water~wilting-point__volume_fraction"
    assert wilting not in extension.get_parameter_names()
    model.update()
    with pytest.raises(ValueError, match=f"{wilting} cannot be differentiated by: .* follows from other parameters"):
        gradients.pulled(model, [gradients.LATENT], [wilting], np.ones(1))
    model.set_value(wilting, cases.read(model, wilting))
    assert wilting in extension.get_parameter_names()


# --- state and time


def test_get_set_update_repeats_a_step_bit_for_bit(model, extension):
    for _ in range(3):
        model.update()
    kept = gradients.state(extension)
    for name, record in cases.INPUT_OF.items():
        model.set_value(name, np.full(1, cases.weather()[record][3]))
    first, second = ([], [])
    for seen in (first, second):
        extension.set_state(kept)
        for _ in range(2):
            model.update()
            seen += [cases.read(model, name) for name in model.get_output_var_names()]
            seen.append(gradients.state(extension))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True))


def test_with_the_time_set_too_steps_driven_by_a_file_are_repeated(model, extension):
    model.update()
    kept, time = gradients.state(extension), model.get_current_time()
    ends = []
    for _ in range(2):
        extension.set_state(kept)
        extension.set_time(time)
        model.update()
        model.update()
        ends.append(gradients.state(extension))
    assert np.array_equal(*ends)
    assert model.get_current_time() == time + 2 * cases.STEP


def test_a_state_continues_in_another_component(tmp_path):
    one, other = (gradients.started(tmp_path / folder) for folder in ("a", "b"))
    for _ in range(4):
        one.update()
    other.get_extension("gradient").set_state(gradients.state(one.get_extension("gradient")))
    other.get_extension("gradient").set_time(one.get_current_time())
    for model in (one, other):
        model.update()
    for name in ("soil__temperature", "land_surface__albedo", gradients.LATENT):
        assert np.array_equal(cases.read(one, name), cases.read(other, name)), name


def test_a_state_of_the_wrong_size_or_not_finite_is_refused(extension):
    kept = gradients.state(extension)
    with pytest.raises(ValueError, match=rf"@state: {kept.size - 1} values given, {kept.size} needed"):
        extension.set_state(kept[1:])
    broken = kept.copy()
    broken[3] = np.nan
    with pytest.raises(ValueError, match="@state: value nan at index 3 is not finite"):
        extension.set_state(broken)
    assert np.array_equal(gradients.state(extension), kept)


@pytest.mark.parametrize("time", [-3600.0, 1800.0, np.nan])
def test_a_time_at_which_no_step_begins_is_refused(extension, time):
    with pytest.raises(ValueError, match=rf"set_time: no step begins at {time} s"):
        extension.set_time(time)


# --- misuse


def test_derivatives_before_the_first_update_are_refused(model):
    with pytest.raises(WindowError, match="get_adjoint_derivative: no step is taken yet"):
        gradients.pulled(model, [gradients.LATENT], [gradients.AIR], np.ones(1))


@pytest.mark.parametrize(
    ("of", "wrt", "message"),
    [
        (gradients.AIR, gradients.AIR, "land_surface_air__temperature is not an output of the model"),
        (gradients.POROSITY, gradients.AIR, "soil__porosity is not an output"),
        ("ngen::mass_in", gradients.AIR, "ngen::mass_in is not an output"),
        (gradients.LATENT, gradients.RUNOFF, "runoff_depth is computed by the model. Differentiate by an input"),
        (gradients.LATENT, "land_vegetation__root_layers", "root_layers cannot be differentiated by: it is a switch"),
        (gradients.LATENT, "land_vegetation__leaf-area_index", "leaf-area_index follows from other inputs. Set it"),
        ("latent_heat", gradients.AIR, "unknown variable 'latent_heat'"),
    ],
)
def test_names_that_have_no_derivative_are_refused(model, of, wrt, message):
    model.update()
    with pytest.raises(ValueError, match=message):
        model.get_extension("gradient").get_adjoint_derivative([of], [wrt], np.ones(1), np.empty(1))


def test_seeds_and_results_of_another_size_are_refused(model, extension):
    model.update()
    with pytest.raises(ValueError, match="seed: 3 values given, 5 needed"):
        extension.get_adjoint_derivative([gradients.TEMPERATURE], [gradients.AIR], np.ones(3), np.empty(1))
    with pytest.raises(ValueError, match="sensitivity: the array given holds 2 values, 1 are needed"):
        extension.get_adjoint_derivative([gradients.TEMPERATURE], [gradients.AIR], np.ones(5), np.empty(2))


def test_calls_out_of_place_say_what_to_do(model, extension):
    one = np.ones(1)
    for call, message in (
        (extension.stop_recording, "stop_recording: nothing is recorded. Call start_recording"),
        (extension.update_adjoint, "update_adjoint: nothing is recorded"),
        (lambda: extension.add_adjoint_seed(gradients.LATENT, one), "add_adjoint_seed: nothing is recorded"),
        (lambda: gradients.adjoint(model, gradients.AIR), "get_adjoint: nothing is recorded"),
    ):
        with pytest.raises(WindowError, match=message):
            call()
    assert extension.recorded_steps() == 0
    extension.start_recording()
    for call, message in (
        (extension.start_recording, "start_recording: steps are being recorded. Call stop_recording"),
        (extension.update_adjoint, "update_adjoint: steps are being recorded"),
        (lambda: extension.add_adjoint_seed(gradients.LATENT, one), "no step is recorded"),
        (lambda: gradients.adjoint(model, gradients.POROSITY), "get_adjoint: steps are being recorded"),
    ):
        with pytest.raises(WindowError, match=message):
            call()
    model.update()
    with pytest.raises(ValueError, match="land_surface_air__temperature is not an output"):
        extension.add_adjoint_seed(gradients.AIR, one)
    with pytest.raises(ValueError, match="soil__temperature: 1 values given, 5 needed"):
        extension.add_adjoint_seed(gradients.TEMPERATURE, one)
    extension.stop_recording()
    with pytest.raises(RuntimeError, match="land_surface_air__temperature belongs to a step, and none is reversed"):
        gradients.adjoint(model, gradients.AIR)
    extension.update_adjoint()
    with pytest.raises(WindowError, match="update_adjoint: no recorded step is left"):
        extension.update_adjoint()
    with pytest.raises(WindowError, match="stop_recording: nothing is being recorded"):
        extension.stop_recording()


@pytest.mark.parametrize("way", ["set_parameter", "set_value", "pointer"])
def test_changing_a_parameter_inside_a_window_is_refused(model, extension, way):
    pointer, before = model.get_value_ptr(gradients.POROSITY), gradients.parameter(extension, gradients.POROSITY)
    extension.start_recording()
    model.update()

    def through_pointer(name, values):
        pointer[:] = values
        model.update()

    change = {"set_parameter": extension.set_parameter, "set_value": model.set_value, "pointer": through_pointer}[way]
    with pytest.raises(ValueError, match="soil__porosity: parameters cannot change while steps are recorded"):
        change(gradients.POROSITY, 0.9 * before)
    assert np.array_equal(gradients.parameter(extension, gradients.POROSITY), before)
    extension.stop_recording()
    extension.set_parameter(gradients.POROSITY, 0.9 * before)


def test_a_seed_after_a_state_was_set_is_refused(model, extension):
    extension.start_recording()
    model.update()
    model.set_value(gradients.TEMPERATURE, cases.read(model, gradients.TEMPERATURE))
    with pytest.raises(WindowError, match=r"soil__temperature was set after the last update\(\).* before it is set"):
        extension.add_adjoint_seed(gradients.TEMPERATURE, np.ones(cases.LAYERS))


def test_a_new_recording_forgets_the_old_one(model, extension):
    for _ in range(2):
        extension.start_recording()
        model.update()
        extension.stop_recording()
        assert extension.recorded_steps() == 1
    model.finalize()
    with pytest.raises(RuntimeError, match="recorded_steps: the model is not initialized"):
        extension.recorded_steps()
