"""initialize, update, finalize; the BMI run is the core run."""

from __future__ import annotations

import itertools
import os

import bmi_cases as cases
import numpy as np
import pytest
import torch
import yaml

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.config import load_configuration
from bmi_noahpy.runs.prepare import prepare
from noahpy_core import iterate, step_function
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import State

SEVERAL_STATES = {
    "soil__temperature": "soil.temperature",
    "soil_water~liquid__volume_fraction": "soil.liquid_water",
    "soil_ice__volume_fraction": "soil.ice",
    "land_surface__temperature": "skin_temperature",
    "snowpack__depth": "snow.depth",
    "land_surface__albedo": "surface.albedo",
}


def core_run(path, steps):
    """The last state and fluxes of the same run without BMI."""
    run = prepare(load_configuration(path))
    forcing = (run.forcing.at(step) for step in range(steps))
    with torch.no_grad():
        return list(iterate(step_function(run.model), run.initial_state, forcing, run.parameters, run.step))[-1]


def assert_same(model, state, fluxes):
    for path, _ in quantities(State):
        if get_quantity(state, path) is not None:
            assert torch.equal(get_quantity(model._run.values.state, path), get_quantity(state, path)), path
    for name, path in SEVERAL_STATES.items():
        assert np.array_equal(cases.read(model, name), get_quantity(state, path).flatten().numpy()), name
    assert np.array_equal(
        cases.read(model, "land_surface__upward_component_of_latent_heat_energy_flux"),
        fluxes.latent_heat_flux.numpy(),
    )


@pytest.mark.parametrize("sections", [cases.configuration(), cases.grid_configuration()], ids=["column", "grid"])
def test_the_bmi_run_equals_the_core_run_bit_for_bit(tmp_path, sections):
    path = cases.write_case(tmp_path, sections)
    model = BmiNoahPy()
    model.initialize(str(path))
    pointers = [model.get_value_ptr(name) for name in model.get_output_var_names()]
    for _ in range(12):
        model.update()
        for name in SEVERAL_STATES:
            # Writing back what was read, and reading through pointers, must leave no trace.
            model.set_value(name, cases.read(model, name))
        model.set_value("snowpack__leq_depth", cases.read(model, "snowpack__leq_depth"))
        model.set_value("soil_water__volume_fraction", cases.read(model, "soil_water__volume_fraction"))
    assert len(pointers) == model.get_output_item_count()
    assert_same(model, *core_run(path, 12))


def test_real_forcing_in_the_noah_format_runs_as_in_the_core(shared):
    path = shared / "data" / "tgl"
    files = [file for file in path.iterdir() if file.suffix in (".txt", ".dat")]
    assert files, path
    model = BmiNoahPy()
    model.initialize(str(files[0]))
    for _ in range(10):
        model.update()
    assert_same(model, *core_run(files[0], 10))


def test_update_changes_the_state(tmp_path):
    model = cases.started(tmp_path)
    before = cases.read(model, "soil__temperature")
    model.update()
    assert (before != cases.read(model, "soil__temperature")).all()


def test_two_instances_do_not_share_anything(tmp_path):
    alone = cases.started(tmp_path)
    for _ in range(4):
        alone.update()
    first, second = cases.started(tmp_path), cases.started(tmp_path)
    second.set_value("soil__temperature", np.full(cases.LAYERS, 280.0))
    for _ in range(4):
        second.update()
        first.update()
    second.finalize()
    assert np.array_equal(cases.read(first, "soil__temperature"), cases.read(alone, "soil__temperature"))


def test_finalize_can_be_called_twice_and_before_initialize(tmp_path):
    model = BmiNoahPy()
    model.finalize()
    model.initialize(str(cases.write_case(tmp_path, cases.configuration())))
    model.finalize()
    model.finalize()
    with pytest.raises(RuntimeError, match="get_current_time: the model is not initialized"):
        model.get_current_time()


def test_initialize_after_finalize_begins_anew(tmp_path):
    model = cases.started(tmp_path)
    initial = cases.read(model, "soil__temperature")
    model.update()
    model.finalize()
    model.initialize(str(tmp_path / "run.yaml"))
    assert model.get_current_time() == 0.0
    assert np.array_equal(cases.read(model, "soil__temperature"), initial)


def test_the_working_directory_may_change_after_initialize(tmp_path, monkeypatch):
    path = cases.write_case(tmp_path / "case", cases.configuration())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(path.parent)
    model = BmiNoahPy()
    model.initialize("run.yaml")
    monkeypatch.chdir(tmp_path / "elsewhere")
    os.remove(path)
    model.update()
    assert model.get_current_time() == cases.STEP


def test_the_water_of_a_run_is_accounted_for(tmp_path):
    model = cases.started(tmp_path, cases.grid_configuration())
    total = {name: model.get_value_ptr(f"ngen::mass_{name}") for name in ("in", "out", "stored", "leaked")}
    at_start = total["in"][0]
    for _ in range(6):
        model.update()
    assert total["in"][0] - at_start == pytest.approx(sum(cases.weather()["precipitation"][:6]) * cases.STEP / 1000.0)
    assert abs(total["in"] - total["out"] - total["stored"] - total["leaked"])[0] < 1e-13


def test_water_added_by_setting_a_state_is_booked_as_negative_leakage(tmp_path):
    model = cases.started(tmp_path)
    model.update()
    canopy = "land_surface_vegetation_canopy_water__mass-per-area_density"
    model.set_value(canopy, cases.read(model, canopy) + 0.25)
    model.update()
    total = {name: model.get_value_ptr(f"ngen::mass_{name}")[0] for name in ("in", "out", "stored", "leaked")}
    assert total["leaked"] == pytest.approx(-0.25e-3)
    assert total["in"] - total["out"] - total["stored"] - total["leaked"] == pytest.approx(0.0, abs=1e-13)


def test_a_failing_step_leaves_the_state_as_it_was(tmp_path, monkeypatch):
    model = cases.started(tmp_path)
    model.update()
    names = [*SEVERAL_STATES, "land_surface__upward_component_of_latent_heat_energy_flux"]
    before = {name: cases.read(model, name) for name in names}

    def breaks(*arguments, **keywords):
        raise ArithmeticError("no convergence")

    with monkeypatch.context() as patch:
        patch.setattr(model._run, "_quick_step", breaks)
        with pytest.raises(ArithmeticError, match="no convergence"):
            model.update()
    assert model.get_current_time() == cases.STEP
    assert all(np.array_equal(before[name], cases.read(model, name)) for name in names)
    model.update()
    assert_same(model, *core_run(tmp_path / "run.yaml", 2))


def test_a_configuration_of_one_row_of_columns_runs(tmp_path):
    sections = cases.configuration(domain={"latitude": [33.0], "longitude": cases.LONGITUDES})
    model = cases.started(tmp_path, sections)
    model.update()
    temperatures = cases.read(model, "soil__temperature").reshape(cases.LAYERS, 3)
    assert all(np.array_equal(a, b) for a, b in itertools.pairwise(temperatures.T))


def test_the_configuration_written_here_is_the_one_read(tmp_path):
    path = cases.write_case(tmp_path, cases.configuration(name="a name"))
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["name"] == load_configuration(path).name
