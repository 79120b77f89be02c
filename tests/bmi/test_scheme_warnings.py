"""A run in Noah's schemes warns of a step they do not bear and of what they create, and names the preset."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from configurations import changed, write_weather

from bmi_noahpy import Configuration, SchemeWarning, launch, read_configuration, simulate
from bmi_noahpy.runs.created import Created, most_created
from bmi_noahpy.runs.scheme_warnings import LONGEST_STEP, warn_of_created

WET_GRAVEL = {
    "soil.classes": [13, 13, 13, 13],
    "initial.soil_moisture": [0.25, 0.25, 0.25, 0.25],
    "initial.soil_temperature": [281.0, 281.0, 281.0, 281.0],
    "initial.soil_liquid": [0.25, 0.25, 0.25, 0.25],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_weather(tmp_path / "weather.csv")
    return tmp_path


def site(folder: Path, step: float = 10800, **changes: object) -> Configuration:
    settings = {
        "forcing": {"file": "weather.csv", "format": "csv"},
        "period.step": step,
        "period.end": "2020-01-01T21:00",
        "output": {"file": "out.nc"},
        "execution": "eager",
    }
    return read_configuration(changed({**settings, **changes}), folder)


def told(configuration: Configuration) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        launch(configuration)
    return [str(warning.message) for warning in caught if issubclass(warning.category, SchemeWarning)]


def test_a_step_beyond_what_the_exchange_bears_is_told_of_with_the_preset(folder: Path) -> None:
    (sentence, *_) = told(site(folder))
    assert sentence.startswith("period.step: 10800 s.")
    assert "schemes: {preset: conservative}" in sentence
    with pytest.warns(SchemeWarning, match=r"period.step: 10800 s"):
        simulate(site(folder))


def test_a_short_step_and_the_conservative_column_are_not(folder: Path) -> None:
    assert not any("period.step:" in text for text in told(site(folder, LONGEST_STEP)))
    assert told(site(folder, schemes={"preset": "conservative"}, output={"file": "closed.nc"})) == []


def test_created_water_is_warned_of_beside_the_precipitation(folder: Path) -> None:
    texts = told(site(folder, **WET_GRAVEL))
    assert any("numerical_water_source" in text and "preset: conservative" in text for text in texts)


def test_less_than_a_thousandth_of_the_precipitation_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_created(Created(water=0.9, precipitation=1000.0))
    with pytest.warns(SchemeWarning, match=r"1.1 mm, of 1e\+03 mm"):
        warn_of_created(Created(water=1.1, precipitation=1000.0))


def test_of_several_parts_the_most_is_told_of() -> None:
    found = most_created([Created(1.0, 10.0, -3.0), Created(-5.0, 20.0, 1.0)])
    assert found == Created(-5.0, 20.0, -3.0)
    assert most_created([]) == Created()
