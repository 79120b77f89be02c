"""Variational assimilation: the gradient of its objective, and that it finds the truth."""

from __future__ import annotations

import numpy as np
import pytest


def misfit(example, window, observed, controls, record=False):
    found = window.forward(controls[:, None], record=record)
    parts = {name: (found[name][..., 0] - observed[name]) / error for name, (_, error) in example.SENSORS.items()}
    by_values = {name: parts[name] / error for name, (_, error) in example.SENSORS.items()}
    return 0.5 * sum(float((part**2).sum()) for part in parts.values()), by_values


@pytest.mark.slow
def test_the_gradient_of_the_misfit_is_that_of_differences(example, tmp_path):
    variational = example("assimilate_variational")
    window = variational.open_window(tmp_path, 3, 1)
    random = np.random.default_rng(1)
    observed, _ = variational.observe(window, np.ones(window.layers), random)
    controls, direction = 0.3 * random.normal(size=(2, window.variables))
    _, by_values = misfit(variational, window, observed, controls, record=True)
    found = float(window.gradient(by_values, controls) @ direction)
    ends = [misfit(variational, window, observed, controls + sign * 1e-5 * direction)[0] for sign in (1.0, -1.0)]
    assert found == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


@pytest.mark.slow
def test_fit_and_filter_of_the_same_observations_know_their_errors_and_the_fit_is_nearer(example, tmp_path, capsys):
    variational = example("assimilate_variational")
    result = variational.main(["--days", "12", "--members", "12", "--folder", str(tmp_path)])
    fitted, ensemble = result["4D-Var"], result["filter"]
    assert fitted["error"] < ensemble["error"] < 0.3 * result["first guess"]["error"]
    assert fitted["error"] < 3.0 * fitted["spread"]
    assert ensemble["error"] < 3.0 * ensemble["spread"]
    assert result["found"]["bias of the air"] == pytest.approx(variational.TRUE_BIAS, abs=0.15)
    assert "4D-Var" in capsys.readouterr().out
