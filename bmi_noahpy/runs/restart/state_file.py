"""One restart file: the complete state after a step, and where the output stood then."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.atomic import replaced
from bmi_noahpy.output import OutputMark
from bmi_noahpy.runs.restart.fingerprint import Fingerprint
from noahpy_core import __version__
from noahpy_core.leaves import array_of, made_like
from noahpy_core.quantities import members, quantities, replace_quantity
from noahpy_core.revision import source_digest
from noahpy_core.state import State

KIND = "noahpy restart"
EPOCH = np.datetime64("1970-01-01T00:00:00", "s")
OUTPUT = "output"
REMAINDER = "soil_temperature_remainder"
"""What the digits of temperatures leave out; without it they are all there is."""


class RestartError(ValueError):
    """A restart file that cannot be read, or does not fit the run."""


class DamagedRestart(RestartError):
    """A restart file that is incomplete, or not what was written."""


@dataclasses.dataclass(frozen=True)
class Restart:
    """A state to go on from.

    Parameters
    ----------
    start : Time at which the first step of its run began.
    time : Time for which the state is valid.
    step : Steps taken from `start` to `time`.
    state : Everything the model carries.
    fingerprint : What the run that goes on must have in common.
    mark : Where the output file stood; None when no output was written.
    followed : What the run has followed up to then, as `bmi_noahpy.runs.restart.followed.Followed` describes it.
    code : Digest of the source of the model that took the steps; empty in files from before there was one.
    left_out : Quantities in the file, not 0, for which the state of the run that goes on has no place.
    """

    start: np.datetime64
    time: np.datetime64
    step: int
    state: State
    fingerprint: Fingerprint
    mark: OutputMark | None = None
    followed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    code: str = dataclasses.field(default_factory=source_digest)
    left_out: tuple[str, ...] = ()


def write_restart(path: Path, restart: Restart) -> None:
    """Write a restart file (netCDF-4, CF-1.11 as far as it goes), which appears under its name when it is complete."""
    arrays = {_name(path): array_of(leaf) for path, leaf in members(restart.state).items()}
    attributes = {
        "start": str(restart.start),
        "step": restart.step,
        "fingerprint": json.dumps(restart.fingerprint, sort_keys=True),
        "followed": json.dumps(restart.followed, sort_keys=True),
        "code": restart.code,
    }
    with replaced(path) as partial, netCDF4.Dataset(partial, "w", format="NETCDF4") as dataset:
        dataset.setncatts(
            {
                "Conventions": "CF-1.11",
                "title": "State of the Noah land surface model",
                "source": f"NoahPy {__version__}",
                "kind": KIND,
                **attributes,
            }
        )
        time = dataset.createVariable("time", "i8")
        time.setncatts({"standard_name": "time", "units": f"seconds since {EPOCH}".replace("T", " ")})
        time[...] = _seconds(restart.time)
        _write_state(dataset, arrays)
        if restart.mark is not None:
            _write_mark(dataset.createGroup(OUTPUT), restart.mark)
        dataset.setncattr("checksum", _checksum(dataset))


def read_restart(path: Path, like: State) -> Restart:
    """Read a restart file.

    Parameters
    ----------
    like : A state of the run that goes on, for the structure of the state and the type of its numbers.

    Raises
    ------
    DamagedRestart : for a file that is not whole.
    RestartError : when there is no such file, or it holds a state of another structure.
    """
    if not path.is_file():
        raise RestartError(f"restart file {path}: there is none. Correct the path.")
    try:
        with netCDF4.Dataset(path) as dataset:
            dataset.set_auto_mask(False)
            whole = getattr(dataset, "kind", "") == KIND and dataset.checksum == _checksum(dataset)
            content = _read(dataset) if whole else None
    except (OSError, RuntimeError, AttributeError, KeyError, IndexError, UnicodeDecodeError, ValueError) as error:
        raise DamagedRestart(f"restart file {path}: cannot be read ({error}). Use another one.") from error
    if content is None:
        raise DamagedRestart(f"restart file {path}: is damaged, or no restart file. Use another one.")
    start, time, step, (fingerprint, followed, code), arrays, mark = content
    state, left_out = _state(path, arrays, like), _left_out(arrays, like)
    return Restart(start, time, step, state, fingerprint, mark, followed, code, left_out)


def _name(path: str) -> str:
    return path.replace(".", "_")


def _write_state(dataset: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    described = {_name(path): metadata for path, metadata in quantities(State)}
    for name, array in arrays.items():
        metadata = described.get(name, {})
        leading = tuple(metadata.get("dims", ())) if array.ndim > 1 else ()
        lengths = dict(zip((*leading, "column")[-array.ndim :], array.shape, strict=False)) if leading else {}
        dims = tuple(lengths) if len(lengths) == array.ndim else _dimensions(array.shape)
        for dim, length in zip(dims, array.shape, strict=True):
            if dim not in dataset.dimensions:
                dataset.createDimension(dim, length)
        kind = "i1" if array.dtype == bool else array.dtype
        variable = dataset.createVariable(name, kind, dims, fill_value=False)
        variable.setncatts({key: metadata[key] for key in ("units", "long_name", "standard_name") if metadata.get(key)})
        variable[...] = array


def _dimensions(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The column is last; what stands before is told apart by its length."""
    return (*(f"length_{length}" for length in shape[:-1]), *(["column"] if shape else []))


def _write_mark(group: Any, mark: OutputMark) -> None:
    group.setncatts(
        {
            "comment": "how far the output file was, and what the steps since its last record add up to",
            "run_id": mark.run_id,
            "records": mark.records,
            "names": json.dumps(mark.names),
            "sampling": mark.sampling,
            "count": mark.count,
            "begin": mark.begin,
        }
    )
    group.createDimension("number", len(mark.numbers))
    if len(mark.numbers):
        group.createVariable("numbers", "f8", ("number",), fill_value=False)[:] = mark.numbers


def _checksum(dataset: Any) -> str:
    """Digest of every number and of what is said about them."""
    total = hashlib.sha256()
    for holder in (dataset, *dataset.groups.values()):
        for name in sorted(set(holder.ncattrs()) - {"checksum"}):
            total.update(f"{name}={holder.getncattr(name)};".encode())
        for name in sorted(holder.variables):
            variable = holder.variables[name]
            variable.set_auto_mask(False)
            total.update(f"{name}{variable.shape};".encode())
            total.update(np.ascontiguousarray(variable[...]).tobytes())
    return total.hexdigest()


def _read(dataset: Any) -> tuple[Any, ...]:
    time = EPOCH + np.timedelta64(int(dataset["time"][...]), "s")
    arrays = {name: np.asarray(variable[...]) for name, variable in dataset.variables.items() if name != "time"}
    mark = _read_mark(dataset.groups[OUTPUT]) if OUTPUT in dataset.groups else None
    start = np.datetime64(dataset.start, "s")
    described = json.loads(dataset.fingerprint), json.loads(getattr(dataset, "followed", "{}"))
    plain = (*described, str(getattr(dataset, "code", "")))
    return start, time, int(dataset.step), plain, arrays, mark


def _read_mark(group: Any) -> OutputMark:
    numbers = np.asarray(group["numbers"][:]) if "numbers" in group.variables else np.empty(0)
    return OutputMark(
        run_id=group.run_id,
        records=int(group.records),
        names=tuple(json.loads(group.names)),
        sampling=str(getattr(group, "sampling", "")),
        count=int(group.count),
        begin=float(group.begin),
        numbers=numbers,
    )


def _state(path: Path, arrays: Mapping[str, NDArray[Any]], like: State) -> State:
    state = like
    for place, leaf in members(like).items():
        array = arrays.get(_name(place))
        if array is None and _name(place) == REMAINDER:
            # Files from before there was one.
            array = np.zeros(tuple(leaf.shape))
        if array is None or array.shape != tuple(leaf.shape):
            found = "is missing" if array is None else f"has the shape {list(array.shape)}"
            raise RestartError(
                f"restart file {path}: {_name(place)} {found}, this run needs {list(leaf.shape)}. "
                "Use the file of a run with the same layers, columns and schemes."
            )
        state = replace_quantity(state, place, made_like(array, leaf))
    return state


def _left_out(arrays: Mapping[str, NDArray[Any]], like: State) -> tuple[str, ...]:
    """What there is in a file for which a state has no place, but for digits that temperatures have no room for."""
    placed = {_name(place) for place in members(like)} | {REMAINDER}
    return tuple(sorted(name for name, array in arrays.items() if name not in placed and array.any()))


def _seconds(moment: np.datetime64) -> int:
    return int((moment - EPOCH) / np.timedelta64(1, "s"))
