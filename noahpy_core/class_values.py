"""Which classes of soil, land cover and slope there are, by number and name, and which can be computed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noahpy_core.class_tables import ClassTable, GeneralTable, Rows, slope_rows, soil_rows, vegetation_rows
from noahpy_core.errors import ClassError

SOIL_TABLES = ("noah", "noahpy", "stas", "stas-2010")
VEGETATION_TABLES = ("usgs", "modis")
_UNSUITABLE = {
    "urban": "urban surfaces",
    "ice": "permanent snow or ice",
    "water": "open water",
}


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
