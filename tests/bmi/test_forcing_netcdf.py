"""NetCDF records: names, units, dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from bmi_noahpy.forcing import ForcingError, open_forcing

TIMES = np.array(["2020-01-01T00", "2020-01-01T03", "2020-01-01T06"], dtype="datetime64[ns]")
VARIABLES = {
    "ta": ([260.0, 261.0, 262.0], "K", "air_temperature"),
    "PSurf": ([900.0, 901.0, 902.0], "hPa", None),
    "hus": ([0.5, 0.6, 0.7], "g kg-1", "specific_humidity"),
    "Wind": ([1.0, 2.0, 3.0], "m/s", None),
    "rsds": ([0.0, 10.0, 20.0], "W m-2", "surface_downwelling_shortwave_flux_in_air"),
    "rlds": ([200.0, 210.0, 220.0], "W/m2", "surface_downwelling_longwave_flux_in_air"),
    "pr": ([0.0, 8.64, 0.0], "mm/day", "precipitation_flux"),
}


def dataset(shape: tuple[int, ...] = (), dims: tuple[str, ...] = ()) -> xarray.Dataset:
    """The variables above; the n-th point of space adds n to each."""
    data = xarray.Dataset(coords={"time": TIMES})
    points = np.arange(int(np.prod(shape))).reshape(shape)
    for name, (values, units, standard_name) in VARIABLES.items():
        array = np.asarray(values).reshape(3, *(1,) * len(shape)) + 1e-3 * points
        attributes = {"units": units} | ({"standard_name": standard_name} if standard_name else {})
        data[name] = (("time", *dims), np.broadcast_to(array, (3, *shape)), attributes)
    return data


def write(folder: Path, data: xarray.Dataset) -> dict:
    data.to_netcdf(folder / "weather.nc")
    return {"file": folder / "weather.nc"}


def test_standard_names_and_alma_names_are_recognised_and_units_converted(tmp_path):
    values = open_forcing(write(tmp_path, dataset())).values
    np.testing.assert_allclose(values["air_temperature"][:, 0], [260.0, 261.0, 262.0], rtol=1e-15)
    np.testing.assert_allclose(values["air_pressure"][:, 0], [9.00e4, 9.01e4, 9.02e4], rtol=1e-15)
    np.testing.assert_allclose(values["specific_humidity"][:, 0], [5e-4, 6e-4, 7e-4], rtol=1e-14)
    np.testing.assert_allclose(values["precipitation"][:, 0], [0.0, 1e-4, 0.0], rtol=1e-14)


@pytest.mark.parametrize(
    ("dims", "shape"), [(("x", "y", "height"), (1, 1, 1)), (("y", "x"), (2, 3)), (("site",), (4,))]
)
def test_dimensions_of_space_become_columns_and_those_of_length_one_do_not_matter(tmp_path, dims, shape):
    table = open_forcing(write(tmp_path, dataset(shape, dims)))
    assert table.columns == np.prod(shape)
    np.testing.assert_allclose(table.values["air_temperature"][1], 261.0 + 1e-3 * np.arange(table.columns), rtol=1e-15)


def test_variables_with_another_order_of_dimensions_are_transposed(tmp_path):
    data = dataset((2, 3), ("y", "x"))
    data["Wind"] = data["Wind"].transpose("x", "time", "y")
    table = open_forcing(write(tmp_path, data))
    np.testing.assert_allclose(table.values["wind_speed"][0], 1.0 + 1e-3 * np.arange(6), rtol=1e-15)


def test_a_variable_without_space_serves_all_columns(tmp_path):
    data = dataset((2, 3), ("y", "x"))
    data["PSurf"] = data["PSurf"].isel(x=0, y=0)
    table = open_forcing(write(tmp_path, data))
    np.testing.assert_allclose(table.values["air_pressure"], np.array([[9.00e4], [9.01e4], [9.02e4]]) + np.zeros(6))


def test_vegetation_in_the_file_is_read_too(tmp_path):
    data = dataset()
    data["lai"] = ("time", [1.0, 2.0, 3.0], {"units": "1", "standard_name": "leaf_area_index"})
    assert open_forcing(write(tmp_path, data)).values["leaf_area_index"][:, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_variable_may_be_chosen_by_name_with_units(tmp_path):
    data = dataset()
    data["t_10m"] = ("time", [-1.0, 0.0, 1.0])
    spec = write(tmp_path, data) | {"variables": {"air_temperature": {"name": "t_10m", "units": "degC"}}}
    np.testing.assert_allclose(open_forcing(spec).values["air_temperature"][:, 0], [272.15, 273.15, 274.15], rtol=1e-15)


def test_packed_values_and_fill_values_are_decoded(tmp_path):
    data = dataset()
    data["Wind"].encoding = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -9999}
    assert open_forcing(write(tmp_path, data)).values["wind_speed"][:, 0] == pytest.approx([1.0, 2.0, 3.0])
    data["Wind"] = data["Wind"].where(data["time"] != TIMES[1])
    data["Wind"].encoding = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -9999}
    with pytest.raises(ForcingError, match=r"wind_speed \(Wind\): record 2 \(2020-01-01T03:00\) is missing"):
        open_forcing(write(tmp_path, data))


def test_a_variable_without_units_is_refused(tmp_path):
    data = dataset()
    del data["Wind"].attrs["units"]
    with pytest.raises(ForcingError, match=r"Wind: no units attribute. Set forcing.variables.wind_speed.units"):
        open_forcing(write(tmp_path, data))


def test_variables_on_different_dimensions_are_refused(tmp_path):
    data = dataset((2, 3), ("y", "x"))
    data["Wind"] = data["Wind"].rename(x="lon")
    with pytest.raises(ForcingError, match="Wind: has the dimensions"):
        open_forcing(write(tmp_path, data))


def test_an_unknown_calendar_is_refused(tmp_path):
    data = dataset().drop_vars("time")
    data["time"] = ("time", [0, 3, 6], {"units": "hours since 2020-01-01", "calendar": "julian"})
    with pytest.raises(ForcingError, match="calendar 'julian'"):
        open_forcing(write(tmp_path, data))


def test_two_variables_of_one_standard_name_are_told_apart_by_their_names(tmp_path):
    data = dataset().rename(ta="Tair")
    data["t_soil_surface"] = data["Tair"] + 5.0
    data["t_soil_surface"].attrs = dict(data["Tair"].attrs)
    assert open_forcing(write(tmp_path, data)).values["air_temperature"][0, 0] == 260.0


def test_a_zarr_store_is_read_like_a_file(tmp_path):
    pytest.importorskip("zarr", reason="needs the package zarr")
    dataset().to_zarr(tmp_path / "weather.zarr", consolidated=False)
    stored = open_forcing({"file": tmp_path / "weather.zarr"})
    filed = open_forcing(write(tmp_path, dataset()))
    for quantity, values in filed.values.items():
        np.testing.assert_array_equal(stored.values[quantity], values)


def test_texts_of_wrf_and_times_of_each_cell_are_times(tmp_path):
    texts = [str(time)[:19].replace("T", "_") for time in TIMES.astype("datetime64[s]")]
    plain = open_forcing(write(tmp_path, dataset()))
    wrf = dataset().rename(time="Time").drop_vars("Time")
    wrf["Times"] = ("Time", np.array(texts, dtype="S19"))
    np.testing.assert_array_equal(open_forcing(write(tmp_path, wrf)).times, plain.times)
    cells = dataset((2,), ("cell",)).rename(time="step").drop_vars("step")
    cells["Time"] = (("cell", "step"), np.stack([TIMES, TIMES]))
    np.testing.assert_array_equal(open_forcing(write(tmp_path, cells)).times, plain.times)
    cells["Time"] = (("cell", "step"), np.stack([TIMES, TIMES + np.timedelta64(1, "h")]))
    with pytest.raises(ForcingError, match="times differ between its 2 cells"):
        open_forcing(write(tmp_path, cells))


def test_cell_methods_say_which_variables_are_means(tmp_path):
    data = dataset()
    data["ta"].attrs["cell_methods"] = "time: mean"
    data["rsds"].attrs["cell_methods"] = "time: point"
    assert open_forcing(write(tmp_path, data)).means == {"air_temperature", "longwave_down", "precipitation"}
