from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from made_up_run import THICKNESS, made_up_run, output_spec, outputs_of, state_and_fluxes, write_steps

from bmi_noahpy.output import OutputWriter
from bmi_noahpy.output.variables import (
    DEFAULT_VARIABLES,
    UnknownOutputVariable,
    choose_variables,
    output_variables,
)
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import Fluxes, State


def write(path: Path, run, spec, steps: int, **arguments) -> Path:
    with OutputWriter(path, run, spec, **arguments) as writer:
        write_steps(writer, run, steps)
    return path


def test_every_quantity_of_state_and_fluxes_comes_back_unchanged(tmp_path):
    run = made_up_run()
    path = write(tmp_path / "out.nc", run, output_spec(variables=["all"]), 3)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        for number in range(3):
            state, fluxes = state_and_fluxes(run, number)
            for holder, cls in ((state, State), (fluxes, Fluxes)):
                for name, _ in quantities(cls):
                    written = data[name.replace(".", "_")].isel(time=number).values
                    np.testing.assert_array_equal(written, get_quantity(holder, name)[..., 0].numpy(), err_msg=name)
            np.testing.assert_array_equal(
                data.soil_moisture.isel(time=number), (state.soil.liquid_water + state.soil.ice)[:, 0]
            )


def test_units_and_names_of_the_file_are_those_of_the_quantities(tmp_path):
    run = made_up_run()
    path = write(tmp_path / "out.nc", run, output_spec(variables=["all"]), 1)
    with netCDF4.Dataset(path) as data:
        for cls in (State, Fluxes):
            for name, metadata in quantities(cls):
                variable = data[name.replace(".", "_")]
                assert variable.units == metadata["units"]
                assert variable.long_name == metadata["long_name"]
                assert getattr(variable, "standard_name", None) == metadata["standard_name"]
                assert variable.dimensions == ("time", *metadata["dims"])


def test_names_in_the_file_are_unique():
    names = [variable.name for variable in output_variables().values()]
    assert len(names) == len(set(names))


def test_the_default_selection_exists():
    assert [variable.path for variable in choose_variables(None)] == list(DEFAULT_VARIABLES)


def test_time_is_the_end_of_the_step_and_its_bounds_enclose_the_step(tmp_path):
    run = made_up_run(start="2007-04-01T06:00", step=10800.0)
    path = write(tmp_path / "out.nc", run, output_spec(), 2)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data.time.attrs["standard_name"] == "time"
        assert data.time.attrs["axis"] == "T"
        assert data.time.values[0] == np.datetime64("2007-04-01T09:00")
        np.testing.assert_array_equal(
            data[data.time.attrs["bounds"]].values[1],
            np.array(["2007-04-01T09:00", "2007-04-01T12:00"], dtype="datetime64[ns]"),
        )
    with netCDF4.Dataset(path) as data:
        assert data["time"].units == "seconds since 2007-04-01 06:00:00"
        assert data["time"].calendar == "standard"


def test_states_are_points_and_fluxes_are_means_of_the_interval(tmp_path):
    path = write(tmp_path / "out.nc", made_up_run(), output_spec(variables=["all"]), 1)
    with netCDF4.Dataset(path) as data:
        assert data["soil_temperature"].cell_methods == "time: point"
        assert data["snow_density"].cell_methods == "time: point"
        assert data["latent_heat_flux"].cell_methods == "time: mean"
        assert data["soil_water_storage"].cell_methods == "time: point"


def test_layers_are_depths_with_bounds_positive_down(tmp_path):
    path = write(tmp_path / "out.nc", made_up_run(), output_spec(), 1)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        layer = data.layer
        assert (layer.attrs["standard_name"], layer.attrs["units"]) == ("depth", "m")
        assert (layer.attrs["positive"], layer.attrs["axis"]) == ("down", "Z")
        np.testing.assert_allclose(layer, [0.05, 0.25, 0.7])
        np.testing.assert_allclose(data[layer.attrs["bounds"]], [[0, 0.1], [0.1, 0.4], [0.4, 1.0]])


def test_layers_that_differ_between_columns_have_a_depth_for_each(tmp_path):
    thickness = torch.tensor(THICKNESS, dtype=torch.float64)[:, None] * torch.tensor([1.0, 2.0])
    run = made_up_run(latitude=[10.0], longitude=[1.0, 2.0], thickness=thickness)
    path = write(tmp_path / "out.nc", run, output_spec(), 1)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        np.testing.assert_array_equal(data.layer, [1, 2, 3])
        np.testing.assert_allclose(data.layer_depth.sel(lon=2.0).squeeze(), [0.1, 0.5, 1.4])
        assert data.layer_depth.dims == ("layer", "lat", "lon")
        assert "layer_depth" in data.soil_temperature.coords


def test_one_column_has_scalar_coordinates(tmp_path):
    path = write(tmp_path / "out.nc", made_up_run(), output_spec(), 1)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data.soil_temperature.dims == ("time", "layer")
        assert float(data.soil_temperature.coords["lat"]) == 33.0
        assert float(data.skin_temperature.coords["lon"]) == 92.0
        assert data.lat.attrs["units"] == "degrees_north"


def test_a_grid_keeps_latitude_before_longitude_with_columns_in_c_order(tmp_path):
    run = made_up_run(latitude=[30.0, 31.0], longitude=[90.0, 91.0, 92.0])
    path = write(tmp_path / "out.nc", run, output_spec(), 2)
    state, _ = state_and_fluxes(run, 1)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data.soil_temperature.dims == ("time", "layer", "lat", "lon")
        assert data.skin_temperature.dims == ("time", "lat", "lon")
        column = 1 * 3 + 2
        np.testing.assert_array_equal(
            data.soil_temperature.isel(time=1).sel(lat=31.0, lon=92.0), state.soil.temperature[:, column]
        )
    with xr.open_dataset(path, group="parameters") as parameters:
        assert parameters.soil_porosity.shape == (3, 2, 3)
        assert parameters.general_wind_height.dims == ("lat", "lon")


def test_parameters_of_the_run_are_kept_with_their_units(tmp_path):
    run = made_up_run()
    path = write(tmp_path / "out.nc", run, output_spec(), 1)
    with xr.open_dataset(path, group="parameters") as data:
        for name, metadata in quantities(Parameters):
            variable = data[name.replace(".", "_")]
            np.testing.assert_array_equal(variable, get_quantity(run.parameters, name)[..., 0])
            assert variable.attrs["units"] == metadata["units"]


def test_a_parameter_that_is_derived_is_left_out(tmp_path):
    run = made_up_run()
    run.parameters = replace_quantity(run.parameters, "soil.field_capacity", None)
    path = write(tmp_path / "out.nc", run, output_spec(), 1)
    with xr.open_dataset(path, group="parameters") as data:
        assert "soil_field_capacity" not in data
        assert "soil_wilting_point" in data


def test_the_file_says_how_it_was_made(tmp_path):
    path = write(tmp_path / "out.nc", made_up_run(), output_spec(), 1)
    with netCDF4.Dataset(path) as data:
        assert data.Conventions == "CF-1.11"
        assert data.title.startswith("Test site")
        assert data.source.startswith("NoahPy ")
        assert yaml.safe_load(data.configuration)["domain"]["latitude"] == 33.0
        assert json.loads(data.options)["turbulence"] == "chen1997"
        assert data.soil_classes == "numbers of the table noah: 1 clay to 12 sand"


def test_a_configuration_larger_than_64_kib_still_fits(tmp_path):
    run = made_up_run()
    run.configuration.model_dump = lambda mode: {"values": list(range(60_000))}
    path = write(tmp_path / "out.nc", run, output_spec(), 1)
    with netCDF4.Dataset(path) as data:
        assert len(yaml.safe_load(data.configuration)["values"]) == 60_000


def test_every_n_steps_averages_fluxes_and_keeps_the_last_state(tmp_path):
    run = made_up_run(step=3600.0)
    path = write(tmp_path / "out.nc", run, output_spec(every=3, variables=["skin_temperature", "dew"]), 7)
    first_dew = float(state_and_fluxes(run, 0)[1].dew[0])
    first_skin = float(state_and_fluxes(run, 0)[0].skin_temperature[0])
    with xr.open_dataset(path, decode_timedelta=False) as data:
        np.testing.assert_allclose(data.dew, first_dew + np.array([1.0, 4.0, 6.0]))
        np.testing.assert_allclose(data.skin_temperature, first_skin + np.array([2.0, 5.0, 6.0]))
        hours = (data.time_bnds.values - np.datetime64("2007-04-01")) / np.timedelta64(1, "h")
        np.testing.assert_allclose(hours, [[0, 3], [3, 6], [6, 7]])


def test_daily_statistics_follow_the_calendar_day(tmp_path):
    run = made_up_run(start="2007-04-01T18:00", step=10800.0)
    spec = output_spec(daily=["mean", "min", "max"], variables=["skin_temperature"])
    path = write(tmp_path / "out.nc", run, spec, 12)
    first = float(state_and_fluxes(run, 0)[0].skin_temperature[0])
    with xr.open_dataset(path, decode_timedelta=False) as data:
        np.testing.assert_allclose(data.skin_temperature_mean - first, [0.5, 5.5, 10.5])
        np.testing.assert_allclose(data.skin_temperature_min - first, [0, 2, 10])
        np.testing.assert_allclose(data.skin_temperature_max - first, [1, 9, 11])
        assert data.time.values[1] == np.datetime64("2007-04-03")
        assert data.skin_temperature_max.attrs["cell_methods"].startswith("time: maximum (interval: 10800 s")


@pytest.mark.parametrize("step", [7 * 3600.0, 2 * 86400.0])
def test_daily_statistics_of_steps_that_do_not_divide_a_day_are_refused(tmp_path, step):
    with pytest.raises(ValueError, match=r"output\.daily.*output\.every"):
        OutputWriter(tmp_path / "out.nc", made_up_run(step=step), output_spec(daily=["mean"]))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("soil.temprature", "soil.temperature"),
        ("soil_temp", "soil.temperature"),
        ("latent_heat", "latent_heat_flux"),
        ("water_equivalent", "snow.water_equivalent"),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_valid_ones(tmp_path, wrong, right):
    with pytest.raises(UnknownOutputVariable, match=rf"'{wrong}'.*{right}") as error:
        OutputWriter(tmp_path / "out.nc", made_up_run(), output_spec(variables=[wrong]))
    assert "noahpy info variables" in str(error.value)
    assert not (tmp_path / "out.nc").exists()


def test_a_variable_may_be_named_as_it_stands_in_the_file():
    assert [variable.path for variable in choose_variables(["soil_temperature"])] == ["soil.temperature"]


def test_forcing_is_written_when_asked_for(tmp_path):
    run = made_up_run()
    path = write(tmp_path / "out.nc", run, output_spec(variables=["forcing.air_temperature"]), 3)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        np.testing.assert_array_equal(data.forcing_air_temperature, [0.0, 10.0, 20.0])
        assert data.forcing_air_temperature.attrs["standard_name"] == "air_temperature"


def test_forcing_that_the_run_does_not_have_is_an_error(tmp_path):
    run = made_up_run()
    run.forcing = None
    with pytest.raises(ValueError, match="forcing"):
        OutputWriter(tmp_path / "out.nc", run, output_spec(variables=["forcing.wind_speed"]))


def test_snow_density_is_missing_without_snow():
    snow = {"snow.depth": np.array([0.0, 0.5]), "snow.water_equivalent": np.array([0.0, 100.0])}
    density = output_variables()["snow.density"].read(snow)
    assert np.isnan(density[0])
    assert density[1] == 200.0


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path):
    run = made_up_run()
    path = write(tmp_path / "out.nc", run, output_spec(), 5)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"out\.nc exists.*--overwrite"):
        write(path, run, output_spec(), 1)
    assert path.read_bytes() == before
    write(path, run, output_spec(), 1, overwrite=True)
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data.sizes["time"] == 1


def test_an_error_during_the_run_leaves_the_records_before_it(tmp_path):
    run, path = made_up_run(), tmp_path / "out.nc"
    with pytest.raises(RuntimeError, match="boom"), OutputWriter(path, run, output_spec()) as writer:  # noqa: PT012
        write_steps(writer, run, 4, block=1)
        raise RuntimeError("boom")
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data.sizes["time"] == 4


@pytest.mark.slow
def test_compression_makes_the_file_smaller(tmp_path):
    run = made_up_run()
    sizes = [
        write(tmp_path / f"{level}.nc", run, output_spec(compression=level), 2000).stat().st_size for level in (0, 4)
    ]
    assert sizes[1] < 0.7 * sizes[0]


KILLED = """
import os, signal, sys
from made_up_run import made_up_run, output_spec, write_steps
from bmi_noahpy.output import OutputWriter
run = made_up_run()
with OutputWriter(sys.argv[1], run, output_spec(), flush_seconds=float(sys.argv[2])) as writer:
    write_steps(writer, run, 25, block=5)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_leaves_a_file_that_opens_and_the_rest_in_the_journal(tmp_path):
    path = tmp_path / "out.nc"
    result = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), "1e9"],
        cwd=Path(__file__).parent,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    with xr.open_dataset(path, decode_timedelta=False) as data:
        assert data.sizes["time"] == 5
        assert np.isfinite(data.soil_temperature).all()
        assert data.skin_temperature.values[-1] - data.skin_temperature.values[0] == 4
    assert OutputWriter(path, made_up_run(), output_spec()).records_at_hand() == 25


@pytest.mark.parametrize("spec", [{"every": 3}, {"daily": ["mean", "min", "max"]}, {"every": 1}])
def test_records_do_not_depend_on_the_length_of_blocks(tmp_path, spec):
    run = made_up_run(start="2007-04-01T18:00", step=10800.0)

    def change(number, state, fluxes):
        # Sums of such numbers depend on their order.
        generator = torch.Generator().manual_seed(number)
        size = 10.0 ** float(torch.randint(-9, 9, (), generator=generator))
        noise = size * torch.rand(fluxes.dew.shape, generator=generator, dtype=torch.float64)
        return state, replace_quantity(fluxes, "dew", noise)

    files = []
    for block in (1, 2, 5, 31):
        files.append(tmp_path / f"{block}.nc")
        with OutputWriter(files[-1], run, output_spec(variables=["dew", "skin_temperature"], **spec)) as writer:
            write_steps(writer, run, 31, block=block, change=change)
    with xr.open_dataset(files[0], decode_times=False) as first:
        assert first.sizes["time"] > 4
        for file in files[1:]:
            with xr.open_dataset(file, decode_times=False) as other:
                xr.testing.assert_identical(first.drop_attrs(), other.drop_attrs())


def test_records_that_could_not_be_written_leave_no_gap(tmp_path):
    run, path = made_up_run(step=10800.0), tmp_path / "out.nc"
    with OutputWriter(path, run, output_spec(every=2)) as writer:
        write_steps(writer, run, 3, block=3)
        journal = writer._journal
        file = journal._file

        def fails(content):
            file.write(content[: len(content) // 2])
            journal._file = file
            raise OSError("disk full")

        journal._file = SimpleNamespace(write=fails)
        outputs, _ = outputs_of(run, 3, 4, writer.outputs)
        with pytest.raises(OSError, match="disk full"):
            writer.write(3, 4, outputs)
    with xr.open_dataset(path, decode_times=False) as data:
        np.testing.assert_array_equal(data.time_bnds / 10800.0, [[0, 2], [2, 3]])
        assert data.skin_temperature[1] - data.skin_temperature[0] == 1.0


def test_a_file_is_never_seen_unfinished(tmp_path, monkeypatch):
    run, path = made_up_run(), tmp_path / "out.nc"
    write(path, run, output_spec(), 3)
    before = path.read_bytes()
    writer = OutputWriter(path, run, output_spec(), overwrite=True)
    monkeypatch.setattr(writer._rows, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        writer.__enter__()
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))
