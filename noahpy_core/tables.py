"""Classes of soil, land cover and slope -> parameters. The numbers are in ``data/*.csv``, in SI units."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from noahpy_core.class_tables import ClassTable, GeneralTable
from noahpy_core.class_values import class_number, slope_class_count, soil_class_names, vegetation_class_names
from noahpy_core.parameter_values import Values, cover_values, general_values, soil_values
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

Number = float | Tensor


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
    values = _tensors(soil_values(_numbers(classes), table, hydraulics), classes, dtype)
    return SoilParameters(**{field.name: values.get(field.name) for field in dataclasses.fields(SoilParameters)})  # type: ignore[arg-type]


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
    given = {
        "minimum_fraction": _one_per_column(minimum_fraction, classes, dtype),
        "maximum_fraction": _one_per_column(maximum_fraction, classes, dtype),
    }
    others = cover_values(VegetationParameters, _numbers(classes), table, general=general, given=given)
    return VegetationParameters(**given, **_tensors(others, classes, dtype))


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
    given = {}
    if deep_snow_albedo is not None:
        given["deep_snow_albedo"] = _one_per_column(deep_snow_albedo, vegetation_classes, dtype)
    others = cover_values(SnowParameters, _numbers(vegetation_classes), table, general=general, given=given)
    return SnowParameters(**given, **_tensors(others, vegetation_classes, dtype))


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
    classes = torch.as_tensor(slope_class).expand(columns)
    given = {
        "deep_temperature": _one_per_column(deep_temperature, classes, dtype),
        "air_temperature_height": _one_per_column(air_temperature_height, classes, dtype),
        "wind_height": _one_per_column(wind_height, classes, dtype),
    }
    others = general_values(_numbers(classes), table, given=given)
    return GeneralParameters(**given, **_tensors(others, classes, dtype))


def _numbers(classes: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = classes.detach().cpu().numpy()
    return found


def _tensors(values: Values, like: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: torch.tensor(array, dtype=dtype, device=like.device) for name, array in values.items()}


def _one_per_column(value: Number, like: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor with one value for each column; a tensor keeps its place in the graph of gradients."""
    if isinstance(value, Tensor):
        return value.to(dtype=dtype, device=like.device).expand(like.shape[-1]).clone()
    return torch.full(like.shape[-1:], value, dtype=dtype, device=like.device)
