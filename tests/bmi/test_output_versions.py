"""The output file is brought up to date by what it lacks, and made anew where it is not as it was left."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_up_run import made_up_run, output_spec, write_steps

from bmi_noahpy.output import OutputWriter, versions
from bmi_noahpy.output.records import RecordRows


@pytest.fixture
def begun(monkeypatch) -> list[int]:
    """At which record each version was begun to be written."""
    noted: list[int] = []
    write = RecordRows.write

    def noting(rows, dataset, journal, begin=0):
        noted.append(begin)
        write(rows, dataset, journal, begin)

    monkeypatch.setattr(RecordRows, "write", noting)
    monkeypatch.setattr("bmi_noahpy.output.writer.SHARE_OF_TIME", 0.0)
    return noted


def written(path: Path, between=lambda path: None) -> Path:
    """Ten steps in five blocks, with something done after the first of them."""
    run = made_up_run()
    with OutputWriter(path, run, output_spec(), flush_seconds=0.0) as writer:
        taken = writer.write
        calls = iter(range(100))

        def write(*given):
            taken(*given)
            if next(calls) == 1:
                between(path)

        writer.write = write
        write_steps(writer, run, 10, block=2)
    return path


def same(one: Path, other: Path) -> bool:
    with xr.open_dataset(one, decode_times=False) as ours, xr.open_dataset(other, decode_times=False) as theirs:
        return all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in theirs.variables)


def test_each_record_is_written_into_the_file_once(tmp_path, begun):
    written(tmp_path / "out.nc")
    # Empty first, then after each block, then at the end.
    assert begun == [0, 0, 2, 4, 6, 8, 10]


def removed(path: Path) -> None:
    path.unlink()


def changed(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def exchanged(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.replace(other, path)


@pytest.mark.parametrize("fault", [removed, changed, exchanged])
def test_a_file_that_somebody_else_has_changed_is_made_anew(tmp_path, begun, fault):
    whole = written(tmp_path / "whole.nc")
    begun.clear()
    assert same(written(tmp_path / "out.nc", fault), whole)
    assert begun == [0, 0, 2, 0, 6, 8, 10]


def test_a_copy_that_fails_leaves_the_last_version(tmp_path, begun, monkeypatch):
    def fails(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(5, "Input/output error")

    def break_the_disk(path):
        monkeypatch.setattr(versions.shutil, "copyfile", fails)

    with pytest.raises(OSError, match="Input/output"):
        written(tmp_path / "out.nc", break_the_disk)
    with xr.open_dataset(tmp_path / "out.nc", decode_times=False) as data:
        assert data.sizes["time"] == 4
    assert not list(tmp_path.glob(".*.partial"))
    assert (tmp_path / "out.nc.journal").exists()
