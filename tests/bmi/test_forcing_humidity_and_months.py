"""Humidity conversion and monthly values."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_noahpy.forcing.humidity import saturation_specific_humidity, saturation_vapour_pressure, specific_humidity
from bmi_noahpy.forcing.monthly import monthly_value

TEMPERATURE = np.linspace(230.0, 310.0, 81)
PRESSURE = np.full_like(TEMPERATURE, 6.0e4)
MONTHS = np.array([1.0, 3.0, 2.0, 5.0, 8.0, 13.0, 21.0, 20.0, 11.0, 7.0, 6.0, 4.0])


def test_saturation_vapour_pressure_is_near_published_values_over_water():
    """Goff and Gratch (1946) as tabulated in the Smithsonian Meteorological Tables. [K, Pa]"""
    published = {253.15: 125.4, 263.15: 286.3, 273.15: 610.8, 283.15: 1227.2, 293.15: 2337.3, 303.15: 4243.0}
    ours = saturation_vapour_pressure(np.array(list(published)))
    np.testing.assert_allclose(ours, list(published.values()), rtol=0.035)
    assert ours[2] == 611.2


def test_moist_air_has_the_mixing_ratio_of_its_relative_humidity():
    humidity = specific_humidity(np.full_like(TEMPERATURE, 0.4), TEMPERATURE, PRESSURE)
    saturation = saturation_specific_humidity(TEMPERATURE, PRESSURE)
    ratio = (humidity / (1.0 - humidity)) / (saturation / (1.0 - saturation))
    np.testing.assert_allclose(ratio, 0.4, rtol=1e-12)


def test_air_at_or_above_saturation_is_cut_to_99_percent():
    humidity = specific_humidity(np.full_like(TEMPERATURE, 1.05), TEMPERATURE, PRESSURE)
    np.testing.assert_allclose(humidity, 0.99 * saturation_specific_humidity(TEMPERATURE, PRESSURE), rtol=1e-15)


def test_air_is_never_drier_than_the_floor():
    assert specific_humidity(np.zeros(3), TEMPERATURE[:3], PRESSURE[:3]).tolist() == [1e-6] * 3


@pytest.mark.parametrize("month", range(12))
def test_the_fifteenth_has_the_value_of_its_month(month):
    day = np.datetime64("2023-01", "M") + month
    assert monthly_value(MONTHS, np.datetime64(f"{day}-15T17:45")) == MONTHS[month]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2023-01-31", 1.0 + 2.0 * 16 / 31),
        ("2023-03-01", 3.0 - 1.0 * 14 / 28),
        ("2024-03-01", 3.0 - 1.0 * 15 / 29),
        ("1900-03-01", 3.0 - 1.0 * 14 / 28),
        ("2023-12-31", 4.0 - 3.0 * 16 / 31),
        ("2024-01-01", 4.0 - 3.0 * 17 / 31),
    ],
)
def test_other_days_are_linear_in_days_of_the_earlier_month(day, expected):
    assert monthly_value(MONTHS, np.datetime64(day)) == pytest.approx(expected, rel=1e-14)


def test_the_hour_does_not_matter():
    assert monthly_value(MONTHS, np.datetime64("2023-05-03T00:00")) == monthly_value(
        MONTHS, np.datetime64("2023-05-03T23:59")
    )


def test_many_times_and_columns_are_those_one_by_one():
    times = np.arange("2023-12-01", "2024-03-05", dtype="datetime64[D]")
    columns = np.stack([MONTHS, 2.0 * MONTHS], axis=1)
    together = monthly_value(columns, times)
    assert together.shape == (len(times), 2)
    np.testing.assert_array_equal(together[:, 0], [monthly_value(MONTHS, day) for day in times])
    np.testing.assert_array_equal(monthly_value(columns, times[7]), together[7])


def test_a_year_of_other_than_twelve_months_is_refused():
    with pytest.raises(ValueError, match=r"shape .11,.. Give twelve numbers"):
        monthly_value(MONTHS[:11], np.datetime64("2023-05-03"))
