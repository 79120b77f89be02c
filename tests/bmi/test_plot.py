from __future__ import annotations

import csv
import itertools
from pathlib import Path

import matplotlib.dates
import numpy as np
import pytest
import torch
from made_up_run import made_up_run, output_spec, write_steps

from bmi_noahpy.observations.notes import ObservationWarning
from bmi_noahpy.observations.observed import Observed, at_depth, pair
from bmi_noahpy.observations.reading import read_observations
from bmi_noahpy.observations.scores import scores
from bmi_noahpy.observations.simulated import PlotError, Series, read_column
from bmi_noahpy.output import OutputWriter
from bmi_noahpy.plot import plot_output
from bmi_noahpy.plot.comparison import compare, comparison_figures
from bmi_noahpy.plot.simulation import energy_figure, snow_figure, soil_figure
from noahpy_core.quantities import replace_quantity

DEEP = (0.05, 0.1, 0.15, 0.3, 0.6, 1.0, 2.0, 4.0, 6.0)
START = np.datetime64("2007-04-01", "ns")
HOUR = np.timedelta64(1, "h")


def soil_kelvin(thickness, days: float) -> torch.Tensor:
    """Warmer than melting above 0.4 m + 1 cm a day, colder below, linear with depth."""
    edges = torch.cumsum(torch.tensor(thickness, dtype=torch.float64), 0)
    middle = edges - 0.5 * torch.tensor(thickness, dtype=torch.float64)
    return (273.15 + 5.0 * (0.4 + 0.01 * days - middle))[:, None]


def simulate(path: Path, *, thickness=DEEP, step: float = 10800.0, steps: int = 160, spec=None, **grid) -> Path:
    """An output file with a thawing soil, growing snow and a daily cycle in net radiation."""
    run = made_up_run(thickness=thickness, step=step, steps=steps, **grid)

    def change(number, state, fluxes):
        days = (number + 1) * step / 86400.0
        soil = soil_kelvin(thickness, days).expand(-1, run.domain.columns)
        snow = torch.full_like(state.snow.depth, days / 100.0)
        sun = torch.full_like(fluxes.longwave_up, 100.0 * np.sin(2.0 * np.pi * days))
        state = replace_quantity(state, "soil.temperature", soil)
        state = replace_quantity(state, "soil.liquid_water", 0.3 * torch.sigmoid(soil - 273.15))
        state = replace_quantity(replace_quantity(state, "snow.depth", snow), "snow.water_equivalent", 250.0 * snow)
        fluxes = replace_quantity(fluxes, "absorbed_radiation", 300.0 + sun)
        return state, replace_quantity(fluxes, "longwave_up", torch.full_like(sun, 280.0))

    with OutputWriter(path, run, spec or output_spec()) as writer:
        write_steps(writer, run, steps, block=40, change=change)
    return path


def series(values, hours: float = 24.0, *, state: bool = False) -> Series:
    values = np.asarray(values, dtype=float)
    length = np.timedelta64(round(hours * 3600), "s").astype("timedelta64[ns]")
    begin = START + np.arange(len(values)) * length
    end = begin + length
    return Series("x", "1", begin, end, end if state else begin + length // 2, values)


def observed(values, *, hours: float = 24.0, first: float = 0.0, quantity: str = "snow_depth") -> Observed:
    times = START + np.round((first + hours * np.arange(len(values))) * 3600).astype("timedelta64[s]")
    return Observed("column", quantity, None, times, np.asarray(values, dtype=float), hours * 3600.0)


def write_observations(path: Path, columns: dict[str, list[float]], *, hours: float = 24.0) -> Path:
    """A CSV file from the start of the made-up run on."""
    rows = [",".join(["time_utc", *columns])]
    for number, values in enumerate(zip(*columns.values(), strict=True)):
        time = START + np.timedelta64(round(number * hours * 3600), "s")
        rows.append(",".join([f"{np.datetime_as_string(time, 's')}Z", *(repr(float(value)) for value in values)]))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_perfect_simulation_has_the_best_scores():
    truth = np.array([1.0, 2.0, 4.0])
    fit = scores(truth, truth)
    assert (fit.nse, fit.rmse, fit.bias, fit.count) == (1.0, 0.0, 0.0, 3)
    assert fit.kge == pytest.approx(1.0)


def test_the_mean_of_the_observations_scores_zero_efficiency():
    assert scores(np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])).nse == 0.0


def test_kling_gupta_of_a_doubled_series_weighs_spread_and_mean():
    truth = np.array([1.0, 2.0, 3.0])
    assert scores(2.0 * truth, truth).kge == pytest.approx(1.0 - np.sqrt(2.0))


def test_scores_use_complete_pairs_only():
    fit = scores(np.array([1.0, np.nan, 3.0, 5.0]), np.array([2.0, 2.0, np.nan, 4.0]))
    assert (fit.count, fit.rmse, fit.bias) == (2, 1.0, 0.0)


def test_constant_observations_have_no_efficiency():
    fit = scores(np.array([1.0, 2.0]), np.array([0.0, 0.0]))
    assert np.isnan(fit.nse)
    assert np.isnan(fit.kge)
    assert fit.rmse == pytest.approx(np.sqrt(2.5))


@pytest.mark.parametrize(
    ("column", "quantity", "depth"),
    [
        ("Tsoil_0.12m_K", "soil_temperature", 0.12),
        ("Tsoil_hydra_0.28am_K", "soil_temperature", 0.28),
        ("theta_liq_0.09m_m3_m3", "soil_liquid_water", 0.09),
        ("theta_0.05m_m3_m3", "soil_liquid_water", 0.05),
        ("theta_total_0.05m_m3_m3", "soil_moisture", 0.05),
        ("snow_depth_m", "snow_depth", None),
        ("snow_depth_pit_south_m", "snow_depth", None),
        ("SWE_auto_kg_m2", "snow_water_equivalent", None),
        ("SWE_kg_m2", "snow_water_equivalent", None),
        ("Tskin_IRT_K", "skin_temperature", None),
        ("LEflux_W_m2", "latent_heat_flux", None),
    ],
)
def test_a_column_name_says_quantity_and_depth(tmp_path, column, quantity, depth):
    given = [271.0, 272.0] if column.endswith("_K") else [0.1, 0.2]
    path = write_observations(tmp_path / "o.csv", {column: given, "remark": [0.0, 0.0]})
    with pytest.warns(ObservationWarning, match="not used, .*: remark"):
        (found,) = read_observations(path)
    assert (found.column, found.quantity, found.depth) == (column, quantity, depth)
    np.testing.assert_array_equal(found.values, given)
    assert found.times[1] == START + 24 * HOUR


def test_missing_observations_are_left_out_and_do_not_change_the_spacing(tmp_path):
    path = tmp_path / "o.csv"
    rows = [f"2007-04-{day:02d}T12:00:00Z,{0.4 if day % 7 == 0 else ''}," for day in range(1, 31)]
    path.write_text("\n".join(["time_utc,snow_depth_m,SWE_kg_m2", *rows]) + "\n")
    (depth,) = read_observations(path)
    assert depth.quantity == "snow_depth"
    np.testing.assert_array_equal(depth.values, [0.4] * 4)
    assert depth.spacing == 86400.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_utc,wind\n2007-04-01T00:00:00Z,1\n", "no column to compare among wind"),
        ("site,Tsoil_0.1m_K\nhere,270\n", "no table of numbers"),
    ],
)
def test_an_observations_file_that_cannot_be_used_is_explained(tmp_path, text, message):
    path = tmp_path / "o.csv"
    path.write_text(text)
    with pytest.raises(PlotError, match=message):
        read_observations(path)


@pytest.mark.parametrize(
    ("site", "counts"),
    [
        ("toolik", {"soil_temperature": 14, "soil_liquid_water": 6}),
        ("yakou", {"soil_temperature": 8, "soil_liquid_water": 7, "snow_depth": 1}),
        ("bondville", {"soil_temperature": 6, "soil_liquid_water": 3, "net_radiation": 1, "skin_temperature": 1}),
        ("col_de_porte", {"snow_depth": 4, "snow_water_equivalent": 4, "albedo": 1, "soil_temperature": 1}),
        ("reynolds_mountain_east", {"snow_depth": 2, "snow_water_equivalent": 1}),
    ],
)
def test_observations_of_real_sites_are_recognised(shared, site, counts):
    found = read_observations(shared / "data" / site / "observations.csv")
    for quantity, count in counts.items():
        assert sum(item.quantity == quantity for item in found) == count, quantity
    assert all(np.isfinite(item.values).all() for item in found)


def test_daily_observations_meet_the_mean_of_the_day_that_their_stamp_begins():
    pairs = pair(series(np.arange(16.0), hours=3.0), observed([0.0, 0.0]))
    np.testing.assert_allclose(pairs.simulated, [3.5, 11.5])
    assert pairs.times[0] == START + 12 * HOUR


def test_daily_observations_stamped_at_their_centre_meet_that_day():
    pairs = pair(series(np.arange(16.0), hours=3.0), observed([0.0, 0.0], first=12.0), "centre")
    np.testing.assert_allclose(pairs.simulated, [3.5, 11.5])
    assert pairs.times[0] == START + 12 * HOUR


def test_instants_meet_states_at_the_end_and_means_at_the_middle_of_the_step():
    noon = observed([0.0, 0.0], first=12.0)
    np.testing.assert_allclose(pair(series([0.0, 1.0, 2.0], state=True), noon, "instant").simulated, [np.nan, 0.5])
    np.testing.assert_allclose(pair(series([0.0, 1.0, 2.0]), noon, "instant").simulated, [0.0, 1.0])


def test_observations_finer_than_the_simulation_are_averaged_over_its_steps():
    pairs = pair(series([7.0, 8.0]), observed(np.arange(48.0), hours=1.0))
    np.testing.assert_allclose(pairs.observed, [11.5, 35.5])
    np.testing.assert_allclose(pairs.simulated, [7.0, 8.0])


def test_observations_outside_the_simulation_have_no_partner():
    pairs = pair(series([1.0, 2.0]), observed([5.0, 6.0, 7.0, 8.0], first=-24.0))
    np.testing.assert_allclose(pairs.simulated, [np.nan, 1.0, 2.0, np.nan])
    assert pairs.complete().times.size == 2


def test_lines_break_where_observations_are_missing():
    values = observed([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    kept = np.array([0, 1, 4, 5])
    gappy = Observed("column", "snow_depth", None, values.times[kept], values.values[kept])
    drawn = pair(series(np.arange(6.0)), gappy).with_gaps()
    assert np.flatnonzero(np.isnan(drawn.observed)).tolist() == [2]
    assert drawn.times[1] < drawn.times[2] < drawn.times[3]


def test_a_depth_between_layers_is_interpolated(tmp_path):
    output = read_column(simulate(tmp_path / "out.nc", steps=8))
    temperature = output.series("soil_temperature")
    assert temperature is not None
    for depth in (0.05, 0.3, 2.0):
        at = at_depth(temperature, output, depth)
        np.testing.assert_allclose(at.values[7], 273.15 + 5.0 * (0.4 + 0.01 - depth))
    np.testing.assert_array_equal(at_depth(temperature, output, 0.0).values, temperature.values[:, 0])
    np.testing.assert_array_equal(at_depth(temperature, output, 14.0).values, temperature.values[:, -1])
    assert at_depth(temperature, output, 15.0) is None


def test_a_simulation_is_perfect_against_itself_with_one_panel_for_each_depth(tmp_path):
    output = read_column(simulate(tmp_path / "out.nc"))
    temperature = output.series("soil_temperature")
    columns = {
        f"Tsoil_{depth:.2f}m_K": at_depth(temperature, output, depth).daily().values.tolist()
        for depth in (2.0, 0.1, 0.5)
    }
    path = write_observations(tmp_path / "o.csv", columns)
    (figure,) = comparison_figures(output, compare(output, read_observations(path))).values()
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert {title.split(" (")[0] for title in titles} == {
        f"soil temperature at {depth} m" for depth in ("0.1", "0.5", "2")
    }
    for title in titles:
        assert "NSE 1.00   KGE 1.00   RMSE" in title
        assert title.endswith("K   n = 20")
    drawn = figure.axes[0].lines[0].get_ydata()
    assert np.nanmax(np.abs(drawn)) < 10.0, "temperatures are drawn in degrees Celsius"


def test_long_subdaily_comparisons_are_drawn_as_daily_means_but_scored_in_full(tmp_path):
    output = read_column(simulate(tmp_path / "out.nc", steps=8 * 70))
    radiation = output.series("net_radiation")
    path = write_observations(
        tmp_path / "o.csv", {"Rnet_W_m2": np.interp(np.arange(560), np.arange(560) + 0.5, radiation.values)}, hours=3.0
    )
    figure = comparison_figures(output, compare(output, read_observations(path)))["surface"]
    assert "daily means" in figure.get_suptitle()
    assert figure.axes[0].get_title(loc="left").endswith("n = 559")
    assert len(figure.axes[0].lines[0].get_xdata()) == 70


def test_few_observations_are_dots_on_the_whole_simulated_line(tmp_path):
    output = read_column(simulate(tmp_path / "out.nc", steps=8 * 30))
    figure = comparison_figures(output, compare(output, [observed([0.1, 0.2, 0.3], hours=200.0)]))["snow"]
    dots, line = figure.axes[0].lines
    assert len(dots.get_xdata()) == 3
    assert dots.get_linestyle() == "None"
    assert len(line.get_xdata()) > 100


def test_without_a_common_period_both_are_named(tmp_path):
    output = read_column(simulate(tmp_path / "out.nc", steps=8))
    past = observed([0.1, 0.2], first=-1000.0 * 24.0)
    with pytest.raises(PlotError, match=r"2004-07-05 to 2004-07-06, the output 2007-04-01 to 2007-04-02"):
        compare(output, [past])


def test_without_a_common_variable_the_wanted_ones_are_named(tmp_path):
    path = simulate(tmp_path / "out.nc", steps=8, spec=output_spec(variables=["albedo"]))
    with pytest.raises(PlotError, match=r"none of snow_depth\. Add them to output\.variables"):
        compare(read_column(path), [observed([0.1, 0.2])])


def test_soil_sections_have_depth_downward_and_colours_centred_on_melting(tmp_path):
    figure = soil_figure(read_column(simulate(tmp_path / "out.nc")))
    temperature, water = figure.axes[:2]
    for axes in (temperature, water):
        bottom, top = axes.get_ylim()
        assert (bottom, top) == (pytest.approx(sum(DEEP)), 0.0)
        assert axes.get_ylabel() == "depth [m]"
    mesh = temperature.collections[0]
    assert mesh.norm.vmin == -mesh.norm.vmax
    assert {axes.get_ylabel() for axes in figure.axes[2:]} == {"soil temperature [°C]", "liquid water [m³ m⁻³]"}


def test_the_isotherm_lies_where_the_soil_melts(tmp_path):
    figure = soil_figure(read_column(simulate(tmp_path / "out.nc", thickness=(0.2,) * 10)))
    contour = next(item for item in figure.axes[0].collections if hasattr(item, "levels"))
    (line,) = contour.get_paths()
    days = line.vertices[:, 0] - matplotlib.dates.date2num(START)
    np.testing.assert_allclose(line.vertices[:, 1], 0.4 + 0.01 * days, atol=0.006)


def test_labels_of_the_deep_section_do_not_overlap(tmp_path):
    figure = soil_figure(read_column(simulate(tmp_path / "out.nc")))
    figure.savefig(tmp_path / "x.png")
    for axes in figure.axes[:2]:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
            assert len(boxes) >= 4 or axes is figure.axes[0]
            assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_energy_fluxes_are_drawn_as_daily_means(tmp_path):
    figure = energy_figure(read_column(simulate(tmp_path / "out.nc")))
    line = next(line for line in figure.axes[0].lines if line.get_label() == "net radiation (down)")
    np.testing.assert_allclose(line.get_ydata(), 20.0, atol=1e-9)
    assert len(line.get_ydata()) == 20


def test_daily_statistics_are_drawn_like_steps(tmp_path):
    spec = output_spec(daily=["mean", "max"])
    daily = read_column(simulate(tmp_path / "daily.nc", spec=spec))
    full = read_column(simulate(tmp_path / "full.nc"))
    expected = full.series("soil_temperature").daily()
    np.testing.assert_allclose(daily.series("soil_temperature").values, expected.values)
    np.testing.assert_array_equal(daily.series("soil_temperature").begin, expected.begin)
    assert snow_figure(daily) is not None


def test_a_state_written_every_few_steps_stands_for_its_last_step(tmp_path):
    output = read_column(simulate(tmp_path / "out.nc", spec=output_spec(every=8), steps=16))
    snow = output.series("snow_depth")
    assert (snow.begin[1], snow.end[1]) == (START + 45 * HOUR, START + 48 * HOUR)
    radiation = output.series("net_radiation")
    assert (radiation.begin[1], radiation.end[1]) == (START + 24 * HOUR, START + 48 * HOUR)


def test_figures_are_written_beside_the_output_or_where_asked(tmp_path):
    path = simulate(tmp_path / "site.nc", steps=16)
    observations = write_observations(tmp_path / "o.csv", {"snow_depth_m": [0.01, 0.02]})
    beside = plot_output(path)
    assert [item.name for item in beside] == ["site_soil.png", "site_snow.png", "site_energy.png"]
    assert {item.parent for item in beside} == {tmp_path}
    elsewhere = plot_output(path, folder=tmp_path / "new" / "folder", observations=observations)
    assert (tmp_path / "new" / "folder" / "site_observed_snow.png") in elsewhere
    *figures, table = elsewhere
    for item in beside + figures:
        assert item.read_bytes().startswith(b"\x89PNG")
    assert table.name == "site_scores.csv"
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert (row["column"], row["quantity"], row["units"], row["count"]) == ("snow_depth_m", "snow_depth", "m", "2")
    assert float(row["bias"]) == pytest.approx(-0.004375)


def test_a_cell_of_a_grid_is_chosen_by_row_and_column(tmp_path):
    path = simulate(tmp_path / "out.nc", steps=4, latitude=[10.0, 20.0], longitude=[1.0, 2.0, 3.0])
    output = read_column(path, (1, 2))
    assert "20.00° N, 3.00° E" in output.title
    with pytest.raises(PlotError, match=r"no cell 2,0.*2 rows, 3 columns"):
        read_column(path, (2, 0))


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.nc does not exist"):
        read_column(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("not netCDF")
    with pytest.raises(PlotError, match=r"text\.nc"):
        read_column(tmp_path / "text.nc")
    empty = simulate(tmp_path / "empty.nc", steps=0)
    with pytest.raises(PlotError, match="no records"):
        read_column(empty)


def test_an_output_with_nothing_to_draw_says_what_to_write(tmp_path):
    path = simulate(tmp_path / "out.nc", steps=2, spec=output_spec(variables=["albedo"]))
    with pytest.raises(PlotError, match=r"soil\.temperature.*output\.variables"):
        plot_output(path)
