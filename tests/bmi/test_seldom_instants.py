"""States written every few steps are instants: nothing takes them for means of the day."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from made_up_run import made_up_run, output_spec, write_steps
from matplotlib.figure import Figure
from typer.testing import CliRunner

from bmi_noahpy import compare_runs, permafrost_table, plot_output, plot_series
from bmi_noahpy.cli import app
from bmi_noahpy.observations.observed import Observed, pair
from bmi_noahpy.observations.reading import read_observations
from bmi_noahpy.observations.simulated import PlotError, SamplingWarning, Series, TooSeldom, read_column
from bmi_noahpy.output import OutputWriter
from noahpy_core.quantities import replace_quantity

START = np.datetime64("2007-04-01", "ns")
HOUR = np.timedelta64(1, "h")
DAYS = 4


def skin_kelvin(number: int) -> float:
    """Coldest at midnight: -5 K there, 0 K in the mean of the day, half a kelvin warmer every day."""
    hours = 3.0 * (number + 1)
    return 273.15 - 5.0 * np.cos(2.0 * np.pi * hours / 24.0) + 0.5 * np.floor(number / 8)


def write_run(path: Path, *, start: str = "2007-04-01T00:00", **spec) -> Path:
    """Four days of 3-hourly steps; net radiation is 0, 1, ... 31 W m-2."""
    run = made_up_run(step=10800.0, steps=8 * DAYS, start=start)

    def change(number, state, fluxes):
        state = replace_quantity(state, "skin_temperature", torch.full_like(state.snow.depth, skin_kelvin(number)))
        for name, value in (("absorbed_radiation", float(number)), ("longwave_up", 0.0)):
            fluxes = replace_quantity(fluxes, name, torch.full_like(fluxes.longwave_up, value))
        return state, fluxes

    with OutputWriter(path, run, output_spec(**spec)) as writer:
        write_steps(writer, run, 8 * DAYS, change=change)
    return path


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Pictures take seconds and are tested with the figures."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: Path(path).touch())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same run written every step, every second, fourth and eighth step, and as daily means."""
    folder = tmp_path_factory.mktemp("seldom")
    for every in (1, 2, 4, 8):
        write_run(folder / f"every{every}.nc", every=every)
    write_run(folder / "daily.nc", daily=["mean"])
    return folder


def daily_means(path: Path, *, radiation: bool = True) -> Path:
    """True daily means of that run, as a station reports them."""
    rows = ["time_utc,Tskin_K" + (",net_radiation_W_m2" if radiation else "")]
    for day in range(DAYS):
        row = f"2007-04-{day + 1:02d}T00:00:00Z,{273.15 + 0.5 * day}"
        rows.append(row + (f",{8 * day + 3.5}" if radiation else ""))
    path.write_text("\n".join(rows) + "\n")
    return path


def of_skin(table):
    (row,) = table[table["variable"] == "skin_temperature"].to_dict("records")
    return row


@pytest.mark.parametrize("other", [1, 2, 4])
def test_a_run_written_every_eighth_step_equals_itself_written_more_often(folder, tmp_path, other):
    for pair_of in ((8, other), (other, 8)):
        _, table = compare_runs([folder / f"every{every}.nc" for every in pair_of], folder=tmp_path)
        row = of_skin(table)
        assert (row["compared"], row["count"]) == ("instants", DAYS)
        assert row["mean"] == pytest.approx(-5.0 + 0.75, abs=1e-9)
        assert row["root_mean_square_difference"] == 0.0
        fluxes = table[table["variable"] == "net_radiation"].to_dict("records")[0]
        assert (fluxes["compared"], fluxes["count"], fluxes["mean"]) == ("daily means", DAYS, 15.5)
        assert fluxes["root_mean_square_difference"] == 0.0


def test_runs_written_every_step_are_compared_by_true_means_of_days(folder, tmp_path):
    _, table = compare_runs([folder / "every1.nc", folder / "daily.nc"], folder=tmp_path)
    row = of_skin(table)
    assert (row["compared"], row["count"]) == ("daily means", DAYS)
    assert row["mean"] == pytest.approx(0.75, abs=1e-9)
    assert row["root_mean_square_difference"] == pytest.approx(0.0, abs=1e-9)


def test_instants_are_not_compared_with_means_and_the_remedy_is_named(folder, tmp_path):
    with pytest.warns(SamplingWarning, match=r"skin_temperature .* instant every 24 h .* output\.daily: \[mean\]"):
        _, table = compare_runs([folder / "every8.nc", folder / "daily.nc"], folder=tmp_path)
    assert "skin_temperature" not in set(table["variable"])
    assert "net_radiation" in set(table["variable"])


def test_scores_of_true_daily_means_are_perfect_when_every_step_is_written(folder, tmp_path):
    observations = daily_means(tmp_path / "station.csv")
    *_, scores = plot_output(folder / "every1.nc", observations=observations, folder=tmp_path)
    text = scores.read_text()
    assert "Tskin_K" in text
    assert "net_radiation_W_m2" in text
    pairs = pair(read_column(folder / "every1.nc").series("skin_temperature"), read_observations(observations)[0])
    np.testing.assert_allclose(pairs.simulated, pairs.observed, atol=1e-9)


def test_means_are_not_scored_against_instants_while_fluxes_still_are(folder, tmp_path):
    observations = daily_means(tmp_path / "station.csv")
    with pytest.warns(SamplingWarning, match=r"not scored: Tskin_K: observed means of 24 h.*output\.every: 1"):
        *_, scores = plot_output(folder / "every8.nc", observations=observations, folder=tmp_path)
    header, row = scores.read_text().splitlines()
    found = dict(zip(header.split(","), row.split(","), strict=True))
    assert (found["column"], found["count"]) == ("net_radiation_W_m2", str(DAYS))
    assert float(found["rmse"]) == pytest.approx(0.0, abs=1e-9)


def test_the_command_says_on_its_error_stream_what_was_not_scored(folder, tmp_path):
    observations = daily_means(tmp_path / "station.csv")
    arguments = ["plot", str(folder / "every8.nc"), "--observations", str(observations), "--folder", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "not scored: Tskin_K" in " ".join(result.stderr.split())
    assert "not scored" not in result.stdout


@pytest.mark.parametrize("every", [4, 8])
def test_means_alone_are_refused_with_the_remedy(folder, tmp_path, every):
    observations = daily_means(tmp_path / "station.csv", radiation=False)
    with pytest.raises(TooSeldom, match=rf"an instant every {3 * every} h.*output\.every: 1.*--window instant"):
        plot_output(folder / f"every{every}.nc", observations=observations, folder=tmp_path)


def test_observed_instants_meet_simulated_ones_of_their_time_only(folder):
    simulated = read_column(folder / "every8.nc").series("skin_temperature")
    times = START + np.array([12, 24, 36, 48, 60]) * HOUR
    observed = Observed("station", "skin_temperature", None, times, np.zeros(5), 43200.0)
    pairs = pair(simulated, observed, "instant").complete()
    assert pairs.times.tolist() == times[[1, 3]].tolist()
    np.testing.assert_allclose(pairs.simulated, [268.15, 268.65], atol=1e-9)


def test_daily_instants_of_a_file_of_observations_are_not_taken_for_means(folder, tmp_path):
    with xr.open_dataset(folder / "every8.nc") as data:
        data[["skin_temperature", "time_bnds"]].to_netcdf(tmp_path / "observed.nc")
    (observed,) = read_observations(tmp_path / "observed.nc")
    assert observed.window == "instant"
    pairs = pair(read_column(folder / "every1.nc").series("skin_temperature"), observed).complete()
    assert pairs.times.size == DAYS
    np.testing.assert_array_equal(pairs.simulated, pairs.observed)


def test_instants_three_hours_apart_of_shorter_steps_still_give_a_mean_of_the_day():
    ends = START + np.arange(3, 51, 3) * HOUR
    hourly = Series("x", "K", ends - HOUR, ends, ends, np.tile(np.arange(8.0), 2), 10800.0)
    assert hourly.gives_means_over(86400.0)
    np.testing.assert_array_equal(hourly.daily().values, [3.5, 3.5])
    assert not hourly.gives_means_over(6 * 3600.0)


def test_lines_of_instants_are_drawn_where_they_hold_and_not_averaged(folder):
    axes = plot_series(folder / "every8.nc", "skin_temperature", Figure().subplots())
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_ydata(), -5.0 + 0.5 * np.arange(DAYS), atol=1e-9)
    np.testing.assert_array_equal(line.get_xdata(), START + 24 * HOUR * np.arange(1, DAYS + 1))


def test_the_yearly_table_says_that_its_days_are_instants(folder):
    with pytest.warns(SamplingWarning, match="soil_temperature was written as an instant every 24 h"):
        seldom = permafrost_table(folder / "every8.nc", depths=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = permafrost_table(folder / "every1.nc", depths=())
    assert seldom["days"].sum() <= DAYS + 1
    assert table["year"].tolist() == [2007]


def test_a_file_says_which_of_its_variables_are_instants(folder):
    with xr.open_dataset(folder / "every8.nc") as data:
        assert data["skin_temperature"].attrs["cell_methods"] == "time: point"
        assert data["net_radiation"].attrs["cell_methods"] == "time: mean"
    column = read_column(folder / "every8.nc")
    assert column.series("skin_temperature").spacing == 86400.0
    assert column.series("net_radiation").spacing is None
    assert read_column(folder / "every1.nc").series("skin_temperature").spacing is None
    assert issubclass(TooSeldom, PlotError)
