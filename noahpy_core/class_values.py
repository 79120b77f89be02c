"""Names and numbers of the classes of soil, land cover and slope, as plain Python and arrays have them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noahpy_core.class_tables import ClassTable, GeneralTable, Rows, slope_rows, soil_rows, vegetation_rows
from noahpy_core.errors import ClassError
from noahpy_core.parameters import BEDROCK, GRAVEL, MINERAL

SOIL_TABLES = ("noah", "noahpy", "stas", "stas-2010")
VEGETATION_TABLES = ("usgs", "modis")
_MATERIALS = {"soil": MINERAL, "gravel": GRAVEL, "bedrock": BEDROCK}
_UNSUITABLE = {
    "urban": "urban surfaces",
    "ice": "permanent snow or ice",
    "water": "open water",
}


def soil_property(classes: NDArray[Any], name: str, *, table: str | ClassTable = "noah") -> NDArray[np.float64]:
    """One property of soil classes, as `noahpy_core.tables.soil_parameters` has it.

    Parameters
    ----------
    classes : Soil class from 1 on, ``[layer, column]``.
    name : Of a field of `SoilParameters`.

    Raises
    ------
    ClassError : as `noahpy_core.tables.soil_parameters`.
    """
    return _looked_up(classes, checked_soil(classes, table), name)


def vegetation_property(classes: NDArray[Any], name: str, *, table: str | ClassTable = "usgs") -> NDArray[np.float64]:
    """One property of land cover classes, as `noahpy_core.tables.vegetation_parameters` has it.

    Parameters
    ----------
    classes : Land cover class from 1 on, ``[column]``.
    name : Of a field of `VegetationParameters` that follows from the class.

    Raises
    ------
    ClassError : as `noahpy_core.tables.vegetation_parameters`.
    """
    return _looked_up(classes, checked_land_cover(classes, table), name)


def checked_slopes(classes: NDArray[Any], table: GeneralTable | None = None) -> Rows:
    """The rows of a table of slopes; `ClassError` for a class that does not exist.

    Parameters
    ----------
    classes : Slope class from 1 on, ``[column]``.
    table : Of one's own; None: that of the package.

    Returns
    -------
    The rows of the table.
    """
    rows = slope_rows(table)
    _check_classes(classes, rows, None, "slope")
    return rows


def checked_soil(classes: NDArray[Any], table: str | ClassTable) -> Rows:
    """The rows of a soil table; `ClassError` for a class that does not exist or cannot be computed.

    Parameters
    ----------
    classes : Soil class from 1 on, ``[layer, column]``.
    """
    _check_choice("soil table", table, SOIL_TABLES)
    rows = soil_rows(table)
    _check_classes(classes, rows, "material", "soil")
    return rows


def checked_land_cover(classes: NDArray[Any], table: str | ClassTable) -> Rows:
    """The rows of a table of land cover; `ClassError` for a class that does not exist or cannot be computed.

    Parameters
    ----------
    classes : Land cover class from 1 on, ``[column]``.
    """
    _check_choice("vegetation table", table, VEGETATION_TABLES)
    rows = vegetation_rows(table)
    _check_classes(classes, rows, "cover", "vegetation")
    return rows


def soil_class_names(table: str | ClassTable = "noah") -> dict[int, str]:
    """Number and name of every soil class of a table, those the model refuses left out."""
    _check_choice("soil table", table, SOIL_TABLES)
    return _suitable_names(soil_rows(table), "material")


def class_number(name: str, names: Mapping[int, str]) -> int:
    """The number of a class by its name, as ``"sandy loam"``, whatever its case.

    Parameters
    ----------
    names : Of a table, as `soil_class_names` and `vegetation_class_names` give them.

    Raises
    ------
    ValueError : no class, or several, are called so; it names the nearest.
    """
    wanted = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    plain = {number: " ".join(text.lower().replace("-", " ").split()) for number, text in names.items()}
    found = [number for number, text in plain.items() if text == wanted]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(wanted, plain.values(), n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"Use one of {', '.join(names.values())}."
    raise ValueError(f"{name!r} is no class of this table. {remedy}")


def vegetation_class_names(table: str | ClassTable = "usgs") -> dict[int, str]:
    """Number and name of every land cover class of a table, those the model refuses left out."""
    _check_choice("vegetation table", table, VEGETATION_TABLES)
    return _suitable_names(vegetation_rows(table), "cover")


def slope_class_count(table: GeneralTable | None = None) -> int:
    """Number of slope classes."""
    return len(slope_rows(table))


_known_columns: dict[tuple[int, tuple[str, ...]], tuple[Rows, NDArray[np.float64]]] = {}
MOST_COLUMNS = 256
"""Sets of columns that are kept: those of the package and of some tables of one's own."""


def columns_of(rows: Rows, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Columns of a table, ``[name, class]``, kept: a framework makes many components from the same tables."""
    key = id(rows), names
    known = _known_columns.get(key)
    if known is None:
        if len(_known_columns) >= MOST_COLUMNS:
            _known_columns.clear()
        values = [[_number(rows[number], name) for number in range(1, len(rows) + 1)] for name in names]
        # With the rows, so that no other table can have their id.
        known = _known_columns[key] = rows, np.array(values, dtype=np.float64)
    return known[1]


def _looked_up(classes: NDArray[Any], rows: Rows, name: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = columns_of(rows, (name,))[0][classes.astype(np.int64) - 1]
    return found


def _number(row: Mapping[str, str], name: str) -> float:
    """What a class has in a column, words as numbers."""
    if name == "material":
        return float(_MATERIALS.get(row["material"], MINERAL))
    if name == "bare":
        return float(row["cover"] == "bare")
    return float(row.get(name, 0.0) if name == "organic_solids" else row[name])


def _check_choice(what: str, value: str | ClassTable, choices: tuple[str, ...]) -> None:
    if not isinstance(value, ClassTable) and value not in choices:
        raise ValueError(f"{what}: unknown name {value!r}. Use {' or '.join(choices)}.")


FEW = 64
"""Classes that Python looks through sooner than numpy."""


def _check_classes(classes: NDArray[Any], rows: Rows, kind: str | None, what: str) -> None:
    for number in sorted(set((np.unique(classes) if classes.size > FEW else classes.reshape(-1)).tolist())):
        row = rows.get(number)
        if row is not None and (kind is None or row[kind] not in _UNSUITABLE):
            continue
        where = " ".join(f"{name} {index + 1}" for name, index in _first_place(classes, number))
        if row is None:
            raise ClassError(what, where, f"{number} does not exist. Use 1 to {len(rows)}.")
        raise ClassError(
            what,
            where,
            f"{number} ({row['name']}) cannot be computed, this model has no physics for "
            f"{_UNSUITABLE[row[kind or '']]}. Choose another class.",
        )


def _first_place(classes: NDArray[Any], number: int) -> list[tuple[str, int]]:
    place = np.argwhere(classes == number)[0].tolist()
    return list(zip(("layer", "column")[-len(place) :], place, strict=True))


def _suitable_names(rows: Rows, kind: str) -> dict[int, str]:
    return {number: row["name"] for number, row in rows.items() if row[kind] not in _UNSUITABLE}
