"""Chunks that are compressed outside the HDF5 library, as every reader of netCDF-4 reads them."""

from __future__ import annotations

import h5py
import netCDF4
import numpy as np
import pytest
from made_up_run import made_up_run, output_spec, write_steps

from bmi_noahpy.output import OutputWriter
from bmi_noahpy.output.chunks import CHUNK_BYTES, encoded, encoder, put_encoded, records_of_chunk, storage


def write(variable, first, numbers, compression):
    """As the records of a run are written."""
    chunks = encoded(numbers, variable.chunks[0], variable.dtype, encoder(compression))
    put_encoded(variable, first, chunks)


@pytest.mark.parametrize("compression", [0, 1, 2, 9])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_numbers_are_read_back_bit_for_bit(tmp_path, compression, shape):
    path, length = tmp_path / "file.nc", 16
    numbers = np.random.default_rng(1).normal(size=(40, *shape))
    numbers.reshape(-1)[:4] = np.nan, np.inf, -0.0, 5e-324
    with netCDF4.Dataset(path, "w") as file:
        dims = ("time", *(("layer",) if shape else ()))
        file.createDimension("time", None)
        if shape:
            file.createDimension("layer", shape[0])
        chunk = (length, *shape)
        file.createVariable("x", "f8", dims, chunksizes=chunk, fill_value=np.nan, **storage(compression))
    for first, last in ((0, 20), (16, 40)):
        # The second time from the beginning of the chunk that was not full.
        with h5py.File(path, "r+") as file:
            file["x"].resize(last, axis=0)
            write(file["x"], first, numbers[first:last], compression)
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        assert file["x"].filters()["complevel"] == compression
        assert file["x"][:].tobytes() == numbers.tobytes()


@pytest.mark.parametrize("compression", [0, 1, 4])
@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", ">f4"])
def test_numbers_take_the_type_and_the_byte_order_of_the_file(tmp_path, compression, kind):
    numbers = np.arange(10.0) + 0.25
    with netCDF4.Dataset(tmp_path / "file.nc", "w") as file:
        file.createDimension("time", None)
        file.createVariable("x", kind, ("time",), chunksizes=(4,), fill_value=np.nan, **storage(compression))
    with h5py.File(tmp_path / "file.nc", "r+") as file:
        file["x"].resize(10, axis=0)
        write(file["x"], 0, numbers, compression)
    with netCDF4.Dataset(tmp_path / "file.nc") as file:
        file.set_auto_mask(False)
        assert np.array_equal(file["x"][:], numbers)


@pytest.mark.parametrize("shape", [(), (20,), (7, 13), (20, 400, 300)])
def test_chunks_of_all_variables_begin_together(shape):
    records = records_of_chunk(shape)
    assert records & (records - 1) == 0
    assert records == 1 or 8 * records * np.prod(shape, dtype=int) <= CHUNK_BYTES


def test_records_beyond_the_last_are_missing_to_whoever_makes_the_file_longer(tmp_path):
    run = made_up_run()
    with OutputWriter(tmp_path / "out.nc", run, output_spec()) as writer:
        write_steps(writer, run, 10, block=2)
    with netCDF4.Dataset(tmp_path / "out.nc", "a") as file:
        file["time"][10] = file["time"][9] + 1.0
        file.set_auto_mask(False)
        assert np.isnan(file["skin_temperature"][10]).all()
        assert np.isfinite(file["skin_temperature"][:10]).all()


@pytest.mark.parametrize("block", [1, 7, 40])
def test_a_file_does_not_depend_on_how_often_it_was_brought_up_to_date(tmp_path, monkeypatch, block):
    monkeypatch.setattr("bmi_noahpy.output.writer.SHARE_OF_TIME", 0.0)
    monkeypatch.setattr("bmi_noahpy.output.chunks.CHUNK_RECORDS", 8)
    run = made_up_run()
    for name, length in (("often.nc", block), ("once.nc", 40)):
        with OutputWriter(tmp_path / name, run, output_spec(), flush_seconds=0.0) as writer:
            write_steps(writer, run, 40, block=length)
    with netCDF4.Dataset(tmp_path / "often.nc") as often, netCDF4.Dataset(tmp_path / "once.nc") as once:
        for name in once.variables:
            assert np.array_equal(np.ma.getdata(often[name][:]), np.ma.getdata(once[name][:]), equal_nan=True), name
