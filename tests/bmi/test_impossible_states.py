"""A run stops where its state is no longer that of a land surface, and tells of what came from nowhere."""

from __future__ import annotations

import pickle

import bmi_cases as cases
import numpy as np
import pytest
import torch
import xarray as xr
from configurations import read, write_weather

from bmi_noahpy.component.state_check import StateCheck
from bmi_noahpy.component.step_errors import ImpossibleStep
from bmi_noahpy.runs import blocks
from bmi_noahpy.runs.any_run import Taken
from bmi_noahpy.runs.blocks import ImpossibleState
from bmi_noahpy.runs.bounds import first_outside, room_for_water
from bmi_noahpy.runs.created import Created, CreatedSums
from bmi_noahpy.runs.launch import launch
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.run import Run
from bmi_noahpy.runs.spin_up import spin_up
from noahpy_core.quantities import get_quantity, replace_quantity

POROSITY = np.full((2, 3), 0.4)


def series(**changes) -> dict[str, np.ndarray]:
    """Four steps of three columns with two layers, with single values changed."""
    sound = {
        "soil.temperature": np.full((4, 2, 3), 280.0),
        "skin_temperature": np.full((4, 3), 280.0),
        "soil.liquid_water": np.full((4, 2, 3), 0.2),
        "soil.ice": np.full((4, 2, 3), 0.1),
        "snow.water_equivalent": np.full((4, 3), 100.0),
        "snow.layer_mass": np.full((4, 2, 3), 50.0),
        "snow.layer_enthalpy": np.full((4, 2, 3), -50.0 * 2.0e4),
        "canopy_water": np.full((4, 3), 0.1),
    }
    for path, (place, value) in changes.items():
        sound[path.replace("__", ".")][place] = value
    return sound


@pytest.mark.parametrize(
    ("changes", "path", "step", "place"),
    [
        ({"soil__temperature": ((2, 1, 0), -263.0)}, "soil.temperature", 2, (1, 0)),
        ({"skin_temperature": ((3, 2), 401.0)}, "skin_temperature", 3, (2,)),
        ({"soil__liquid_water": ((1, 0, 1), -0.01)}, "soil.liquid_water", 1, (0, 1)),
        ({"soil__ice": ((0, 1, 1), 0.21)}, "soil.moisture - porosity", 0, (1, 1)),
        ({"snow__water_equivalent": ((2, 1), -1.0)}, "snow.water_equivalent", 2, (1,)),
        ({"canopy_water": ((2, 1), -1.0)}, "canopy_water", 2, (1,)),
        ({"snow__layer_mass": ((2, 1, 0), -1.0)}, "snow.layer_mass", 2, (1, 0)),
        ({"snow__layer_enthalpy": ((1, 0, 2), -50.0 * 4.0e5)}, "temperature of snow", 1, (0, 2)),
        ({"snow__layer_enthalpy": ((1, 0, 2), 50.0 * 1.0e6)}, "temperature of snow", 1, (0, 2)),
        ({"soil__ice": ((3, 0, 0), 0.9), "skin_temperature": ((1, 1), 0.0)}, "skin_temperature", 1, (1,)),
    ],
)
def test_the_first_step_outside_is_found_with_its_place(changes, path, step, place):
    found = first_outside(series(**changes), POROSITY)
    assert found is not None
    assert (found.path, found.step, found.place) == (path, step, place)


def test_what_is_possible_passes():
    assert first_outside(series(), POROSITY) is None
    assert first_outside(series(soil__ice=((0, 0, 0), 0.2)), POROSITY) is None
    assert first_outside(series(snow__layer_enthalpy=((0, 0, 0), 50.0 * 3.335e5)), POROSITY) is None
    assert first_outside(series(snow__layer_mass=((0, 0, 0), 0.0)), POROSITY) is not None, "heat without snow"
    no_snow = {"snow__layer_mass": ((0, 0, 0), 0.0), "snow__layer_enthalpy": ((0, 0, 0), 0.0)}
    assert first_outside(series(**no_snow), POROSITY) is None


def test_organic_matter_makes_room_for_water(folder):
    peat = {"soil.parameters": {"organic_matter": 0.9}, "initial.soil_moisture": 0.6, "initial.soil_liquid": 0.3}
    run = prepare(read(settings(**peat), folder))
    assert float(run.parameters.soil.porosity.max()) < 0.5
    assert float(room_for_water(run.parameters).min()) > 0.7
    assert launch(read(settings(output={"file": "out.nc"}, **peat), folder)).steps_done == 13


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weather(tmp_path / "weather.csv", 16)
    monkeypatch.setattr(blocks, "FIRST_LENGTH", 4)
    return tmp_path


def settings(**changes) -> dict:
    return {
        "period": {"start": "2020-01-01T00:00", "end": "2020-01-01T12:00", "step": 3600},
        "forcing": {"file": "weather.csv", "format": "csv"},
        "execution": "eager",
        **changes,
    }


def broken_after(monkeypatch, steps: int, path: str, value: float) -> None:
    """Let a state variable take a value after a number of steps, as with parameters on their bounds."""
    take = Run.take

    def broken(run, state, forcing, outputs):
        found = take(run, state, forcing, outputs)
        begin = steps - broken.done
        if 0 <= begin < len(forcing.air_temperature):
            for name, values in found.outputs.items():
                if name == path:
                    values[begin:] = value
            final = replace_quantity(
                found.final_state, path, torch.full_like(get_quantity(found.final_state, path), value)
            )
            return Taken(found.outputs, final)
        return found

    broken.done = 0
    monkeypatch.setattr(Run, "take", broken)
    take_block = blocks.take_block

    def counting(run, state, first, last, outputs):
        broken.done = first
        return take_block(run, state, first, last, outputs)

    for module in ("execute", "spin_up"):
        monkeypatch.setattr(f"bmi_noahpy.runs.{module}.take_block", counting)


@pytest.mark.parametrize("variables", [None, ["latent_heat_flux"]])
def test_a_run_stops_before_the_step_and_keeps_what_is_right(folder, monkeypatch, variables):
    broken_after(monkeypatch, 6, "soil.temperature", -263.0)
    output = {"file": "out.nc", "variables": variables}
    with pytest.raises(
        ImpossibleState, match=r"soil\.temperature became -263 in column 0, layer 1, in step 7, which ends"
    ):
        launch(read(settings(output=output), folder))
    with xr.open_dataset(folder / "out.nc") as data:
        assert data.sizes["time"] == 6


def test_a_state_that_comes_back_within_a_block_is_noticed(folder, monkeypatch):
    take = Run.take

    def leaves_and_returns(run, state, forcing, outputs):
        found = take(run, state, forcing, outputs)
        found.outputs["soil.temperature"][2, 1] = 500.0
        return found

    monkeypatch.setattr(Run, "take", leaves_and_returns)
    output = {"file": "out.nc", "variables": ["latent_heat_flux"]}
    with pytest.raises(ImpossibleState, match=r"became 500 in column 0, layer 2, in step 3, which ends"):
        launch(read(settings(output=output), folder))


@pytest.mark.parametrize("execution", ["eager", "compiled"])
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("soil.temperature", 90.0, r"soil\.temperature 90 in column 4; it must be 120 to 400 K"),
        ("skin_temperature", 401.0, r"skin_temperature 401 in column 4; it must be 120 to 400 K"),
        ("soil.ice", 0.9, r"soil\.moisture - porosity .* in column 4; it must be 0 m3 m-3 or less"),
        ("soil.liquid_water", -0.1, r"soil\.liquid_water -0\.1 in column 4"),
        ("snow.water_equivalent", -0.1, r"snow\.water_equivalent -0\.1 in column 4"),
    ],
)
def test_a_step_of_the_component_leaves_the_state_as_it_was(tmp_path, monkeypatch, execution, path, value, words):
    model = cases.started(tmp_path, cases.grid_configuration() | {"execution": execution})
    model.update()
    before = model._run.values.state
    step = model._run._quick_step

    def broken(*arguments):
        state, fluxes = step(*arguments)
        get_quantity(state, path)[..., 4] = value
        return state, fluxes

    with monkeypatch.context() as patch:
        patch.setattr(model._run, "_quick_step", broken)
        with pytest.raises(ImpossibleStep, match=f"update: step 2 makes {words}") as caught:
            model.update()
    assert (caught.value.step, caught.value.column, caught.value.value) == (2, 4, pytest.approx(value, abs=0.6))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), vars(copy)) == (str(caught.value), vars(caught.value))
    assert model._run.values.state is before
    model.update()
    assert model.get_current_time() == 2 * cases.STEP


def test_a_component_with_layers_of_snow_looks_at_their_temperature(tmp_path):
    check = StateCheck()
    configuration = cases.configuration() | {"schemes": {"preset": "conservative"}, "execution": "eager"}
    values = cases.started(tmp_path, configuration)._run.values
    check(values.state, values.parameters, 1)
    cold = replace_quantity(values.state, "snow.layer_enthalpy", torch.full_like(values.state.snow.layer_mass, -1e9))
    with pytest.raises(ImpossibleStep, match="temperature of snow"):
        check(cold, values.parameters, 1)


def test_a_spin_up_stops_too(folder, monkeypatch):
    broken_after(monkeypatch, 2, "skin_temperature", 1000.0)
    with pytest.raises(ImpossibleState, match=r"repetition 1: skin_temperature became 1000 in column 0"):
        spin_up(prepare(read(settings(), folder)), steps=6, cycles=1)


# --- from nowhere


def test_sources_are_added_up_by_column():
    sums = CreatedSums(100.0)

    class Weather:
        precipitation = np.array([[0.0, 1e-3], [0.0, 1e-3]])

    outputs = {
        "numerical_water_source": np.array([[0.0, 2e-4], [0.0, 2e-4]]),
        "numerical_heat_source": np.array([[-3.0, 1.0], [-1.0, 1.0]]),
    }
    sums.add_block(outputs, Weather())
    created = sums.summary()
    assert created.water == pytest.approx(0.04)
    assert created.precipitation == pytest.approx(0.2)
    assert created.heat == pytest.approx(-2.0)
    assert len(created.sentences) == 2
    assert "period.step" in created.sentences[0]


def test_little_is_not_told_of():
    assert Created().sentences == []
    assert Created(water=0.5, precipitation=1000.0, heat=0.05).sentences == []
    assert len(Created(water=-2.0, precipitation=1000.0).sentences) == 1


def test_both_are_in_the_usual_output(folder):
    summary = launch(read(settings(output={"file": "out.nc"}), folder))
    with xr.open_dataset(folder / "out.nc") as data:
        heat = float(data.numerical_heat_source.mean())
        assert data.numerical_water_source.attrs["units"] == "kg m-2 s-1"
    assert summary.created.heat == pytest.approx(heat)
