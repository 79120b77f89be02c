"""Days, dates and spreadsheets of the yearly table, with values worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from bmi_noahpy import permafrost_table
from bmi_noahpy.cli import app
from bmi_noahpy.observations.simulated import ColumnOutput

FACES = np.array([0.0, 0.2, 0.6])
"""Middles at 0.1 and 0.4 m."""
FIRST = np.datetime64("2021-01-01", "ns")


def output(celsius: np.ndarray, longitude: float = 0.0, step: float = 86400.0) -> ColumnOutput:
    """An output whose soil has these temperatures, ``[time, layer]``; it is frozen wherever it is below 0 degC."""
    length = np.timedelta64(round(step), "s").astype("timedelta64[ns]")
    begin = FIRST + np.arange(len(celsius)) * length
    liquid = np.where(celsius > 0.0, 0.3, 0.03)
    fields = {
        "soil_temperature": (celsius + 273.15, "K"),
        "soil_liquid_water": (liquid, "m3 m-3"),
        "soil_ice": (0.3 - liquid, "m3 m-3"),
    }
    data = xr.Dataset(
        {name: (("time", "layer"), values, {"units": units}) for name, (values, units) in fields.items()}
        | {"time_bnds": (("time", "bnds"), np.stack([begin, begin + length], axis=1)), "lon": longitude, "lat": 60.0}
        | {"layer_bnds": (("layer", "bnds"), np.stack([FACES[:-1], FACES[1:]], axis=1))},
        {"time": begin + length, "layer": 0.5 * (FACES[1:] + FACES[:-1])},
        {"step_seconds": step},
    )
    return ColumnOutput("made up", data["layer"].values, FACES, step, data)


def year() -> np.ndarray:
    """A year of days: top thaws from day 120 to 270 with a frost in May, below it from day 150 to 300 by halves."""
    celsius = np.full((365, 2), -5.0)
    celsius[110:115] = 1.0, -3.0
    celsius[115:120] = -0.1, -3.0
    celsius[120:270] = 8.0, -1.0
    celsius[150:270, 1] = 2.0
    celsius[270:290] = -0.2, 0.1
    celsius[290:300] = -0.3, 0.05
    celsius[300:] = -6.0, -4.0
    return celsius


def day(number: int) -> str:
    return str(np.datetime64("2021-01-01") + number)


def test_dates_and_days_of_each_depth_are_those_of_its_longest_thaw_and_zero_curtain():
    (row,) = permafrost_table(output(year()), depths=(0.1, 0.25, 0.4)).to_dict("records")
    # The thaw of five days before the frost of May is not the longest one.
    assert (row["thaw_0.1m"], row["freeze_up_0.1m"]) == (day(120), day(270))
    assert (row["thaw_0.4m"], row["freeze_up_0.4m"]) == (day(150), day(300))
    # Halfway: (8 - 1) / 2 > 0 from day 120; (-0.2 + 0.1) / 2 < 0 from day 270.
    assert (row["thaw_0.25m"], row["freeze_up_0.25m"]) == (day(120), day(270))
    # Within 0.2 K of freezing: -0.1 (5 days) and -0.2 (20 days); 0.1 (20) and 0.05 (10); -0.05 (20) and -0.125 (10).
    assert [row[f"zero_curtain_days_{depth}m"] for depth in ("0.1", "0.4", "0.25")] == [25, 30, 30]
    assert row["mean_top_temperature_degC"] == pytest.approx(year()[:, 0].mean())
    assert row["mean_ground_temperature_degC"] == pytest.approx(year()[:, 1].mean())


def test_ground_thawed_at_the_ends_of_the_year_has_no_date_there():
    celsius = np.full((365, 2), 3.0)
    celsius[:40] = -1.0
    (row,) = permafrost_table(output(celsius), depths=(0.1,)).to_dict("records")
    assert (row["thaw_0.1m"], row["freeze_up_0.1m"]) == (day(40), None)
    (row,) = permafrost_table(output(-celsius), depths=(0.1,)).to_dict("records")
    assert (row["thaw_0.1m"], row["freeze_up_0.1m"]) == (None, day(40))


@pytest.mark.parametrize(
    ("longitude", "rows"),
    [
        # -1 | -1 3 3 3 | 3 -1 -1 -1 in means of days: -1, 2, 0, of which one is within 0.2 K of freezing.
        (0.0, [(2021, 3, "2021-01-02", "2021-01-03", 1)]),
        # Six hours ahead: -1 -1 -1 | -1 -1 3 3 | 3 3 -1 -1 | -1.
        (90.0, [(2021, 4, "2021-01-02", "2021-01-04", 0)]),
        # Six hours behind: the first step is of the day before; the thaw fills the third day from midnight on.
        (-90.0, [(2020, 1, None, None, 0), (2021, 3, "2021-01-02", "2021-01-03", 0)]),
    ],
)
def test_steps_of_six_hours_are_averaged_over_the_days_of_the_place(longitude, rows):
    celsius = np.full((12, 2), -1.0)
    celsius[5:9] = 3.0
    table = permafrost_table(output(celsius, longitude, 21600.0), depths=(0.1,))
    names = ["year", "days", "thaw_0.1m", "freeze_up_0.1m", "zero_curtain_days_0.1m"]
    assert [tuple(row) for row in table[names].astype(object).where(table[names].notna(), None).to_numpy()] == rows


def test_what_is_written_is_what_is_returned(tmp_path):
    pytest.importorskip("openpyxl")
    made = output(year())
    made.data.to_netcdf(tmp_path / "out.nc")
    names = [str(tmp_path / name) for name in ("out.nc", "table.csv", "table.xlsx")]
    result = CliRunner().invoke(app, ["table", names[0], "--csv", names[1], "--xlsx", names[2]])
    assert result.exit_code == 0, result.output
    expected = permafrost_table(made, depths=(0.1, 0.2))
    for written in (pd.read_csv(names[1]), pd.read_excel(names[2])):
        pd.testing.assert_frame_equal(written, expected, check_dtype=False, rtol=1e-5)
