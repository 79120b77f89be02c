"""Conventions of communities, as a table in data (``presets.yaml``)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from bmi_noahpy.files.brief import suggest
from bmi_noahpy.forcing.spec import ForcingSpec, VariableSpec
from bmi_noahpy.forcing.table import ForcingError, PresetUnits, Times
from bmi_noahpy.forcing.units import same_units
from bmi_noahpy.tabular.clock import Label

Kind = Literal["netcdf", "text"]
FILE = Path(__file__).with_name("presets.yaml")


@dataclasses.dataclass(frozen=True)
class Preset:
    """One convention.

    Parameters
    ----------
    about : What it stands for, in a line.
    variables : Quantity -> what it may be called, and its units, label and accumulation.
    label : What the stamps of all variables are; None: as usual.
    columns : Names of the columns of a table without a header.
    format : Of the file; None: any.
    kind : "netcdf" or "text", where its files are of one kind only.
    local : Whether stamps are of a clock that the file does not name.
    sums : Time that amounts are of, whatever the time between records; None: that. [s]
    """

    about: str
    variables: Mapping[str, Mapping[str, Any]]
    label: Label | None = None
    columns: tuple[str, ...] | None = None
    format: str | None = None
    kind: Kind | None = None
    local: bool = False
    sums: float | None = None


@functools.cache
def presets() -> dict[str, Preset]:
    """Every convention by its name."""
    loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    table: Mapping[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader)
    return {
        name: Preset(
            about=entry["about"],
            variables=entry["variables"],
            label=entry.get("label"),
            columns=tuple(entry["columns"]) if "columns" in entry else None,
            format=entry.get("format"),
            kind=entry.get("kind"),
            local=entry.get("local", False),
            sums=entry.get("sums"),
        )
        for name, entry in table.items()
    }


def find_preset(name: str) -> Preset:
    """The convention of a name.

    Raises
    ------
    ForcingError : naming the nearest one.
    """
    known = presets()
    if name not in known:
        raise ForcingError(f"forcing.preset: unknown preset {name!r}. {suggest(name, known)}")
    return known[name]


def before_reading(spec: ForcingSpec) -> ForcingSpec:
    """The specification with what its preset says of the whole file, where nothing else was said."""
    if spec.preset is None:
        return spec
    preset = find_preset(spec.preset)
    label = spec.time.label or preset.label
    columns = spec.text.columns or preset.columns
    return dataclasses.replace(
        spec,
        format=spec.format or preset.format,
        time=dataclasses.replace(spec.time, label=label),
        text=dataclasses.replace(spec.text, columns=columns),
    )


def with_variables(
    spec: ForcingSpec, names: Collection[str], source: str, stated: Mapping[str, str | None]
) -> Mapping[str, VariableSpec]:
    """The variables that are asked for, and those of the preset that the file has.

    What is asked for of a variable of the preset goes before the preset, which keeps what is not said.

    Parameters
    ----------
    stated : Variable -> its units by the file; None, or none there: the file does not say.

    Raises
    ------
    ForcingError : the file has no variable of the preset.
    PresetUnits : the file states other units than the preset, and the configuration does not say which are right.
    """
    if spec.preset is None:
        return spec.variables
    found = present(find_preset(spec.preset), names)
    if not found:
        raise ForcingError(
            f"{source}: none of its variables ({', '.join(names)}) is one of forcing.preset {spec.preset!r}. Choose "
            "another preset, or name them in forcing.variables."
        )
    for quantity, entry in found.items():
        asked = spec.variables.get(quantity)
        if asked is None or (asked.names == entry.names and asked.units is None):
            _agree(quantity, entry, spec.preset, source, stated)
    return found | {name: _over(asked, found.get(name)) for name, asked in spec.variables.items()}


def refuse_other_interval(spec: ForcingSpec, times: Times, amounts: Collection[str], source: str) -> None:
    """Refuse records whose amounts are of a shorter time than lies between them, as of ERA5 every three hours.

    Parameters
    ----------
    times : Of the records.
    amounts : Quantities that are given as amounts.

    Raises
    ------
    ForcingError : naming both times.
    """
    sums = None if spec.preset is None else find_preset(spec.preset).sums
    if sums is None or not amounts or len(times) < 2:
        return
    between = float((times[1] - times[0]) / np.timedelta64(1, "s"))
    if between != sums:
        hours, apart = sums / 3600.0, between / 3600.0
        raise ForcingError(
            f"{source}: {', '.join(amounts)}: amounts of forcing.preset {spec.preset} are of {hours:g} h, but the "
            f"records are {apart:g} h apart, so that some are missing. Fetch every {hours:g} h, or name the variables "
            "in forcing.variables without the preset."
        )


def _over(asked: VariableSpec, preset: VariableSpec | None) -> VariableSpec:
    if preset is None or asked.names != preset.names:
        return asked
    return VariableSpec(
        asked.name,
        asked.units or preset.units,
        asked.label or preset.label,
        asked.accumulated or preset.accumulated,
    )


def _agree(quantity: str, entry: VariableSpec, preset: str, source: str, stated: Mapping[str, str | None]) -> None:
    """Refuse units of the file that are others than those of the preset; those that nobody can read say nothing."""
    for name in entry.names:
        units = stated.get(name)
        if units and entry.units and not same_units(units, entry.units, quantity):
            raise PresetUnits(
                f"{source}: {quantity} ({name}): its units are {units!r} by the file, {entry.units!r} by "
                f"forcing.preset {preset!r}. Set forcing.variables.{quantity} to {{name: {name}, units: ...}}.",
                quantity,
                name,
                units,
            )


def present(preset: Preset, names: Collection[str]) -> dict[str, VariableSpec]:
    """Quantity -> variable of a convention, for those that are among some names."""
    found = {}
    for quantity, entry in preset.variables.items():
        others = {key: entry[key] for key in ("units", "label", "accumulated") if key in entry}
        if "sum" in entry:
            summed = tuple(name for name in entry["sum"] if name in names)
            if summed:
                found[quantity] = VariableSpec(summed, **others)
            continue
        name = next((name for name in entry["names"] if name in names), None)
        if name is not None:
            found[quantity] = VariableSpec(name, **others)
    return found
