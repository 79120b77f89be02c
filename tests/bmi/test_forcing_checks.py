"""What is refused in records, and how the message helps."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_noahpy.forcing import ForcingError, build_table
from bmi_noahpy.forcing.noise import TOLERATED
from bmi_noahpy.forcing.table import FORCING_METADATA, RawField, RawRecords

AIR = {
    "air_temperature": 270.0,
    "air_pressure": 9.0e4,
    "specific_humidity": 1e-3,
    "wind_speed": 3.0,
    "shortwave_down": 100.0,
    "longwave_down": 200.0,
    "precipitation": 1e-5,
}


def records(times=None, **changes) -> RawRecords:
    """Six hourly records; a change is a number, a list of six, or (numbers, units)."""
    times = np.datetime64("2021-02-27T21:00", "s") + np.arange(6) * 3600 if times is None else times
    fields = {}
    for quantity, value in (AIR | changes).items():
        values, units = (
            value if isinstance(value, tuple) else (value, FORCING_METADATA.get(quantity, {"units": "1"})["units"])
        )
        fields[quantity] = RawField(np.broadcast_to(np.asarray(values, float), 6)[:, None], units, quantity)
    return RawRecords(np.asarray(times, dtype="datetime64[s]"), fields, "station.csv")


def hours(*values: int) -> np.ndarray:
    return np.datetime64("2021-02-27T21:00", "s") + np.array(values) * 3600


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (hours(0, 1, 2, 4, 5, 6), r"record 4 \(2021-02-28T01:00\) is 2 h after the record before instead of 1 h"),
        (hours(0, 1, 2, 4, 5, 7), r"2 such values"),
        (hours(0, 1, 1, 2, 3, 4), r"record 3 \(2021-02-27T22:00\) is a repeated time"),
        (hours(0, 1, 3, 2, 4, 5), r"record 4 \(2021-02-27T23:00\) is earlier than the record before"),
        (np.array([*hours(0, 1, 2), "NaT", *hours(4, 5)], "datetime64[s]"), r"record 4 \(NaT\) is not a time"),
    ],
)
def test_irregular_times_are_refused_at_the_first_place(times, message):
    with pytest.raises(ForcingError, match=f"station.csv: time.*{message}"):
        build_table(records(times))


def test_no_records_at_all_are_refused():
    empty = RawRecords(np.array([], "datetime64[s]"), {}, "station.csv")
    with pytest.raises(ForcingError, match="no records"):
        build_table(empty)


def test_missing_values_are_counted_from_the_first_place_on():
    with pytest.raises(ForcingError, match=r"wind_speed: record 3 \(2021-02-27T23:00\) is missing \(NaN\) \(2 such"):
        build_table(records(wind_speed=[1.0, 1.0, np.nan, 1.0, np.inf, 1.0]))


@pytest.mark.parametrize("quantity", AIR)
def test_every_quantity_is_held_within_its_physical_bounds(quantity):
    low, high = FORCING_METADATA[quantity]["bounds"]
    build_table(records(**{quantity: low}))
    build_table(records(**{quantity: high}))
    lowest = low - TOLERATED.get(quantity, 0.0)
    for wrong in (np.nextafter(lowest, -np.inf), np.nextafter(high, np.inf)):
        with pytest.raises(ForcingError, match=f"{quantity}: record 1"):
            build_table(records(**{quantity: wrong}))


def test_an_impossible_value_is_named_with_its_bounds():
    with pytest.raises(ForcingError, match=r"record 2 .* is 999 K, outside 150 to 350\. Correct this value \(1 of 6\)"):
        build_table(records(air_temperature=[270.0, 999.0, 270.0, 270.0, 270.0, 270.0]))


@pytest.mark.parametrize(
    ("quantity", "values", "units"),
    [
        ("relative_humidity", 78.0, "percent"),
        ("air_temperature", -12.0, "degC"),
        ("air_pressure", 905.0, "hPa"),
        ("air_pressure", 90.5, "kPa"),
        ("specific_humidity", 4.0, "g kg-1"),
        ("precipitation", 1.5, "mm h-1"),
    ],
)
def test_a_likely_unit_error_is_recognised_in_the_message(quantity, values, units):
    with pytest.raises(ForcingError, match=f"look like {units}: set forcing.variables.{quantity}.units"):
        build_table(records(**{quantity: values}))


@pytest.mark.parametrize(("values", "words"), [(0.7, "a relative humidity"), (70.0, "a relative humidity in per cent")])
def test_relative_humidity_that_is_named_specific_is_recognised(values, words):
    with pytest.raises(ForcingError, match=f"look like {words}: name them in forcing.variables.relative_humidity"):
        build_table(records(specific_humidity=values))


def test_a_little_more_than_saturation_is_accepted_as_measured():
    assert build_table(records(relative_humidity=1.04)).values["relative_humidity"].max() == 1.04


def test_only_the_records_around_the_period_are_kept_and_checked():
    wind = [np.nan, np.nan, 1.0, 2.0, 3.0, np.nan]
    period = (np.datetime64("2021-02-27T23:30"), np.datetime64("2021-02-28T00:30"))
    table = build_table(records(wind_speed=wind), period)
    assert table.values["wind_speed"][:, 0].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ForcingError, match=r"record 6 \(2021-02-28T02:00\) is missing"):
        build_table(records(wind_speed=wind), (period[0], np.datetime64("2021-02-28T01:30")))


def test_a_period_before_the_records_leaves_them_all_for_the_complaint_about_it():
    period = (np.datetime64("2021-02-27T20:00"), np.datetime64("2021-02-27T22:00"))
    assert build_table(records(), period).records == 6


def test_columns_are_named_where_there_are_several():
    raw = records()
    values = np.full((6, 3), 2.0)
    values[4, 2] = -1.0
    fields = dict(raw.fields) | {"wind_speed": RawField(values, "m s-1", "wind")}
    with pytest.raises(ForcingError, match=r"wind_speed \(wind\): record 5 .*, column 2 is -1 m s-1"):
        build_table(RawRecords(raw.times, fields, raw.source))


def test_variables_of_different_numbers_of_columns_are_refused():
    raw = records()
    fields = dict(raw.fields)
    fields["wind_speed"] = RawField(np.full((6, 3), 2.0), "m s-1", "wind")
    fields["air_temperature"] = RawField(np.full((6, 2), 270.0), "K", "t")
    with pytest.raises(ForcingError, match="air_temperature has 2 columns, other variables 3"):
        build_table(RawRecords(raw.times, fields, raw.source))
