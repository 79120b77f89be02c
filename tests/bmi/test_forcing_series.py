"""Records to model steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bmi_noahpy.forcing import ForcingError, ForcingSeries, ForcingTable, PrescribedVegetation
from bmi_noahpy.forcing.humidity import saturation_specific_humidity, specific_humidity

START = np.datetime64("2021-01-10T00:00", "s")
HOUR = 3600.0


def table(columns: int = 1, records: int = 8, humidity: str = "specific_humidity", **changes) -> ForcingTable:
    """Three-hourly records that all differ."""
    random = np.random.default_rng(11)
    ranges = {
        "air_temperature": (250.0, 280.0),
        "air_pressure": (8.0e4, 9.0e4),
        humidity: (0.5, 1.0) if humidity == "relative_humidity" else (1e-4, 3e-3),
        "wind_speed": (0.0, 9.0),
        "shortwave_down": (0.0, 600.0),
        "longwave_down": (150.0, 350.0),
        "precipitation": (1e-6, 1e-3),
    }
    values = {name: random.uniform(*limits, (records, columns)) for name, limits in ranges.items()} | changes
    return ForcingTable(START + np.arange(records) * np.timedelta64(3, "h"), values, "weather.csv")


def series(records: ForcingTable, hours: float, steps: int, start: np.datetime64 = START, **options) -> ForcingSeries:
    options.setdefault("vegetation", PrescribedVegetation(0.3))
    return ForcingSeries(records, start, hours * HOUR, steps, **options)


def test_steps_at_the_records_take_them_unchanged():
    records = table()
    block = series(records, 3, 8).block(0, 8)
    for quantity, values in records.values.items():
        np.testing.assert_array_equal(getattr(block, quantity).numpy(), values)


def test_shorter_steps_are_linear_in_time_except_precipitation():
    records = table()
    block = series(records, 0.5, 42).block(0, 42)
    hours = np.arange(42) * 0.5
    for quantity in ("air_temperature", "air_pressure", "specific_humidity", "wind_speed", "shortwave_down"):
        expected = np.interp(hours, np.arange(8) * 3.0, records.values[quantity][:, 0])
        np.testing.assert_allclose(getattr(block, quantity)[:, 0], expected, rtol=1e-13)
    np.testing.assert_array_equal(block.precipitation[:, 0], np.repeat(records.values["precipitation"][:7, 0], 6))


@pytest.mark.parametrize("minutes", [10, 20, 30, 60, 90, 100, 120, 170])
def test_water_is_kept_whatever_part_of_the_interval_a_step_is(minutes):
    records = table(records=18)
    steps = 17 * 180 // minutes
    whole = steps * minutes == 17 * 180
    falling = series(records, minutes / 60, steps).block(0, steps).precipitation[:, 0]
    amounts = records.values["precipitation"][:17, 0] * 3 * HOUR
    rest = 0.0 if whole else records.values["precipitation"][16, 0] * (17 * 180 - steps * minutes) * 60.0
    assert float(falling.sum()) * minutes * 60.0 == pytest.approx(amounts.sum() - rest, rel=1e-12)


def test_a_dry_record_after_a_wet_one_stays_exactly_dry():
    rain = np.array([0.0, 1e-3, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.0])[:, None]
    falling = series(table(precipitation=rain), 20 / 60, 63).block(0, 63).precipitation[:, 0]
    assert falling.unique().tolist() == [0.0, 1e-3]
    assert int((falling > 0).sum()) == 18


def test_within_the_last_record_values_stay_constant():
    records = table()
    last = series(records, 1, 24).at(23)
    assert last.air_temperature.tolist() == records.values["air_temperature"][-1].tolist()


def test_relative_humidity_is_interpolated_before_it_is_converted():
    records = table(humidity="relative_humidity")
    ours = series(records, 1.5, 3).at(1)
    middle = {name: values[:2].mean(axis=0) for name, values in records.values.items()}
    expected = specific_humidity(middle["relative_humidity"], middle["air_temperature"], middle["air_pressure"])
    np.testing.assert_allclose(ours.specific_humidity, expected, rtol=1e-14)


def test_longer_steps_take_the_mean_of_their_records():
    records = table(columns=2)
    block = series(records, 12, 2).block(0, 2)
    for quantity, values in records.values.items():
        np.testing.assert_allclose(getattr(block, quantity).numpy(), values.reshape(2, 4, 2).mean(axis=1), rtol=1e-14)


def test_the_mean_of_moist_air_stays_below_saturation():
    temperature = np.array([250.0, 280.0] * 4)[:, None]
    records = table(humidity="relative_humidity", air_temperature=temperature, relative_humidity=np.full((8, 1), 0.98))
    mean = series(records, 6, 4).at(0)
    limit = 0.99 * saturation_specific_humidity(np.array([265.0]), mean.air_pressure.numpy())
    np.testing.assert_allclose(mean.specific_humidity, limit, rtol=1e-14)


def test_one_column_of_records_serves_every_column_of_the_run():
    forcing = series(table(), 3, 8, columns=5).at(3)
    assert forcing.air_temperature.shape == (5,)
    assert len(forcing.air_temperature.unique()) == 1
    assert forcing.air_temperature.is_contiguous()


def test_single_steps_are_those_of_the_block_across_the_bounds_of_the_cache():
    run = series(table(columns=3, records=60), 1, 170, columns=3)
    block = run.block(0, 170)
    import bmi_noahpy.forcing.series as module

    length = module.CACHED_NUMBERS // (len(module.REQUIRED) * 3)
    assert length > 170
    for step in (0, 169, 17, 18):
        assert torch.equal(run.at(step).air_temperature, block.air_temperature[step])


def test_a_cache_shorter_than_the_run_changes_nothing(monkeypatch):
    monkeypatch.setattr("bmi_noahpy.forcing.series.CACHED_NUMBERS", 50)
    run = series(table(records=60), 1, 170)
    block = run.block(0, 170)
    for step in (0, 7, 8, 9, 169, 3):
        assert torch.equal(run.at(step).wind_speed, block.wind_speed[step])


def test_tensors_have_the_number_type_asked_for():
    forcing = series(table(), 3, 8, dtype=torch.float32).at(0)
    assert {forcing.air_temperature.dtype, forcing.vegetation_fraction.dtype} == {torch.float32}


def test_vegetation_is_prescribed_by_month_or_by_number_and_absent_otherwise():
    monthly = np.linspace(0.0, 1.1, 12)
    run = series(table(), 3, 8, vegetation=PrescribedVegetation(monthly, leaf_area_index=2.5))
    forcing = run.at(0)
    assert forcing.vegetation_fraction.item() == pytest.approx(1.1 + (0.0 - 1.1) * 26 / 31, rel=1e-14)
    assert forcing.leaf_area_index.item() == 2.5
    assert forcing.snow_free_albedo is None


def test_vegetation_may_differ_between_columns():
    monthly = np.stack([np.full(12, 0.1), np.full(12, 0.7)], axis=1)
    forcing = series(table(), 3, 8, columns=2, vegetation=PrescribedVegetation(monthly)).at(5)
    np.testing.assert_allclose(forcing.vegetation_fraction, [0.1, 0.7], rtol=1e-15)


def test_vegetation_that_the_run_gives_goes_before_that_of_the_records():
    leaves = np.linspace(1.0, 2.0, 8)[:, None]
    run = series(table(leaf_area_index=leaves), 1.5, 4, vegetation=PrescribedVegetation(0.3, leaf_area_index=9.0))
    assert run.at(1).leaf_area_index.item() == 9.0
    left = series(table(leaf_area_index=leaves), 1.5, 4, vegetation=PrescribedVegetation(0.3))
    assert left.at(1).leaf_area_index.item() == pytest.approx(1.0 + 0.5 / 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": START - np.timedelta64(1, "h"), "hours": 1, "steps": 2}, "begin from 2021-01-09T23:00"),
        ({"hours": 1, "steps": 25}, "records run from 2021-01-10T00:00 to 2021-01-10T21:00, .* to 2021-01-11T00:00"),
        ({"hours": 6, "steps": 4, "start": START + np.timedelta64(1, "h")}, "does not consist of whole"),
        ({"hours": 4, "steps": 4}, "step of 14400 s .* whole records of 10800 s"),
        ({"hours": 9, "steps": 3}, "mean over the last step needs them to 2021-01-11T00:00"),
        ({"hours": 3, "steps": 8, "vegetation": PrescribedVegetation()}, "no vegetation_fraction"),
    ],
)
def test_a_run_the_records_cannot_drive_is_refused(options, message):
    with pytest.raises(ForcingError, match=message):
        series(table(), **options)


def test_records_of_another_number_of_columns_are_refused():
    with pytest.raises(ForcingError, match="has 3 columns, the domain 2"):
        series(table(columns=3), 3, 8, columns=2)


@pytest.mark.parametrize("step", [-1, 8])
def test_a_step_outside_the_run_is_refused(step):
    with pytest.raises(IndexError, match=f"step {step} is outside"):
        series(table(), 3, 8).at(step)
