"""The coupling examples in their short versions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import matplotlib
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(autouse=True)
def _no_windows():
    matplotlib.use("Agg")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def test_runoff_of_noahpy_is_routed_by_landlab_and_no_water_is_lost(tmp_path, capsys):
    pytest.importorskip("landlab", reason="needs landlab (pip install landlab)")
    result = load("overland_flow").main(["--hours", "4", "--folder", str(tmp_path)])
    alone, pair = result["residuals"]
    assert abs(alone) < 1e-9
    assert abs(pair) < 1e-9
    runoff, outflow = result["series"].T
    assert runoff[:3].min() > 1e-4
    assert runoff[3:].max() < 1e-6
    assert outflow.argmax() == 2
    assert outflow.min() > 0.0
    assert 0.0 < result["left"] < result["given"]
    assert result["depth"].min() >= 0.0
    assert "pair   : rain 120.0000" in capsys.readouterr().out
    assert is_picture(tmp_path / "overland_flow.png")


def test_every_runoff_column_reaches_its_own_landlab_nodes(tmp_path):
    pytest.importorskip("landlab", reason="needs landlab (pip install landlab)")
    example = load("overland_flow")
    landlab = example.start_landlab(tmp_path, example.start_noahpy(tmp_path, 1))
    mapping = example.Mapping(landlab)
    values = np.arange(1.0, 13.0)
    nodes = mapping.to_nodes(values)
    assert mapping.inside(nodes).mean() == pytest.approx(values.mean())
    assert nodes[1, 1] == 1.0
    assert nodes[1, -2] == 4.0
    assert nodes[-2, 1] == 9.0
    assert nodes[0].max() == nodes[:, 0].max() == nodes[-1].max() == nodes[:, -1].max() == 0.0


@pytest.mark.slow
def test_noahpy_and_the_kudryavtsev_model_agree_on_where_the_active_layer_is_thick(tmp_path):
    pytest.importorskip("permamodel", reason="needs permamodel (pip install permamodel)")
    result = load("permafrost_models").main(["--years", "1", "--folder", str(tmp_path)])
    noahpy, ku = result["noahpy"], result["ku"]
    assert result["agreement"] > 0.8
    assert np.isfinite(noahpy["active_layer_thickness"]).sum() >= 15
    assert (ku["active_layer_thickness"] > 0.5).all()
    south, north = (noahpy["air_temperature"].reshape(5, 5)[row].mean() for row in (0, -1))
    assert south - north == pytest.approx(2.5)
    snow = noahpy["snow_thickness"].reshape(5, 5)
    assert (snow[:, -1] > snow[:, 0]).all()
    assert is_picture(tmp_path / "permafrost_models.png")


def test_values_set_through_bmi_are_what_the_kudryavtsev_model_computes_with(tmp_path):
    pytest.importorskip("permamodel", reason="needs permamodel (pip install permamodel)")
    example = load("permafrost_models")
    cells = example.ROWS * example.COLUMNS
    year = {
        "air_temperature": np.linspace(-9.0, -3.0, cells), "temperature_amplitude": np.full(cells, 16.0),
        "snow_thickness": np.full(cells, 0.3), "snow_density": np.full(cells, 240.0),
        "soil_water_content": np.full(cells, 0.3),
    }  # fmt: skip
    answers = example.run_ku(example.start_ku(tmp_path), year)
    assert (np.diff(answers["permafrost_temperature"]) > 0.0).all()
    assert (np.diff(answers["active_layer_thickness"]) > 0.0).all()


@pytest.mark.parametrize(
    ("warmest", "depth"),
    [([5.0, 1.0, -1.0, -2.0], 0.75), ([5.0, 1.0, 0.5, 0.1], np.inf), ([-1.0, -2.0, -2.0, -2.0], 0.0)],
)
def test_the_active_layer_ends_where_the_warmest_temperature_crosses_freezing(warmest, depth):
    pytest.importorskip("permamodel", reason="needs permamodel (pip install permamodel)")
    assert load("permafrost_models").thaw_depth(np.array(warmest), np.array([0.1, 0.5, 1.0, 2.0])) == depth


def test_assimilated_soil_temperature_brings_the_ensemble_to_the_truth(tmp_path, capsys):
    result = load("assimilate_soil_temperature").main(["--days", "8", "--members", "12", "--folder", str(tmp_path)])
    assert result["errors"]["corrected"] < 0.8 * result["errors"]["free"]
    deepest = [abs(result[row][-1][5].mean() - result["truth"][-1][5]) for row in ("corrected", "free")]
    assert deepest[0] < 0.5 * deepest[1]
    assert np.array_equal(result["free"][0], result["corrected"][0])
    assert result["corrected"][-1][5].std() < result["free"][-1][5].std()
    assert "corrected ensemble" in capsys.readouterr().out
    assert is_picture(tmp_path / "assimilation.png")


def test_the_kalman_filter_takes_the_weighted_mean_of_forecast_and_observation():
    example = load("assimilate_soil_temperature")
    random = np.random.default_rng(1)
    forecast = 280.0 + random.normal(0.0, 1.0, (7, 4000))
    observed = np.array([281.0, 281.0, 281.0])
    analysis = example.analyse(forecast, observed, np.arange(7.0) * 100.0, random)
    weight = 1.0 / (1.0 + example.OBSERVATION_ERROR**2)
    assert np.allclose(analysis[list(example.OBSERVED_LAYERS)].mean(1), 280.0 + weight, atol=0.05)
    assert np.allclose(analysis[[0, 2, 4, 6]], forecast[[0, 2, 4, 6]])
