"""The example on what the pieces of the conservative column do to a site."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch


def test_numbers_of_a_made_up_run_are_those_worked_by_hand(example):
    thickness = np.array([0.2, 0.4, 19.0])
    times = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    one = torch.ones(5, dtype=torch.float64)
    celsius = torch.stack([4.0 * times - 3.0, 2.0 * times - 1.0, -2.0 * one], 1)
    series = {
        "soil.temperature": 273.15 + celsius, "skin_temperature": 263.15 + 8.0 * times,
        "snow.water_equivalent": 40.0 * times, "evapotranspiration": 1.0e-6 * one, "surface_runoff": 1.0e-7 * one,
        "saturation_excess": 2.0e-7 * one, "drainage": 3.0e-7 * one,
    }  # fmt: skip
    found = example("noah_and_conservative").summary(series, thickness)
    assert found.thaw == pytest.approx(0.6)
    assert found.shallow == pytest.approx(0.0)
    assert found.skin == pytest.approx((-6.0, -10.0))
    assert found.snow == 40.0
    assert (found.evaporated, found.surface_runoff, found.drained) == pytest.approx((31.536, 9.4608, 9.4608))


@pytest.mark.slow
def test_the_column_holds_more_snow_than_noah_and_closes_its_water(example):
    names = ["noah-permafrost", "conservative"]
    noah, column = example("noah_and_conservative").main(["--years", "2", "--step", "10800", "--sets", *names]).values()
    assert column.snow > 1.3 * noah.snow
    assert all(math.isfinite(value) for value in (noah.deep, column.deep))
    # As much leaves as falls, but for what two years of spin-up have not settled.
    leaving = [found.evaporated + found.surface_runoff + found.drained for found in (noah, column)]
    assert leaving[0] == pytest.approx(leaving[1], rel=0.15)
