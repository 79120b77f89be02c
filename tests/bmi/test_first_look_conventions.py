"""`noahpy init --from FILE` finds the convention of a file, and what it writes passes a check."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import yaml
from made_up_conventions import START, TRUTH, write
from test_file_conventions import WRITERS
from typer.testing import CliRunner

from bmi_noahpy.cli import app
from bmi_noahpy.config import load_configuration
from bmi_noahpy.config.from_records import write_from_records
from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.presets import presets
from bmi_noahpy.runs.forcing_of_run import open_records


@pytest.mark.parametrize("name", presets())
@pytest.mark.filterwarnings("ignore")
def test_a_file_of_each_convention_is_recognised_without_its_name(name, tmp_path):
    path, guesses = write_from_records(write(name, tmp_path), tmp_path / "site.yaml")
    written = yaml.safe_load(path.read_text())["forcing"]
    assert written["preset"] == name
    assert written["variables"] == {}
    # A header that names the convention leaves nothing to guess.
    assert any(f"preset {name}" in guess for guess in guesses) == (name != "smet")
    table, _, _ = open_records(load_configuration(path), None, check=True)
    first = max(int((table.times[0] - START) / np.timedelta64(1, "h")), 0)
    begin = int(table.times[0] < START)
    rain = table.values["precipitation"][begin:, 0]
    np.testing.assert_allclose(rain, TRUTH["precipitation"][first : first + len(rain)], rtol=2e-6, atol=1e-10)


def test_a_table_without_a_header_is_told_from_a_configuration_and_checked(tmp_path):
    source = write("fsm", tmp_path)
    made = CliRunner().invoke(app, ["init", str(tmp_path / "site.yaml"), "--from", str(source)])
    assert made.exit_code == 0, made.output
    assert "the file has no header" in made.output
    checked = CliRunner().invoke(app, ["check", str(tmp_path / "site.yaml")])
    assert checked.exit_code == 0, checked.output


def test_a_smet_header_sets_its_convention_and_its_zone(tmp_path):
    source = write("smet", tmp_path)
    plain, named = open_forcing({"file": source}), open_forcing({"file": source, "preset": "smet"})
    assert all((plain.values[quantity] == values).all() for quantity, values in named.values.items())
    source.write_text(source.read_text().replace("tz = 0", "tz = 1"))
    assert open_forcing({"file": source}).times[0] == plain.times[0] - np.timedelta64(1, "h")


@pytest.mark.parametrize("name", ["aorc", "gldas", "summa"])
def test_a_file_whose_names_are_those_of_a_preset_is_refused_with_its_name(name, tmp_path):
    with pytest.raises(ForcingError, match=f"Its names are those of forcing.preset {name}"):
        open_forcing({"file": write(name, tmp_path)})


def test_stamps_of_era5_that_are_read_as_beginnings_are_told_of(tmp_path):
    source = write("era5", tmp_path)
    with xr.open_dataset(source) as data:
        stated = data.load()
    for name, units in {"t2m": "K", "d2m": "K", "sp": "Pa", "u10": "m s-1", "v10": "m s-1", "tp": "m"}.items():
        stated[name].attrs["units"] = units
    for name in ("ssrd", "strd"):
        stated[name].attrs["units"] = "J m-2"
    stated.drop_vars("sf").to_netcdf(tmp_path / "stated.nc")
    notes = open_forcing({"file": tmp_path / "stated.nc"}).notes
    assert any("forcing.preset era5 or era5-land, whose radiation" in note for note in notes)
    assert open_forcing({"file": tmp_path / "stated.nc", "preset": "era5"}).notes == ()


def test_units_that_differ_from_those_of_the_preset_are_refused_and_proposed(tmp_path):
    source = write("era5", tmp_path)
    with xr.open_dataset(source) as data:
        changed = data.load()
    changed["tp"] = (changed["tp"] * 1000.0).assign_attrs(units="mm")
    changed["t2m"].attrs["units"] = "kelvin"
    changed.to_netcdf(tmp_path / "changed.nc")
    with pytest.raises(ForcingError, match=r"precipitation \(tp\): its units are 'mm' by the file, 'm' by"):
        open_forcing({"file": tmp_path / "changed.nc", "preset": "era5"})
    path, guesses = write_from_records(tmp_path / "changed.nc", tmp_path / "site.yaml")
    assert any("precipitation (tp) is in mm by the file" in guess for guess in guesses)
    written = yaml.safe_load(path.read_text())["forcing"]
    assert list(written["variables"]) == ["precipitation"]
    found = open_forcing({"file": tmp_path / "changed.nc", "preset": "era5", "variables": written["variables"]})
    # What the preset says of stamps stays.
    np.testing.assert_allclose(found.values["precipitation"][:, 0], TRUTH["precipitation"][:48], rtol=2e-6, atol=1e-10)


def test_results_do_not_replace_the_records_they_are_made_of(tmp_path):
    source = write("gldas", tmp_path)
    path, _ = write_from_records(source, source.with_suffix(".yaml"))
    assert yaml.safe_load(path.read_text())["output"]["file"] == "gldas_out.nc"
    assert load_configuration(path).output.file != load_configuration(path).forcing.file


@pytest.mark.parametrize("title", WRITERS)
def test_what_is_in_a_file_without_a_preset_is_named(title, tmp_path):
    (tmp_path / "in").mkdir()
    WRITERS[title](tmp_path / "in")
    source = next((tmp_path / "in").iterdir())
    result = CliRunner().invoke(app, ["init", str(tmp_path / "site.yaml"), "--from", str(source)])
    said = " ".join(result.output.split())
    expected = {
        "VIC": "degC is a guess",
        "COSIPY": "none of its variables (T2, PRES,",
        "GEOtop": "The file has besides Iprec, WindS",
        "ParFlow with CLM": "no line of names before the data",
    }
    assert expected[title] in said


def test_units_are_guessed_only_when_the_values_point_to_them(tmp_path):
    rows = [f"2019-06-01T{hour:02d}:00Z,{8 + hour % 3},{3 + hour % 2},2,{hour * 20},300,900,0.0" for hour in range(24)]
    header = "time,Tair,vapour_pressure,Wind,SWdown,LWdown,PSurf,Precip"
    (tmp_path / "a.csv").write_text("\n".join([header, *rows]) + "\n")
    path, guesses = write_from_records(tmp_path / "a.csv", tmp_path / "a.yaml")
    variables = yaml.safe_load(path.read_text())["forcing"]["variables"]
    assert variables["air_temperature"]["units"] == "degC"
    assert variables["air_pressure"]["units"] == "hPa"
    assert "units" not in {key for key, value in variables["vapour_pressure"].items() if value is not None}
    assert any("vapour_pressure (vapour_pressure) has no units: its values do not tell" in each for each in guesses)
