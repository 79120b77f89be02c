from __future__ import annotations

import pytest
import torch
from round_numbers import values

from noahpy_core.physics.canopy import intercept


def caught(water, supply, evaporation=0.0, fraction=0.5, capacity=0.5, dt=1000.0):
    return intercept(values(water), values(supply), values(evaporation), values(fraction), values(capacity), dt)


def test_a_dry_canopy_keeps_its_share_of_the_rain():
    result = caught(0.0, 4.0e-4)
    assert result.canopy_water.item() == pytest.approx(0.2, abs=1e-15)
    assert result.drip.item() == 0.0
    assert result.throughfall.item() == pytest.approx(2.0e-4, abs=1e-18)


def test_a_full_canopy_drips_what_it_cannot_hold():
    result = caught(0.4, 4.0e-4)
    # 0.4 + 1000 s x 2e-4 = 0.6 kg m-2 over a capacity of 0.5
    assert result.canopy_water.item() == 0.5
    assert result.drip.item() == pytest.approx(1.0e-4, rel=1e-12)
    assert result.throughfall.item() == pytest.approx(3.0e-4, rel=1e-12)


def test_bare_ground_receives_everything():
    result = caught(0.0, 4.0e-4, fraction=0.0)
    assert (result.canopy_water.item(), result.throughfall.item()) == (0.0, 4.0e-4)


def test_complete_vegetation_lets_only_drip_through():
    result = caught(0.5, 4.0e-4, fraction=1.0)
    assert result.throughfall.item() == result.drip.item() == pytest.approx(4.0e-4, rel=1e-12)


def test_evaporation_empties_the_canopy():
    result = caught(0.3, 0.0, evaporation=2.0e-4)
    assert result.canopy_water.item() == pytest.approx(0.1, abs=1e-15)
    assert result.created.item() == 0.0


def test_evaporation_beyond_the_store_is_booked_as_created():
    result = caught(0.1, 0.0, evaporation=2.0e-4)
    assert result.canopy_water.item() == 0.0
    assert result.created.item() == pytest.approx(1.0e-4, rel=1e-12)


def test_water_of_a_molecular_film_is_removed_and_booked():
    result = caught(0.9e-17, 0.0)
    assert result.canopy_water.item() == 0.0
    assert result.created.item() == -0.9e-20


def test_canopy_water_in_and_out_balance():
    generator = torch.Generator().manual_seed(1)
    water, supply, loss, fraction = (
        scale * torch.rand(500, generator=generator, dtype=torch.float64) for scale in (0.5, 1e-3, 3e-4, 1.0)
    )
    result = intercept(water, supply, loss, fraction, values(0.5), 1800.0)
    gain = 1800.0 * (supply - loss - result.throughfall + result.created)
    torch.testing.assert_close(result.canopy_water - water, gain, rtol=0.0, atol=1e-15)
