"""Files that are not what a command wants: each is named with what it is, in a line that does not repeat them."""

from __future__ import annotations

from pathlib import Path

import pytest
from configurations import changed, write, write_weather
from typer.testing import CliRunner

from bmi_noahpy.cli import app

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
CONTENTS = {
    "a Git LFS pointer": (POINTER.encode(), "Git LFS pointer"),
    "a page": (b"<!DOCTYPE html><html>" + b"<p>Please log in</p>" * 2000, "page of a web site"),
    "GRIB": (b"GRIB" + bytes(range(256)) * 40, "GRIB"),
    "bytes": (bytes(range(255, -1, -1)) * 200, "something else"),
    "prose": (b"Dear user, the data are on request only. " * 500 + b"\n", "text"),
    "nothing": (b"", "empty file"),
    "half of netCDF": (b"\x89HDF\r\n\x1a\n" + b"\0" * 5000, "cannot be read as netCDF"),
}
WANTED = {
    "plot": ["plot", "{file}"],
    "table": ["table", "{file}"],
    "compare": ["compare", "{file}", "{file}"],
    "verify": ["verify", "{file}"],
    "records": ["check", "site.yaml", "--set", "forcing={{file: {file}, format: netcdf}}"],
    "domain": ["check", "site.yaml", "--set", "domain={{file: {file}}}"],
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("command", WANTED)
def test_what_is_no_netcdf_is_named_with_what_it_is(command, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_weather(tmp_path / "weather.csv")
    write(tmp_path / "site.yaml", changed({"forcing": {"file": "weather.csv"}}))
    data, words = CONTENTS[content]
    Path("wanted.nc").write_bytes(data)
    result = CliRunner().invoke(app, [part.format(file="wanted.nc") for part in WANTED[command]])
    assert result.exit_code == 2
    assert "wanted.nc" in result.stderr
    assert (words in result.stderr) or (command == "verify" and content == "half of netCDF")
    assert len(result.stderr) < 400
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("content", [name for name in CONTENTS if name not in ("nothing", "half of netCDF")])
@pytest.mark.parametrize("command", ["run", "check", "init", "plot"])
def test_what_is_no_table_is_not_repeated(command, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("wanted.csv").write_bytes(CONTENTS[content][0])
    arguments = {"init": ["init", "new.yaml", "--from", "wanted.csv"]}.get(command, [command, "wanted.csv"])
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "wanted.csv" in result.stderr
    assert len(result.stderr) < 400
    assert not Path("new.yaml").exists()


def test_a_cell_of_any_length_is_cut_in_the_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_weather(tmp_path / "weather.csv")
    write(tmp_path / "site.yaml", changed({"forcing": {"file": "weather.csv"}}))
    whole = Path("weather.csv").read_text()
    for cell in (",265,", "2020-01-01T03:00,"):
        Path("weather.csv").write_text(whole.replace(cell, cell[0] + "x" * 100_000 + ",", 1))
        result = CliRunner().invoke(app, ["check", "site.yaml"])
        assert result.exit_code == 2
        assert "weather.csv" in result.stderr
        assert len(result.stderr) < 450
