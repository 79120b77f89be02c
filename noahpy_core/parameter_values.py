"""Parameters of classes of soil, land cover and slope, as arrays in SI units."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noahpy_core.class_tables import ClassTable, GeneralTable, Rows, constants
from noahpy_core.class_values import checked_land_cover, checked_slopes, checked_soil
from noahpy_core.parameters import BEDROCK, GRAVEL, MINERAL, GeneralParameters, SoilParameters

HYDRAULICS = ("table", "derived")
Values = dict[str, NDArray[np.float64]]
"""Parameters by name, ``[column]`` or ``[layer, column]``."""

_MATERIALS = {"soil": MINERAL, "gravel": GRAVEL, "bedrock": BEDROCK}
_DERIVABLE = ("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity")


def soil_values(classes: NDArray[Any], table: str | ClassTable = "noah", hydraulics: str = "table") -> Values:
    """Soil properties of each layer that the class has; arguments and errors are those of `tables.soil_parameters`."""
    if hydraulics not in HYDRAULICS:
        raise ValueError(f"hydraulics: unknown name {hydraulics!r}. Use {' or '.join(HYDRAULICS)}.")
    rows = checked_soil(classes, table)
    absent = {"organic_matter", *(_DERIVABLE if hydraulics == "derived" else ())}
    values = _looked_up(classes, rows, [name for name in _names(SoilParameters) if name not in absent])
    # Mineral soil has none at all, so that its equations are those without organic matter.
    if not values["organic_solids"].any():
        del values["organic_solids"]
    return values


def cover_values(
    container: type,
    classes: NDArray[Any],
    table: str | ClassTable = "usgs",
    *,
    general: GeneralTable | None = None,
    given: Collection[str] = (),
) -> Values:
    """Parameters of vegetation or snow of each column: from the class if its table has them, else from the constants.

    Parameters
    ----------
    container : `VegetationParameters` or `SnowParameters`.
    classes : Land cover class from 1 on, ``[column]``.
    table : Of land cover.
    general : What depends on no class; None: as in the package.
    given : Parameters that are left out. Optional ones are too.

    Raises
    ------
    ClassError : for a class that does not exist or is urban, ice or water, naming class and column.
    """
    rows = checked_land_cover(classes, table)
    wanted = [f.name for f in dataclasses.fields(container) if f.name not in given and f.default is not None]
    of_class = [name for name in wanted if name in rows[1] or name == "bare"]
    values, others = _looked_up(classes, rows, of_class), constants(general)
    return values | {name: np.full(classes.shape, others[name]) for name in wanted if name not in values}


def general_values(classes: NDArray[Any], table: GeneralTable | None = None, *, given: Collection[str] = ()) -> Values:
    """Parameters that depend on no soil or land cover class, for each column.

    Parameters
    ----------
    classes : Slope class from 1 on, ``[column]``.
    table : Drainage factors and constants; None: those of the package.
    given : Parameters that are left out.

    Raises
    ------
    ClassError : for a slope class that does not exist, naming class and column.
    """
    values = _looked_up(classes, checked_slopes(classes, table), ["drainage_factor"])
    others = constants(table)
    wanted = [name for name in _names(GeneralParameters) if name not in values and name not in given]
    return values | {name: np.full(classes.shape, others[name]) for name in wanted}


def soil_property(classes: NDArray[Any], name: str, table: str | ClassTable = "noah") -> NDArray[np.float64]:
    """One property of soil classes ``[layer, column]``, as `soil_values` has it, for those who need no more.

    Raises
    ------
    ClassError : as `soil_values`.
    """
    return _looked_up(classes, checked_soil(classes, table), [name])[name]


def vegetation_property(classes: NDArray[Any], name: str, table: str | ClassTable = "usgs") -> NDArray[np.float64]:
    """One property of land cover classes ``[column]``, as `cover_values` has it, for those who need no more.

    Raises
    ------
    ClassError : as `cover_values`.
    """
    return _looked_up(classes, checked_land_cover(classes, table), [name])[name]


def _names(container: type) -> list[str]:
    return [field.name for field in dataclasses.fields(container)]


def _looked_up(classes: NDArray[Any], rows: Rows, names: Collection[str]) -> Values:
    """Columns of a table at the classes, by name."""
    found = _columns_of(rows, tuple(names))[:, classes.astype(np.int64) - 1]
    return dict(zip(names, found, strict=True))


_known_columns: dict[tuple[int, tuple[str, ...]], tuple[Rows, NDArray[np.float64]]] = {}
MOST_COLUMNS = 256
"""Sets of columns that are kept: those of the package and of some tables of one's own."""


def _columns_of(rows: Rows, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Columns of a table, ``[name, class]``, kept: a framework makes many components from the same tables."""
    key = id(rows), names
    known = _known_columns.get(key)
    if known is None:
        if len(_known_columns) >= MOST_COLUMNS:
            _known_columns.clear()
        values = [[_number(rows[number], name) for number in range(1, len(rows) + 1)] for name in names]
        # With the rows, so that no other table can have their id.
        known = _known_columns[key] = rows, np.array(values, dtype=np.float64).reshape(len(names), len(rows))
    return known[1]


def _number(row: Mapping[str, str], name: str) -> float:
    """What a class has in a column, words as numbers."""
    if name == "material":
        return float(_MATERIALS.get(row["material"], MINERAL))
    if name == "bare":
        return float(row["cover"] == "bare")
    return float(row.get(name, 0.0) if name == "organic_solids" else row[name])
