from __future__ import annotations

import math

import pytest
import torch
from round_numbers import forcing, precipitation, values

from noahpy_core.physics.snow import (
    NoahSnowMelt,
    add_snowfall,
    compacted_density,
    new_snow_density,
    precipitation_phase,
    snow_conductivity,
    sublimate,
    sublimate_and_melt,
)
from noahpy_core.state import SnowState


@pytest.mark.parametrize(
    ("air", "skin", "phase"),
    [
        (270.0, 280.0, "snow"),
        (273.149, 280.0, "snow"),
        (273.15, 273.15, "freezing rain"),
        (275.0, 270.0, "freezing rain"),
        (273.15, 273.16, "rain"),
        (280.0, 280.0, "rain"),
    ],
)
def test_air_decides_between_snow_and_rain_and_the_skin_whether_rain_freezes(air, skin, phase):
    falling = precipitation_phase(forcing(air_temperature=values(air), precipitation=values(1e-4)), values(skin))
    assert falling.snow.item() == (1e-4 if phase == "snow" else 0.0)
    assert falling.freezing_rain.item() == (1e-4 if phase == "freezing rain" else 0.0)
    assert (falling.solid.item(), falling.liquid.item()) == ((0.0, 1e-4) if phase == "rain" else (1e-4, 0.0))


def test_without_precipitation_it_neither_snows_nor_freezes():
    falling = precipitation_phase(forcing(air_temperature=values(260.0)), values(260.0))
    assert [part.item() for part in falling] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("celsius", "density"), [(-40.0, 50.0), (-15.0, 50.0), (-14.0, 51.7), (-6.0, 95.9), (1.0, 158.8)]
)
def test_new_snow_density_follows_gottlib(celsius, density):
    # 50 + 1.7 (T + 15)^1.5: 1, 9^1.5 = 27, 16^1.5 = 64
    assert new_snow_density(values(273.15 + celsius)).item() == pytest.approx(density, rel=1e-10)


def test_conductivity_of_snow_grows_tenfold_per_444_kilograms_per_cubic_metre():
    conductivity = snow_conductivity(values(0.0, 200.0, 1000.0 / 2.25))
    base = 2.0 * 0.11631 * 0.328
    torch.testing.assert_close(conductivity, values(base, base * 2.8183829312644537, 10.0 * base), rtol=1e-12, atol=0.0)


def snowfall(rate: float, temperature: float = 258.15, water: float = 20.0, depth: float = 0.1):
    before = SnowState(values(water), values(depth), values(0.0))
    return add_snowfall(before, precipitation(snow=rate), values(temperature), 1000.0)


def test_snowfall_adds_its_water_and_its_depth():
    pack = snowfall(5.0e-3)
    # 5 kg m-2 at 50 kg m-3 are 0.1 m; 25 kg m-2 in 0.2 m
    assert pack.water_equivalent.item() == pytest.approx(25.0, rel=1e-14)
    assert pack.depth.item() == pytest.approx(0.2, rel=1e-14)
    assert pack.density.item() == pytest.approx(125.0, rel=1e-14)


def test_a_pack_without_snowfall_keeps_its_density():
    pack = snowfall(0.0)
    assert (pack.water_equivalent.item(), pack.depth.item()) == (20.0, 0.1)
    assert pack.density.item() == pytest.approx(200.0, rel=1e-15)


def test_snow_on_bare_ground_has_the_density_of_new_snow():
    pack = snowfall(5.0e-3, water=0.0, depth=0.0)
    assert pack.density.item() == pytest.approx(50.0, rel=1e-14)
    assert pack.present.item()


def test_a_trace_of_snowfall_has_the_density_of_new_snow():
    assert snowfall(1.0e-7, water=0.0, depth=0.0).density.item() == pytest.approx(50.0, rel=1e-14)


def test_snow_below_a_tenth_of_a_gram_is_removed_and_booked():
    pack = snowfall(0.0, water=0.9e-4, depth=1e-6)
    assert not pack.present.item()
    assert (pack.water_equivalent.item(), pack.removed.item()) == (0.0, 0.9e-4)


def test_no_snow_and_no_snowfall_leave_no_pack():
    pack = snowfall(0.0, water=0.0, depth=0.0)
    assert not pack.present.item()
    assert (pack.density.item(), pack.depth.item(), pack.removed.item()) == (0.0, 0.0, 0.0)


def compacted(density, water, celsius=-5.0, hours=24.0, base_celsius=-5.0):
    return compacted_density(
        values(density), values(water), values(273.15 + celsius), values(273.15 + base_celsius), hours * 3600.0
    ).item()


def test_compaction_of_a_day_is_worked_by_hand():
    # load 100 kg m-2 -> 10 cm; exponent 24 x 0.01 x exp(-0.4 - 21 x 0.2) x 10 = 2.4 exp(-4.6) = 0.02412440
    x = 2.4 * math.exp(-4.6)
    assert compacted(200.0, 100.0) == pytest.approx(200.0 * math.expm1(x) / x, rel=1e-9)


def test_compaction_is_faster_in_warm_heavy_and_light_packed_snow():
    reference = compacted(150.0, 50.0) - 150.0
    assert compacted(150.0, 50.0, celsius=-1.0) - 150.0 > reference
    assert compacted(150.0, 100.0) - 150.0 > reference
    assert compacted(250.0, 50.0) - 250.0 < reference
    assert compacted(150.0, 50.0, hours=48.0) - 150.0 > reference


def test_density_stays_between_50_and_400():
    assert compacted(20.0, 1.0) == pytest.approx(50.0, rel=1e-12)
    assert compacted(420.0, 1.0) == pytest.approx(400.0, rel=1e-12)


def test_melting_snow_takes_up_thirteen_per_cent_water_a_day():
    dry = compacted(200.0, 0.0, celsius=-1e-9, base_celsius=0.0)
    wet = compacted(200.0, 0.0, celsius=0.0, base_celsius=0.0)
    assert wet == pytest.approx(dry * 0.87 + 130.0, rel=1e-9)


def test_wet_snow_is_capped_at_400():
    assert compacted(390.0, 10.0, celsius=0.0) == pytest.approx(400.0, rel=1e-12)


def test_melt_takes_334_kilojoules_a_kilogram():
    assert NoahSnowMelt()(values(333.5)).item() == pytest.approx(1.0e-3, rel=1e-14)


def test_a_frozen_pack_loses_and_gains_vapour():
    balance = sublimate(values(10.0, 10.0), values(4.0, -2.0))
    assert balance.water_equivalent.tolist() == [6.0, 12.0]
    assert balance.melt.tolist() == balance.created.tolist() == [0.0, 0.0]


def test_sublimation_beyond_the_pack_is_booked_as_created():
    balance = sublimate(values(1.0), values(3.0))
    assert (balance.water_equivalent.item(), balance.created.item()) == (0.0, 2.0)


def test_a_melting_pack_gives_sublimation_first_and_then_melts():
    balance = sublimate_and_melt(values(10.0), values(4.0), values(2.0e-3), 1000.0)
    assert (balance.water_equivalent.item(), balance.melt.item(), balance.created.item()) == (4.0, 2.0e-3, 0.0)


def test_melt_is_limited_to_the_snow_at_hand():
    balance = sublimate_and_melt(values(10.0), values(4.0), values(1.0), 1000.0)
    assert (balance.water_equivalent.item(), balance.melt.item()) == (0.0, 6.0e-3)


def test_a_rest_below_a_gram_melts_too():
    balance = sublimate_and_melt(values(2.0), values(0.0), values(1.9995e-3), 1000.0)
    assert (balance.water_equivalent.item(), balance.melt.item()) == (0.0, 2.0e-3)


def test_a_pack_that_sublimation_empties_does_not_melt():
    balance = sublimate_and_melt(values(1.0), values(1.5), values(1.0e-3), 1000.0)
    assert (balance.water_equivalent.item(), balance.melt.item(), balance.created.item()) == (0.0, 0.0, 0.5)


def test_snow_that_the_forcing_names_stays_snow_in_warm_air_and_is_never_more_than_falls():
    warm = {"air_temperature": values(274.0), "precipitation": values(2e-4)}
    falling = precipitation_phase(forcing(**warm, snowfall=values(1.5e-4)), values(275.0))
    assert (falling.snow.item(), falling.liquid.item()) == (pytest.approx(1.5e-4), pytest.approx(0.5e-4))
    assert precipitation_phase(forcing(**warm, snowfall=values(3e-4)), values(275.0)).snow.item() == 2e-4
