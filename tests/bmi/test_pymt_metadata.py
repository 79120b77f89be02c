"""The metadata of the pymt plugin, found, loaded and staged with the library that pymt itself uses."""

from __future__ import annotations

import importlib.metadata
import warnings
from pathlib import Path
from typing import Any

import bmi_cases as cases
import numpy as np
import pytest
import torch
import yaml

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.example import example_table
from bmi_noahpy.forcing import ForcingSpec, open_forcing
from noahpy_core import NoahModel, SoilColumn, __version__
from noahpy_core.options import Options
from noahpy_core.processes import SCHEMES


def yaml_rules() -> tuple[dict[Any, Any], dict[Any, Any]]:
    """How yaml writes and reads plain data in this process."""
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    return dict(yaml.SafeDumper.yaml_representers), {first: list(rules) for first, rules in resolvers.items()}


def set_yaml_rules(rules: tuple[dict[Any, Any], dict[Any, Any]]) -> None:
    yaml.SafeDumper.yaml_representers, yaml.SafeLoader.yaml_implicit_resolvers = rules


# Importing model_metadata makes yaml sort keys and take 1e-5 for a number, in the whole process. Nobody but the tests
# of this file, which need it as it is in pymt, is to notice.
usual_rules = yaml_rules()
try:
    model_metadata = pytest.importorskip("model_metadata", reason="needs model_metadata (pip install model_metadata)")
    from model_metadata.model_setup import FileSystemLoader
finally:
    pymt_rules = yaml_rules()
    set_yaml_rules(usual_rules)


@pytest.fixture(scope="module", autouse=True)
def yaml_as_in_pymt():
    set_yaml_rules(pymt_rules)
    yield
    set_yaml_rules(usual_rules)


REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = 8
OUTPUTS = ("soil__temperature", "soil_water__volume_fraction", "land_surface__temperature", "snowpack__depth")


def fits(slot: str, name: str) -> bool:
    """Whether a scheme can stand in its slot while all others are those of the standard setup."""
    try:
        NoahModel(SoilColumn(torch.tensor([0.1, 0.4], dtype=torch.float64)), Options(**{slot: name}))
    except ValueError:
        return False
    return True


OFFERED = {slot: {name for name in schemes if fits(slot, name)} for slot, schemes in SCHEMES.items()}
OFFERED = {slot: names for slot, names in OFFERED.items() if len(names) > 1}

# Another value of each parameter, and for some what else it takes to make a difference within a few steps.
CHANGES: dict[str, Any] = {
    "domain": "column",
    "rows": 2,
    "columns": 3,
    "latitude": 60.0,
    "longitude": 10.0,
    "cell_size": 0.5,
    "north_temperature_contrast": 0.0,
    "east_moisture_contrast": -0.3,
    "start": "2020-05-01T00:00",
    "end": "2019-12-31T00:00",
    "time_step": 10800,
    "organic_layers": 5,
    "soil_class": 4,
    "vegetation_class": 7,
    "maximum_vegetation_fraction": 0.8,
    "minimum_vegetation_fraction": 0.2,
    "deep_snow_albedo": 0.5,
    "slope_class": 7,
    "deep_temperature": 260.0,
    "air_temperature_height": 10.0,
    "wind_height": 3.0,
    "turbulence": "yang2008",
    "snow_cover": "exponential",
    "thermal_roughness": "chen_zhang2009",
    "canopy_resistance": "leuning2008",
    "infiltration": "koren1999",
    "soil_hydraulics": "noah",
    "soil_thermal": "peters_lidard1998",
    "supercooled_water": "niu_yang2006",
    "phase_change": "enthalpy",
    "transitions": "smooth",
    "initial_warming": 2.0,
    "initial_moisture_factor": 0.8,
    "initial_snow_depth": 0.3,
    "initial_albedo": 0.5,
    "initial_roughness_length": 0.5,
    "forcing_file": "other.csv",
}
TOGETHER: dict[str, dict[str, Any]] = {
    "deep_snow_albedo": {"initial_snow_depth": 0.3},
    "snow_cover": {"initial_snow_depth": 0.3},
}


@pytest.fixture(scope="module")
def metadata() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model_metadata.ModelMetadata.from_obj(BmiNoahPy)


@pytest.fixture(scope="module")
def defaults(metadata) -> dict[str, Any]:
    return {name: entry["value"]["default"] for name, entry in metadata.parameters.items()}


def stage(metadata, folder: Path, values: dict[str, Any]) -> Path:
    """What pymt's setup() does: render every file with the parameters, and return the configuration."""
    FileSystemLoader(metadata.base).stage_all(str(folder), **values)
    other = folder / "other.csv"
    lines = (folder / "forcing.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[2:]]
    warmer = [",".join([row[0], str(float(row[1]) + 3.0), *row[2:]]) for row in rows]
    other.write_text("\n".join([*lines[:2], *warmer]) + "\n")
    return folder / metadata.run["config_file"]["path"]


def started(metadata, folder: Path, values: dict[str, Any]) -> BmiNoahPy:
    model = BmiNoahPy()
    model.initialize(str(stage(metadata, folder, values)))
    return model


def fingerprint(model: BmiNoahPy) -> list[Any]:
    """Time axis, cells, and some outputs after a few steps."""
    run = model._run.run
    found = [model.get_time_step(), model.get_end_time(), run.domain.latitude.tolist(), run.domain.longitude.tolist()]
    for _ in range(STEPS):
        model.update()
    return found + [cases.read(model, name).tolist() for name in OUTPUTS]


@pytest.fixture(scope="module")
def base(metadata, defaults, tmp_path_factory) -> dict[str, list[Any]]:
    """Fingerprints of the default, also of those that differ from it by what `TOGETHER` says, by parameter."""
    kept: dict[str, list[Any]] = {"": fingerprint(started(metadata, tmp_path_factory.mktemp("base"), defaults))}
    for name, others in TOGETHER.items():
        folder = tmp_path_factory.mktemp(name)
        kept[name] = fingerprint(started(metadata, folder, defaults | others))
    return kept


def test_the_entry_point_names_the_component():
    tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["pymt.plugins"]
    assert points == {"NoahPy": "bmi_noahpy:BmiNoahPy"}
    [point] = [importlib.metadata.EntryPoint(name, value, "pymt.plugins") for name, value in points.items()]
    assert point.load() is BmiNoahPy


def test_metadata_is_found_from_the_class_and_from_an_instance(metadata):
    assert Path(BmiNoahPy.METADATA).samefile(REPOSITORY / "meta" / "NoahPy")
    assert Path(metadata.base).samefile(model_metadata.ModelMetadata.find(BmiNoahPy()))
    assert metadata.api["class"] == metadata.name == BmiNoahPy().get_component_name()


def test_info_is_complete_and_has_the_version_of_the_package(metadata):
    assert metadata.info["version"] == __version__
    assert metadata.info["license"] == "MIT"
    assert metadata.info["authors"]
    assert metadata.info["summary"]
    assert metadata.info["cite_as"]


def test_every_parameter_has_a_description_and_a_default_within_its_range(metadata):
    for name, entry in metadata.parameters.items():
        value = entry["value"]
        assert entry["description"], name
        limits = value.get("range", {})
        assert limits.get("min", -np.inf) <= value["default"] <= limits["max"] if limits else True, name


def test_the_scheme_parameters_offer_every_built_in_scheme_and_default_to_those_of_the_model(metadata):
    offered = {name for name in metadata.parameters if name in SCHEMES}
    assert offered == set(OFFERED)
    for name in offered:
        value = metadata.parameters[name]["value"]
        assert set(value["choices"]) == OFFERED[name]
        assert value["default"] == getattr(Options(), name)


def test_the_template_uses_exactly_the_parameters(metadata):
    from jinja2 import Environment, meta

    text = (Path(metadata.base) / "noahpy.yaml").read_text(encoding="utf-8")
    used = meta.find_undeclared_variables(Environment().parse(text))
    assert used == set(metadata.parameters)


def test_the_default_is_a_small_grid_of_a_type_that_pymt_can_draw(metadata, defaults, tmp_path):
    model = started(metadata, tmp_path, defaults)
    grid = model.get_var_grid("land_surface__temperature")
    assert model.get_grid_type(grid) == "uniform_rectilinear"
    assert model.get_grid_shape(grid, np.empty(2, dtype=int)).tolist() == [3, 4]
    assert model.get_grid_type(model.get_var_grid("soil__temperature")) == "rectilinear"
    assert model.get_end_time() == 365.25 * 86400.0


def test_one_argument_makes_it_a_single_column_in_the_middle_of_the_grid(metadata, defaults, tmp_path):
    column = started(metadata, tmp_path / "column", defaults | {"domain": "column"})
    grid = started(metadata, tmp_path / "grid", defaults | {"rows": 3, "columns": 3})
    assert column.get_grid_type(column.get_var_grid("land_surface__temperature")) == "scalar"
    for model in (column, grid):
        for _ in range(3):
            model.update()
    middle = cases.read(grid, "soil__temperature").reshape(-1, 9)[:, 4]
    assert np.allclose(cases.read(column, "soil__temperature"), middle, rtol=0.0, atol=1e-10)


def test_changes_cover_every_parameter_and_are_within_ranges_and_choices(metadata, defaults):
    assert set(CHANGES) == set(defaults)
    for name, value in CHANGES.items():
        entry = metadata.parameters[name]["value"]
        assert value != entry["default"]
        assert entry["type"] != "str" or name == "forcing_file" or value in entry.get("choices", [value])
        if "range" in entry:
            assert entry["range"]["min"] <= value <= entry["range"]["max"]


@pytest.mark.parametrize("name", CHANGES)
def test_every_parameter_changes_the_run(metadata, defaults, base, tmp_path, name):
    values = defaults | TOGETHER.get(name, {}) | {name: CHANGES[name]}
    changed = fingerprint(started(metadata, tmp_path, values))
    assert changed != base.get(name, base[""])
    assert np.isfinite(np.concatenate([np.ravel(part) for part in changed])).all()


@pytest.mark.slow
def test_every_choice_of_every_parameter_runs(metadata, defaults, tmp_path):
    for name, entry in metadata.parameters.items():
        for number, choice in enumerate(entry["value"].get("choices", ())):
            if name == "forcing_file":
                continue
            values = defaults | {"domain": "column", name: choice}
            model = started(metadata, tmp_path / f"{name}{number}", values)
            model.update()
            assert np.isfinite(cases.read(model, "soil__temperature")).all(), (name, choice)


@pytest.mark.slow
def test_the_shipped_year_runs_to_its_end_and_keeps_permafrost(metadata, defaults, tmp_path):
    model = started(metadata, tmp_path, defaults | {"time_step": 86400})
    model.update_until(model.get_end_time())
    soil = cases.read(model, "soil__temperature").reshape(-1, 12)
    assert np.isfinite(soil).all()
    assert (soil[0] > 273.15).all()
    assert (soil[10] < 273.15).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("deep_temperature", -3.0, r"general\.deep_temperature"),
        ("turbulence", "chen", r"schemes\.turbulence: .*unknown scheme 'chen'"),
        ("start", "", r"period\.start: empty value"),
        ("forcing_file", "missing.csv", r"forcing\.file: .*missing\.csv"),
    ],
)
def test_a_wrong_setup_argument_is_named_at_initialize(metadata, defaults, tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message):
        started(metadata, tmp_path, defaults | {"domain": "column", name: value})


def test_text_files_survive_the_rendering_of_templates(metadata, defaults, tmp_path):
    """Jinja renders all of them; nothing of the weather may look like a template."""
    stage(metadata, tmp_path, defaults)
    source = (Path(metadata.base) / "forcing.csv").read_text(encoding="utf-8")
    assert (tmp_path / "forcing.csv").read_text(encoding="utf-8").rstrip("\n") == source.rstrip("\n")
    assert isinstance(yaml.safe_load((tmp_path / "noahpy.yaml").read_text(encoding="utf-8")), dict)


def test_the_shipped_weather_is_the_built_in_example_in_means_of_six_hours(metadata):
    path = Path(metadata.base) / "forcing.csv"
    start, end = np.datetime64("2019-09-01T00:00"), np.datetime64("2020-08-31T18:00")
    shipped = open_forcing(ForcingSpec(file=path, format="csv"), (start, end))
    example = example_table()
    precision = {"air_temperature": 6e-3, "air_pressure": 0.6, "specific_humidity": 6e-7, "wind_speed": 6e-3,
                 "shortwave_down": 6e-2, "longwave_down": 6e-2, "precipitation": 6e-9}  # fmt: skip
    for quantity, tolerance in precision.items():
        means = example.values[quantity][: 2 * len(shipped.times), 0].reshape(-1, 2).mean(1)
        assert np.allclose(shipped.values[quantity][:, 0], means, rtol=0.0, atol=tolerance), quantity


# --- what setup() is given by mistake


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 1}, "rows is 1, not a whole number from 2 to 200"),
        ({"rows": "abc"}, "rows is abc, not a whole number from 2 to 200"),
        ({"columns": 2.5}, "columns is 2.5, not a whole number from 2 to 200"),
        ({"domain": "sphere"}, "domain is sphere, not grid or column"),
        ({"organic_layers": 20}, "organic_layers is 20, not a whole number from 0 to 10"),
        ({"row": 3}, "row is no parameter of NoahPy"),
    ],
)
def test_what_no_run_can_be_made_of_is_named(metadata, defaults, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        started(metadata, tmp_path, defaults | changes)


def test_a_column_does_not_mind_the_sides_of_a_grid(metadata, defaults, tmp_path):
    model = started(metadata, tmp_path, defaults | {"domain": "column", "rows": 1})
    assert model.get_grid_type(0) == "scalar"


def test_a_keyword_that_has_no_parameter_is_told_from_all_that_have(metadata):
    template = (REPOSITORY / "meta/NoahPy/noahpy.yaml").read_text(encoding="utf-8")
    known = template.split("set known = [")[1].split("]")[0]
    assert [name.strip().strip('"') for name in known.split(",")] == list(metadata.parameters)


def test_the_metadata_say_where_the_model_is_described(metadata):
    assert metadata.info["doi"] == "10.5194/gmd-19-57-2026"
    assert metadata.info["url"].endswith(metadata.info["doi"])
