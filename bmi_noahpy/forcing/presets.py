"""Conventions of communities, as a table in data (``presets.yaml``)."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from bmi_noahpy.forcing.spec import ForcingSpec, VariableSpec
from bmi_noahpy.forcing.table import ForcingError
from bmi_noahpy.tabular.clock import Label

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
    """

    about: str
    variables: Mapping[str, Mapping[str, Any]]
    label: Label | None = None
    columns: tuple[str, ...] | None = None
    format: str | None = None


@functools.cache
def presets() -> dict[str, Preset]:
    """Every convention by its name."""
    table: Mapping[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {
        name: Preset(
            about=entry["about"],
            variables=entry["variables"],
            label=entry.get("label"),
            columns=tuple(entry["columns"]) if "columns" in entry else None,
            format=entry.get("format"),
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
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(known)}."
        raise ForcingError(f"forcing.preset: unknown preset {name!r}. {remedy}")
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


def with_variables(spec: ForcingSpec, names: Collection[str], source: str) -> Mapping[str, VariableSpec]:
    """The variables that are asked for, and those of the preset that the file has.

    Raises
    ------
    ForcingError : the file has no variable of the preset.
    """
    if spec.preset is None:
        return spec.variables
    found = dict(_present(find_preset(spec.preset), set(names)))
    if not found:
        raise ForcingError(
            f"{source}: none of its variables ({', '.join(names)}) is one of forcing.preset {spec.preset!r}. Choose "
            "another preset, or name them in forcing.variables."
        )
    return found | dict(spec.variables)


def _present(preset: Preset, names: set[str]) -> list[tuple[str, VariableSpec]]:
    found = []
    for quantity, entry in preset.variables.items():
        others = {key: entry[key] for key in ("units", "label", "accumulated") if key in entry}
        if "sum" in entry:
            summed = tuple(name for name in entry["sum"] if name in names)
            if summed:
                found.append((quantity, VariableSpec(summed, **others)))
            continue
        name = next((name for name in entry["names"] if name in names), None)
        if name is not None:
            found.append((quantity, VariableSpec(name, **others)))
    return found
