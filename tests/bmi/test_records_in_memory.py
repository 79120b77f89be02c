"""Records in memory are looked at as closely as those of files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bmi_noahpy.forcing import ForcingError
from bmi_noahpy.forcing.in_memory import table_of

HOURS = 48
TIMES = pd.date_range("2021-06-01", periods=HOURS, freq="h")
CELLS = np.arange(6.0).reshape(2, 3)
UNITS = {
    "Tair": "K",
    "PSurf": "Pa",
    "Qair": "kg kg-1",
    "Wind": "m s-1",
    "SWdown": "W m-2",
    "LWdown": "W m-2",
    "Precip": "mm",
}
VALUES = {"Tair": 280.0, "PSurf": 9e4, "Qair": 4e-3, "Wind": 3.0, "SWdown": 100.0, "LWdown": 300.0, "Precip": 0.1}


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {f"{name} [{UNITS[name]}]": np.full(HOURS, value) for name, value in VALUES.items()}, index=TIMES
    )


def dataset(dimension: str = "cell") -> xr.Dataset:
    fields = {
        name: (("time", dimension), np.full((HOURS, 2), value), {"units": UNITS[name]})
        for name, value in VALUES.items()
    }
    return xr.Dataset(fields, {"time": TIMES})


def test_columns_keep_their_place_whatever_the_order_of_dimensions():
    data = dataset().isel(cell=0, drop=True).expand_dims({"y": 2, "x": 3}).transpose("time", "y", "x")
    whole = data.assign(
        Tair=data["Tair"] + xr.DataArray(CELLS, dims=("y", "x")),
        Wind=data["Wind"] + xr.DataArray(CELLS, dims=("y", "x")),
    )
    for name in ("Tair", "Wind"):
        whole[name].attrs["units"] = UNITS[name]
    turned = whole.assign(Wind=whole["Wind"].transpose("x", "time", "y"))
    for found in (table_of(whole).values, table_of(turned).values):
        np.testing.assert_array_equal(found["air_temperature"][0] - 280.0, CELLS.ravel())
        np.testing.assert_array_equal(found["wind_speed"][0] - 3.0, CELLS.ravel())


def test_heights_are_no_columns():
    with pytest.raises(ForcingError, match=r"its dimension 'height' \(2 long\) is no place"):
        table_of(dataset("height"))


def test_units_of_a_variable_that_there_is_not_are_refused():
    with pytest.raises(ForcingError, match=r"units: no variable 'Tiar'. Did you mean 'Tair'"):
        table_of(dataset(), units={"Tiar": "degC"})


def test_a_label_that_no_stamp_has_is_refused():
    with pytest.raises(ForcingError, match=r"label 'ends' is unknown\. Did you mean 'end'"):
        table_of(frame(), label="ends")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ForcingError, match=r"two columns are called 'Tair \[K\]'"):
        table_of(pd.concat([frame(), frame()[["Tair [K]"]]], axis=1))


@pytest.mark.parametrize("value", ["276,96", "2_80", "cold", 280.0 + 1.0j])
def test_what_is_no_number_is_named_with_its_record(value):
    data = frame().astype(object)
    data.iloc[3, 0] = value
    with pytest.raises(ForcingError, match=r"Tair \[K\]: record 4 is '.*', not a number"):
        table_of(data)


def test_numbers_as_texts_are_numbers():
    told, plain = (table_of(data).values for data in (frame().astype(str), frame()))
    assert all(np.array_equal(told[name], values) for name, values in plain.items())


@pytest.mark.parametrize("data", [{"Tair": [280.0]}, pd.Series([280.0])])
def test_what_is_neither_a_frame_nor_a_dataset_is_named(data):
    with pytest.raises(ForcingError, match=r"records: a (dict|Series)\. Give a pandas DataFrame"):
        table_of(data)


def test_a_single_record_of_an_amount_does_not_say_of_what_time_it_is():
    with pytest.raises(ForcingError, match="a single record does not say of what time"):
        table_of(frame().iloc[:1])


def test_a_calendar_without_leap_days_is_brought_to_ours():
    calendar = xr.date_range("2021-06-01", periods=HOURS, freq="h", calendar="noleap", use_cftime=True)
    found = table_of(dataset().assign_coords(time=calendar))
    assert found.times[0] == np.datetime64("2021-06-01T00:00")
    assert "records: calendar noleap: 29 February has the records of the 28th" in found.notes


def test_stamps_of_era5_in_memory_are_told_of():
    names = {"Tair": "t2m", "PSurf": "sp", "SWdown": "ssrd", "LWdown": "strd", "Precip": "tp"}
    data = dataset().rename(names).drop_vars(["Qair", "Wind"])
    for name, value, units in (("d2m", 275.0, "K"), ("u10", 2.0, "m s-1"), ("v10", 1.0, "m s-1")):
        data[name] = (("time", "cell"), np.full((HOURS, 2), value), {"units": units})
    assert any("forcing.preset era5 or era5-land" in note for note in table_of(data).notes)
    assert not any("forcing.preset" in note for note in table_of(data, label="end").notes)
