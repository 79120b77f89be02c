"""Times that are none are refused in one whole line that names file, variable and remedy."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from made_up_conventions import HOURS, write

from bmi_noahpy.forcing import ForcingError, open_forcing

NUMBERS = np.arange(float(HOURS))
ONE_HUGE = np.where(NUMBERS == 3.0, 1e36, NUMBERS)
ONE_MISSING = np.where(NUMBERS == 3.0, np.nan, NUMBERS)
SINCE = "hours since 2019-01-01"


@pytest.mark.parametrize(
    ("numbers", "attributes", "words"),
    [
        (NUMBERS, {}, "has no units that say dates. Write them like"),
        (NUMBERS, {"units": "hours"}, "has the units 'hours', which say no dates"),
        (NUMBERS, {"units": "hours since the beginning"}, "its units 'hours since the beginning' cannot be decoded"),
        (NUMBERS, {"units": "months since 2019-01-01"}, "its units 'months since 2019-01-01' cannot be decoded"),
        (NUMBERS, {"units": SINCE, "calendar": "martian"}, "of the calendar 'martian' cannot be decoded"),
        (NUMBERS, {"units": "days since -4713-01-01"}, "its dates begin with -4713-01-01 00:00:00 of the calendar"),
        (ONE_HUGE, {"units": SINCE}, "its numbers, from 0 to 1e+36, are no times in units 'hours since 2019-01-01'"),
        (ONE_MISSING, {"units": SINCE}, "record 4 (NaT) is not a time"),
    ],
)
@pytest.mark.filterwarnings("ignore:this date/calendar/year zero convention")
def test_times_that_are_none_are_refused_in_one_whole_line(tmp_path, numbers, attributes, words):
    with xr.open_dataset(write("plumber2", tmp_path), decode_times=False) as data:
        changed = data.load().drop_vars("time")
    changed["time"] = ("time", numbers, attributes)
    changed.to_netcdf(tmp_path / "changed.nc")
    with pytest.raises(ForcingError) as caught:
        open_forcing({"file": tmp_path / "changed.nc", "preset": "plumber2"})
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'changed.nc'}: time: ")
    assert words in text
    assert "\n" not in text
    assert text.endswith(".")
