"""Calls of several steps, and the surface humidity of a cold start: what is shown, and for which column."""

from __future__ import annotations

import bmi_cases as cases
import gradient_cases as gradients
import numpy as np
import pytest

from bmi_noahpy.gradient.conformance.report import check_gradient_extension

SURFACE_HUMIDITY = "land_surface_air_water~vapor__mass_fraction"
SKIN = "land_surface__temperature"
RATES = (gradients.LATENT, "soil_profile_bottom_water_drainage__mass_flux", "land_surface_water_runoff__mass_flux")
AT_THE_END = (SKIN, gradients.TEMPERATURE, "soil_profile_water__mass-per-area_density", "snowpack__depth")


def test_rates_of_a_longer_call_are_means_depths_are_sums_and_states_are_of_its_end(tmp_path):
    single, several = cases.started(tmp_path / "a"), cases.started(tmp_path / "b")
    pointer = several.get_value_ptr(gradients.RUNOFF)
    for hours in (4, 1, 24):
        steps = []
        for _ in range(hours):
            single.update()
            steps.append({name: cases.read(single, name) for name in (*RATES, gradients.RUNOFF)})
        several.update_until(several.get_current_time() + hours * cases.STEP)
        for name in RATES:
            mean = np.mean([step[name] for step in steps], axis=0)
            assert np.allclose(cases.read(several, name), mean, rtol=1e-13), name
        depth = np.sum([step[gradients.RUNOFF] for step in steps], axis=0)
        assert depth[0] > 0
        assert np.allclose(pointer, depth, rtol=1e-13)
        assert all(np.array_equal(cases.read(several, name), cases.read(single, name)) for name in AT_THE_END)


def test_a_call_that_fails_shows_the_mean_over_the_steps_before(tmp_path):
    model, plain = cases.started(tmp_path / "a"), cases.started(tmp_path / "b")
    end = model.get_end_time()
    plain.update_until(end)
    with pytest.raises(RuntimeError, match="the forcing ends after 30 steps"):
        model.update_until(end + 2 * cases.STEP)
    assert model.get_current_time() == end
    assert np.array_equal(cases.read(model, gradients.RUNOFF), cases.read(plain, gradients.RUNOFF))


# --- the first surface humidity, where no file gives it


def cold(folder, **changes):
    model = cases.started(folder, cases.grid_configuration(forcing=None, **changes))
    cases.supply(model, 0, columns=6)
    return model


def test_setting_the_humidity_of_one_column_moves_no_other(tmp_path):
    plain, changed = cold(tmp_path / "a"), cold(tmp_path / "b")
    humidity = cases.read(changed, SURFACE_HUMIDITY)
    changed.set_value_at_indices(SURFACE_HUMIDITY, np.array([2]), humidity[2:3] + 1e-4)
    for model in (plain, changed):
        model.update()
    skin = [cases.read(model, SKIN) for model in (plain, changed)]
    assert skin[0][2] != skin[1][2]
    assert np.array_equal(np.delete(skin[0], 2), np.delete(skin[1], 2))


def test_the_surface_follows_the_air_until_its_humidity_is_set(tmp_path):
    model = cold(tmp_path)
    assert np.array_equal(cases.read(model, SURFACE_HUMIDITY), cases.read(model, gradients.HUMIDITY))
    model.set_value(SURFACE_HUMIDITY, cases.read(model, SURFACE_HUMIDITY))
    before = cases.read(model, SURFACE_HUMIDITY)
    model.set_value(gradients.HUMIDITY, np.full(6, 0.004))
    assert np.array_equal(cases.read(model, SURFACE_HUMIDITY), before)


def test_setting_the_state_that_is_there_changes_no_bit_of_a_cold_start(tmp_path):
    plain, changed = cold(tmp_path / "a"), cold(tmp_path / "b")
    extension = changed.get_extension("gradient")
    extension.set_state(gradients.state(extension))
    for model in (plain, changed):
        model.update()
    states = [gradients.state(model.get_extension("gradient")) for model in (plain, changed)]
    assert np.array_equal(*states)


@pytest.mark.slow
def test_the_gradient_extension_is_right_at_a_cold_start(tmp_path):
    model = gradients.started(tmp_path, forcing=None, schemes={"phase_change": "enthalpy", "transitions": "smooth"})
    cases.supply(model, 0)
    report = check_gradient_extension(
        model, outputs=[SKIN, gradients.TEMPERATURE, gradients.LATENT], parameters=[gradients.POROSITY], strict=False
    )
    assert report.passed, str(report)


# --- what cannot be


def test_more_water_than_pores_is_refused_when_it_is_set(tmp_path):
    model = cases.started(tmp_path)
    porosity, before = cases.read(model, gradients.POROSITY), cases.read(model, gradients.TOTAL)
    too_much = before.copy()
    too_much[3] = porosity[3] + 0.01
    with pytest.raises(ValueError, match="water and ice at index 3 is more than the porosity there") as error:
        model.set_value(gradients.TOTAL, too_much)
    assert (error.value.name, error.value.index) == (gradients.TOTAL, 3)
    assert np.array_equal(cases.read(model, gradients.TOTAL), before)
    model.set_value(gradients.TOTAL, porosity)


def test_a_parameter_from_memory_behind_a_short_array_is_refused(tmp_path):
    model = cases.started(tmp_path)
    values = cases.read(model, "soil__quartz_fraction")
    values[1:] = 5e-324
    with pytest.raises(ValueError, match=r"index 1 is memory that holds no number\. Give 5 values"):
        model.set_value("soil__quartz_fraction", values)
