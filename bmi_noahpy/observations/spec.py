"""How a file of observations is read, where that is not recognised."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from bmi_noahpy import units as scalar_units
from bmi_noahpy.files.brief import suggest
from bmi_noahpy.observations.quantities import QUANTITIES
from bmi_noahpy.observations.simulated import PlotError
from bmi_noahpy.tabular import TableError, TextOptions, TimeSpec
from bmi_noahpy.tabular.clock import Label, refuse_unknown_label

Spec = TypeVar("Spec", TimeSpec, TextOptions)


@dataclasses.dataclass(frozen=True)
class ColumnSpec:
    """What a column, or a variable of netCDF, is; None: as its name, its attributes and its file say.

    Parameters
    ----------
    quantity : Name of the simulated variable it is compared with.
    depth : Below the surface, for soil. [m]
    units : Its units.
    label : What its stamps are, where that differs from the file's (see `TimeSpec`).
    flag : Column of its flags of quality; values whose flag is none of `good` are left out. None: flags do not count.
    good : Flags of good values, numbers or texts.
    """

    quantity: str | None = None
    depth: float | None = None
    units: str | None = None
    label: Label | None = None
    flag: str | None = None
    good: tuple[float | str, ...] = (0,)

    def __post_init__(self) -> None:
        if self.quantity is not None and self.quantity not in QUANTITIES:
            raise PlotError(f"variables: unknown quantity {self.quantity!r}. {suggest(self.quantity, QUANTITIES)}")
        try:
            refuse_unknown_label(self.label, "variables.label")
        except TableError as error:
            raise PlotError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class ReadingSpec:
    """How a file of observations is read.

    Parameters
    ----------
    time : How it tells the time.
    text : How a table is written, and numbers that stand for no value, of netCDF too.
    variables : Column -> what it is, for those whose names do not say it.
    """

    time: TimeSpec = TimeSpec()
    text: TextOptions = TextOptions()
    variables: Mapping[str, ColumnSpec] = dataclasses.field(default_factory=dict)

    def refuse_unknown(self, names: Iterable[str], source: str) -> None:
        """Raise PlotError for a variable that a file does not have."""
        available = list(names)
        for name, column in self.variables.items():
            for key, wanted in (("", name), (f".{name}.flag", column.flag)):
                if wanted is not None and wanted not in available:
                    text = f"no column {wanted!r} among {', '.join(available)}. Correct it."
                    raise PlotError(f"{source}: variables{key}: {text}")


def in_our_keys(error: Exception) -> PlotError:
    """The same as an error about observations, whose keys are those of the forcing."""
    return PlotError(str(error).replace("forcing.", ""))


def reading_of(
    time: TimeSpec | Mapping[str, Any] | None,
    text: TextOptions | Mapping[str, Any] | None,
    missing: Iterable[float],
    variables: Mapping[str, ColumnSpec | Mapping[str, Any]] | None,
) -> ReadingSpec:
    """A specification out of plain mappings.

    Raises
    ------
    PlotError : an unknown key, or a depth that is none.
    """
    written = _made(TextOptions, text, "text")
    codes = (*written.missing, *missing)
    columns = {
        name: entry if isinstance(entry, ColumnSpec) else _column(name, entry)
        for name, entry in (variables or {}).items()
    }
    return ReadingSpec(_made(TimeSpec, time, "time"), dataclasses.replace(written, missing=codes), columns)


def _made(kind: type[Spec], given: Spec | Mapping[str, Any] | None, where: str) -> Spec:
    if isinstance(given, kind):
        return given
    options = dict(given or {})  # type: ignore[arg-type]
    _refuse_other_keys(options, kind, where)
    try:
        return kind(**options)
    except TableError as error:
        raise PlotError(str(error)) from error


def _column(name: str, entry: Mapping[str, Any]) -> ColumnSpec:
    options = dict(entry)
    _refuse_other_keys(options, ColumnSpec, f"variables.{name}")
    if options.get("depth") is not None:
        options["depth"] = _depth(options["depth"], f"variables.{name}.depth")
    if "good" in options:
        options["good"] = (
            (options["good"],) if isinstance(options["good"], (str, float, int)) else tuple(options["good"])
        )
    return ColumnSpec(**options)


def _depth(value: Any, where: str) -> float:
    """Metres out of a number of metres, or a text as ``"5 cm"``."""
    parts = scalar_units.split_number(value) if isinstance(value, str) else (value, "m")
    try:
        metres = scalar_units.convert(float(parts[0]), parts[1] or "m", "m") if parts else float("nan")
    except (TypeError, ValueError):
        metres = float("nan")
    if not 0.0 <= metres < 1000.0:
        raise PlotError(f"{where}: {value!r} is no depth. Give metres, or a text like '5 cm'.")
    return metres


def _refuse_other_keys(options: Mapping[str, Any], kind: type[Any], where: str) -> None:
    known = [field.name for field in dataclasses.fields(kind)]
    for key in options:
        if key not in known:
            raise PlotError(f"{where}: unknown key {key!r}. {suggest(key, known)}")
