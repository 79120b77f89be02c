"""Inputs that are derived on request or refused, with values worked by hand; files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.observations.reading import read_observations
from bmi_noahpy.observations.simulated import PlotError


def table(folder: Path, *, humidity="RH_percent=70", longwave="LWdown_W_m2=250", precipitation="Precip_mm=0") -> Path:
    """Three hours of air at 5 degC and 900 hPa."""
    parts = [
        ("time", None), ("Tair_K", "278.15"), ("PSurf_Pa", "90000"), humidity.split("="), ("Wind_m_s", "2"),
        ("SWdown_W_m2", "0"), longwave.split("="), precipitation.split("="),
    ]  # fmt: skip
    kept = [(part[0], part[1]) for part in parts if part[0]]
    rows = [",".join(name for name, _ in kept)]
    for hour in range(3):
        rows.append(",".join(f"2020-01-01T{hour:02d}:00" if value is None else value for _, value in kept))
    path = folder / "weather.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(("name", "expected"), [("brutsaert", 243.98), ("prata", 252.44)])
def test_longwave_radiation_of_a_clear_sky_is_that_of_the_formula_that_is_asked_for(tmp_path, name, expected):
    # Saturation 871.7 Pa, vapour 611.9 Pa: 1.24 (6.119 / 278.15)^(1/7) = 0.71883, and with w = 46.5 * 6.119 / 278.15
    # = 1.0230, 1 - 2.0230 exp(-(1.2 + 3.0690)^0.5) = 0.74376; of 339.41 W m-2.
    path = table(tmp_path, longwave="=")
    found = open_forcing({"file": path, "derive": {"longwave_down": name}})
    np.testing.assert_allclose(found.values["longwave_down"], expected, atol=0.02)


def test_longwave_radiation_is_not_made_up_unless_asked_for_and_never_over_that_of_the_file(tmp_path):
    path = table(tmp_path, longwave="=")
    with pytest.raises(ForcingError, match=r"longwave_down"):
        open_forcing({"file": path})
    with pytest.raises(ForcingError, match=r"unknown parameterisation 'pratta'. Did you mean 'prata'"):
        open_forcing({"file": path, "derive": {"longwave_down": "pratta"}})
    found = open_forcing({"file": table(tmp_path), "derive": {"longwave_down": "prata"}})
    np.testing.assert_array_equal(found.values["longwave_down"], 250.0)


@pytest.mark.parametrize(
    ("column", "quantity", "units", "expected"),
    [
        # 0.622 * 0.006 / (1 - 0.378 * 0.006)
        ("H2O_mmol_mol", "vapour_mole_fraction", "mmol mol-1", 0.0037405),
        # w / (1 + w)
        ("W", "mixing_ratio", "g kg-1", 0.0059642),
        # 0.622 * 600 / (90000 - 0.378 * 600)
        ("EA", "vapour_pressure", "hPa", 0.0041571),
    ],
)
def test_six_units_of_each_measure_of_humidity_are_their_specific_humidity(tmp_path, column, quantity, units, expected):
    path = table(tmp_path, humidity=f"{column}=6")
    found = open_forcing({"file": path, "variables": {quantity: {"name": column, "units": units}}})
    np.testing.assert_allclose(found.values["specific_humidity"], expected, rtol=2e-5)


def test_precipitation_without_units_is_refused_in_a_table_and_in_netcdf(tmp_path):
    words = r"units.*forcing\.variables\.precipitation\.units"
    with pytest.raises(ForcingError, match=words):
        open_forcing({"file": table(tmp_path, precipitation="Precip=0")})
    assert open_forcing({"file": table(tmp_path, precipitation="Precip_mm=3.6")}).values["precipitation"][0, 0] == 1e-3
    stored = netcdf(tmp_path)
    with xr.open_dataset(stored) as data:
        bare = data.load()
    del bare["Precip"].attrs["units"]
    bare.to_netcdf(tmp_path / "bare.nc")
    with pytest.raises(ForcingError, match=words):
        open_forcing({"file": tmp_path / "bare.nc"})


def netcdf(folder: Path, **encoding: dict) -> Path:
    units = {"Tair": "K", "PSurf": "Pa", "Qair": "kg kg-1", "Wind": "m s-1", "SWdown": "W m-2", "LWdown": "W m-2",
             "Precip": "kg m-2 s-1"}  # fmt: skip
    values = {"Tair": 270.0, "PSurf": 9e4, "Qair": 1e-3, "Wind": 2.0, "SWdown": 0.0, "LWdown": 250.0, "Precip": 0.0}
    times = np.datetime64("2020-01-01", "ns") + np.arange(4000) * np.timedelta64(1, "h")
    data = xr.Dataset({n: ("time", np.full(4000, v), {"units": units[n]}) for n, v in values.items()}, {"time": times})
    data.to_netcdf(folder / "stored.nc", **encoding)
    return folder / "stored.nc"


def test_a_netcdf_file_that_was_cut_short_is_named(tmp_path):
    whole = netcdf(tmp_path).read_bytes()
    cut = tmp_path / "cut.nc"
    for share in (0.3, 0.7, 0.999):
        cut.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(
            ForcingError, match=r"cut\.nc: .*cannot be read as netCDF .* Fetch or write it again"
        ) as caught:
            open_forcing({"file": cut})
        assert len(str(caught.value)) < 300
        with pytest.raises(PlotError, match=r"cut\.nc"):
            read_observations(cut)


def test_times_that_cannot_be_decoded_are_named(tmp_path):
    with xr.open_dataset(netcdf(tmp_path), decode_times=False) as data:
        strange = data.load()
    for units in ("moons since 2020-01-01", "days since the flood", "hours"):
        strange["time"].attrs = {"units": units}
        strange.to_netcdf(tmp_path / "strange.nc")
        with pytest.raises(ForcingError, match=r"strange\.nc: .*time") as caught:
            open_forcing({"file": tmp_path / "strange.nc"})
        assert units in str(caught.value)
        assert len(str(caught.value)) < 400
        with pytest.raises(PlotError, match=r"strange\.nc: .*time"):
            read_observations(tmp_path / "strange.nc")
