"""The learning examples in their short versions: they train, score, draw, and leave files that a run takes."""

from __future__ import annotations

import warnings

import pytest
from typer.testing import CliRunner

from bmi_noahpy import TrainingWarning
from bmi_noahpy.cli import app


def assert_runs(configuration):
    done = CliRunner().invoke(app, ["run", str(configuration)])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param("learn_thermal_conductivity", marks=pytest.mark.slow), "learn_evaporation"]
)
def test_a_learned_scheme_is_better_than_before_on_days_it_has_not_seen(name, example, tmp_path, capsys):
    result = example(name).main(["--short", "--folder", str(tmp_path)])
    scores = result["scores"]
    held_out = 1
    assert scores["trained network"][held_out] < 0.6 * scores["untrained network"][held_out]
    assert len(result["losses"]) >= 6
    assert (tmp_path / "relation.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "trained network" in printed
    assert "Training took" in printed
    assert_runs(result["configuration"])


@pytest.mark.slow
def test_an_interrupted_example_goes_on_to_the_same_result(example, tmp_path):
    module = example("learn_thermal_conductivity")
    site = module.open_site(None, None, 8, 4)
    folders = [tmp_path / name for name in ("whole", "parts")]
    for folder in folders:
        folder.mkdir()
    whole = module.learn(site, 5, 3, folders[0])
    module.learn(site, 5, 1, folders[1])
    parts = module.learn(site, 5, 3, folders[1])
    assert parts["losses"] == whole["losses"]
    assert parts["scores"]["trained network"] == whole["scores"]["trained network"]


@pytest.mark.slow
def test_parameters_from_covariates_beat_the_tables_in_columns_never_seen(example, tmp_path, capsys):
    result = example("learn_parameters_from_covariates").main(["--short", "--folder", str(tmp_path)])
    scores, held_out = result["scores"], 1
    assert scores["network"][held_out] < 0.6 * scores["model's tables"][held_out]
    assert "log10 K_sat" in capsys.readouterr().out
    assert (tmp_path / "parameters.png").stat().st_size > 10_000
    assert_runs(result["configuration"])


@pytest.mark.slow
def test_a_conductivity_is_learned_on_real_forcing(example, shared, tmp_path):
    """The Tanggula site, when its data are there."""
    module = example("learn_thermal_conductivity")
    site = module.open_site(shared / "data" / "tgl" / "forcing.txt", None, 12, 6)
    result = module.learn(site, 8, 5, tmp_path)
    assert result["losses"][-1] < result["losses"][0]


@pytest.mark.slow
def test_a_network_is_judged_on_real_years_it_has_not_seen(example, shared, tmp_path, capsys):
    """Yakou, when its data are there; good or bad, the table says so."""
    module = example("learn_yakou")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        result = module.main(["--short", "--data", str(shared / "data" / "yakou"), "--folder", str(tmp_path)])
    losses, table = result["losses"], result["table"]
    assert losses.test == table["trained network"]["test"]
    assert losses.built_in == table["built-in scheme"]["test"]
    assert len(losses.validation) == 2
    assert losses[1] < losses[0]
    assert "weights of epoch" in capsys.readouterr().out
    assert (tmp_path / "weights.pt").is_file()


def test_without_its_data_the_example_says_what_is_missing(example, tmp_path, capsys):
    with pytest.raises(SystemExit):
        example("learn_yakou").main(["--data", str(tmp_path)])
    assert "no forcing.csv and no observations.csv" in capsys.readouterr().err
