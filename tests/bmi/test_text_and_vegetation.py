"""What a configuration says of a text table is done, and of plants goes before what the table has."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from configurations import changed, write

from bmi_noahpy import prepare
from bmi_noahpy.config import ConfigurationError, ConfigurationWarning, load_configuration

NAMES = ("time", "Tair_K", "PSurf_Pa", "Qair_kg_kg", "Wind_m_s", "SWdown_W_m2", "LWdown_W_m2", "Precip_mm")
ROWS = [(f"2020-01-01T{hour:02d}:00", 270.25 + hour, 60000.5, 0.002, 3.5, 0.0, 220.25, 0.5) for hour in range(0, 24, 3)]


def lines(separator: str = ",", decimal: str = ".", header: bool = True) -> list[str]:
    rows = [separator.join(NAMES)] if header else []
    return rows + [separator.join(str(value).replace(".", decimal) for value in row) for row in ROWS]


def run_of(folder, content: bytes, **forcing: object):
    """A prepared run whose records are this file."""
    (folder / "weather.txt").write_bytes(content)
    changes = {"period.end": "2020-01-01T21:00", "forcing": {"file": "weather.txt", "format": "csv", **forcing}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfigurationWarning)
        return prepare(load_configuration(write(folder / "site.yaml", changed(changes))))


def encoded(rows: list[str], encoding: str = "utf-8") -> bytes:
    return ("\n".join(rows) + "\n").encode(encoding)


NOTES = ["Station 7 of 2020: 1, 2, 3", "written by hand"]
PARTS = {
    "separator": (encoded(lines("|")), {"separator": "|"}),
    "decimal": (encoded(lines(";", ",")), {"decimal": ",", "separator": ";"}),
    "decimal alone": (encoded(lines("\t", ",")), {"decimal": ","}),
    "encoding": (encoded(lines(), "utf-16"), {"encoding": "utf-16"}),
    "skip_rows": (encoded(NOTES + lines()), {"skip_rows": 2}),
    "columns": (encoded(lines(header=False)), {"columns": list(NAMES)}),
    "together": (
        encoded(NOTES + lines("|", ",", header=False), "latin-1"),
        {"separator": "|", "decimal": ",", "encoding": "latin-1", "skip_rows": 2, "columns": list(NAMES)},
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_each_key_of_the_text_is_followed(name, tmp_path):
    content, text = PARTS[name]
    forcing = run_of(tmp_path, content, text=text).forcing.block(0, 8)
    np.testing.assert_array_equal(forcing.air_temperature[:, 0], [row[1] for row in ROWS])
    np.testing.assert_array_equal(forcing.air_pressure[:, 0], 60000.5)
    np.testing.assert_allclose(forcing.precipitation[:, 0], 0.5 / 10800.0, rtol=1e-14)


@pytest.mark.parametrize("name", ["separator", "columns", "together"])
def test_what_is_not_recognised_is_refused_until_it_is_said(name, tmp_path):
    with pytest.raises(ConfigurationError, match=r"weather\.txt"):
        run_of(tmp_path, PARTS[name][0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"separator": ";"}, "weather.txt"),
        ({"columns": ["time", "Tair_K"]}, "weather.txt"),
        ({"encoding": "utf-17"}, "utf-17"),
        ({"decimal": ";"}, "forcing.text.decimal"),
        ({"skip_rows": -1}, "forcing.text.skip_rows"),
        ({"skip": 1}, "skip_rows"),
    ],
)
def test_a_wrong_key_is_refused(text, words, tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        run_of(tmp_path, encoded(lines()), text=text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("column", "key", "quantity"),
    [
        ("vegetation_fraction", "fraction", "vegetation_fraction"),
        ("LAI", "leaf_area_index", "leaf_area_index"),
        ("snow_free_albedo", "albedo", "snow_free_albedo"),
    ],
)
def test_plants_of_the_configuration_go_before_those_of_the_file_with_a_warning(column, key, quantity, tmp_path):
    rows = [f"{line},{column if number == 0 else 0.5}" for number, line in enumerate(lines())]
    (tmp_path / "weather.txt").write_bytes(encoded(rows))
    forcing = {"file": "weather.txt", "format": "csv"}
    changes = {"period.end": "2020-01-01T21:00", "forcing": forcing, f"vegetation.{key}": 0.25}
    with pytest.warns(
        ConfigurationWarning, match=rf"has {quantity}, but vegetation\.{key} is given and goes before it"
    ):
        run = prepare(load_configuration(write(tmp_path / "site.yaml", changed(changes))))
    assert getattr(run.forcing.at(3), quantity).item() == 0.25
    changes[f"vegetation.{key}"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConfigurationWarning)
        run = prepare(load_configuration(write(tmp_path / "site.yaml", changed(changes))))
    assert getattr(run.forcing.at(3), quantity).item() == 0.5
