"""Where the records are and how to read them."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from bmi_noahpy.files.brief import suggest
from bmi_noahpy.forcing.table import UNITS, ForcingError, MissingForcing
from bmi_noahpy.tabular import TextOptions, TimeSpec
from bmi_noahpy.tabular.clock import Label

VARIABLE_KEYS = ("name", "units", "label", "accumulated")
TIME_KEYS = ("name", "format", "utc_offset", "zone", "label")
SPEC_KEYS = (
    "file", "format", "variables", "time", "fill", "preset", "text", "gaps", "derive", "regrid", "lapse",
)  # fmt: skip
FORMATS = ("noah_ascii", "csv", "netcdf")
REGRIDS = ("nearest", "bilinear", "conservative")


Accumulated = Literal["since_midnight", "since_start", "no"]


@dataclasses.dataclass(frozen=True)
class VariableSpec:
    """A variable of the file.

    Parameters
    ----------
    name : Its name, or the names of variables whose sum it is.
    units : Its units; None: as the file says.
    label : What the stamp of its records is, where it differs from that of the file (see `TimeSpec`).
    accumulated : Whether its values are totals since midnight or since the start of the file; None: not said.
    """

    name: str | tuple[str, ...]
    units: str | None = None
    label: Label | None = None
    accumulated: Accumulated | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables in the file."""
        return (self.name,) if isinstance(self.name, str) else self.name


@dataclasses.dataclass(frozen=True)
class GapSpec:
    """How gaps in the records are filled.

    Parameters
    ----------
    longest : The longest gap that is filled. [s]
    method : Linear in time, or the mean of the same hour of the days before and after.
    """

    longest: float
    method: Literal["linear", "diurnal"] = "linear"


@dataclasses.dataclass(frozen=True)
class LapseSpec:
    """How the air changes with elevation.

    Parameters
    ----------
    rate : Fall of the air temperature with height. [K m-1]
    elevation : Variable with the terrain of the records, in metres or as a geopotential.
    file : The file that holds it; None: that of the records.
    """

    rate: float
    elevation: str
    file: Path | None = None


@dataclasses.dataclass(frozen=True)
class ForcingSpec:
    """A file of records, or several of netCDF.

    Parameters
    ----------
    file : Path, pattern of paths (``tair_*.nc``), or several of either.
    format : noah_ascii, csv or netcdf; None to recognise it.
    variables : Quantity -> variable, for those whose name is not recognised or whose units are not stated.
    time : How to read the time.
    fill : What to do about gaps that `gaps` does not name; only "error".
    preset : Convention of a community (`bmi_noahpy.forcing.presets`); what else is said goes before it.
    text : How a text table is written.
    gaps : Which gaps are filled, and how; None: none.
    derive : What is computed because the file lacks it: ``air_pressure: elevation [m]``, ``longwave_down: scheme``.
    regrid : How netCDF records come to other cells than their own (`bmi_noahpy.forcing.regrid`); None: they do not.
    lapse : How the air changes between the terrain of the records and that of the columns; None: it does not.
    """

    file: Path | Sequence[Path]
    format: str | None = None
    variables: Mapping[str, VariableSpec] = dataclasses.field(default_factory=dict)
    time: TimeSpec = TimeSpec()
    fill: str = "error"
    preset: str | None = None
    text: TextOptions = TextOptions()
    gaps: GapSpec | None = None
    derive: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    regrid: str | None = None
    lapse: LapseSpec | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise ForcingError(f"forcing.format: unknown format {self.format!r}. Use {', '.join(FORMATS)}.")
        if self.regrid is not None and self.regrid not in REGRIDS:
            raise ForcingError(f"forcing.regrid: unknown method {self.regrid!r}. Use {', '.join(REGRIDS)}.")
        if self.fill != "error":
            raise ForcingError(f"forcing.fill: {self.fill!r} is not available. Use 'error' and forcing.gaps.")
        for quantity in self.variables:
            if quantity not in UNITS:
                raise ForcingError(f"forcing.variables: unknown quantity {quantity!r}. {suggest(quantity, UNITS)}")

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> ForcingSpec:
        """From plain dictionaries, as a configuration file gives them.

        ``{"file": "a.csv", "variables": {"air_temperature": {"name": "T", "units": "degC"}}, "time": {"name": "t"}}``.
        A plain string stands for ``{"name": ...}``, and None for a value left out.

        Raises
        ------
        ForcingError : for an unknown key.
        """
        given = {key: value for key, value in options.items() if value is not None}
        _known(given, SPEC_KEYS, "forcing")
        if "file" not in given:
            raise ForcingError("forcing.file: missing. Give the path of the file with the records.")
        variables = {
            quantity: VariableSpec(**_entry(entry, VARIABLE_KEYS, f"forcing.variables.{quantity}"))
            for quantity, entry in given.get("variables", {}).items()
            if entry is not None
        }
        time = TimeSpec(**_entry(given.get("time", {}), TIME_KEYS, "forcing.time"))
        file = given["file"]
        files = [Path(entry) for entry in file] if isinstance(file, (list, tuple)) else Path(file)
        return cls(
            files,
            given.get("format"),
            variables,
            time,
            given.get("fill", "error"),
            given.get("preset"),
            TextOptions(**given.get("text", {})),
            GapSpec(**given["gaps"]) if "gaps" in given else None,
            given.get("derive", {}),
            given.get("regrid"),
            LapseSpec(**given["lapse"]) if "lapse" in given else None,
        )


def find_files(file: Path | Sequence[Path]) -> list[Path]:
    """The files that a path, a pattern or several of either stand for, in order and without repetition.

    Raises
    ------
    MissingForcing : for a path that is no file, and a pattern that fits none.
    """
    found: dict[Path, None] = {}
    for entry in [file] if isinstance(file, Path) else file:
        if _holds_records(entry):
            found[entry] = None
            continue
        matches = sorted(glob.glob(str(entry))) if glob.has_magic(str(entry)) else []
        files = [path for path in map(Path, matches) if _holds_records(path)]
        if not files:
            what = "fits no file" if glob.has_magic(str(entry)) else "is not a file"
            raise MissingForcing("forcing.file", f"'{entry}' {what}. Correct the path.")
        found |= dict.fromkeys(files)
    return list(found)


def _holds_records(path: Path) -> bool:
    """Whether a path is a file, or the folder of a Zarr store."""
    return path.is_file() or (path.suffix == ".zarr" and path.is_dir())


def _entry(entry: Any, keys: tuple[str, ...], where: str) -> dict[str, Any]:
    """A dictionary with known keys only, from one or from a bare name."""
    plain = (
        {"name": entry} if isinstance(entry, (str, tuple)) else {k: v for k, v in dict(entry).items() if v is not None}
    )
    _known(plain, keys, where)
    if where != "forcing.time" and "name" not in plain:
        raise ForcingError(f"{where}: no name. Give the name of the variable in the file.")
    return plain


def _known(options: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in options:
        if key not in keys:
            raise ForcingError(f"{where}: unknown key {key!r}. {suggest(key, keys)}")
