"""Classes of soil, land cover and slope -> parameters. The numbers are in ``data/*.csv``, in SI units."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from noahpy_core.class_tables import (
    ClassTable,
    GeneralTable,
    Rows,
    constants,
    slope_rows,
    soil_rows,
    vegetation_rows,
)
from noahpy_core.errors import ClassError
from noahpy_core.parameters import (
    BEDROCK,
    GRAVEL,
    MINERAL,
    GeneralParameters,
    SnowParameters,
    SoilParameters,
    VegetationParameters,
)

__all__ = [
    "ClassTable",
    "GeneralTable",
    "check_slope_classes",
    "class_number",
    "general_parameters",
    "slope_class_count",
    "snow_parameters",
    "soil_class_names",
    "soil_parameters",
    "soil_property",
    "vegetation_class_names",
    "vegetation_parameters",
    "vegetation_property",
]

SOIL_TABLES = ("noah", "noahpy", "stas", "stas-2010")
VEGETATION_TABLES = ("usgs", "modis")
HYDRAULICS = ("table", "derived")

Number = float | Tensor

_MATERIALS = {"soil": MINERAL, "gravel": GRAVEL, "bedrock": BEDROCK}
_DERIVABLE = ("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity")
_UNSUITABLE = {
    "urban": "urban surfaces",
    "ice": "permanent snow or ice",
    "water": "open water",
}


def soil_parameters(
    classes: Tensor, *, table: str | ClassTable = "noah", hydraulics: str = "table", dtype: torch.dtype = torch.float64
) -> SoilParameters:
    """Soil properties of each layer.

    Parameters
    ----------
    classes : Soil class from 1 on, ``[layer, column]``. After the last class of each table stand fibric, hemic and
        sapric peat (Letts et al. 2000), and moss and litter (organic soil of Lawrence and Slater 2008).
    table : "noah" (1 clay to 12 sand, the numbering of the modified Noah), "noahpy" (so numbered, with other sandy
        loam, loamy sand, sand and bedrock), "stas" (1 sand to 12 clay, the numbering of public SOILPARM files, WRF and
        HRLDAS, with the same values), "stas-2010" (so numbered, with the values that later public files correct), or a
        table of one's own.
    hydraulics : "table": field capacity, wilting point, dry limit and saturated diffusivity of the class.
        "derived": these are None and follow from porosity, b, suction and conductivity.

    Raises
    ------
    ClassError : for a class that does not exist or is ice or water, naming class, layer and column.
    """
    _check_choice("soil table", table, SOIL_TABLES)
    _check_choice("hydraulics", hydraulics, HYDRAULICS)
    rows = soil_rows(table)
    _check_classes(classes, rows, "material", "soil")
    names = tuple(field.name for field in dataclasses.fields(SoilParameters))
    absent = {"organic_matter", *(_DERIVABLE if hydraulics == "derived" else ())}
    values: dict[str, Any] = dict.fromkeys(names)
    values |= _looked_up(classes, rows, tuple(name for name in names if name not in absent), dtype)
    # Mineral soil has none at all, so that its equations are those without organic matter.
    if not bool(values["organic_solids"].any()):
        values["organic_solids"] = None
    return SoilParameters(**values)


def vegetation_parameters(
    classes: Tensor,
    *,
    table: str | ClassTable = "usgs",
    minimum_fraction: Number,
    maximum_fraction: Number,
    general: GeneralTable | None = None,
    dtype: torch.dtype = torch.float64,
) -> VegetationParameters:
    """Properties of the land cover of each column.

    Parameters
    ----------
    classes : Land cover class from 1 on, ``[column]``.
    table : "usgs" (27 classes), "modis" (20 classes: IGBP with three kinds of tundra), or a table of one's own.
    minimum_fraction, maximum_fraction : Smallest and largest vegetation fraction of the year. [1]
    general : What depends on no class, where the table does not have it; None: as in the package.

    Raises
    ------
    ClassError : for a class that does not exist or is urban, ice or water, naming class and column.
    """
    rows = _land_cover(classes, table)
    given = {
        "minimum_fraction": _one_per_column(minimum_fraction, classes, dtype),
        "maximum_fraction": _one_per_column(maximum_fraction, classes, dtype),
    }
    return VegetationParameters(
        **given, **_class_values(VegetationParameters, classes, rows, general, tuple(given), dtype)
    )


def snow_parameters(
    vegetation_classes: Tensor,
    *,
    table: str | ClassTable = "usgs",
    deep_snow_albedo: Number | None = None,
    general: GeneralTable | None = None,
    dtype: torch.dtype = torch.float64,
) -> SnowParameters:
    """Properties of the snow cover over the land cover of each column.

    Parameters
    ----------
    vegetation_classes : Land cover class from 1 on, ``[column]``.
    table : "usgs", "modis" or a table of one's own.
    deep_snow_albedo : Albedo of deep snow; that of the class when None. [1]
    general : What depends on no class; None: as in the package.
    """
    rows = _land_cover(vegetation_classes, table)
    given = {}
    if deep_snow_albedo is not None:
        given["deep_snow_albedo"] = _one_per_column(deep_snow_albedo, vegetation_classes, dtype)
    others = _class_values(SnowParameters, vegetation_classes, rows, general, tuple(given), dtype)
    return SnowParameters(**given, **others)


def general_parameters(
    columns: int,
    *,
    slope_class: int | Tensor = 1,
    deep_temperature: Number,
    air_temperature_height: Number,
    wind_height: Number,
    table: GeneralTable | None = None,
    dtype: torch.dtype = torch.float64,
) -> GeneralParameters:
    """Parameters that depend on no soil or land cover class, for each column.

    Parameters
    ----------
    columns : Number of columns.
    slope_class : Class of slope (1 to 9 in the package) that sets the drainage factor, a number or ``[column]``.
    deep_temperature : Temperature at the deep boundary, a number or ``[column]``. [K]
    air_temperature_height, wind_height : Heights of the forcing. [m]
    table : Drainage factors and constants; None: those of the package.

    Raises
    ------
    ClassError : for a slope class that does not exist, naming class and column.
    """
    slopes, others = slope_rows(table), constants(table)
    classes = torch.as_tensor(slope_class).expand(columns)
    _check_classes(classes, slopes, None, "slope")
    given = {
        **_looked_up(classes, slopes, ("drainage_factor",), dtype),
        "deep_temperature": _one_per_column(deep_temperature, classes, dtype),
        "air_temperature_height": _one_per_column(air_temperature_height, classes, dtype),
        "wind_height": _one_per_column(wind_height, classes, dtype),
    }
    names = [field.name for field in dataclasses.fields(GeneralParameters) if field.name not in given]
    return GeneralParameters(**given, **{name: _one_per_column(others[name], classes, dtype) for name in names})


def soil_property(classes: Tensor, name: str, *, table: str | ClassTable = "noah") -> Tensor:
    """One property of soil classes, as `soil_parameters` has it, for those who need no more.

    Parameters
    ----------
    classes : Soil class from 1 on, ``[layer, column]``.
    name : Of a field of `SoilParameters`.

    Raises
    ------
    ClassError : as `soil_parameters`.
    """
    _check_choice("soil table", table, SOIL_TABLES)
    rows = soil_rows(table)
    _check_classes(classes, rows, "material", "soil")
    return _looked_up(classes, rows, (name,), torch.float64)[name]


def vegetation_property(classes: Tensor, name: str, *, table: str | ClassTable = "usgs") -> Tensor:
    """One property of land cover classes, as `vegetation_parameters` has it, for those who need no more.

    Parameters
    ----------
    classes : Land cover class from 1 on, ``[column]``.
    name : Of a field of `VegetationParameters` that follows from the class.

    Raises
    ------
    ClassError : as `vegetation_parameters`.
    """
    return _looked_up(classes, _land_cover(classes, table), (name,), torch.float64)[name]


def check_slope_classes(classes: Tensor, *, table: GeneralTable | None = None) -> None:
    """Raise `ClassError` for a slope class that does not exist.

    Parameters
    ----------
    classes : ``[column]``.
    table : As for `general_parameters`.
    """
    _check_classes(classes, slope_rows(table), None, "slope")


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


def _looked_up(classes: Tensor, rows: Rows, names: tuple[str, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    """Columns of a table at the classes, by name."""
    found = _columns_of(rows, names, dtype).to(classes.device)[:, classes.long() - 1]
    return {name: values.clone() for name, values in zip(names, found.unbind(), strict=True)}


_known_columns: dict[tuple[int, tuple[str, ...], torch.dtype], tuple[Rows, Tensor]] = {}
MOST_COLUMNS = 256
"""Sets of columns that are kept: those of the package and of some tables of one's own."""


def _columns_of(rows: Rows, names: tuple[str, ...], dtype: torch.dtype) -> Tensor:
    """Columns of a table, ``[name, class]``, kept: a framework makes many components from the same tables."""
    key = id(rows), names, dtype
    known = _known_columns.get(key)
    if known is None:
        if len(_known_columns) >= MOST_COLUMNS:
            _known_columns.clear()
        values = [[_number(rows[number], name) for number in range(1, len(rows) + 1)] for name in names]
        # With the rows, so that no other table can have their id.
        known = _known_columns[key] = rows, torch.tensor(values, dtype=dtype)
    return known[1]


def _number(row: Mapping[str, str], name: str) -> float:
    """What a class has in a column, words as numbers."""
    if name == "material":
        return float(_MATERIALS.get(row["material"], MINERAL))
    if name == "bare":
        return float(row["cover"] == "bare")
    return float(row.get(name, 0.0) if name == "organic_solids" else row[name])


def _one_per_column(value: Number, like: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor with one value for each column; a tensor keeps its place in the graph of gradients."""
    if isinstance(value, Tensor):
        return value.to(dtype=dtype, device=like.device).expand(like.shape[-1]).clone()
    return torch.full(like.shape[-1:], value, dtype=dtype, device=like.device)


def _class_values(
    container: type,
    classes: Tensor,
    rows: Rows,
    general: GeneralTable | None,
    given: tuple[str, ...],
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """The fields of a container that are not given: from the class if its table has them, else from the constants.

    Optional ones stay None.
    """
    others = constants(general)
    wanted = [f.name for f in dataclasses.fields(container) if f.name not in given and f.default is not None]
    of_class = tuple(name for name in wanted if name in rows[1] or name == "bare")
    values = _looked_up(classes, rows, of_class, dtype)
    return values | {name: _one_per_column(others[name], classes, dtype) for name in wanted if name not in values}


def _land_cover(classes: Tensor, table: str | ClassTable) -> Rows:
    _check_choice("vegetation table", table, VEGETATION_TABLES)
    rows = vegetation_rows(table)
    _check_classes(classes, rows, "cover", "vegetation")
    return rows


def _check_choice(what: str, value: str | ClassTable, choices: tuple[str, ...]) -> None:
    if not isinstance(value, ClassTable) and value not in choices:
        raise ValueError(f"{what}: unknown name {value!r}. Use {' or '.join(choices)}.")


FEW = 64
"""Classes that Python looks through sooner than torch."""


def _check_classes(classes: Tensor, rows: Rows, kind: str | None, what: str) -> None:
    for number in sorted(set(classes.unique().tolist() if classes.numel() > FEW else classes.flatten().tolist())):
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


def _first_place(classes: Tensor, number: int) -> list[tuple[str, int]]:
    place = (classes == number).nonzero()[0].tolist()
    return list(zip(("layer", "column")[-len(place) :], place, strict=True))


def _suitable_names(rows: Rows, kind: str) -> dict[int, str]:
    return {number: row["name"] for number, row in rows.items() if row[kind] not in _UNSUITABLE}
