"""Several runs on the same axes, and panels on one's own."""

from __future__ import annotations

import pandas as pd
import pytest
from configurations import changed, write, write_weather
from matplotlib.figure import Figure
from typer.testing import CliRunner

from bmi_noahpy import compare_runs, plot_section, plot_series, simulate
from bmi_noahpy.cli import app
from bmi_noahpy.config import load_configuration
from bmi_noahpy.observations.simulated import PlotError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs of the same days, one in warmer air, with other layers."""
    folder = tmp_path_factory.mktemp("runs")
    write_weather(folder / "weather.csv")
    for name, offset, thickness in (("cold", 0.0, [0.1, 0.3, 0.6, 1.0]), ("warm", 4.0, [0.2, 0.3, 0.6, 1.0, 1.0])):
        changes = {
            "soil.thickness": thickness,
            "soil.classes": 7,
            "initial.soil_temperature": 275.0,
            "initial.soil_moisture": 0.3,
            "initial.soil_liquid": 0.3,
            "period.end": "2020-01-02T18:00",
            "forcing": {"file": "weather.csv", "corrections": {"air_temperature": {"offset": offset}}},
        }
        data = simulate(load_configuration(write(folder / f"{name}.yaml", changed(changes))))
        data.to_netcdf(folder / f"{name}.nc")
    return folder


def test_figures_and_a_table_of_differences_are_written(folder, tmp_path):
    written, table = compare_runs([folder / "cold.nc", folder / "warm.nc"], folder=tmp_path)
    assert [path.name for path in written] == [
        "cold_compared_soil.png",
        "cold_compared_series.png",
        "cold_compared.csv",
    ]
    assert all(path.stat().st_size > 200 for path in written)
    shown = table.set_index(["variable", "depth_m"])
    assert shown.loc[("skin_temperature", float("nan")), "mean_difference"] > 1.0
    assert {0.1, 0.5, 1.0} <= set(table.loc[table["variable"] == "soil_temperature", "depth_m"])
    assert len(pd.read_csv(written[-1])) == len(table)


def test_a_run_compared_with_itself_does_not_differ(folder, tmp_path):
    _, table = compare_runs([folder / "cold.nc", folder / "cold.nc"], labels=["a", "b"], folder=tmp_path)
    assert (table["root_mean_square_difference"] == 0.0).all()


def test_the_command_prints_the_table_and_its_files(folder, tmp_path):
    arguments = ["compare", str(folder / "cold.nc"), str(folder / "warm.nc"), "--folder", str(tmp_path)]
    result = CliRunner().invoke(app, [*arguments, "--label", "today", "--label", "warmer"])
    assert result.exit_code == 0, result.output
    assert "mean of today" in result.stdout
    assert f"Comparison: {tmp_path / 'cold_compared.csv'}" in result.stdout


def test_one_file_and_labels_that_do_not_fit_are_refused(folder):
    with pytest.raises(PlotError, match="Give at least two"):
        compare_runs([folder / "cold.nc"])
    with pytest.raises(PlotError, match="3 labels for 2 files"):
        compare_runs([folder / "cold.nc", folder / "warm.nc"], labels=["a", "b", "c"])


def test_panels_are_drawn_on_the_axes_given_and_give_them_back(folder):
    axes = Figure().subplots(2)
    assert plot_section(folder / "cold.nc", axes=axes[0]) is axes[0]
    drawn = plot_series(folder / "cold.nc", "soil.temperature", axes[1], depth=0.5, label="cold")
    assert drawn is axes[1]
    assert (
        plot_series(folder / "warm.nc", "soil.temperature", drawn, depth=0.5)
        .get_ylabel()
        .startswith("soil temperature at 0.5 m")
    )
    assert len(drawn.get_lines()) == 2
    assert -20.0 < drawn.get_lines()[0].get_ydata()[0] < 20.0


def test_a_panel_of_what_is_not_there_is_refused(folder):
    with pytest.raises(PlotError, match="no soil_suction"):
        plot_section(folder / "cold.nc", "soil_suction")
    with pytest.raises(PlotError, match="Say at which depth"):
        plot_series(folder / "cold.nc", "soil_temperature")
    with pytest.raises(PlotError, match="the soil ends at 2 m"):
        plot_series(folder / "cold.nc", "soil_temperature", depth=9.0)
    with pytest.raises(PlotError, match="has no layers"):
        plot_section(folder / "cold.nc", "skin_temperature")
