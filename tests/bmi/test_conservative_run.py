"""The conservative preset from a configuration: the run, its file, its restart, and the component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from bmi_noahpy import (
    BmiNoahPy,
    ConfigurationError,
    Launch,
    RestartError,
    launch,
    load_configuration,
    prepare,
    read_restart,
)
from bmi_noahpy.example import write_example
from bmi_noahpy.runs.restart import Restart, RestartWarning, write_restart
from noahpy_core import preset
from noahpy_core.quantities import replace_quantity

NAMES = ["snow.layer_mass", "snow_temperature", "soil.temperature", "water_residual", "enthalpy_residual"]
NAMES += ["soil.temperature_remainder"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("conservative")
    write_example(path)
    return path


def configured(folder: Path, name: str, days: int, **changes: Any) -> Path:
    """A file of the example in early winter with the preset."""
    values = yaml.safe_load((folder / "permafrost.yaml").read_text())
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
        # Residuals of 1e-13 are the same only if no digit of the state was lost.
        for name in ("soil_temperature", "snow_layer_mass", "enthalpy_residual", "soil_temperature_remainder"):
            assert np.array_equal(part[name], rest[name]), name


def test_a_restart_file_from_before_temperatures_had_a_remainder_is_read_as_without_one(folder):
    like = prepare(load_configuration(configured(folder, "before", 2))).initial_state
    state = replace_quantity(like, "soil.temperature", like.soil.temperature + 1.0)
    start = np.datetime64("2019-09-01", "s")
    restart = Restart(start, start, 0, replace_quantity(state, "soil.temperature_remainder", None), {})
    write_restart(folder / "before.nc", restart)
    found = read_restart(folder / "before.nc", like).state.soil
    assert torch.equal(found.temperature, state.soil.temperature)
    assert torch.equal(found.temperature_remainder, torch.zeros_like(found.temperature))


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


def test_the_number_of_snow_layers_is_that_of_the_configuration_in_file_restart_and_component(folder):
    two = {"snow": {"deep_snow_albedo": 0.72, "layers": 2}, "execution": "eager"}
    path = configured(folder, "two", 2, **two, restart={"folder": "of_two", "every": "1 day", "keep": 1})
    launch(load_configuration(path))
    with xr.open_dataset(folder / "two.nc") as data:
        assert data.sizes["snow_layer"] == 2
    kept = next((folder / "of_two").glob("*.nc"))
    assert read_restart(kept, prepare(load_configuration(path)).initial_state).state.snow.layer_mass.shape == (2, 1)
    with pytest.raises(RestartError, match=r"snow"):
        launch(load_configuration(configured(folder, "three", 4, restart={"from": f"of_two/{kept.name}"})))
    model = BmiNoahPy()
    model.initialize(str(path))
    assert model.get_grid_size(model.get_var_grid("snowpack_layer__temperature")) == 2
    assert len(model.get_value_ptr("snowpack_layer__mass-per-area_density")) == 2
    model.finalize()


def test_litter_and_moss_come_from_the_configuration_and_through_the_component(folder):
    cover = {"parameters": {"litter_area_index": 0.5, "moss_resistance": "100 s m-1"}}
    values = yaml.safe_load((folder / "permafrost.yaml").read_text())["vegetation"] | cover
    path = configured(folder, "covered", 2, vegetation=values, execution="eager")
    model = BmiNoahPy()
    model.initialize(str(path))
    assert model.get_value_ptr("land_vegetation__moss_resistance") == 100.0
    model.set_value("land_vegetation__moss_resistance", np.array([200.0]))
    model.update()
    assert model.get_value_ptr("land_vegetation__litter_area_index") == 0.5
    model.finalize()


def test_litter_is_refused_where_no_scheme_reads_it(folder):
    values = yaml.safe_load((folder / "permafrost.yaml").read_text())["vegetation"]
    noah = {"schemes": {"preset": "noah-permafrost"}, "vegetation": values | {"parameters": {"litter_area_index": 0.5}}}
    with pytest.raises(
        ConfigurationError, match=r"vegetation.parameters.litter_area_index: is read by.*preset: conservative"
    ):
        prepare(load_configuration(configured(folder, "bare", 2, **noah)))
    model = BmiNoahPy()
    model.initialize(str(configured(folder, "noahs", 2, schemes={"preset": "noah-permafrost"}, execution="eager")))
    assert model.get_value_ptr("land_vegetation__litter_area_index") == 0.0
    with pytest.raises(ValueError, match=r"land_vegetation__litter_area_index.*preset: conservative"):
        model.set_value("land_vegetation__litter_area_index", np.array([0.5]))
    model.finalize()


@pytest.mark.parametrize(("layers", "text"), [(0, "layers: .*0"), (11, "layers: .*11"), (2.5, "layers: ")])
def test_an_impossible_number_of_snow_layers_is_refused(folder, layers, text):
    with pytest.raises(ConfigurationError, match=text):
        load_configuration(configured(folder, "many", 2, snow={"layers": layers}))


def test_snow_layers_of_noahs_snow_are_refused_with_the_preset(folder):
    noah = {"schemes": {"preset": "noah-permafrost"}, "snow": {"layers": 3}}
    with pytest.raises(ConfigurationError, match=r"snow.layers: 3, but .*preset: conservative"):
        prepare(load_configuration(configured(folder, "noahs", 2, **noah)))


def test_what_a_state_has_no_place_for_is_left_out_with_a_warning(folder):
    given = configured(folder, "snowy", 3, restart={"folder": "of_snowy", "every": "1 day", "keep": 1})
    launch(load_configuration(given), Launch(overwrite=True))
    kept = next((folder / "of_snowy").glob("*.nc"))
    section = {"from": f"of_snowy/{kept.name}", "only_state": True}
    noah = configured(folder, "onwards", 3, schemes={"preset": "noah-permafrost"}, restart=section)
    values = yaml.safe_load(noah.read_text())
    values["output"]["variables"] = ["skin_temperature"]
    noah.write_text(yaml.safe_dump(values))
    with pytest.warns(RestartWarning, match=r"of_snowy.*snow_albedo.*no place for it"):
        launch(load_configuration(noah), Launch(overwrite=True))
