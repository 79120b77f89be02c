"""The text format of Noah's driver, read as the original reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from bmi_noahpy.forcing import ForcingError, ForcingSeries, PrescribedVegetation, open_forcing

SAME_UNITS = {
    "air_temperature": "sfctmp",
    "air_pressure": "sfcprs",
    "wind_speed": "sfcspd",
    "shortwave_down": "soldn",
    "longwave_down": "longwave",
    "precipitation": "prcp",
}
FIRST = "2007 04 01 00 00     4.1889973491   249.0000000000   271.2412439391    25.9113713626   548.2200000000"
ROW = FIRST + "   243.6875000000   228.8125000000 0.0000000003104409"


def write(folder: Path, *rows: str, header: str = "&METADATA_NAMELIST\n/\n  <forcing> starts here\n") -> Path:
    path = folder / "noah.txt"
    path.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(params=["tgl", "bondville"])
def reference(request, shared):
    """Forcing of every step: ours, and what the original used."""
    data = xarray.load_dataset(shared / "reference" / f"{request.param}.nc")
    table = open_forcing({"file": shared / "data" / request.param / "forcing.txt"})
    times = data["time"].values.astype("datetime64[s]")
    step = float((times[1] - times[0]) / np.timedelta64(1, "s"))
    namelist = {
        line.split("=")[0].strip().lower(): line.split("=")[1] for line in data.namelist.splitlines() if "=" in line
    }
    fraction = [float(text) for text in namelist["shdfac_monthly"].split()]
    series = ForcingSeries(table, times[0], step, len(times), PrescribedVegetation(fraction))
    return series.block(0, series.steps), data


@pytest.mark.parametrize("quantity", SAME_UNITS)
def test_every_step_has_the_very_numbers_the_original_read(reference, quantity):
    ours, original = reference
    expected = original[SAME_UNITS[quantity]].values
    np.testing.assert_allclose(getattr(ours, quantity)[:, 0].numpy(), expected, rtol=2.3e-16, atol=0.0)


def test_specific_humidity_is_that_of_the_original(reference):
    ours, original = reference
    humidity = ours.specific_humidity[:, 0].numpy()
    relative = np.abs(humidity / original["q2"].values - 1.0)
    # At a relative humidity of exactly 100 % the last bit of exp decides whether the air is cut to 99 %.
    jumped = np.isclose(relative, 0.01, rtol=0.02)
    assert jumped.sum() <= 20
    assert relative[~jumped].max() < 1e-15


def test_vegetation_fraction_of_every_day_is_that_of_the_original(reference):
    ours, original = reference
    np.testing.assert_allclose(ours.vegetation_fraction[:, 0].numpy(), original["shdfac"].values, rtol=3e-16, atol=0.0)


def test_digits_beyond_the_seventeen_columns_are_cut_as_fortran_does(tmp_path):
    table = open_forcing({"file": write(tmp_path, ROW)})
    assert table.values["precipitation"][0, 0] == 3.1044e-10


def test_adjacent_full_width_numbers_are_separated_by_position(tmp_path):
    row = "2007 04 01 00 00" + f"{4.0:17.10f}" + "-00100.0000000000" + ROW[16 + 34 :]
    assert row[16:50].count(" ") == 5
    table = open_forcing({"file": write(tmp_path, row)})
    assert table.values["wind_speed"][0, 0] == 4.0
    assert table.values["air_temperature"][0, 0] == 271.2412439391


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2007 04 01 00 00 4.18 249.0 271.24 25.9 548.2 243.7 228.8 0.0", "line 4: wind speed"),
        (ROW.replace("  249.0000000000", "            249  ").ljust(152), "no decimal point"),
        (ROW[:130], "line 4: longwave|line 4: precipitation"),
        (ROW.replace("2007 04 01", "2007 13 01"), "'2007 13 01 00 00' is not a date"),
        (ROW.replace("  243.6875000000", "****************"), "line 4: shortwave"),
        (FIRST[:17] + FIRST[19:] + ROW[len(FIRST) :], "line 4: longwave"),
    ],
)
def test_a_line_off_its_columns_is_refused_by_number(tmp_path, row, message):
    with pytest.raises(ForcingError, match=message):
        open_forcing({"file": write(tmp_path, row), "format": "noah_ascii"})


def test_a_file_without_the_tag_is_refused(tmp_path):
    path = write(tmp_path, ROW, header="")
    with pytest.raises(ForcingError, match="<Forcing>"):
        open_forcing({"file": path, "format": "noah_ascii"})


def test_records_between_steps_are_interpolated_and_precipitation_is_carried_forward(tmp_path):
    later = (
        ROW.replace("04 01", "04 02")
        .replace("271.2412439391", "273.2412439391")
        .replace("0.0000000003", "0.0000000009")
    )
    table = open_forcing({"file": write(tmp_path, ROW, later)})
    series = ForcingSeries(table, np.datetime64("2007-04-01"), 21600.0, 4, PrescribedVegetation(0.3))
    block = series.block(0, 4)
    np.testing.assert_allclose(
        block.air_temperature[:, 0], [271.2412439391, 271.7412439391, 272.2412439391, 272.7412439391], rtol=1e-15
    )
    assert block.precipitation.unique().tolist() == [3.1044e-10]


def test_steps_longer_than_the_records_sample_them_as_the_original_does(tmp_path):
    rows = [ROW.replace("04 01", f"04 0{day}").replace("271.24", f"27{day}.24") for day in (1, 2, 3, 4)]
    table = open_forcing({"file": write(tmp_path, *rows)})
    series = ForcingSeries(table, np.datetime64("2007-04-01"), 172800.0, 2, PrescribedVegetation(0.3))
    assert series.block(0, 2).air_temperature[:, 0].tolist() == [271.2412439391, 273.2412439391]
