"""The snow example at the real sites: published parameters meet what was measured, at every step."""

from __future__ import annotations

import pytest

SITES = ["col_de_porte", "reynolds_mountain_east"]


def good(found):
    assert found.water >= 0.90
    assert found.depth >= 0.85
    assert abs(found.days_late) <= 8
    assert not found.albedo > 0.08


def test_three_layers_with_steps_of_three_hours_are_as_good_as_wanted(example, shared):
    data = ["--data", str(shared / "data")]
    for found in example("snow_sites").main(["--steps", "10800", "--layers", "3", *data]).values():
        good(found)


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["3", "2"])
@pytest.mark.parametrize("site", SITES)
def test_steps_of_ten_minutes_to_an_hour_are_as_good(example, shared, site, layers):
    data = ["--data", str(shared / "data")]
    results = example("snow_sites").main([site, "--steps", "600", "1800", "3600", "--layers", layers, *data])
    assert len(results) == 3
    for found in results.values():
        good(found)


@pytest.mark.slow
def test_snow_without_the_measured_phase_is_still_good(example, shared, tmp_path):
    arguments = ["col_de_porte", "--steps", "3600", "--layers", "3", "--total", str(tmp_path)]
    data = ["--data", str(shared / "data")]
    (measured,) = example("snow_sites").main([*arguments[:5], *data]).values()
    (by_air,) = example("snow_sites").main([*arguments, *data]).values()
    assert by_air.water != measured.water
    assert by_air.water > 0.85


def test_missing_data_are_named_with_a_remedy(example, tmp_path):
    with pytest.raises(SystemExit, match="Give the folder"):
        example("snow_sites").main(["col_de_porte", "--data", str(tmp_path)])


def test_the_third_winter_names_the_forcing_that_it_needs(example, shared):
    data = ["--data", str(shared / "data")]
    with pytest.raises(SystemExit, match="no forcing_2001_2002_nopressure"):
        example("snow_sites").main(["col_de_porte_2001", *data])


def test_less_precipitation_is_less_snow(example, shared):
    data = ["--steps", "10800", "--layers", "3", "--data", str(shared / "data"), "--precipitation", "0.9"]
    (found,) = example("snow_sites").main(["col_de_porte", *data]).values()
    # With a tenth less, the peak is the observed one.
    assert abs(found.peak[0] - found.peak[1]) < 20.0
    assert found.water > 0.95
