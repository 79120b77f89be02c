"""Diagnostics of permafrost on series whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bmi_noahpy.output.permafrost import active_layer_thickness, mean_ground_temperature, snow_days

DEPTH = np.array([0.05, 0.2, 0.5, 1.0, 2.0, 4.0])
DAYS = np.arange(365.0)


def damped_wave(mean: float, amplitude: float, scale: float) -> np.ndarray:
    """The analytic yearly wave of a homogeneous ground, ``[time, layer]``."""
    phase = 2.0 * np.pi * DAYS[:, None] / 365.0 - DEPTH / scale
    return 273.15 + mean + amplitude * np.exp(-DEPTH / scale) * np.sin(phase)


def test_thaw_depth_of_a_damped_wave_is_where_its_envelope_falls_to_freezing():
    temperature = damped_wave(-4.0, 15.0, 1.2)
    envelope = -4.0 + 15.0 * np.exp(-DEPTH / 1.2)
    expected = np.interp(0.0, envelope[::-1], DEPTH[::-1])
    assert active_layer_thickness(temperature, DEPTH) == pytest.approx(expected, abs=1e-3)
    assert 1.0 < expected < 2.0


def test_thaw_that_comes_at_different_times_in_different_layers_counts():
    temperature = np.full((3, 6), 270.0)
    temperature[0, 0] = temperature[1, 1] = temperature[2, 2] = 274.15
    assert active_layer_thickness(temperature, DEPTH) == pytest.approx(0.5 + 0.5 * 1.0 / 4.15)


def test_ground_that_never_thaws_always_thaws_or_is_missing_is_told_apart():
    temperature = np.empty((4, 6, 3))
    temperature[..., 0], temperature[..., 1], temperature[..., 2] = 268.0, 276.0, np.nan
    thickness = active_layer_thickness(temperature, DEPTH)
    assert thickness[0] == 0.0
    assert np.isnan(thickness[1:]).all()


def test_unfrozen_ground_below_permafrost_is_not_the_active_layer():
    temperature = np.array([[275.15, 271.15, 271.15, 272.0, 274.0, 275.0]])
    assert active_layer_thickness(temperature, DEPTH) == pytest.approx(0.05 + 0.15 / 2)


def test_maps_keep_their_shape():
    temperature = damped_wave(-4.0, 15.0, 1.2)[:, :, None, None] + np.linspace(-2.0, 2.0, 6).reshape(2, 3)
    thickness = active_layer_thickness(temperature, DEPTH)
    assert thickness.shape == (2, 3)
    assert np.all(np.diff(thickness.ravel()) > 0)


def test_the_mean_at_a_depth_is_linear_between_layers():
    temperature = damped_wave(-4.0, 15.0, 1.2) + 0.5 * DEPTH
    assert mean_ground_temperature(temperature, DEPTH, 3.0) == pytest.approx(269.15 + 1.5, abs=1e-9)
    assert mean_ground_temperature(temperature, DEPTH, 0.05) == pytest.approx(269.15 + 0.025, abs=1e-9)


@pytest.mark.parametrize("at", [0.01, 4.5])
def test_a_depth_beyond_the_layers_is_refused(at):
    with pytest.raises(ValueError, match=rf"{at:g} m is not within .* 0\.05 to 4 m"):
        mean_ground_temperature(damped_wave(0.0, 1.0, 1.0), DEPTH, at)


def test_depths_that_do_not_fit_the_layers_are_refused():
    with pytest.raises(ValueError, match="5 depths for 6 layers"):
        active_layer_thickness(damped_wave(0.0, 1.0, 1.0), DEPTH[:5])


def test_days_with_snow_are_counted_as_days_of_a_year():
    depth = np.zeros((365, 3))
    depth[:200, 0], depth[:200, 1] = 0.3, 0.005
    depth[:, 2] = np.nan
    assert snow_days(depth)[:2] == pytest.approx([200 * 365.25 / 365, 0.0])
    assert np.isnan(snow_days(depth)[2])
    halved = np.repeat(depth, 8, axis=0)
    np.testing.assert_allclose(snow_days(halved), snow_days(depth))
