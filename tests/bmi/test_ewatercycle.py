"""The eWaterCycle plugin: dates in the time units, and the model class on top of eWaterCycle's `LocalModel`."""

from __future__ import annotations

import datetime
import importlib
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import bmi_cases as cases
import cftime
import numpy as np
import pytest
import yaml

from bmi_noahpy import BmiNoahPy
from bmi_noahpy.component.dated import DatedBmiNoahPy

optional_dest = pytest.importorskip("grpc4bmi.bmi_optionaldest", reason="needs grpc4bmi, which eWaterCycle is built on")


class StandIn:
    """What the plugin uses of `ewatercycle.base.model.LocalModel`, for where eWaterCycle is not installed."""

    def setup(self, *, cfg_dir: str, **arguments: Any) -> tuple[str, str]:
        self._cfg_dir = Path(cfg_dir)
        self._cfg_dir.mkdir(parents=True, exist_ok=True)
        self._cfg_file = self._make_cfg_file(**arguments)
        self._bmi = optional_dest.OptionalDestBmi(self.bmi_class())
        return str(self._cfg_file), str(self._cfg_dir)

    def initialize(self, config_file: str) -> None:
        self._bmi.initialize(config_file)

    def update(self) -> None:
        self._bmi.update()

    def finalize(self) -> None:
        self._bmi.finalize()

    def get_value(self, name: str) -> np.ndarray:
        return self._bmi.get_value(name)

    def get_value_at_coords(self, name: str, lat: list[float], lon: list[float]) -> np.ndarray:
        return self._bmi.get_value_at_indices(name, np.array(self._coords_to_indices(name, lat, lon)))

    def get_latlon_grid(self, name: str) -> tuple[Any, Any, Any]:
        raise NotImplementedError

    def _coords_to_indices(self, name: str, lat: list[float], lon: list[float]) -> list[int]:
        """The nearest cell in degrees."""
        latitude, longitude, shape = self.get_latlon_grid(name)
        return [
            int(np.abs(latitude - y).argmin() * shape[1] + np.abs(longitude - x).argmin())
            for y, x in zip(lat, lon, strict=True)
        ]

    @property
    def time_as_datetime(self) -> datetime.datetime:
        return cftime.num2pydate(self._bmi.get_current_time(), self._bmi.get_time_units())


@pytest.fixture
def plugin(monkeypatch) -> types.ModuleType:
    """The plugin with the real base class if it can be imported, else with the stand-in."""
    try:
        importlib.import_module("ewatercycle.base.model")
    except ImportError:
        for name in ("ewatercycle", "ewatercycle.base", "ewatercycle.base.model"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules["ewatercycle.base.model"].LocalModel = StandIn
    monkeypatch.delitem(sys.modules, "bmi_noahpy.component.ewatercycle", raising=False)
    module = importlib.import_module("bmi_noahpy.component.ewatercycle")
    monkeypatch.delitem(sys.modules, "bmi_noahpy.component.ewatercycle")
    return module


@pytest.fixture
def model(plugin, tmp_path) -> Any:
    source = cases.write_case(tmp_path / "source", cases.grid_configuration())
    started = plugin.NoahPy()
    file, _ = started.setup(cfg_dir=str(tmp_path / "run"), configuration=source)
    started.initialize(file)
    return started


def test_time_units_say_when_time_zero_is(tmp_path):
    model = DatedBmiNoahPy()
    assert model.get_time_units() == "s"
    model.initialize(str(cases.write_case(tmp_path, cases.configuration())))
    assert model.get_time_units() == "seconds since 2007-04-10 00:00:00"
    model.update()
    now = cftime.num2pydate(model.get_current_time(), model.get_time_units())
    assert now == datetime.datetime(2007, 4, 10, 1)
    model.finalize()
    assert model.get_time_units() == "s"


def test_but_for_the_units_the_dated_component_is_the_component(tmp_path):
    path = str(cases.write_case(tmp_path, cases.configuration()))
    dated, plain = DatedBmiNoahPy(), BmiNoahPy()
    for model in (dated, plain):
        model.initialize(path)
        model.update_until(3 * cases.STEP)
    assert (dated.get_start_time(), dated.get_end_time()) == (plain.get_start_time(), plain.get_end_time())
    for name in ("soil__temperature", "land_surface__temperature"):
        assert np.array_equal(cases.read(dated, name), cases.read(plain, name))


def test_importing_the_package_does_not_import_ewatercycle():
    program = "import sys, bmi_noahpy, bmi_noahpy.component.dated; sys.exit('ewatercycle' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_setup_writes_a_configuration_with_the_changes_that_were_asked_for(plugin, tmp_path):
    source = cases.write_case(tmp_path / "source", cases.configuration())
    changes = {"general.deep_temperature": 269.0, "period.end": "2007-04-10T05:00"}
    file, folder = plugin.NoahPy().setup(cfg_dir=str(tmp_path / "run"), configuration=source, **changes)
    sections = yaml.safe_load(Path(file).read_text())
    assert Path(file).parent == Path(folder) == tmp_path / "run"
    assert sections["general"]["deep_temperature"] == 269.0
    assert sections["period"]["end"] == "2007-04-10T05:00"
    assert Path(sections["forcing"]["file"]).samefile(tmp_path / "source" / "weather.csv")


def test_setup_names_a_key_it_does_not_know(plugin, tmp_path):
    source = cases.write_case(tmp_path, cases.configuration())
    with pytest.raises(KeyError, match=r"unknown key 'soils\.classes'"):
        plugin.NoahPy().setup(cfg_dir=str(tmp_path / "run"), configuration=source, **{"soils.classes": 3})


def test_sections_that_the_configuration_lacks_can_be_set(plugin, tmp_path):
    source = cases.write_case(tmp_path / "source", cases.configuration())
    model = plugin.NoahPy()
    changes = {"schemes.phase_change": "enthalpy", "snow.deep_snow_albedo": 0.6}
    file, _ = model.setup(cfg_dir=str(tmp_path / "run"), configuration=source, **changes)
    assert yaml.safe_load(Path(file).read_text())["schemes"] == {"phase_change": "enthalpy"}
    model.initialize(file)
    model.update()


def test_a_forcing_object_is_refused_with_what_to_do(plugin, tmp_path):
    model = plugin.NoahPy()
    object.__setattr__(model, "forcing", object())
    with pytest.raises(ValueError, match=r"setup: forcing= is not possible\..*set 'forcing\.file'"):
        model.setup(cfg_dir=str(tmp_path))


def test_parameters_are_what_setup_can_change(plugin, tmp_path):
    model = plugin.NoahPy()
    before = dict(model.parameters)
    assert {"period.start", "soil.thickness", "general.deep_temperature"} <= set(before)
    model.setup(cfg_dir=str(tmp_path / "run"), **{"general.deep_temperature": 265.0})
    assert dict(model.parameters)["general.deep_temperature"] == 265.0


def test_values_at_points_have_the_layers_of_soil_variables(model):
    model.update()
    points = {"lat": [33.1, 33.5], "lon": [91.9, 91.0]}
    assert model.get_value_at_coords("land_surface__temperature", **points).shape == (2,)
    soil = model.get_value_at_coords("soil__temperature", **points)
    assert np.array_equal(soil, model.get_value("soil__temperature").reshape(cases.LAYERS, 6)[:, [2, 3]])


def test_without_a_configuration_the_example_runs_with_its_dates(plugin, tmp_path):
    model = plugin.NoahPy()
    file, _ = model.setup(cfg_dir=str(tmp_path / "run"))
    model.initialize(file)
    model.update()
    assert model.time_as_datetime == datetime.datetime(2019, 9, 1, 3)
    assert model.get_value_as_xarray("soil__temperature").shape == (1, 20, 1, 1)
    assert model.get_value_at_coords("land_surface__temperature", lat=[60.0], lon=[0.0]).shape == (1,)


def test_values_come_as_xarray_with_coordinates_layers_and_time(model):
    model.update()
    surface, soil = (model.get_value_as_xarray(name) for name in ("land_surface__temperature", "soil__temperature"))
    assert surface.dims == ("time", "latitude", "longitude")
    assert soil.dims == ("time", "layer", "latitude", "longitude")
    assert surface.latitude.values.tolist() == cases.LATITUDES
    assert surface.longitude.values.tolist() == cases.LONGITUDES
    assert surface.time.values[0] == np.datetime64("2007-04-10T01:00")
    assert surface.attrs["units"] == "K"
    assert np.array_equal(soil.values.ravel(), model.get_value("soil__temperature"))


def test_the_grid_of_a_model_that_is_not_initialized_is_an_error(plugin, tmp_path):
    model = plugin.NoahPy()
    model.setup(cfg_dir=str(tmp_path / "run"))
    with pytest.raises(RuntimeError, match="not initialized"):
        model.get_latlon_grid("soil__temperature")


def test_the_entry_point_names_the_model_class(plugin):
    tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["entry-points"]["ewatercycle.models"] == {"NoahPy": "bmi_noahpy:NoahPy"}
    assert plugin.NoahPy().version
