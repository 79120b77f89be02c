"""Gridded forcing: many files, any chunks, read in windows, on the cells of the domain and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray
from regions import (
    LAND,
    LATITUDE,
    LINES,
    LONGITUDE,
    ROWS,
    domain_data,
    forcing_data,
    on_grid,
    region,
    write_region,
)

from bmi_noahpy.config import ConfigurationError, ConfigurationWarning
from bmi_noahpy.forcing import ForcingError, ForcingSeries, PrescribedVegetation, open_forcing
from bmi_noahpy.forcing.judgement import first_column, implausible
from bmi_noahpy.forcing.placement import NearestCell
from bmi_noahpy.forcing.streamed import StreamedTable
from bmi_noahpy.region import Domain
from bmi_noahpy.runs.prepare import prepare

START = np.datetime64("2020-01-01T00:00", "s")
MEGABYTE = 2**20


def write(folder: Path, data: xarray.Dataset, chunks: tuple[int, ...] | None = None, name: str = "weather.nc") -> Path:
    encoding = {key: {"chunksizes": chunks, "zlib": True} for key in data.data_vars} if chunks else {}
    data.to_netcdf(folder / name, encoding=encoding, unlimited_dims=["time"])
    return folder / name


def series(table, steps: int, hours: float = 3.0) -> ForcingSeries:
    return ForcingSeries(table, START, hours * 3600.0, steps, PrescribedVegetation(0.3))


@pytest.mark.parametrize("chunks", [None, (1, 4, 5), (7, 2, 3), (48, 1, 1), (48, 4, 5)])
@pytest.mark.parametrize("memory", [1, 6 * 8 * 8 * 20, 64 * MEGABYTE])
def test_records_are_the_same_however_they_are_stored_and_however_little_memory_there_is(tmp_path, chunks, memory):
    data = forcing_data(48)
    table = open_forcing({"file": write(tmp_path, data, chunks)})
    expected = series(table, 48).block(0, 48)
    table.memory = memory
    streamed = series(table, 48)
    for first, last in ((0, 3), (3, 4), (4, 19), (19, 48), (2, 9)):
        block = streamed.block(first, last)
        np.testing.assert_array_equal(block.air_temperature, data["Tair"].values[first:last].reshape(last - first, -1))
        np.testing.assert_array_equal(block.precipitation, expected.precipitation[first:last])


@pytest.mark.parametrize("checked", [False, True])
def test_records_of_one_column_are_read_to_be_judged_unless_the_check_of_all_has_read_them(
    tmp_path, monkeypatch, checked
):
    table = open_forcing({"file": write(tmp_path, forcing_data(48))}, check=checked)
    read, window = [], StreamedTable.window

    def noted(one, first, last):
        read.append(one.columns)
        return window(one, first, last)

    monkeypatch.setattr(StreamedTable, "window", noted)
    implausible(table)
    assert table.columns > 1
    assert read == ([] if checked else [1])


def test_the_records_that_are_judged_are_the_same_read_in_windows_or_at_once(tmp_path):
    path = write(tmp_path, forcing_data(48), (5, 2, 2))
    table = open_forcing({"file": path}, check=False)
    table.memory = 5 * 8 * 8 * 20
    table.findings(None)
    windows, at_once = (first_column(one) for one in (table, open_forcing({"file": path}, check=False)))
    assert windows.keys() == at_once.keys()
    for name, values in at_once.items():
        assert values.shape == (48,)
        np.testing.assert_array_equal(windows[name], values, err_msg=name)


@pytest.mark.parametrize(("hours", "steps"), [(1.0, 144), (3.0, 48), (6.0, 24)])
def test_steps_shorter_and_longer_than_the_records_are_those_of_records_in_memory(tmp_path, hours, steps):
    table = open_forcing({"file": write(tmp_path, forcing_data(48), (5, 2, 2))})
    table.memory = 3 * 8 * 8 * 20
    whole, parts = series(table, steps, hours).block(0, steps), series(table, steps, hours)
    for first in range(0, steps, 8):
        block = parts.block(first, min(first + 8, steps))
        for name in ("air_temperature", "specific_humidity", "precipitation", "shortwave_down"):
            np.testing.assert_array_equal(getattr(block, name), getattr(whole, name)[first : first + 8])


def split(folder: Path, how: str) -> None:
    data = on_grid(forcing_data())
    if how == "variable":
        for name in data.data_vars:
            write(folder, data[[name]], name=f"{name}.nc")
        return
    names = ["b", "a", "c"]
    for number, name in enumerate(names):
        write(folder, data.isel(time=slice(8 * number, 8 * number + 8)), name=f"{name}.nc")


@pytest.mark.parametrize("how", ["variable", "time"])
@pytest.mark.parametrize("pattern", [True, False])
def test_files_may_be_split_by_variable_or_by_time(tmp_path, how, pattern):
    expected = prepare(region(write_region(tmp_path))).forcing.block(0, 16)
    (tmp_path / "parts").mkdir()
    split(tmp_path / "parts", how)
    files = "parts/*.nc" if pattern else sorted(f"parts/{path.name}" for path in (tmp_path / "parts").iterdir())
    block = prepare(region(tmp_path, forcing__file=files)).forcing.block(0, 16)
    np.testing.assert_array_equal(block.air_temperature, expected.air_temperature)
    np.testing.assert_array_equal(block.precipitation, expected.precipitation)


def test_a_gap_between_files_is_found(tmp_path):
    data = forcing_data()
    write(tmp_path, data.isel(time=slice(0, 8)), name="a.nc")
    write(tmp_path, data.isel(time=slice(9, 24)), name="b.nc")
    with pytest.raises(ForcingError, match=r"record 9 \(2020-01-02T03:00\) is 6 h after the record before"):
        open_forcing({"file": str(tmp_path / "*.nc")})


def test_files_that_overlap_are_refused(tmp_path):
    data = forcing_data()
    write(tmp_path, data.isel(time=slice(0, 9)), name="a.nc")
    write(tmp_path, data.isel(time=slice(8, 24)), name="b.nc")
    with pytest.raises(ForcingError, match=r"2020-01-02T00:00\) is a repeated time"):
        open_forcing({"file": str(tmp_path / "*.nc")})


def test_a_variable_that_ends_early_is_named(tmp_path):
    data = forcing_data()
    write(tmp_path, data.drop_vars("Wind"), name="a.nc")
    write(tmp_path, data[["Wind"]].isel(time=slice(0, 20)), name="b.nc")
    with pytest.raises(ForcingError, match=r"Wind has 20 records from .* to 2020-01-03T09:00, Tair 24 records"):
        open_forcing({"file": str(tmp_path / "*.nc")})


def test_files_in_different_units_are_refused(tmp_path):
    data = forcing_data()
    write(tmp_path, data.isel(time=slice(0, 8)), name="a.nc")
    celsius = data.isel(time=slice(8, 24)).copy()
    celsius["Tair"] = (celsius["Tair"] - 273.15).assign_attrs(units="degC")
    write(tmp_path, celsius, name="b.nc")
    with pytest.raises(ForcingError, match=r"b\.nc: Tair: is in 'degC', an earlier file in 'K'"):
        open_forcing({"file": str(tmp_path / "*.nc")})


def test_a_pattern_without_files_is_refused(tmp_path):
    write_region(tmp_path)
    with pytest.raises(ConfigurationError, match=r"forcing\.file: '.*tair_\*\.nc' fits no file"):
        region(tmp_path, forcing__file="tair_*.nc")


def test_one_column_of_records_serves_a_whole_region(tmp_path):
    single = forcing_data(rows=1, lines=1)
    run = prepare(region(write_region(tmp_path, forcing=single)))
    block = run.forcing.block(0, 16)
    assert block.air_temperature.shape == (16, len(LAND))
    np.testing.assert_array_equal(block.air_temperature, np.tile(single["Tair"].values[:16, 0], (1, len(LAND))))


GRID = Domain("grid", LATITUDE, LONGITUDE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.isel(lat=slice(3)), r"3 \(lat\) x 5 \(lon\) cells, the domain 4 x 5"),
        (lambda data: data.assign_coords(lat=LATITUDE + 0.25), r"lat is 60\.25 at \[0\], that of the domain 60\."),
        (lambda data: data.isel(lat=slice(None, None, -1)), r"Turn the order of the rows round"),
        (lambda data: data.assign_coords(lon=LONGITUDE - 0.002), r"lon is 129\.998 at \[0\]"),
    ],
)
def test_records_on_another_grid_are_refused(tmp_path, change, words):
    path = write(tmp_path, change(on_grid(forcing_data())))
    with pytest.raises(ForcingError, match=words):
        open_forcing({"file": path}, domain=GRID, check=False)


def test_longitudes_may_count_from_0_or_from_minus_180_and_dimensions_may_be_swapped(tmp_path):
    data = on_grid(forcing_data())
    turned = data.assign_coords(lon=LONGITUDE - 360.0).transpose("lon", "time", "lat")
    table = open_forcing({"file": write(tmp_path, turned)}, domain=GRID.choose(LAND))
    expected = data["Tair"].values.reshape(24, -1)[:, LAND]
    np.testing.assert_array_equal(table.values["air_temperature"], expected)


def spoiled() -> xarray.Dataset:
    """Temperature missing in one cell from record 5 on, negative wind at one time in another."""
    data = on_grid(forcing_data())
    data["Tair"][5:, 1, 2] = np.nan
    data["Wind"][7, 3, 4] = -3.0
    return data


@pytest.mark.parametrize("memory", [1, 64 * MEGABYTE])
def test_faults_are_named_with_cell_time_and_number(tmp_path, memory, monkeypatch):
    monkeypatch.setattr("bmi_noahpy.forcing.streamed.WINDOW_BYTES", memory)
    write_region(tmp_path, forcing=spoiled())
    with pytest.raises(ConfigurationError) as caught:
        prepare(region(tmp_path))
    message = str(caught.value)
    assert "air_temperature (Tair): record 6 (2020-01-01T15:00), cell [1, 2] (lat 60.5, lon 131) is missing" in message
    assert "(12 such values)" in message
    assert "wind_speed (Wind): record 8 (2020-01-01T21:00), cell [3, 4] (lat 61.5, lon 132) is -3 m s-1" in message


def test_cells_with_faulty_records_can_be_left_out(tmp_path):
    write_region(tmp_path, forcing=spoiled())
    with pytest.warns(ConfigurationWarning, match=r"cell \[.*left out") as warned:
        run = prepare(region(tmp_path, domain__invalid_cells="mask"))
    assert len(warned) == 2
    assert np.argwhere(run.domain.status == 2).tolist() == [[1, 2], [3, 4]]
    assert run.forcing.columns == run.parameters.soil.porosity.shape[1] == len(LAND) - 2
    left = np.setdiff1d(LAND, [1 * LINES + 2, 3 * LINES + 4])
    expected = spoiled()["Tair"].values.reshape(24, -1)[:16, left]
    np.testing.assert_array_equal(run.forcing.block(0, 16).air_temperature, expected)


def test_a_fault_of_all_cells_is_an_error_whatever_the_policy(tmp_path):
    data = on_grid(forcing_data())
    data["Tair"] = (data["Tair"] - 273.15).assign_attrs(units="K")
    write_region(tmp_path, forcing=data)
    with pytest.raises(ConfigurationError, match="The values look like degC"):
        prepare(region(tmp_path, domain__invalid_cells="mask"))


def test_faults_outside_the_land_and_outside_the_period_do_not_matter(tmp_path):
    data = on_grid(forcing_data())
    data["Tair"][20:] = -999.0
    data["Tair"][:, 0, 2] = 1e9
    assert prepare(region(write_region(tmp_path, forcing=data))).domain.columns == len(LAND)


def test_only_the_rows_of_a_part_of_the_columns_are_read(tmp_path):
    path = write(tmp_path, on_grid(forcing_data()))
    table = open_forcing({"file": path}, domain=GRID.choose([6, 8]), check=False)
    assert {field.placement.cells for field in table.fields.values()} == {LINES}
    assert domain_data()["elevation"].size == ROWS * LINES


MEASURE = """
import json, sys
from pathlib import Path
import numpy as np
from bmi_noahpy.forcing import ForcingSeries, PrescribedVegetation, open_forcing, streamed
streamed.WINDOW_BYTES = 2 * 2**20
path, steps = Path(sys.argv[1]), int(sys.argv[2])
def peak():
    return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
table = open_forcing({"file": path})
series = ForcingSeries(table, np.datetime64("2020-01-01", "s"), 10800.0, steps, PrescribedVegetation(0.3))
total = sum(float(series.block(k, min(k + 16, steps)).air_temperature.sum()) for k in range(0, steps, 16))
print(json.dumps([peak(), total]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_memory_does_not_grow_with_the_length_of_the_records(tmp_path):
    peaks = []
    for records in (300, 3000):
        data = forcing_data(records, 20, 20)
        path = write(tmp_path, data, name=f"{records}.nc")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path), str(records)], capture_output=True, text=True, check=True
        )
        peak, total = json.loads(done.stdout)
        assert total == pytest.approx(float(data["Tair"].sum()), rel=1e-9)
        peaks.append(peak)
    # The longer file holds 69 MB more.
    assert peaks[1] - peaks[0] < 10e6


@pytest.mark.parametrize("longitude", [359.1, -0.9])
def test_a_single_column_takes_the_nearest_cell_and_says_which(tmp_path, longitude):
    times = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(1, "h")
    values = np.arange(6.0).reshape(2, 3)
    air = {"Tair": (270.0, "K"), "PSurf": (9e4, "Pa"), "Qair": (1e-3, "kg kg-1"), "Wind": (2.0, "m s-1"),
           "SWdown": (0.0, "W m-2"), "LWdown": (250.0, "W m-2"), "Precip": (0.0, "kg m-2 s-1")}  # fmt: skip
    fields = {
        name: (
            ("time", "lat", "lon"),
            np.broadcast_to(base + (values if name == "Tair" else 0.0), (3, 2, 3)),
            {"units": u},
        )
        for name, (base, u) in air.items()
    }
    data = xarray.Dataset(fields, {"time": times, "lat": [10.0, 11.0], "lon": [358.0, 359.0, 0.0]})
    data.to_netcdf(tmp_path / "grid.nc")
    domain = Domain("column", np.array([11.2]), np.array([longitude]))
    with pytest.warns(NearestCell, match=r"of its 6 cells the nearest to 11.2, .* is taken, at 11, 359"):
        table = open_forcing({"file": tmp_path / "grid.nc"}, domain=domain)
    assert table.columns == 1
    assert table.values["air_temperature"][0, 0] == 274.0
