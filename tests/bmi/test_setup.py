"""From a configuration to a run: parameters, initial state, forcing, and agreement with the Fortran original."""

from __future__ import annotations

import dataclasses

import netCDF4
import numpy as np
import pytest
import torch
from configurations import read, write_weather

from bmi_noahpy.config import ConfigurationError, ConfigurationWarning, load_configuration
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.runs.run import Run
from noahpy_core.simulation import iterate
from noahpy_core.state import Fluxes, State

GRID = {"domain.latitude": [33.0, 33.5], "domain.longitude": [92.0, 92.5, 93.0]}


def advance(run: Run, steps: int) -> tuple[State, Fluxes]:
    forcing = (run.forcing.at(step) for step in range(steps))
    *_, last = iterate(run.model, run.initial_state, forcing, run.parameters, run.step)
    return last


def test_run_without_forcing_waits_for_a_framework():
    run = prepare(read({}))
    assert run.forcing is None
    assert (run.steps, run.step, run.start) == (16, 10800.0, np.datetime64("2020-01-01T00:00:00"))
    assert (run.domain.kind, run.domain.columns, run.domain.shape) == ("column", 1, (1, 1))


def test_parameters_are_those_of_the_classes():
    parameters = prepare(read({})).parameters
    assert parameters.soil.porosity.flatten().tolist() == [0.439, 0.439, 0.476, 0.476]
    assert parameters.vegetation.minimum_stomatal_resistance.tolist() == [170.0]
    assert parameters.snow.deep_snow_albedo.tolist() == [0.65]
    assert parameters.general.deep_temperature.tolist() == [272.0]


def test_settings_of_each_section_reach_the_parameters():
    parameters = prepare(
        read(
            {
                "snow.deep_snow_albedo": 0.8,
                "snow.parameters.full_cover_snow": 50.0,
                "vegetation.minimum_fraction": 0.1,
                "vegetation.maximum_fraction": 0.5,
                "vegetation.parameters.root_layers": 2,
                "general.slope_class": 3,
                "general.parameters.zilitinkevich_coefficient": 0.2,
                "soil.hydraulics": "derived",
                "soil.parameters.porosity": [0.4, 0.41, 0.42, 0.43],
                "soil.parameters.dry_limit": 0.05,
            }
        )
    ).parameters
    assert (parameters.snow.deep_snow_albedo.item(), parameters.snow.full_cover_snow.item()) == (0.8, 50.0)
    assert (parameters.vegetation.minimum_fraction.item(), parameters.vegetation.maximum_fraction.item()) == (0.1, 0.5)
    assert parameters.vegetation.root_layers.item() == 2
    assert (parameters.general.drainage_factor.item(), parameters.general.zilitinkevich_coefficient.item()) == (
        1.0,
        0.2,
    )
    assert parameters.soil.porosity.flatten().tolist() == [0.4, 0.41, 0.42, 0.43]
    assert parameters.soil.dry_limit.flatten().tolist() == [0.05] * 4
    assert parameters.soil.field_capacity is None


def test_initial_state_is_that_of_the_configuration():
    state = prepare(
        read({"initial.snow_depth": 0.1, "initial.snow_water_equivalent": 25.0, "initial.canopy_water": 0.2})
    ).initial_state
    assert state.soil.temperature.flatten().tolist() == [270.0, 271.0, 272.0, 272.5]
    assert state.soil.liquid_water.flatten().tolist() == [0.1] * 4
    assert state.soil.moisture.flatten().tolist() == pytest.approx([0.2, 0.25, 0.3, 0.3])
    assert (state.snow.depth.item(), state.snow.water_equivalent.item()) == (0.1, 25.0)
    assert (state.canopy_water.item(), state.skin_temperature.item()) == (0.2, 269.0)
    assert (state.surface.albedo.item(), state.surface.roughness_length.item()) == (0.2, 0.05)


def test_monthly_albedo_starts_with_the_value_of_the_first_day():
    monthly = [0.1 + 0.01 * month for month in range(12)]
    state = prepare(
        read({"initial.albedo": monthly, "period.start": "2020-06-15", "period.end": "2020-06-16"})
    ).initial_state
    assert state.surface.albedo.item() == pytest.approx(monthly[5])


def test_surface_starts_with_the_humidity_of_the_first_record(tmp_path):
    write_weather(tmp_path / "weather.csv")
    run = prepare(read({"forcing.file": "weather.csv"}, tmp_path))
    assert (
        run.initial_state.surface.specific_humidity.tolist() == run.forcing.at(0).specific_humidity.tolist() == [0.002]
    )


def test_prescribed_vegetation_reaches_every_step(tmp_path):
    write_weather(tmp_path / "weather.csv")
    changes = {
        "forcing.file": "weather.csv",
        "vegetation.leaf_area_index": 2.5,
        "vegetation.fraction": [0.1] + [0.5] * 11,
    }
    run = prepare(read(changes, tmp_path))
    first = run.forcing.at(0)
    assert first.leaf_area_index.tolist() == [2.5]
    assert first.snow_free_albedo is None
    assert first.vegetation_fraction.item() == pytest.approx(0.5 + (0.1 - 0.5) * 17 / 31)
    assert run.vegetation(run.start)["vegetation_fraction"].tolist() == first.vegetation_fraction.tolist()
    assert run.vegetation(run.start)["snow_free_albedo"] is None


def test_vegetation_is_known_beyond_the_end_of_the_run():
    assert prepare(read({"vegetation.fraction": 0.3})).vegetation(np.datetime64("2044-07-09"))[
        "vegetation_fraction"
    ].tolist() == [0.3]


def test_columns_of_a_grid_are_computed_as_if_alone(tmp_path):
    write_weather(tmp_path / "weather.csv")
    classes, temperatures = [[9, 7, 11], [2, 9, 20]], [[269.0, 265.0, 271.0], [274.0, 276.0, 268.0]]
    changes = {"forcing.file": "weather.csv", "soil.parameters.porosity": 0.45}
    grid = prepare(
        read({**changes, **GRID, "vegetation.class": classes, "initial.skin_temperature": temperatures}, tmp_path)
    )
    together, _ = advance(grid, 16)
    assert (grid.domain.kind, grid.domain.shape, grid.domain.columns) == ("grid", (2, 3), 6)
    for column, (number, temperature) in enumerate(zip(np.ravel(classes), np.ravel(temperatures), strict=True)):
        single = prepare(
            read({**changes, "vegetation.class": int(number), "initial.skin_temperature": float(temperature)}, tmp_path)
        )
        alone, _ = advance(single, 16)
        torch.testing.assert_close(
            together.soil.temperature[:, column], alone.soil.temperature[:, 0], rtol=1e-12, atol=0.0
        )
        torch.testing.assert_close(together.skin_temperature[column], alone.skin_temperature[0], rtol=1e-12, atol=0.0)


def test_one_row_of_columns_is_a_grid():
    domain = prepare(read({"domain.longitude": [92.0, 92.5, 93.0]})).domain
    assert (domain.kind, domain.shape) == ("grid", (1, 3))


def test_period_the_forcing_does_not_cover_is_refused_with_both_periods(tmp_path):
    write_weather(tmp_path / "weather.csv", records=10)
    with pytest.raises(ConfigurationError, match=r"2020-01-01T00:00 to 2020-01-02T03:00.*2020-01-02T21:00") as caught:
        prepare(read({"forcing.file": "weather.csv"}, tmp_path))
    assert caught.value.problems[0].key == "forcing"


def test_interval_that_is_not_that_of_the_records_is_warned_about(tmp_path):
    write_weather(tmp_path / "weather.csv")
    with pytest.warns(ConfigurationWarning, match=r"forcing\.interval: 3600 s, but the records are 10800 s apart"):
        prepare(read({"forcing.file": "weather.csv", "forcing.interval": 3600}, tmp_path))


def test_scheme_that_cannot_be_imported_is_refused_with_its_slot():
    with pytest.raises(ConfigurationError, match=r"schemes\.evaporation: .*no_such_package:Network"):
        prepare(read({"schemes.evaporation": "no_such_package:Network"}))


def test_schemes_reach_the_model():
    configuration = read({"schemes.supercooled_water": "niu_yang2006", "schemes.turbulence": "paulson1970"})
    assert prepare(configuration).model.options == configuration.schemes


def test_single_precision_is_used_throughout(tmp_path):
    write_weather(tmp_path / "weather.csv")
    run = prepare(read({"forcing.file": "weather.csv"}, tmp_path), dtype=torch.float32)
    state, _ = advance(run, 2)
    given = [getattr(run.parameters.soil, field.name) for field in dataclasses.fields(run.parameters.soil)]
    assert {value.dtype for value in given if value is not None} == {torch.float32}
    assert state.soil.temperature.dtype == torch.float32


@pytest.mark.parametrize(("site", "steps"), [("tgl", 1371), ("bondville", 17520)])
def test_run_from_an_ascii_file_begins_as_that_of_the_original(shared, site, steps):
    run = prepare(load_configuration(shared / "data" / site / "forcing.txt"))
    assert run.steps == steps
    number = 40
    with netCDF4.Dataset(shared / "reference" / f"{site}.nc") as reference:
        record = {name: np.asarray(reference[name][number - 1]) for name in ("stc", "sh2o", "t1", "sneqv", "cmc")}
    state, _ = advance(run, number)
    np.testing.assert_allclose(state.soil.temperature[:, 0], record["stc"], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(state.soil.liquid_water[:, 0], record["sh2o"], rtol=0.0, atol=1e-7)
    np.testing.assert_allclose(state.skin_temperature[0], record["t1"], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(state.snow.water_equivalent[0], 1000.0 * record["sneqv"], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(state.canopy_water[0], 1000.0 * record["cmc"], rtol=0.0, atol=1e-7)


def test_initial_liquid_in_equilibrium_lies_on_the_freezing_curve():
    frozen = {"initial.soil_temperature": [268.0, 272.0, 273.1, 275.0], "initial.soil_liquid": "equilibrium"}
    run = prepare(read(frozen))
    soil = run.initial_state.soil
    expected, _ = run.model.supercooled_water.equilibrium(soil.temperature, soil.moisture, run.parameters.soil)
    assert torch.equal(soil.liquid_water, expected)
    assert 0.02 < soil.ice[0].item() < soil.moisture[0].item()
    assert soil.ice[3].item() == 0.0


@pytest.mark.parametrize(("scheme", "kept"), [("enthalpy", True), ("heat_limited", False)])
def test_in_single_precision_a_state_keeps_the_digits_of_heat_where_its_model_does(scheme, kept):
    configuration = read({"schemes.phase_change": scheme})
    states = {dtype: prepare(configuration, dtype=dtype).initial_state for dtype in (torch.float32, torch.float64)}
    assert (states[torch.float32].soil.temperature_remainder is not None) == kept
    assert states[torch.float64].soil.temperature_remainder is None
