"""Records as chunks of a netCDF-4 file, compressed here and put into the file as they are.

Any program that reads netCDF-4 reads them: a chunk is shuffled and deflated as the HDF5 library would do it. The
quickest level is deflated by Intel's ISA-L, which takes an eighth of the time of zlib (level 4) and makes files a
twentieth larger.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import h5py

Array = NDArray[np.float64]
Encode = Callable[[Array], Any]

CHUNK_BYTES = 256 * 1024
CHUNK_RECORDS = 1024
QUICKEST = 1


def records_of_chunk(shape: Sequence[int]) -> int:
    """Records of a chunk, a power of two, so that the chunks of all variables begin together.

    Parameters
    ----------
    shape : Of one record.
    """
    most = min(CHUNK_RECORDS, CHUNK_BYTES // (8 * int(np.prod(shape, dtype=np.int64))))
    return int(1 << (max(most, 1).bit_length() - 1))


def storage(compression: int) -> dict[str, Any]:
    """How netCDF4 is told what `encoder` does.

    Parameters
    ----------
    compression : 0 for none, 1 for the quickest, to 9.
    """
    return {"zlib": True, "complevel": compression, "shuffle": True} if compression else {}


def encoder(compression: int) -> Encode:
    """What makes the bytes of a chunk out of its numbers, for a variable created with `storage`.

    Parameters
    ----------
    compression : As for `storage`.
    """
    if not compression:
        return np.ascontiguousarray
    if compression == QUICKEST:
        from isal import isal_zlib

        return lambda chunk: isal_zlib.compress(_shuffled(chunk), QUICKEST)
    return lambda chunk: zlib.compress(_shuffled(chunk), compression)


def encoded(values: Array, length: int, kind: np.dtype[Any], encode: Encode) -> Iterator[Any]:
    """The bytes of one chunk after the other.

    Parameters
    ----------
    values : ``[record, ...]``. A last chunk that they do not fill is filled with what is not a number, as the library
        does with records that nobody has written.
    length : Records of a chunk.
    kind : Number type and byte order of the file: what is written directly is not converted.
    encode : Of `encoder`.
    """
    values = np.asarray(values, dtype=kind)
    for begin in range(0, len(values), length):
        chunk = values[begin : begin + length]
        if len(chunk) < length:
            rest = np.full((length - len(chunk), *values.shape[1:]), np.nan, dtype=values.dtype)
            chunk = np.concatenate([chunk, rest])
        yield encode(chunk)


def put_encoded(variable: h5py.Dataset, first: int, chunks: Iterable[Any]) -> None:
    """Put the bytes of chunks that follow each other into a variable, from a record on at which a chunk begins."""
    length, place = variable.chunks[0], (0,) * (len(variable.chunks) - 1)
    for number, chunk in enumerate(chunks):
        variable.id.write_direct_chunk((first + number * length, *place), chunk)


def _shuffled(chunk: Array) -> memoryview:
    """The first bytes of all numbers, then the second ones, and so on: HDF5's filter "shuffle"."""
    numbers = np.ascontiguousarray(chunk).reshape(-1)
    return np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, numbers.itemsize).T).data
