"""What a configuration says of its records is done: codes, gaps, totals, pressure; packing noise is clipped."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from configurations import changed, write

from bmi_noahpy import prepare
from bmi_noahpy.config import ConfigurationError, ConfigurationWarning, load_configuration

NAMES = ("time", "Tair_K", "PSurf_Pa", "RH_percent", "Wind_m_s", "SWdown_W_m2", "LWdown_W_m2", "Precip_mm")
HOURS = 24


def table(folder: Path, **columns: object) -> Path:
    """A day of hourly records; columns replace those of the usual weather, None leaves one out."""
    usual: dict[str, object] = {
        "Tair_K": 270.0, "PSurf_Pa": 60000.0, "RH_percent": 80.0, "Wind_m_s": 2.0, "SWdown_W_m2": 0.0,
        "LWdown_W_m2": 230.0, "Precip_mm": 0.0,
    }  # fmt: skip
    chosen = {name: value for name, value in (usual | columns).items() if value is not None}
    rows = [",".join(["time", *chosen])]
    for hour in range(HOURS):
        cells = (str(np.broadcast_to(value, HOURS)[hour]) for value in chosen.values())
        rows.append(",".join([f"2020-01-01T{hour:02d}:00", *cells]))
    (folder / "weather.csv").write_text("\n".join(rows) + "\n")
    return folder / "weather.csv"


def run_of(folder: Path, **forcing: object):
    """A prepared run of the day, and what it warned of."""
    period = {"start": "2020-01-01T00:00", "end": "2020-01-01T23:00", "step": 3600}
    settings = {"period": period, "forcing": {"file": "weather.csv"} | forcing}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = prepare(load_configuration(write(folder / "site.yaml", changed(settings))))
    told = [str(one.message) for one in caught if issubclass(one.category, ConfigurationWarning)]
    return run.forcing.block(0, HOURS), told


def ramp(**changes: float) -> np.ndarray:
    """Temperatures that rise by a degree in an hour from 260 K on, with some replaced: ``h5=6999``."""
    values = 260.0 + np.arange(HOURS)
    for hour, value in changes.items():
        values[int(hour[1:])] = value
    return values


def test_the_codes_that_are_said_are_missing_and_short_gaps_are_filled_by_lines_and_told(tmp_path):
    table(tmp_path, Tair_K=ramp(h5=6999, h6=-9999, h12=6999))
    with pytest.raises(ConfigurationError, match=r"Tair_K"):
        run_of(tmp_path, missing=[-9999, 6999])
    gaps = {"longest": "6 hours", "method": "linear"}
    found, told = run_of(tmp_path, missing=[-9999, 6999], gaps=gaps)
    np.testing.assert_allclose(found.air_temperature[:, 0], ramp(), rtol=1e-14)
    assert [text.split("Tair_K): ")[1] for text in told if "filled" in text] == [
        "2 missing values at 2020-01-01T05:00 to 2020-01-01T06:00 are filled (linear).",
        "1 missing values at 2020-01-01T12:00 are filled (linear).",
    ]
    with pytest.raises(ConfigurationError, match=r"Tair_K"):
        run_of(tmp_path, missing=[-9999, 6999], gaps=gaps | {"longest": "1 hour"})


def test_a_running_total_is_what_it_is_said_to_be(tmp_path):
    table(tmp_path, Precip_mm=np.arange(HOURS) * 1.0)

    def fallen(accumulated: str) -> np.ndarray:
        variables = {"precipitation": {"name": "Precip_mm", "units": "mm", "accumulated": accumulated}}
        return run_of(tmp_path, variables=variables)[0].precipitation[:, 0].numpy() * 3600.0

    with pytest.raises(ConfigurationError, match=r"look like a running total\. Set .*accumulated"):
        run_of(tmp_path)
    np.testing.assert_allclose(fallen("no"), np.arange(HOURS), rtol=1e-12)
    np.testing.assert_allclose(fallen("since_midnight"), np.r_[0.0, np.ones(HOURS - 1)], rtol=1e-12)
    # What fell in the first record of a total since the start is not known.
    with pytest.raises(ConfigurationError, match=r"record 1 .*is missing"):
        fallen("since_start")


def test_pressure_of_the_elevation_is_taken_where_the_file_has_none_and_only_when_asked_for(tmp_path):
    table(tmp_path, PSurf_Pa=None)
    with pytest.raises(ConfigurationError, match=r"air_pressure"):
        run_of(tmp_path)
    # 101325 (1 - 2.25577e-5 * 2500)^5.25588
    found, _ = run_of(tmp_path, derive={"air_pressure": 2500.0})
    np.testing.assert_allclose(found.air_pressure[:, 0], 74682.5, rtol=1e-5)
    table(tmp_path)
    found, _ = run_of(tmp_path, derive={"air_pressure": 2500.0})
    np.testing.assert_array_equal(found.air_pressure[:, 0], 60000.0)


def test_packing_noise_below_zero_is_clipped_with_a_count(tmp_path):
    units = {"Tair": "K", "PSurf": "Pa", "Qair": "kg kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2",
             "Precip": "kg m-2 s-1"}  # fmt: skip
    values = {"Tair": 270.0, "PSurf": 6e4, "Qair": 1e-3, "Wind": 2.0, "SWdown": 0.0, "LWdown": 230.0, "Precip": 0.0}
    times = np.datetime64("2020-01-01", "ns") + np.arange(HOURS) * np.timedelta64(1, "h")
    data = xr.Dataset({n: ("time", np.full(HOURS, v), {"units": units[n]}) for n, v in values.items()}, {"time": times})
    data["SWdown"][:] = np.where(np.arange(HOURS) % 4 == 0, -0.02, 50.0)
    data["Precip"][:] = np.where(np.arange(HOURS) % 6 == 0, -1e-9, 1e-4)
    data.to_netcdf(tmp_path / "weather.nc")
    found, told = run_of(tmp_path, file="weather.nc")
    assert float(found.shortwave_down.min()) == 0.0
    assert float(found.precipitation.min()) == 0.0
    assert any("SWdown): 6 small negative values are taken as zero" in text for text in told)
    assert any("Precip): 4 small negative values are taken as zero" in text for text in told)
    data["SWdown"][3] = -40.0
    data.to_netcdf(tmp_path / "worse.nc")
    with pytest.raises(ConfigurationError, match=r"SWdown.* is -40 W m-2, outside 0 to"):
        run_of(tmp_path, file="worse.nc")
