"""Configurations: what is accepted, what is refused, and that every refusal names key, value and remedy."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import yaml
from configurations import VALID, changed, problems, read, write, write_weather

from bmi_noahpy.config import ConfigurationError, load_configuration, read_configuration
from bmi_noahpy.config.values import column_values
from noahpy_core import preset

GRID = {"domain.latitude": [33.0, 33.5], "domain.longitude": [92.0, 92.5, 93.0]}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("general.deep_temperature", "-1.15 degC", 272.0),
        ("general.wind_height", "1000 cm", 10.0),
        ("period.step", "3 hours", 10800.0),
        ("period.step", "0.125 day", 10800.0),
        ("vegetation.maximum_fraction", "90 %", 0.9),
        ("initial.canopy_water", "0.2 mm", 0.2),
        ("initial.skin_temperature", "2.69e2", 269.0),
        ("soil.thickness", ["10 cm", 0.3, 0.6, "1 m"], (0.1, 0.3, 0.6, 1.0)),
        ("soil.thickness", {"values": [10, 30, 60, 100], "units": "cm"}, (0.1, 0.3, 0.6, 1.0)),
    ],
)
def test_values_with_units_are_converted_to_those_of_the_model(key, text, value):
    section, name = key.split(".")
    assert getattr(getattr(read({key: text}), section), name) == pytest.approx(value)


def test_overridden_parameters_are_converted_to_the_units_of_the_model():
    configuration = read({"soil.parameters.saturated_hydraulic_conductivity": "0.288 m/day"})
    assert configuration.soil.parameters["saturated_hydraulic_conductivity"] == pytest.approx(0.288 / 86400)


@pytest.mark.parametrize(
    ("key", "value", "units"),
    [
        ("general.deep_temperature", "3 m", "K"),
        ("period.step", "5 kg", "s"),
        ("initial.snow_depth", "3 kg m-2", "m"),
        ("initial.snow_water_equivalent", "3 K", "kg m-2"),
        ("soil.parameters.porosity", "3 K", "plain numbers"),
    ],
)
def test_units_of_another_dimension_are_refused_with_value_and_expected_unit(key, value, units):
    text = problems({key: value})[key]
    assert value in text
    assert units in text


def test_units_that_do_not_exist_are_named():
    assert "'furlongz'" in problems({"general.wind_height": "3 furlongz"})["general.wind_height"]


@pytest.mark.parametrize(
    ("key", "value", "suggestion"),
    [
        ("soil.clases", [7], "'classes'"),
        ("inital", {}, "'initial'"),
        ("soil.porosity", 0.4, "'soil.parameters.porosity'"),
        ("deep_temperature", 272.0, "'general.deep_temperature'"),
        ("soil.parameters.porosty", 0.4, "'porosity'"),
        ("schemes.turbulance", "chen1997", "'turbulence'"),
        ("general.foo", 1, "slope_class, deep_temperature"),
    ],
)
def test_unknown_key_is_named_with_the_nearest_valid_one(key, value, suggestion):
    text = problems({key: value})[key]
    assert "unknown" in text
    assert suggestion in text


def test_missing_key_is_named():
    assert "missing" in problems({"initial.soil_liquid": ...})["initial.soil_liquid"]


def test_missing_section_is_named():
    assert "missing" in problems({"soil": ...})["soil"]


@pytest.mark.parametrize("line", ["  latitude:", "  latitude: ''", "  latitude: '  '"])
def test_value_left_empty_by_a_template_is_an_error_that_says_so(tmp_path, line):
    text = yaml.safe_dump(VALID, sort_keys=False).replace("  latitude: 33.0", line)
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"domain\.latitude: empty value"):
        load_configuration(path)


def test_optional_key_left_empty_is_an_error_while_null_is_a_value(tmp_path):
    path = write(tmp_path / "run.yaml", changed({"snow.deep_snow_albedo": None}))
    assert load_configuration(path).snow.deep_snow_albedo is None
    path.write_text(path.read_text().replace("deep_snow_albedo: null", "deep_snow_albedo:"))
    with pytest.raises(ConfigurationError, match=r"snow\.deep_snow_albedo: empty value"):
        load_configuration(path)


def test_empty_section_is_an_error_that_says_so(tmp_path):
    text = yaml.safe_dump(VALID, sort_keys=False)
    path = tmp_path / "run.yaml"
    path.write_text(text[: text.index("initial:")] + "initial:\n")
    with pytest.raises(ConfigurationError, match="initial: empty value"):
        load_configuration(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("general: {deep_temperature: 270,9}", r"general\[9\]: the key is 9.*decimals with a point"),
        ("output: {on: true}", r"output\[1\]: the key is True.*put the key in quotes"),
        ("output: {2020-01-01: 1}", r"the key is datetime.*name of a setting before the colon"),
    ],
)
def test_a_key_that_is_no_text_is_refused_with_what_may_be_meant(tmp_path, line, words):
    path = tmp_path / "run.yaml"
    plain = {name: section for name, section in VALID.items() if name not in ("general", "output")}
    path.write_text(f"{yaml.safe_dump(plain)}\n{line}\n")
    with pytest.raises(ConfigurationError, match=words):
        load_configuration(path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("domain.latitude", 91.0, "-90 to 90"),
        ("general.deep_temperature", -1.15, "230 to 320 K"),
        ("initial.soil_temperature", [270.0, 2.0, 270.0, 270.0], "value 2: impossible value 2.0"),
        ("initial.albedo", 1.2, "0 to 1"),
        ("soil.thickness", [0.1, -0.3, 0.6, 1.0], "value 2: impossible value -0.3"),
        ("soil.parameters.clapp_hornberger_b", 50.0, "2 to 20"),
        ("period.step", 0, "1 to 86400 s"),
        ("initial.soil_moisture", float("nan"), "not finite"),
        ("initial.skin_temperature", True, "not a number"),
        ("initial.skin_temperature", "warm", "'warm' is not a number"),
    ],
)
def test_impossible_value_is_refused_with_its_place_and_bounds(key, value, words):
    assert words in problems({key: value})[key]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("initial.soil_temperature", 270.0),
        ("initial.soil_moisture", 0.1),
        ("initial.soil_liquid", 0.1),
        ("soil.classes", 7),
    ],
)
def test_layer_count_that_differs_is_named_with_both_counts(key, value):
    text = problems({key: [value] * 3})[key]
    assert "has 3 layers, but soil.thickness has 4" in text


def test_layer_count_of_an_overridden_parameter_is_checked_too():
    text = problems({"soil.parameters.porosity": [0.4, 0.4]})["soil.parameters.porosity"]
    assert "has 2 layers, but soil.thickness has 4" in text


def test_one_value_serves_all_layers():
    configuration = read({"initial.soil_temperature": 271.0, "soil.classes": 7})
    assert column_values(configuration.initial.soil_temperature, 1, 4).tolist() == [[271.0]] * 4
    assert column_values(configuration.soil.classes, 1, 4).tolist() == [[7]] * 4


def test_more_liquid_than_total_water_is_refused_with_layer_and_both_values():
    text = problems({"initial.soil_liquid": [0.1, 0.26, 0.1, 0.1]})["initial.soil_liquid"]
    assert "0.26 in layer 2 is above soil_moisture, 0.25" in text


def test_more_water_than_pores_is_refused_with_layer_and_porosity_of_the_class():
    text = problems({"initial.soil_moisture": [0.2, 0.25, 0.3, 0.48]})["initial.soil_moisture"]
    assert "0.48 in layer 4 is above the porosity, 0.476" in text


def test_water_is_compared_with_the_overridden_porosity():
    changes = {"initial.soil_moisture": [0.2, 0.25, 0.3, 0.48], "soil.parameters.porosity": [0.4, 0.4, 0.4, 0.5]}
    assert read(changes).soil.parameters["porosity"] == (0.4, 0.4, 0.4, 0.5)


@pytest.mark.parametrize(
    ("depth", "water", "key"),
    [(0.1, 0.0, "snow_depth"), (0.0, 10.0, "snow_depth"), (0.1, 100.0, "snow_water_equivalent")],
)
def test_snow_that_cannot_be_is_refused(depth, water, key):
    found = problems({"initial.snow_depth": depth, "initial.snow_water_equivalent": water})
    assert list(found) == [f"initial.{key}"]


def test_unknown_scheme_is_refused_with_the_valid_ones():
    text = problems({"schemes.supercooled_water": "koren"})["schemes.supercooled_water"]
    assert "'koren'" in text
    assert "koren1999, niu_yang2006, or 'package.module:Class'" in text


def test_scheme_of_a_package_of_the_user_is_accepted():
    assert read({"schemes.evaporation": "my_package.nets:MyNetwork"}).schemes.evaporation == "my_package.nets:MyNetwork"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("vegetation.class", 16, "column 1: 16 (water bodies)"),
        ("vegetation.class", 28, "column 1: 28 does not exist. Use 1 to 27"),
        ("soil.classes", [7, 7, 7, 15], "layer 4 column 1: 15 (glacier)"),
        ("general.slope_class", 0, "column 1: 0 does not exist. Use 1 to 9"),
        ("soil.classes", 7.5, "not a whole number"),
    ],
)
def test_class_that_cannot_be_computed_is_refused_with_its_place(key, value, words):
    assert words in problems({key: value})[key]


def test_more_root_layers_than_layers_are_refused():
    changes = {
        "soil": {"thickness": [0.5, 1.5], "classes": 7},
        "initial.soil_temperature": 271.0,
        "initial.soil_moisture": 0.2,
        "initial.soil_liquid": 0.1,
    }
    assert "roots reach through 3 layers, but soil.thickness has 2" in problems(changes)["vegetation.class"]


def test_parameter_with_a_key_of_its_own_cannot_be_overridden():
    text = problems({"general.parameters.deep_temperature": 270.0})["general.parameters.deep_temperature"]
    assert "Set general.deep_temperature instead" in text


def test_all_problems_of_a_file_are_reported_together(tmp_path):
    mapping = changed(
        {
            "domain.latitude": 91.0,
            "soil.clases": 7,
            "initial.soil_temperature": [270.0] * 3,
            "initial.soil_liquid": [0.3, 0.1, 0.1, 0.1],
            "schemes.turbulence": "chen",
            "vegetation.class": 24,
            "period.end": "2020-01-02T22:00",
        }
    )
    path = write(tmp_path / "run.yaml", mapping)
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(path)
    assert {problem.key for problem in caught.value.problems} == {
        "domain.latitude",
        "soil.clases",
        "initial.soil_temperature",
        "initial.soil_liquid",
        "schemes.turbulence",
        "vegetation.class",
        "period.end",
    }
    assert str(caught.value).startswith(f"{path}: 7 problems")


def test_key_given_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: a\nname: b\n")
    with pytest.raises(ConfigurationError, match="line 2: key 'name' is given twice"):
        load_configuration(path)


def test_text_that_is_not_yaml_is_refused_with_its_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: a\ndomain: {latitude: 3\n")
    with pytest.raises(ConfigurationError, match=r"line \d: not valid YAML"):
        load_configuration(path)


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_empty_file_is_refused(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="the file is empty"):
        load_configuration(path)


def test_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load_configuration(tmp_path / "nowhere.yaml")


def test_title_is_the_name_of_the_file_unless_given(tmp_path):
    path = write(tmp_path / "my_site.yaml", changed({"name": ...}))
    assert load_configuration(path).name == "my_site"


def test_plain_data_of_a_configuration_read_back_to_an_equal_one(tmp_path):
    write_weather(tmp_path / "weather.csv")
    changes = {**GRID, "forcing.file": "weather.csv", "output.file": "out.nc", "soil.parameters.porosity": 0.42}
    configuration = read({**changes, "vegetation.class": [[9, 7, 7], [9, 9, 20]]}, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = yaml.safe_load(yaml.safe_dump(configuration.model_dump(mode="json")))
    assert plain["vegetation"]["class"] == [[9, 7, 7], [9, 9, 20]]
    assert read_configuration(plain, "/") == configuration


def test_a_preset_of_schemes_takes_all_of_them_and_single_ones_change_it():
    released = read({"schemes": {"preset": "noah-3.4.1"}}).schemes
    assert released == preset("noah-3.4.1")
    changed = read({"schemes": {"preset": "noah-3.4.1", "turbulence": "yang2008"}}).schemes
    assert changed == dataclasses.replace(released, turbulence="yang2008")
    assert "Did you mean 'noah-3.4.1'" in problems({"schemes": {"preset": "noah-3.4"}})["schemes.preset"]
