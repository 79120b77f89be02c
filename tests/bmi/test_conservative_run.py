"""The conservative preset from a configuration: the run, its file, its restart, and the component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from bmi_noahpy import BmiNoahPy, ConfigurationError, launch, load_configuration, prepare
from bmi_noahpy.example import write_example
from noahpy_core import preset

NAMES = ["snow.layer_mass", "snow_temperature", "soil.temperature", "water_residual", "enthalpy_residual"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("conservative")
    write_example(path)
    return path


def configured(folder: Path, name: str, days: int, **changes: Any) -> Path:
    """A file of the example in early winter with the preset."""
    values = yaml.safe_load(next(folder.glob("*.yaml")).read_text())
    values["period"] |= {"end": f"2019-09-{days:02d}T00:00"}
    values["output"] = {"file": f"{name}.nc", "every": 1, "variables": NAMES}
    values |= {"schemes": {"preset": "conservative"}, **changes}
    path = folder / f"{name}_conservative.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_a_preset_is_a_set_of_schemes_and_those_beside_it_change_it(folder):
    path = configured(folder, "own", 5, schemes={"preset": "conservative", "snow_conductivity": "yen1981"})
    schemes = load_configuration(path).schemes
    assert schemes.surface_balance == preset("conservative").surface_balance == "closed"
    assert schemes.snow_conductivity == "yen1981"
    with pytest.raises(
        ConfigurationError, match=r"schemes.preset: 'conservativ' is unknown.*Did you mean 'conservative'"
    ):
        load_configuration(configured(folder, "typo", 5, schemes={"preset": "conservativ"}))
    with pytest.raises(ConfigurationError, match=r"schemes.*'noah' does not go with"):
        prepare(load_configuration(configured(folder, "mixed", 5, schemes={"preset": "conservative", "snow": "noah"})))


def test_a_run_closes_and_its_file_has_the_snow_layers(folder):
    launch(load_configuration(configured(folder, "whole", 8)))
    with xr.open_dataset(folder / "whole.nc") as data:
        assert data.sizes["snow_layer"] == 3
        assert abs(data.enthalpy_residual).max() < 1.0e-8
        assert abs(data.water_residual).max() * 10800.0 < 1.0e-9
        assert np.isfinite(data.snow_temperature).all()


def test_a_run_that_goes_on_from_its_restart_file_has_the_records_of_the_whole(folder):
    launch(load_configuration(configured(folder, "again", 8, restart={"folder": "kept", "every": "4 days", "keep": 3})))
    kept = sorted((folder / "kept").glob("*.nc"))[0]
    launch(load_configuration(configured(folder, "rest", 8, restart={"from": f"kept/{kept.name}"})))
    with xr.open_dataset(folder / "again.nc") as whole, xr.open_dataset(folder / "rest.nc") as rest:
        part = whole.sel(time=rest.time)
        for name in ("soil_temperature", "snow_layer_mass"):
            assert np.array_equal(part[name], rest[name]), name


def test_a_component_steps_with_the_preset(folder):
    model = BmiNoahPy()
    model.initialize(str(configured(folder, "bmi", 8)))
    for _ in range(4):
        model.update()
    temperature = np.empty(model.get_var_nbytes("soil__temperature") // 8)
    model.get_value("soil__temperature", temperature)
    model.finalize()
    assert (temperature > 250.0).all()
    assert (temperature < 300.0).all()


def test_outputs_of_layered_snow_are_left_out_of_all_and_refused_by_name_without_it(folder):
    noah = {"schemes": {"preset": "noah-permafrost"}}
    named = load_configuration(configured(folder, "named", 2, **noah))
    with pytest.raises(ValueError, match=r"'snow.layer_mass' is of layered snow.*preset: conservative"):
        launch(named)
    path = configured(folder, "everything", 2, **noah)
    values = yaml.safe_load(path.read_text())
    values["output"]["variables"] = ["all"]
    path.write_text(yaml.safe_dump(values))
    launch(load_configuration(path))
    with xr.open_dataset(folder / "everything.nc") as data:
        assert "snow_layer" not in data.sizes
        assert "soil_temperature" in data
