"""Inputs that were computed wrongly without a word: each now gives the right value, or is refused or warned of."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy import simulate
from bmi_noahpy.config import ConfigurationError, ConfigurationWarning, load_configuration
from bmi_noahpy.observations.reading import read_observations
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.runs.launch import Launch, launch
from bmi_noahpy.runs.prepare import prepare
from bmi_noahpy.tabular import TimeSpec
from noahpy_core.simulation import run as run_model


@pytest.fixture
def case(shared, tmp_path):
    """Copy a case to a folder of its own."""

    def copy(name: str) -> Path:
        source = shared / "cases" / name
        if not source.is_dir():
            pytest.skip(f"needs ../shared/cases/{name}, which is absent")
        return Path(shutil.copytree(source, tmp_path / name, copy_function=shutil.copyfile))

    return copy


def prepared(folder: Path, *settings: str):
    return prepare(load_configuration(folder / "run.yaml", settings))


def amounts(run, quantity: str) -> np.ndarray:
    return getattr(run.forcing.block(0, run.steps), quantity)[:, 0].numpy() * run.step


def test_a_running_total_is_asked_about_and_its_amounts_are_right(case):
    folder = case("accumulated_precipitation")
    with pytest.raises(ConfigurationError, match=r"look like a running total. Set .*accumulated"):
        prepared(folder)
    setting = "forcing.variables.precipitation={name: Precip_mm, units: mm, accumulated: since_midnight}"
    assert amounts(prepared(folder, setting), "precipitation").sum() == pytest.approx(48.0)


def test_one_impossible_humidity_is_one_value_and_not_another_unit(case):
    with pytest.raises(ConfigurationError, match=r"is 1.12, outside 0 to 1.1. Correct this value .1 of 48.") as caught:
        prepared(case("advice_humidity_percent"))
    assert "look like" not in str(caught.value)


def test_fractions_called_percent_are_warned_of(case):
    with pytest.warns(ConfigurationWarning, match=r"mean relative humidity is 0.7 %, .*units to '1'"):
        prepared(case("humidity_fraction_labelled_percent"))


def test_ice_at_285_kelvin_is_refused(case):
    with pytest.raises(ConfigurationError, match=r"leaves 0\.25 of ice in layer 1, at 285 K.*write equilibrium"):
        prepared(case("initial_ice_at_285_K"))


def test_means_of_three_hours_keep_their_time_of_day(case):
    sun = amounts(prepared(case("interval_means_interpolated")), "shortwave_down")[:48]
    hours = 0.25 + 0.5 * np.arange(48)
    assert (sun * hours).sum() / sun.sum() == pytest.approx(12.5, abs=0.02)


def test_the_last_record_of_amounts_runs_alone(case):
    folder = case("last_record_of_amounts")
    assert prepared(folder).steps == 1
    with xr.open_dataset(folder / "forcing.nc") as data:
        rain = data.load()
    rain["Precip"][-1] = 3.6
    rain.to_netcdf(folder / "forcing.nc")
    run = prepared(folder)
    assert run.steps == 1
    assert amounts(run, "precipitation").tolist() == [pytest.approx(3.6, rel=1e-12)]


def test_a_pointer_called_netcdf_is_named_with_the_remedy(case):
    folder = case("lfs_pointer")
    with pytest.raises(PlotError, match=r"forcing.nc: not a netCDF file, but a Git LFS pointer. .*git lfs pull"):
        read_observations(folder / "forcing.nc")
    shutil.copyfile(case("time_bounds_ignored") / "run.yaml", folder / "run.yaml")
    with pytest.raises(ConfigurationError, match=r"forcing.nc: not a netCDF file, but a Git LFS pointer"):
        prepared(folder)


def test_dates_that_read_both_ways_are_refused_unless_said(case):
    file = case("obs_day_first") / "obs.csv"
    with pytest.raises(PlotError, match=r"'01/11/2015' reads as day or as month first, .*format: day-first"):
        read_observations(file)
    (depth,) = read_observations(file, TimeSpec(format="day-first"))
    months = ["2015-11", "2015-12", "2016-01", "2016-02", "2016-03"]
    assert depth.times.astype("datetime64[D]").tolist() == np.array(months, "datetime64[D]").tolist()


@pytest.mark.parametrize(
    ("name", "count"), [("obs_depth_in_cm_column", 24), ("obs_missing_code", 23), ("obs_unsorted", 24)]
)
def test_observed_soil_temperatures_are_at_5_cm_in_order_and_without_codes(case, name, count):
    (series,) = read_observations(case(name) / "obs.csv")
    assert (series.depth, series.values.size, series.values.min(), series.spacing) == (0.05, count, 278.0, 3600.0)
    assert (np.diff(series.times) > np.timedelta64(0, "s")).all()


def test_units_of_observations_in_netcdf_are_converted(case):
    found = read_observations(case("obs_netcdf_units") / "obs.nc")
    soil = [series for series in found if series.quantity == "soil_temperature"]
    snow = next(series for series in found if series.quantity == "snow_depth")
    assert [(series.depth, series.values[0]) for series in soil] == [(0.1, 278.15), (0.5, 278.15)]
    assert snow.values[0] == pytest.approx(0.35)


def test_a_data_file_is_not_taken_for_a_configuration(case):
    with pytest.raises(ConfigurationError, match=r"holds data, it is not a configuration.*noahpy init") as caught:
        load_configuration(case("run_on_a_data_file") / "forcing.csv")
    assert len(str(caught.value)) < 400


def test_snow_that_falls_in_warm_air_stays_snow(case):
    run = prepared(case("snowfall_column_becomes_rain"))
    result = run_model(
        run.model, run.initial_state, run.forcing.block(0, run.steps), run.parameters, run.step,
        outputs=["snowfall", "rainfall"],
    )  # fmt: skip
    fallen = {name: float(series.sum()) * run.step for name, series in result.outputs.items()}
    assert fallen == {"snowfall": pytest.approx(48.0), "rainfall": pytest.approx(0.0, abs=1e-9)}


@pytest.mark.parametrize("setting", ["soil.table=stas", "soil.classes=sand"])
def test_sand_is_what_public_tables_number_or_call_so(case, setting):
    soil = prepared(case("soil_class_numbers"), setting).parameters.soil
    assert soil.porosity[0].item() == 0.339
    assert soil.wilting_point[0].item() == 0.010


def test_the_bounds_of_the_time_say_when_a_record_begins(case):
    run = prepared(case("time_bounds_ignored"))
    assert run.forcing.table.all_times[0] == np.datetime64("2019-06-01T00:00")
    assert run.forcing.table.times[0] == np.datetime64("2019-06-01T01:00")


def test_a_leaf_area_that_is_given_goes_before_that_of_the_file_with_a_warning(case):
    with pytest.warns(ConfigurationWarning, match=r"vegetation.leaf_area_index is given and goes before it"):
        run = prepared(case("yaml_leaf_area_ignored"))
    assert run.forcing.at(0).leaf_area_index.item() == 1.0


def test_water_that_floors_create_is_in_the_summary(case):
    folder = case("gravel_water_created")
    configuration = load_configuration(folder / "run.yaml", ["period.end=2019-06-03T21:00"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        summary = launch(configuration, Launch(), say=lambda _: None)
    assert summary.created.water > 100.0


@pytest.mark.parametrize(
    ("settings", "third", "tolerance"),
    [(["period.step=300"], 0.117, 5e-4), (["schemes={preset: conservative}"], 0.111, 2e-3)],
    ids=["five minutes", "three hours, conservative"],
)
def test_gravel_drains_without_creating_water(case, settings, third, tolerance):
    """Noah's steps of five minutes leave 0.117 in the third layer, 0.6 m thick; on eighths of the layers 0.111.

    The conservative column has profiles of conductivity within layers, and comes to that on the layers of the case.
    """
    folder = case("gravel_water_created")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        end = "period.end=2019-06-04T00:00"
        found = simulate(load_configuration(folder / "run.yaml", [end, "execution=auto", *settings]))
    a_day_after = found["soil_moisture"].sel(time="2019-06-04T00:00", method="nearest").values[:3]
    np.testing.assert_allclose(a_day_after, [0.086, 0.103, third], atol=tolerance)
    assert abs(found["numerical_water_source"]).max() == 0.0


def test_observations_in_another_order_meet_the_same_values(case):
    folder = case("obs_unsorted")
    (found,) = read_observations(folder / "obs.csv")
    rows = sorted((folder / "obs.csv").read_text().split()[1:])
    np.testing.assert_array_equal(found.values, [float(row.split(",")[1]) for row in rows])
