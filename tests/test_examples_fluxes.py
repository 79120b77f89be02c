"""The example on measured fluxes: a short version, and what the whole year says."""

from __future__ import annotations

import math

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


def test_missing_data_are_named_with_a_remedy(example, tmp_path):
    with pytest.raises(SystemExit, match="Give the folder"):
        example("fluxes_bondville").main(["--data", str(tmp_path), "--folder", str(tmp_path)])
