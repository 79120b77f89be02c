"""Classes of soil, land cover and slope -> parameters. The numbers are in ``data/*.csv``, in SI units."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from noahpy_core.class_tables import ClassTable, GeneralTable, Rows, constants
from noahpy_core.class_values import (
    checked_land_cover,
    checked_slopes,
    checked_soil,
    class_number,
    columns_of,
    slope_class_count,
    soil_class_names,
    vegetation_class_names,
)
from noahpy_core.parameters import GeneralParameters, SnowParameters, SoilParameters, VegetationParameters

__all__ = [
    "ClassTable",
    "GeneralTable",
    "class_number",
    "general_parameters",
    "slope_class_count",
    "snow_parameters",
    "soil_class_names",
    "soil_parameters",
    "vegetation_class_names",
    "vegetation_parameters",
]

HYDRAULICS = ("table", "derived")

Number = float | Tensor

_DERIVABLE = ("field_capacity", "wilting_point", "dry_limit", "saturated_diffusivity")


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
    if hydraulics not in HYDRAULICS:
        raise ValueError(f"hydraulics: unknown name {hydraulics!r}. Use {' or '.join(HYDRAULICS)}.")
    rows = checked_soil(_numbers(classes), table)
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
    rows = checked_land_cover(_numbers(classes), table)
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
    rows = checked_land_cover(_numbers(vegetation_classes), table)
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
    classes, others = torch.as_tensor(slope_class).expand(columns), constants(table)
    slopes = checked_slopes(_numbers(classes), table)
    given = {
        **_looked_up(classes, slopes, ("drainage_factor",), dtype),
        "deep_temperature": _one_per_column(deep_temperature, classes, dtype),
        "air_temperature_height": _one_per_column(air_temperature_height, classes, dtype),
        "wind_height": _one_per_column(wind_height, classes, dtype),
    }
    names = [field.name for field in dataclasses.fields(GeneralParameters) if field.name not in given]
    return GeneralParameters(**given, **{name: _one_per_column(others[name], classes, dtype) for name in names})


def _numbers(classes: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = classes.detach().cpu().numpy()
    return found


def _looked_up(classes: Tensor, rows: Rows, names: tuple[str, ...], dtype: torch.dtype) -> dict[str, Tensor]:
    """Columns of a table at the classes, by name."""
    columns = torch.from_numpy(columns_of(rows, names)).to(dtype=dtype, device=classes.device)
    found = columns[:, classes.long() - 1]
    return {name: values.clone() for name, values in zip(names, found.unbind(), strict=True)}


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
