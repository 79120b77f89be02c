"""Grids and files of other kinds at a first look."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
import yaml
from made_up_conventions import START, TRUTH, in_file, write

from bmi_noahpy.config import load_configuration
from bmi_noahpy.config.from_records import write_from_records
from bmi_noahpy.forcing import ForcingError, open_forcing
from bmi_noahpy.forcing.presets import presets
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.forcing_of_run import open_records


def gridded(name, folder, *, of_time: bool = False):
    """A file of a convention on three by two cells; with the places of WRF, which each time has."""
    with xr.open_dataset(write(name, folder)) as data:
        one = data.load()
    latitude, longitude = np.array([46.0, 47.0, 48.0]), np.array([7.0, 8.0])
    wide = one.expand_dims({"y": 3, "x": 2}, (1, 2))
    if of_time:
        places = [
            np.broadcast_to(side, (one.sizes["time"], 3, 2)) for side in np.meshgrid(latitude, longitude, indexing="ij")
        ]
        wide = wide.assign({"XLAT": (("time", "y", "x"), places[0]), "XLONG": (("time", "y", "x"), places[1])})
    else:
        wide = wide.rename(y="lat", x="lon").assign_coords(lat=latitude, lon=longitude)
    wide.to_netcdf(folder / "grid.nc")
    return folder / "grid.nc"


@pytest.mark.parametrize(("name", "of_time"), [("gldas", False), ("wrf", True)])
@pytest.mark.filterwarnings("ignore")
def test_the_middle_of_a_grid_is_proposed_and_read(name, of_time, tmp_path):
    path, guesses = write_from_records(gridded(name, tmp_path, of_time=of_time), tmp_path / "a.yaml")
    written = yaml.safe_load(path.read_text())
    assert (written["domain"]["latitude"], written["domain"]["longitude"]) == (47.0, 7.0)
    assert "it has 6 cells: latitude 47 and longitude 7 of the one in the middle are a guess" in guesses
    table, _, _ = open_records(load_configuration(path), None, check=True)
    assert table.columns == 1
    np.testing.assert_allclose(table.values["air_temperature"][:, 0], TRUTH["air_temperature"][: table.records])


def test_a_place_outside_the_cells_is_refused(tmp_path):
    far = Domain("column", np.array([68.6]), np.array([-149.6]))
    with pytest.raises(ForcingError, match=r"68.6, -149.6 lies outside its 6 cells, the nearest of which is at 48, 7"):
        open_forcing({"file": gridded("gldas", tmp_path), "preset": "gldas"}, domain=far)


def test_times_of_nextgen_are_counted_from_their_own_epoch(tmp_path):
    preset = presets()["aorc"]
    seconds = (START - np.datetime64("1970-01-01", "s")).astype(float) + 3600.0 * np.arange(49)
    both = np.stack([seconds, seconds])
    fields = {
        entry["names"][0]: (("catchment-id", "time"), np.stack([values, values]))
        for quantity, entry in preset.variables.items()
        for values in [in_file(quantity, entry, preset.label)]
    }
    for epoch in ("01/01/1970 00:00:00", "1970-01-01"):
        attributes = {"units": "s", "epoch_start": epoch}
        data = xr.Dataset({**fields, "Time": (("catchment-id", "time"), both, attributes)})
        data.to_netcdf(tmp_path / "ng.nc", mode="w")
        if epoch.startswith("1970"):
            with pytest.raises(ForcingError, match="epoch_start is '1970-01-01', not a date like"):
                open_forcing({"file": tmp_path / "ng.nc", "preset": "aorc"})
            continue
        table = open_forcing({"file": tmp_path / "ng.nc", "preset": "aorc"})
        assert table.times[0] == START
        assert table.columns == 2


@pytest.mark.parametrize(
    ("begin", "words"),
    [(b"PK\x03\x04", "a spreadsheet or an archive"), (b"GRIB", "GRIB, not"), (b"\x1f\x8b", "compressed")],
)
def test_files_of_other_kinds_are_named(begin, words, tmp_path):
    (tmp_path / "a.csv").write_bytes(begin + b" 1 2 3\n")
    with pytest.raises(ForcingError, match=words):
        open_forcing({"file": tmp_path / "a.csv"})


def test_a_table_without_any_known_name_is_refused_with_its_names(tmp_path):
    (tmp_path / "a.csv").write_text("time,GHI,Temperature\n2021-06-01T00:00Z,0,5\n2021-06-01T01:00Z,0,5\n")
    with pytest.raises(ForcingError, match=r"none of its variables \(GHI, Temperature\) is recognised as weather"):
        write_from_records(tmp_path / "a.csv", tmp_path / "a.yaml")
