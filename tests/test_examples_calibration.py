"""The calibration examples in short versions: a twin is found again, real sites improve, optimisers are compared."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.slow
def test_a_twin_is_found_again_from_random_starts(example, shared, tmp_path, capsys):
    short = ["--days", "40", "--starts", "3", "--layers", "2", "--iterations", "8", "--folder", str(tmp_path)]
    result = example("calibrate_twin").main([*short, "--data", str(shared / "data" / "tgl")])
    assert result["arrived"] == 3
    # No more than this is fitted of the noise.
    assert float(result["losses"].min()) > 0.9 * result["floor"]
    # Two hundred values of each kind average the noise of a sensor out.
    assert result["distance"] < 0.2
    assert (tmp_path / "results" / "observed_soil_water.png").exists()
    assert " s\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("site", ["yakou", "toolik"])
def test_a_real_site_is_fitted_and_tested_on_other_days(example, shared, tmp_path, capsys, site):
    short = ["--days", "40", "--starts", "1", "--seeds", "1", "--iterations", "2", "--folder", str(tmp_path)]
    outcome, swapped = example("calibrate_sites").main([site, *short, "--data", str(shared / "data")])[site]
    rmse = {(row.series, row.period, row.run): row.scores.rmse for row in outcome.scores}
    fitted = [series for series, period, run in rmse if (period, run) == ("calibration", "calibrated")]
    assert len(fitted) >= 9
    better = [rmse[s, "calibration", "calibrated"] < rmse[s, "calibration", "configured"] for s in fitted]
    assert sum(better) > 0.7 * len(better)
    assert {period for _, period, _ in rmse} == {"calibration", "validation"}
    for split in ("as_given", "swapped"):
        assert (tmp_path / f"{site}_seed_0" / split / "calibrated.yaml").exists()
    assert {row.run for row in swapped.scores} >= {"ensemble", "air temperature regression"}
    assert f"{site}, all seeds together" in capsys.readouterr().out


@pytest.mark.slow
def test_optimisers_are_compared_with_the_same_number_of_runs(example, shared, tmp_path, capsys):
    pytest.importorskip("spotpy")
    pytest.importorskip("scikit_posthocs")
    short = ["--runs", "60", "--repetitions", "3", "--spans", "2016-01-05", "2016-01-25", "2016-02-05"]
    result = example("compare_optimisers").main([*short, "--folder", str(tmp_path), "--data", str(shared / "data")])
    first = {name: [losses[0] for losses in found.losses] for name, found in result["results"].items()}
    assert set(first) == {"adam", "lbfgs", "levenberg_marquardt", "sce_ua"}
    assert first["adam"] == pytest.approx(first["lbfgs"])  # the same starts
    for name, found in result["results"].items():
        assert all(np.all(np.diff(losses) <= 0.0) for losses in found.losses)
        # One iteration may begin within the budget and end beyond it.
        assert all(55 <= runs[-1] <= 60 + 27 for runs in found.runs), name
    text = capsys.readouterr().out
    assert "Friedman: p = " in text
    assert "theta_liq_0.40m_m3_m3" in text
    assert (tmp_path / "convergence.png").exists()


def test_missing_data_are_named_with_a_remedy(example, tmp_path):
    with pytest.raises(SystemExit, match="Give the folder"):
        example("calibrate_sites").main(["yakou", "--data", str(tmp_path)])
