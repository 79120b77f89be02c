"""Gaps that are filled on request, totals turned into amounts, small negative values, corrections before bounds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bmi_noahpy.forcing import ForcingError, GapSpec, build_table
from bmi_noahpy.forcing.accumulation import amounts, looks_accumulated
from bmi_noahpy.forcing.table import RawField, RawRecords
from bmi_noahpy.tabular import TimeSpec
from bmi_noahpy.tabular.clock import from_utc, to_utc

HOURS = 72
TIMES = np.datetime64("2021-02-01T00:00", "s") + np.arange(HOURS) * np.timedelta64(1, "h")
DAILY = np.sin(2.0 * np.pi * (np.arange(HOURS) - 9.0) / 24.0)
VALUES = {
    "air_temperature": (270.0 + 5.0 * DAILY, "K"),
    "air_pressure": (np.full(HOURS, 900.0), "hPa"),
    "relative_humidity": (np.full(HOURS, 70.0), "%"),
    "wind_speed": (np.full(HOURS, 3.0), "m/s"),
    "shortwave_down": (np.maximum(300.0 * DAILY, 0.0), "W m-2"),
    "longwave_down": (np.full(HOURS, 250.0), "W m-2"),
    "precipitation": (np.where(np.arange(HOURS) % 6 == 0, 1.0, 0.0), "mm"),
}


def records(keep=slice(None), **changes) -> RawRecords:
    fields = {}
    for quantity, (values, units) in (VALUES | changes).items():
        fields[quantity] = RawField(np.asarray(values, float)[keep][:, None], units, quantity)
    return RawRecords(TIMES[keep], fields, "station.csv")


def test_a_short_gap_is_filled_and_reported_and_a_longer_one_refused():
    air = VALUES["air_temperature"][0].copy()
    air[30:33] = np.nan
    table = build_table(records(air_temperature=(air, "K")), gaps=GapSpec(3 * 3600.0))
    np.testing.assert_allclose(table.values["air_temperature"][29:34, 0], np.linspace(air[29], air[33], 5))
    assert any("3 missing values at 2021-02-02T06:00 to 2021-02-02T08:00 are filled (linear)" in n for n in table.notes)
    with pytest.raises(ForcingError, match=r"air_temperature: record 31 .* is missing .NaN. .3 such values"):
        build_table(records(air_temperature=(air, "K")), gaps=GapSpec(2 * 3600.0))


def test_the_same_hours_of_other_days_fill_a_gap_of_a_day():
    air = VALUES["air_temperature"][0].copy()
    air[24:48] = np.nan
    table = build_table(records(air_temperature=(air, "K")), gaps=GapSpec(86400.0, "diurnal"))
    np.testing.assert_allclose(table.values["air_temperature"][:, 0], VALUES["air_temperature"][0], rtol=1e-12)


def test_times_that_are_left_out_are_gaps():
    keep = np.setdiff1d(np.arange(HOURS), [10, 11])
    with pytest.raises(
        ForcingError, match=r"3 h after the record before instead of 1 h. Fill the gap, or set forcing.gaps"
    ):
        build_table(records(keep))
    table = build_table(records(keep), gaps=GapSpec(7200.0))
    assert table.records == HOURS


def test_all_problems_of_a_file_are_reported_at_once():
    wind, air = np.full(HOURS, 3.0), VALUES["air_temperature"][0].copy()
    wind[5], air[7] = 400.0, np.nan
    with pytest.raises(ForcingError, match=r"(?s)air_temperature: record 8 .*\n  station.csv: wind_speed: record 6"):
        build_table(records(wind_speed=(wind, "m/s"), air_temperature=(air, "K")))


def test_small_negative_radiation_is_taken_as_zero_with_a_count():
    sun = np.where(VALUES["shortwave_down"][0] > 0.0, VALUES["shortwave_down"][0], -2.5)
    table = build_table(records(shortwave_down=(sun, "W m-2")))
    assert table.values["shortwave_down"].min() == 0.0
    assert f"{int((sun < 0).sum())} small negative values are taken as zero" in table.notes[0]
    with pytest.raises(ForcingError, match="is -60 W m-2"):
        build_table(records(shortwave_down=(np.where(sun < 0, -60.0, sun), "W m-2")))


def test_a_repeated_extreme_is_pointed_out_as_a_code():
    air = VALUES["air_temperature"][0].copy()
    air[[3, 9, 20]] = 6999.0
    with pytest.raises(ForcingError, match="6999 stands there 3 times: if it means missing"):
        build_table(records(air_temperature=(air, "K")))


def test_values_are_compared_with_their_bounds_as_a_run_corrects_them():
    air = VALUES["air_temperature"][0] - 150.0
    with pytest.raises(ForcingError, match="outside 150 to 350"):
        build_table(records(air_temperature=(air, "K")))
    build_table(records(air_temperature=(air, "K")), biases={"air_temperature": (1.0, 150.0)})


@pytest.mark.parametrize(("units", "kind"), [("kg/kg", "masses"), ("mmol/mol", "amounts of substance")])
def test_ratios_of_another_kind_do_not_pass_for_relative_humidity(units, kind):
    with pytest.raises(ForcingError, match=f"are a ratio of {kind}"):
        build_table(records(relative_humidity=(np.full(HOURS, 0.7), units)))


@pytest.mark.parametrize("clock", [0.0, 6.0])
def test_totals_since_midnight_give_the_amounts_of_each_record(clock):
    rain = np.random.default_rng(2).uniform(0.0, 2.0, HOURS)
    days = (np.arange(HOURS) + int(clock)) // 24
    running = np.concatenate([np.cumsum(rain[days == day]) for day in np.unique(days)])
    local = TIMES + np.timedelta64(round(clock * 3600.0), "s")
    found = amounts(running[:, None], local, "since_midnight")
    known = slice(0 if clock == 0.0 else 1, None)
    np.testing.assert_allclose(found[known, 0], rain[known], rtol=1e-12)
    assert looks_accumulated(running[:, None])
    assert not looks_accumulated(rain[:, None])


@pytest.mark.parametrize("clock", [TimeSpec(utc_offset=5.75), TimeSpec(zone="Asia/Kathmandu")])
def test_midnight_is_that_of_the_clock_of_the_file(clock):
    """15-minute records, as the clock is a quarter of an hour off the hours of UTC."""
    times = np.datetime64("2020-02-01T00:00") + np.arange(4 * HOURS) * np.timedelta64(15, "m")
    rain = np.random.default_rng(3).uniform(0.0, 1.0, len(times))
    local = from_utc(times.astype("datetime64[s]"), clock)
    days = local.astype("datetime64[D]")
    running = np.concatenate([np.cumsum(rain[days == day]) for day in np.unique(days)])
    assert np.array_equal(local - times, np.full(len(times), np.timedelta64(20700, "s")))
    assert np.array_equal(to_utc(local, clock, "time"), times)
    np.testing.assert_allclose(amounts(running[:, None], local, "since_midnight")[1:, 0], rain[1:], rtol=1e-12)


def test_a_clock_that_shows_an_hour_twice_has_records_of_equal_length():
    times = np.datetime64("2019-10-26T20:00") + np.arange(HOURS) * np.timedelta64(1, "h")
    raw = dataclasses.replace(records(), times=times.astype("datetime64[s]"), clock=TimeSpec(zone="Europe/Zurich"))
    assert len(build_table(raw).times) == HOURS
    late = np.where(np.arange(HOURS) > 5, np.timedelta64(1, "h"), np.timedelta64(0, "h"))
    with pytest.raises(ForcingError, match=r"record 7 \(2019-10-27T04:00\) is .* after the record before"):
        build_table(dataclasses.replace(raw, times=raw.times + late))


def test_a_total_since_the_start_that_falls_is_refused():
    with pytest.raises(ForcingError, match=r"the total since start falls at record 3 .* from 2 to 1"):
        amounts(np.array([0.0, 2.0, 1.0])[:, None], TIMES[:3], "since_start")
