"""Configurations: periods, grids, files and output."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from configurations import VALID, changed, problems, read, write, write_weather

from bmi_noahpy.config import load_configuration
from bmi_noahpy.config.values import column_values

GRID = {"domain.latitude": [33.0, 33.5], "domain.longitude": [92.0, 92.5, 93.0]}


def test_number_of_steps_counts_the_step_at_the_end():
    period = read({}).period
    assert period.steps == 16
    assert period.end == datetime.datetime(2020, 1, 2, 21)


def test_times_with_an_offset_are_converted_to_utc():
    assert read({"period.start": "2020-01-01T08:00+08:00"}).period.start == datetime.datetime(2020, 1, 1)


@pytest.mark.parametrize("text", ["2020-01-01", "2020-01-01T00:00", "2020-01-01 00:00:00", "2020-01-01T00:00:00Z"])
def test_times_may_be_written_in_the_usual_ways(tmp_path, text):
    path = write(tmp_path / "run.yaml", VALID)
    path.write_text(path.read_text().replace("start: 2020-01-01T00:00", f"start: {text}"))
    assert load_configuration(path).period.start == datetime.datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"period.end": "2019-12-31T00:00"}, "period.end", "before period.start"),
        ({"period.end": "2020-01-02T22:00"}, "period.end", "use 2020-01-02T21:00:00"),
        ({"period.start": "1st of May"}, "period.start", "Write it like 2007-04-01T00:00"),
        ({"period.step": 3600.5}, "period.step", "not a whole number of seconds"),
    ],
)
def test_period_that_cannot_be_stepped_through_is_refused(changes, key, words):
    assert words in problems(changes)[key]


def test_values_of_a_grid_may_differ_between_columns():
    configuration = read(
        {
            **GRID,
            "vegetation.class": [[9, 7, 7], [9, 9, 20]],
            "soil.classes": [[[7, 7, 8], [8, 8, 9]], [[7] * 3] * 2, [[8] * 3] * 2, [[8] * 3] * 2],
        }
    )
    assert column_values(configuration.vegetation.class_, 6).tolist() == [9, 7, 7, 9, 9, 20]
    assert column_values(configuration.soil.classes, 6, 4)[0].tolist() == [7, 7, 8, 8, 8, 9]


def test_values_that_do_not_fit_the_grid_are_refused_with_both_shapes():
    text = problems({**GRID, "vegetation.class": [[9, 7], [9, 9]]})["vegetation.class"]
    assert "has 2 rows of 2, but the domain has 2 latitudes and 3 longitudes" in text


def test_a_wrong_value_of_a_grid_is_named_with_its_column():
    dry = [[0.1] * 3] * 2
    wet = [[0.1] * 3, [0.1, 0.1, 0.3]]
    text = problems({**GRID, "initial.soil_liquid": [dry, wet, dry, dry]})["initial.soil_liquid"]
    assert "0.3 in layer 2, column 6" in text


@pytest.mark.parametrize("latitudes", [[33.0, 33.0], [33.0, 34.0, 33.5]])
def test_coordinates_out_of_order_are_refused(latitudes):
    assert "not ordered" in problems({"domain.latitude": latitudes})["domain.latitude"]


@pytest.mark.parametrize(
    ("value", "words"),
    [([0.1] * 11, "11 values. Give twelve"), ([[0.1] * 2] * 12, "nested 2 deep"), ([[0.1], 0.2], "different lengths")],
)
def test_monthly_values_of_another_shape_are_refused(value, words):
    assert words in problems({"vegetation.fraction": value})["vegetation.fraction"]


def test_vegetation_fraction_must_come_from_somewhere():
    assert "vegetation.fraction" in problems({"vegetation.fraction": None})


def test_paths_start_from_the_folder_of_the_file(tmp_path):
    write_weather(tmp_path / "weather.csv")
    path = write(tmp_path / "run.yaml", changed({"forcing.file": "weather.csv", "output.file": "results/out.nc"}))
    configuration = load_configuration(path)
    assert configuration.forcing.file == tmp_path / "weather.csv"
    assert configuration.output.file == tmp_path / "results" / "out.nc"


def test_forcing_file_that_does_not_exist_is_named(tmp_path):
    text = problems({"forcing.file": "weather.csv"}, tmp_path)["forcing.file"]
    assert str(tmp_path / "weather.csv") in text


def test_variable_of_the_forcing_may_be_given_by_its_bare_name(tmp_path):
    write_weather(tmp_path / "weather.csv")
    variables = {"air_temperature": "T", "wind_speed": {"name": "U", "units": "km/h"}}
    forcing = read({"forcing.file": "weather.csv", "forcing.variables": variables}, tmp_path).forcing
    assert (forcing.variables["air_temperature"].name, forcing.variables["air_temperature"].units) == ("T", None)
    assert forcing.variables["wind_speed"].units == "km/h"


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"output.variables": ["soil.temperatur"]}, "output.variables", "Did you mean soil.temperature"),
        ({"output.daily": ["median"]}, "output.daily[0]", "Use 'mean', 'min' or 'max'"),
        ({"output.daily": ["mean"], "output.every": 2}, "output.every", "Keep only one"),
        ({"output.daily": ["mean"], "period.step": 25200}, "output.daily", "divide a day"),
        ({"output.compression": 10}, "output.compression", "less than or equal to 9"),
        ({"output.every": 0}, "output.every", "greater than or equal to 1"),
    ],
)
def test_output_that_cannot_be_written_is_refused(changes, key, words):
    assert words in problems({"output.file": "out.nc", **changes})[key]


def test_spread_puts_the_longitude_last():
    assert column_values(((1.0, 2.0), (3.0, 4.0)), 4).tolist() == [1.0, 2.0, 3.0, 4.0]
    layered = column_values((((1.0, 2.0),), ((3.0, 4.0),)), 2, 2)
    np.testing.assert_array_equal(layered, [[1.0, 2.0], [3.0, 4.0]])


def test_a_side_of_the_grid_that_is_refused_is_all_that_is_said():
    """Maps cannot be compared with the domain then, nor with each other."""
    maps = {"initial.skin_temperature": [[270.0] * 3] * 2, "initial.soil_moisture": [[[0.2] * 3] * 2] * 4}
    for side, value in (("latitude", [33.0, 95.0]), ("longitude", [92.0, 92.5, 700.0])):
        [(key, text)] = problems({**GRID, f"domain.{side}": value, **maps}).items()
        assert key == f"domain.{side}"
        assert "impossible value" in text
