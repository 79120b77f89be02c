"""Maps of a domain file among the values of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config.errors import Problem, Problems
from bmi_noahpy.region.cell_map import CellMap
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.region.file import Region
from bmi_noahpy.units import linear

Mask = NDArray[np.bool_]

REMEDY = "Correct the file, or set domain.invalid_cells to 'mask' to leave these cells out."


def cells_problem(key: str, text: str, wrong: Mask, domain: Domain) -> Problem:
    """A problem of some cells, ``wrong[..., column]``: what it is, how many there are and where the first ones are."""
    columns = np.flatnonzero(wrong.reshape(-1, wrong.shape[-1]).any(axis=0))
    count = f"{len(columns)} cells" if len(columns) > 1 else "one cell"
    return Problem(key, f"{text} in {count}: {domain.names(columns)}. {REMEDY}", tuple(columns.tolist()))


def read_map(
    given: CellMap, units: str, bounds: tuple[float, float] | None, *, months: bool = False, whole: bool = False
) -> CellMap:
    """A map in the units of the model.

    Raises
    ------
    Problems : naming the cells that are missing, no whole numbers (of classes) or out of bounds.
    ValueError : for units of another kind, or months that are not twelve.
    """
    values = given.values
    if months and values.shape[0] not in (1, 12):
        raise ValueError(f"{given!r} has {values.shape[0]} months. Give twelve, January first, or no such dimension.")
    if given.units is not None and given.units != units:
        offset, factor = linear(given.units, units)
        values = values * factor + offset
    _refuse(~np.isfinite(values), f"{given!r} is missing", given)
    if whole:
        _refuse(values != np.rint(values), f"{given!r} holds no whole number", given)
        values = np.rint(values).astype(np.int64)
    if bounds is not None:
        outside = (values < bounds[0]) | (values > bounds[1])
        if outside.any():
            shown = "" if units == "1" else f" {units}"
            text = f"{given!r} holds {values[outside][0]:g}{shown}, outside {bounds[0]:g} to {bounds[1]:g}{shown},"
            _refuse(outside, text, given)
    return replace(given, values=values, units=None)


def _refuse(wrong: Mask, text: str, given: CellMap) -> None:
    if wrong.any():
        raise Problems([cells_problem("", text, wrong, given.domain)])


def with_maps(mapping: Mapping[str, Any], region: Region) -> dict[str, Any]:
    """Sections in which the maps of a region stand in the place of what they give otherwise."""
    merged = dict(mapping)
    merged["domain"] = {**mapping["domain"], "file": region}
    for path, value in region.says.items():
        section, key = path.split(".")
        merged[section] = {key: value, **_section(merged, section)}
    for path, values in region.maps.items():
        section, *keys = path.split(".")
        place = merged[section] = dict(_section(merged, section))
        for key in keys[:-1]:
            place[key] = dict(_section(place, key))
            place = place[key]
        place[keys[-1]] = values
    return merged


def check_numbering(read: Mapping[str, Any]) -> Iterator[Problem]:
    """Classes of a file in one numbering, and a table in another."""
    region = read.get("domain.file")
    for key, said in getattr(region, "says", {}).items():
        table = read.get(key)
        if key.endswith(".table") and isinstance(table, str) and not table.startswith(said):
            yield Problem(
                key,
                f"{table!r}, but the classes of {region} are numbered as in {said!r}. Write {said}, a table of your "
                "own, or remove this key.",
            )


def _section(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    held = mapping.get(key)
    return held if isinstance(held, Mapping) else {}


def map_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that hold maps, nested as `pydantic` excludes them: ``{"parameters": {"porosity": True}}``."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, CellMap):
            found[key] = True
        elif isinstance(value, Mapping) and (inner := map_paths(value)):
            found[key] = inner
    return found
