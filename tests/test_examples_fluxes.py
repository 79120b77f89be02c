"""The example on measured fluxes: a short version, and what the whole year says."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest


@pytest.mark.slow
def test_fluxes_are_compared_with_regressions_of_other_weeks(example, shared, tmp_path):
    data = ["--data", str(shared / "data"), "--folder", str(tmp_path)]
    results = example("fluxes_bondville").main(["--days", "21", *data])
    assert {name for name, _ in results} >= {"Noah", "conservative", "regression on sunlight", "regression on three"}
    assert all(math.isfinite(found["nse"]) for found in results.values())


@pytest.mark.slow
def test_resistances_of_soil_and_canopy_mend_the_fluxes_of_a_year(example, shared, tmp_path):
    data = ["--data", str(shared / "data"), "--folder", str(tmp_path)]
    results = example("fluxes_bondville").main(data)
    for flux in ("latent_heat_flux", "sensible_heat_flux"):
        assert results["conservative", flux]["nse"] > results["conservative, as Noah", flux]["nse"] + 0.2
        assert results["conservative", flux]["nse"] > results["Noah", flux]["nse"]
    crops = results["conservative, crops", "latent_heat_flux"]
    assert crops["nse"] > results["regression on three", "latent_heat_flux"]["nse"]
    assert abs(crops["summer bias"]) < 10.0
    assert results["Noah", "latent_heat_flux"]["summer bias"] > 30.0
    # Against fluxes that add up, on days of which the gauge tells, sensible heat is no worse than the regression.
    closed = {
        name: results[name, "sensible_heat_flux"]["nse closed"] for name in ("conservative", "regression on three")
    }
    assert closed["conservative"] > closed["regression on three"]


def test_observations_that_agree_are_told_from_those_that_do_not(example):
    fluxes = example("fluxes_bondville")
    times = pd.date_range("1998-03-01", periods=4 * 48, freq="30min")
    sun = pd.Series(np.clip(600.0 * np.sin(2.0 * np.pi * (times.hour - 6) / 24.0), 0.0, None), index=times)
    known = pd.DataFrame({"shortwave_down": sun, "longwave_down": 300.0})
    albedo = np.where(times.day == 3, 0.7, 0.2)
    skin = 285.0 + 0.01 * sun
    net = (1.0 - albedo) * sun + fluxes.EMISSIVITY * (300.0 - fluxes.STEFAN_BOLTZMANN * skin**4)
    seen = pd.DataFrame({"latent_heat_flux": 0.5 * (net - 10.0), "sensible_heat_flux": 0.3 * (net - 10.0)})
    measured = pd.DataFrame({"net_radiation": net, "skin_temperature": skin, "ground_heat_flux": 10.0})
    found = fluxes.consistency(seen, known, measured)
    assert found.night_measured == pytest.approx(found.night_by_parts)
    assert found.closure == pytest.approx(0.8)
    assert found.snowy_days == ["1998-03-03"]
    # A radiometer that loses 20 W m-2 is found out at night.
    weak = measured.assign(net_radiation=measured.net_radiation + 20.0)
    assert fluxes.consistency(seen, known, weak).night_measured == pytest.approx(found.night_by_parts + 20.0)


def test_fluxes_are_closed_by_their_shares_of_the_day(example):
    times = pd.date_range("1998-06-01", periods=96, freq="30min")
    seen = pd.DataFrame({"latent_heat_flux": 30.0, "sensible_heat_flux": 10.0}, index=times)
    measured = pd.DataFrame({"net_radiation": 60.0 + np.arange(96.0), "ground_heat_flux": 5.0}, index=times)
    measured.loc[times[3], "net_radiation"] = np.nan
    found = example("fluxes_bondville").closed(seen, measured)
    lacking = measured.net_radiation - 5.0 - 40.0
    np.testing.assert_allclose(found.latent_heat_flux, 30.0 + 0.75 * lacking)
    np.testing.assert_allclose(found.sum(axis=1, skipna=False), measured.net_radiation - 5.0)
    assert found.isna().sum().tolist() == [1, 1]


def test_missing_data_are_named_with_a_remedy(example, tmp_path):
    with pytest.raises(SystemExit, match="Give the folder"):
        example("fluxes_bondville").main(["--data", str(tmp_path), "--folder", str(tmp_path)])
