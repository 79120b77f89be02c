"""The conservative column through a year of 17 climates: budgets close, stores and temperatures stay in bounds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from random_columns import layered
from run_inputs import Inputs, names_of, with_every_parameter
from season_gradients import WANTED, Season, errors, gradients
from torch import Tensor

from noahpy_core import NoahModel, State, preset, run
from noahpy_core.trees import map_tensors

TEMPERATURES = ("soil.temperature", "skin_temperature")
CLIMATES = Path(__file__).parents[3] / "shared" / "climates" / "climates.py"


@pytest.fixture(scope="module")
def climates() -> ModuleType:
    if not CLIMATES.is_file():
        pytest.skip(f"the weather of the climates is not there: {CLIMATES}")
    spec = importlib.util.spec_from_file_location("climates", CLIMATES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "snow_layers"),
    [*((name, 3) for name in ("2", "3", "4", "10_5mm", "20", "40_1cm", "100_1cm")), ("10_5mm", 1), ("2", 5)],
)
@pytest.mark.parametrize("dt", [10800.0, 86400.0])
def test_a_year_closes_in_every_climate_on_every_set_of_layers(climates, layers, snow_layers, dt):
    names = list(climates.C)
    column, state, parameters = climates.setup(names, layers)
    outputs = ["water_residual", "enthalpy_residual", "soil.moisture", "snow.layer_mass", "snow_temperature"]
    outputs += TEMPERATURES
    with torch.no_grad():
        model, forcing = NoahModel(column, preset("conservative")), climates.forcing(names, 1, dt)
        given = model, layered(state, snow_layers), forcing, parameters, dt
        series = run(*given, outputs=outputs, execution="compiled").outputs
    assert series["water_residual"].abs().max() * dt < 1.0e-9
    assert series["enthalpy_residual"].abs().max() < 1.0e-8
    for name in TEMPERATURES:
        assert series[name].min() > 170.0
        assert series[name].max() < 350.0
    # No ground leaves the range of what is around it and of what it was; but that beside snow is warmer than the mean.
    top, second, skin = series["soil.temperature"][:, 0], series["soil.temperature"][:, 1], series["skin_temperature"]
    around = torch.stack([top[:-1], second[:-1], second[1:], skin[:-1], skin[1:], forcing.air_temperature[1:]])
    assert (top[1:] - around.amax(0)).max() < 2.0
    assert (torch.minimum(around.amin(0), series["snow_temperature"][1:].amin(1)) - top[1:]).max() < 0.1
    assert series["snow.layer_mass"].min() >= 0.0
    assert (series["soil.moisture"] - parameters.soil.porosity).max() < 1.0e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "dt", "days", "closed"),
    [
        (torch.float64, 60.0, 15, 1.0e-9),
        (torch.float32, 300.0, 120, 1.0e-2),
        (torch.float32, 1800.0, 365, 1.0e-2),
        (torch.float32, 10800.0, 365, 1.0e-2),
    ],
)
def test_no_heat_is_lost_to_the_digits_of_temperatures_in_any_climate(climates, dtype, dt, days, closed):
    names, steps = list(climates.C), int(days * 86400 / dt)
    column, state, parameters = climates.setup(names, "20")
    forcing = map_tensors(lambda series: series[:steps], climates.forcing(names, 1, dt)).to(dtype)
    with torch.no_grad():
        model = NoahModel(column.to(dtype=dtype), preset("conservative"))
        given = model, layered(state).to(dtype), forcing, parameters.to(dtype), dt
        residual = run(*given, outputs=["enthalpy_residual"], execution="compiled").outputs["enthalpy_residual"]
    assert residual.abs().max() < closed
    # What is left has no sign.
    assert residual.mean(0).abs().max() < 1.0e-3 * closed


def water_of(state: State, thickness: Tensor) -> Tensor:
    """Of a whole column, in double precision from the numbers of the state alone. [kg m-2]"""
    state = state.to(torch.float64)
    assert state.snow.layer_mass is not None
    in_soil = (state.soil.moisture * thickness.double()).sum(0) * 1000.0
    return in_soil + state.snow.layer_mass.sum(0) + state.canopy_water


@pytest.mark.slow
def test_in_single_precision_five_minutes_make_no_water_in_peat(climates):
    """Where digits are lost, they add up: in peat they once were 50 mm in two years."""
    names, dt, days = ["peat", "clay_saturated_frost"], 300.0, 180
    column, state, parameters = climates.setup(names, "20")
    model = NoahModel(column.to(dtype=torch.float32), preset("conservative"))
    state, parameters = layered(state).to(torch.float32), parameters.to(torch.float32)
    forcing = map_tensors(lambda series: series[: int(days * 86400 / dt)], climates.forcing(names, 1, dt))
    forcing = forcing.to(torch.float32)
    with torch.no_grad():
        leaving = ["evapotranspiration", "surface_runoff", "drainage", "soil.liquid_water"]
        found = run(model, state, forcing, parameters, dt, outputs=leaving, execution="compiled")
    lost = sum((found.outputs[name].double().sum(0) for name in leaving[:3]), start=torch.zeros(2).double())
    gained = dt * (forcing.precipitation.double().sum(0) - lost)
    after, before = (water_of(one, model.column.thickness) for one in (found.final_state, state))
    assert (after - before - gained).abs().max() < 0.03
    assert found.outputs["soil.liquid_water"].min() >= 0.0


@pytest.mark.slow
def test_an_hour_and_five_minutes_give_the_same_soil_temperature(climates):
    names = ["gobi", "prairie", "bedrock", "rain_on_snow"]
    column, state, parameters = climates.setup(names, "20")
    means = {}
    for dt in (300.0, 3600.0):
        with torch.no_grad():
            model, forcing = NoahModel(column, preset("conservative")), climates.forcing(names, 1, dt)
            found = run(
                model, layered(state), forcing, parameters, dt, outputs=["soil.temperature"], execution="compiled"
            )
        half = found.outputs["soil.temperature"].shape[0] // 2
        means[dt] = found.outputs["soil.temperature"][half:, 4].mean(0)
    assert (means[3600.0] - means[300.0]).abs().max() < 0.15


def mean_of_the_second_year(climates: ModuleType, names: list[str], dt: float) -> Tensor:
    """Temperature at 0.4 m, by climate. [K]"""
    column, state, parameters = climates.setup(names, "20")
    model, forcing, state = NoahModel(column, preset("conservative")), climates.forcing(names, 2, dt), layered(state)
    steps, month = forcing.air_temperature.shape[0], int(30 * 86400 / dt)
    total = torch.zeros(len(names), dtype=torch.float64)
    for start in range(0, steps, month):
        part = map_tensors(lambda series, k=start: series[k : k + month], forcing)
        found = run(model, state, part, parameters, dt, outputs=["soil.temperature"], execution="compiled")
        state = found.final_state
        total += found.outputs["soil.temperature"][max(steps // 2 - start, 0) :, 4].sum(0)
    return total / (steps - steps // 2)


@pytest.mark.slow
def test_steps_of_hours_keep_the_soil_temperature_of_five_minutes_in_every_climate(climates):
    names = list(climates.C)
    with torch.no_grad():
        means = {dt: mean_of_the_second_year(climates, names, dt) for dt in (300.0, 3600.0, 10800.0)}
    for dt, mean, worst in ((3600.0, 0.03, 0.15), (10800.0, 0.08, 0.25)):
        error = (means[dt] - means[300.0]).abs()
        each = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, error.tolist(), strict=True))
        print(f"{dt:.0f} s: mean {error.mean():.4f}, worst {error.max():.4f} K: {each}")
        assert error.mean() <= mean, each
        assert error.max() <= worst, each


@pytest.mark.slow
def test_no_skin_goes_to_and_fro_from_step_to_step_when_rain_wets_a_dry_canopy(climates):
    names, dt, days = ["savanna", "prairie"], 300.0, 150
    column, state, parameters = climates.setup(names, "20")
    steps = int(days * 86400 / dt)
    with torch.no_grad():
        forcing = map_tensors(lambda series: series[:steps], climates.forcing(names, 1, dt))
        model = NoahModel(column, preset("conservative"))
        found = run(model, layered(state), forcing, parameters, dt, outputs=["skin_temperature"], execution="compiled")
    change = found.outputs["skin_temperature"].diff(dim=0)
    there_and_back = (change[1:] * change[:-1] < 0) & (change[1:].abs() > 1.0) & (change[:-1].abs() > 1.0)
    assert not bool(there_and_back.any())


@pytest.mark.slow
def test_budgets_do_not_drift_and_stores_keep_their_bounds_over_years_of_daily_steps(climates):
    names, dt, years = list(climates.C), 86400.0, 8
    column, state, parameters = climates.setup(names, "20")
    outputs = ["water_residual", "enthalpy_residual", "soil.temperature", "skin_temperature", "soil.moisture"]
    with torch.no_grad():
        model, forcing = NoahModel(column, preset("conservative")), climates.forcing(names, years, dt)
        series = run(model, layered(state), forcing, parameters, dt, outputs=outputs, execution="compiled").outputs
    for temperature in (series["soil.temperature"], series["skin_temperature"]):
        assert temperature.min() > 170.0
        assert temperature.max() < 350.0
    assert series["soil.moisture"].min() > 0.0
    assert (series["soil.moisture"] - parameters.soil.porosity).max() < 1.0e-9
    # Round-off adds up like a sum of random signs, not in proportion to time.
    assert (series["water_residual"].sum(0) * dt).abs().max() < 1.0e-9
    assert series["enthalpy_residual"].mean(0).abs().max() < 1.0e-10


@pytest.mark.slow
def test_gradients_by_every_input_are_those_of_differences_while_snow_melts(climates):
    names, dt, begin, days = ["siberia", "himalaya", "rain_on_snow", "bedrock", "prairie"], 10800.0, 75, 30
    column, state, parameters = climates.setup(names, "20")
    model, parameters = NoahModel(column, preset("conservative")), with_every_parameter(parameters)
    forcing = climates.forcing(names, 1, dt)
    before, during = (slice(a * 8, b * 8) for a, b in ((0, begin), (begin, begin + days)))
    weather = [map_tensors(lambda series, k=part: series[k], forcing) for part in (before, during)]
    with torch.no_grad():
        state = run(model, layered(state), weather[0], parameters, dt, outputs=[], execution="compiled").final_state
    inputs = Inputs(state, weather[1], parameters)
    season = Season(model, inputs, names_of(inputs))
    central, nearest = errors(season, gradients(season))
    # What is at its bound for all that time, as a vegetation fraction, has two derivatives, of which one is right.
    assert (central < WANTED).double().mean() > 0.98
    assert (nearest < WANTED).double().mean() > 0.998
    assert central.median() < 1.0e-6
