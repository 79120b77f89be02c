"""Steps shorter than records keep sums and the time of day of what are means; labels say which interval that is."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_noahpy.forcing import ForcingError, ForcingSeries, PrescribedVegetation, open_forcing
from bmi_noahpy.forcing.within_records import means_of_steps

HOURLY = 700.0 * np.maximum(np.sin(np.pi * (np.arange(24.0) + 0.5 - 6.0) / 12.0), 0.0)


def write(folder, hours: int, label: str = "start", days: int = 3, **columns):
    """Records every so many hours of days with a sun that is highest at noon."""
    moments = np.datetime64("2019-06-01T00:00") + np.arange(days * 24 // hours) * np.timedelta64(hours, "h")
    sun = np.tile(HOURLY, days).reshape(-1, hours).mean(axis=1)
    stamps = moments + {"start": 0, "middle": hours // 2, "end": hours}[label] * np.timedelta64(1, "h")
    table = {"time": stamps, "Tair_K": np.linspace(280.0, 283.0, len(sun)), "PSurf_Pa": [9e4] * len(sun)}
    table |= {"RH_frac": [0.7] * len(sun), "Wind_m_s": [3.0] * len(sun), "SWdown_W_m2": sun}
    table |= {"LWdown_W_m2": [310.0] * len(sun), "Precip_mm": np.arange(len(sun)) % 3.0} | columns
    rows = [",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]
    path = folder / "weather.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def series(table, minutes: int, steps: int) -> ForcingSeries:
    return ForcingSeries(table, table.times[0], 60.0 * minutes, steps, PrescribedVegetation(0.3))


def centroid(values: np.ndarray, minutes: int) -> float:
    hours = (np.arange(len(values)) + 0.5) * minutes / 60.0
    return float((values * hours).sum() / values.sum())


@pytest.mark.parametrize("minutes", [10, 30, 45, 60, 90])
def test_three_hourly_sunshine_keeps_its_sum_and_its_noon(tmp_path, minutes):
    table = open_forcing({"file": write(tmp_path, 3)})
    steps = 24 * 60 // minutes
    sun = series(table, minutes, 2 * steps).block(0, 2 * steps).shortwave_down.numpy()[steps:, 0]
    assert sun.sum() * minutes == pytest.approx(HOURLY.sum() * 60.0, rel=1e-12)
    assert centroid(sun, minutes) == pytest.approx(12.0, abs=1e-9)
    assert sun.min() >= 0.0


def test_a_line_through_a_record_stays_between_its_neighbours_and_keeps_its_mean():
    random = np.random.default_rng(3)
    records = random.uniform(0.0, 500.0, (40, 2)) * random.integers(0, 2, (40, 2))
    number = np.repeat(np.arange(40), 6)
    parts = means_of_steps(records, number, np.tile(np.arange(6.0) * 600.0, 40), 600.0, 3600.0, 0)
    np.testing.assert_allclose(parts.reshape(40, 6, 2).mean(axis=1), records, rtol=1e-13, atol=1e-10)
    assert parts.min() >= 0.0
    assert parts.max() <= records.max()


@pytest.mark.parametrize("label", ["start", "middle", "end"])
def test_the_same_weather_whatever_its_stamps_are(tmp_path, label):
    plain = open_forcing({"file": write(tmp_path, 1)})
    table = open_forcing({"file": write(tmp_path, 2, label), "time": {"label": label}})
    assert table.times[0] == plain.times[0]
    assert centroid(table.values["shortwave_down"][:12, 0], 120) == pytest.approx(12.0)


def test_instants_beside_sums_of_the_interval_before_them_are_brought_to_one_axis(tmp_path):
    path = write(tmp_path, 1)
    ends = {name: {"name": column, "label": "end"} for name, column in
            {"shortwave_down": "SWdown_W_m2", "precipitation": "Precip_mm"}.items()}  # fmt: skip
    table, plain = open_forcing({"file": path, "variables": ends}), open_forcing({"file": path})
    np.testing.assert_array_equal(table.times, plain.times[:-1])
    np.testing.assert_array_equal(table.values["air_temperature"], plain.values["air_temperature"][:-1])
    np.testing.assert_array_equal(table.values["shortwave_down"], plain.values["shortwave_down"][1:])


def test_half_intervals_beside_whole_ones_are_refused(tmp_path):
    variables = {"shortwave_down": {"name": "SWdown_W_m2", "label": "middle"}}
    with pytest.raises(ForcingError, match=r"shortwave_down are the middle .* Give all of them the same label"):
        open_forcing({"file": write(tmp_path, 1), "variables": variables})
