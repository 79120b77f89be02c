"""The built-in example: its weather, its files, and what the model makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bmi_noahpy import units
from bmi_noahpy.config import load_configuration
from bmi_noahpy.example import example_configuration, example_table, write_example, write_table
from bmi_noahpy.example.weather import clear_sky_shortwave, red_noise, solar_elevation
from bmi_noahpy.forcing import ForcingSeries, build_table, open_forcing
from bmi_noahpy.forcing.humidity import saturation_specific_humidity
from bmi_noahpy.forcing.table import FORCING_METADATA, RawField, RawRecords
from bmi_noahpy.runs.forcing_of_run import prescribed_vegetation
from bmi_noahpy.runs.prepare import prepare
from noahpy_core import simulation
from noahpy_core.simulation import iterate


@pytest.fixture(scope="module")
def table():
    return example_table()


@pytest.fixture(scope="module")
def series(table):
    """Quantity -> ``[time]``."""
    return {name: values[:, 0] for name, values in table.values.items()}


@pytest.fixture(scope="module")
def months(table):
    """Month of each record, 1 to 12."""
    return table.times.astype("datetime64[M]").astype(int) % 12 + 1


def test_the_same_seed_gives_the_same_weather_and_another_one_does_not(series):
    again = example_table().values["air_temperature"][:, 0]
    other = example_table(seed=4).values["air_temperature"][:, 0]
    np.testing.assert_array_equal(again, series["air_temperature"])
    assert np.abs(other - again).mean() > 2.0


def test_a_longer_example_begins_with_the_shorter_one(table):
    short = example_table(years=1)
    assert short.records == 366 * 8
    for name, values in short.values.items():
        np.testing.assert_array_equal(values, table.values[name][: short.records])


def test_an_example_of_no_years_is_refused():
    with pytest.raises(ValueError, match="years is 0"):
        example_table(years=0)


def test_the_weather_passes_the_checks_of_measured_records(table):
    fields = {name: RawField(values, FORCING_METADATA[name]["units"], name) for name, values in table.values.items()}
    assert build_table(RawRecords(table.times, fields, "example")).records == 731 * 8


def test_the_climate_is_that_of_continental_permafrost(series, months):
    celsius = series["air_temperature"] - 273.15
    assert -6.5 < celsius.mean() < -4.5
    assert celsius[months == 1].mean() < -18.0
    assert 9.0 < celsius[months == 7].mean() < 16.0
    yearly = series["precipitation"].mean() * 365.25 * 86400.0
    assert 250.0 < yearly < 450.0
    summer = series["precipitation"][(months >= 5) & (months <= 9)].sum() / series["precipitation"].sum()
    assert 0.6 < summer < 0.85


def test_air_is_never_above_saturation_over_water_and_hardly_above_it_over_ice(series):
    temperature, pressure = series["air_temperature"], series["air_pressure"]
    saturation = saturation_specific_humidity(temperature, pressure)
    ratio = series["specific_humidity"] / saturation
    assert ratio.max() < 1.0
    assert ratio.min() > 0.15
    over_ice = np.exp(3.34e5 / 461.5 * np.minimum(1.0 / 273.15 - 1.0 / temperature, 0.0))
    assert (ratio / over_ice).max() < 1.01


def test_nights_are_dark_and_days_are_brightest_at_solar_noon(table, series):
    hours = (table.times - table.times.astype("datetime64[D]")) / np.timedelta64(1, "h")
    by_hour = np.array([series["shortwave_down"][hours == hour].mean() for hour in np.arange(8) * 3.0])
    solar = (np.arange(8) * 3.0 + 1.5 + 130.0 / 15.0) % 24.0
    assert abs(solar[by_hour.argmax()] - 12.0) <= 1.5
    winter_night = (table.times.astype("datetime64[M]").astype(int) % 12 == 11) & (
        np.abs(solar[(hours / 3).astype(int)] - 12.0) > 6.0
    )
    assert series["shortwave_down"][winter_night].max() == 0.0


def test_clouds_are_shared_between_shortwave_longwave_and_precipitation(table, series, months):
    clear = clear_sky_shortwave(
        solar_elevation(table.times[:, None] + np.arange(7.5, 180, 15) * np.timedelta64(60, "s"), 62.0, 130.0)
    ).mean(axis=1)
    day = (clear > 200.0) & (months >= 5) & (months <= 8)
    transmitted = series["shortwave_down"][day] / clear[day]
    emissivity = series["longwave_down"][day] / (5.67e-8 * series["air_temperature"][day] ** 4)
    assert np.corrcoef(transmitted, emissivity)[0, 1] < -0.8
    wet = series["precipitation"][day] > 0.0
    assert 0.05 < wet.mean() < 0.35
    assert transmitted[wet].max() < 0.75 < np.median(transmitted[~wet])


def test_weather_persists_for_days():
    noise = red_noise(np.random.default_rng(0), 200_000, 3.0)
    assert noise.std() == pytest.approx(1.0, abs=0.03)
    for days in (1, 3):
        lagged = np.corrcoef(noise[: -8 * days], noise[8 * days :])[0, 1]
        assert lagged == pytest.approx(np.exp(-days / 3.0), abs=0.03)


@pytest.mark.parametrize(
    ("moment", "latitude", "expected"),
    [
        ("2021-06-21T12:00", 62.0, 90.0 - 62.0 + 23.45),
        ("2021-12-21T12:00", 62.0, 90.0 - 62.0 - 23.45),
        ("2021-06-21T00:00", 62.0, 62.0 + 23.45 - 90.0),
        ("2021-03-21T12:00", 0.0, 90.0),
    ],
)
def test_the_sun_stands_where_spherical_astronomy_puts_it(moment, latitude, expected):
    sine = solar_elevation(np.array([moment], "datetime64[s]"), latitude, 0.0)
    assert np.rad2deg(np.arcsin(sine[0])) == pytest.approx(expected, abs=0.7)


def test_the_written_weather_reads_back_unchanged(table, tmp_path):
    write_table(table, tmp_path / "weather.csv")
    read = open_forcing({"file": tmp_path / "weather.csv"})
    np.testing.assert_array_equal(read.times, table.times)
    assert read.values.keys() == table.values.keys()
    for name, values in table.values.items():
        np.testing.assert_array_equal(read.values[name], values)


def test_the_written_configuration_is_the_one_in_the_program_and_can_be_run(table, tmp_path):
    path = write_example(tmp_path / "new" / "folder")
    configuration = load_configuration(path)
    assert configuration.name == example_configuration()["name"]
    run = prepare(configuration)
    assert run.steps == table.records
    assert run.start == table.times[0]
    state, fluxes = next(iterate(run.model, run.initial_state, [run.forcing.at(0)], run.parameters, run.step))
    assert abs(fluxes.energy_residual.item()) < 1e-9
    assert abs(state.soil.temperature - run.initial_state.soil.temperature)[4:].max() < 0.5


def test_the_initial_state_is_thawed_above_frozen_ground(tmp_path):
    initial = example_configuration()["initial"]
    temperature, moisture = (np.array(initial[key]) for key in ("soil_temperature", "soil_moisture"))
    state = prepare(load_configuration(write_example(tmp_path))).initial_state.soil
    liquid = state.liquid_water[:, 0].numpy()
    depth = np.cumsum(example_configuration()["soil"]["thickness"])
    thawed = temperature > 273.15
    assert 1.0 < depth[thawed].max() < 2.2
    np.testing.assert_array_equal(liquid[thawed], moisture[thawed])
    assert (temperature[depth > 2.5] < 273.15).all()
    assert (liquid[depth > 2.5] < moisture[depth > 2.5]).all()


def test_the_example_runs_in_single_precision(tmp_path):
    run = prepare(load_configuration(write_example(tmp_path)))
    found = []
    for kind in (torch.float64, torch.float32):
        state, forcing, parameters = (
            part.to(dtype=kind) for part in (run.initial_state, run.forcing.block(0, 8), run.parameters)
        )
        model = run.model.to(kind)
        with torch.no_grad():
            found.append(
                simulation.run(model, state, forcing, parameters, run.step, outputs=[], execution="eager").final_state
            )
    double, single = (state.soil for state in found)
    assert (single.temperature.double() - double.temperature).abs().max() < 5e-3
    assert (single.moisture.double() - double.moisture).abs().max() < 1e-4


def test_two_years_keep_permafrost_under_an_active_layer_melt_the_snow_and_end_as_they_began(table, tmp_path):
    run = prepare(load_configuration(write_example(tmp_path)))
    found = simulation.run(
        run.model, run.initial_state, run.forcing.block(0, run.steps), run.parameters, run.step,
        outputs=["soil.temperature", "snow.water_equivalent", "enthalpy_residual", "numerical_water_source"],
    ).outputs  # fmt: skip
    temperature = found["soil.temperature"][..., 0].numpy()
    snow = found["snow.water_equivalent"][:, 0].numpy()
    month = table.times.astype("datetime64[M]").astype(int) % 12 + 1
    depth = run.model.column.node_depth[:, 0].numpy()
    assert found["enthalpy_residual"].abs().max() < 1e-8
    assert found["numerical_water_source"].abs().max() == 0.0
    assert (temperature[:, depth > 2.5] < 273.15).all()
    assert (temperature[:, depth < 0.9].max(axis=0) > 273.65).all()
    assert snow[month == 3].min() > 20.0
    assert snow[month == 7].max() < 0.5  # of a fall of summer snow
    assert np.abs(temperature[-1, depth > 1.5] - temperature[0, depth > 1.5]).max() < 0.05


@pytest.mark.slow
def test_two_years_of_daily_means_keep_permafrost_under_an_active_layer_and_melt_the_snow(table, tmp_path):
    """Daily steps, because eager three-hour steps take minutes."""
    configuration = load_configuration(write_example(tmp_path, "noah-permafrost"))
    run = prepare(configuration)
    vegetation = prescribed_vegetation(configuration)
    days = ForcingSeries(table, table.times[0], 86400.0, table.records // 8, vegetation)
    forcing = (days.at(day) for day in range(days.steps))
    with torch.no_grad():
        results = list(iterate(run.model, run.initial_state, forcing, run.parameters, 86400.0))
    temperature = np.stack([state.soil.temperature[:, 0].numpy() for state, _ in results])
    snow = np.array([state.snow.water_equivalent.item() for state, _ in results])
    residual = max(abs(fluxes.energy_residual.item()) for _, fluxes in results)
    month = days.times().astype("datetime64[M]").astype(int) % 12 + 1
    depth = run.model.column.node_depth[:, 0].numpy()
    assert np.isfinite(temperature).all()
    assert residual < 1e-6
    assert (temperature[:, depth > 2.5] < 273.15).all()
    assert (temperature[:, depth < 0.9].max(axis=0) > 273.65).all()
    assert (temperature[:, depth < 0.9].min(axis=0) < 273.15).all()
    assert snow[month == 3].min() > 20.0
    assert snow[(month == 7) | (month == 8)].max() == 0.0
    assert np.abs(temperature[-1, depth > 5.0] - temperature[0, depth > 5.0]).max() < 1.0


def test_the_example_needs_no_conversion_of_units(tmp_path, monkeypatch):
    """The library for it takes half a second to start."""

    def refuse():
        raise AssertionError("the registry of units was asked for")

    monkeypatch.setattr(units, "_registry", refuse)
    prepare(load_configuration(write_example(tmp_path)))
