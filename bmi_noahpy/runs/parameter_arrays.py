"""The parameters of a run: of its classes, and what the configuration gives instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config import Configuration
from bmi_noahpy.config.sections import General, Snow, Soil, Vegetation
from bmi_noahpy.runs.columns import Columns
from noahpy_core.parameter_values import cover_values, general_values, soil_values
from noahpy_core.parameters import Parameters, SnowParameters, VegetationParameters

Groups = Mapping[str, Mapping[str, NDArray[Any]]]
"""Parameters by section and name; optional ones are there when they are given."""


def parameter_arrays(configuration: Configuration, select: Columns) -> Groups:
    """All parameters of the columns that are run.

    Parameters
    ----------
    configuration : Classes, tables, and parameters by name, which go before those of classes.
    select : The columns.
    """
    general, layers = configuration.general, len(configuration.soil.thickness)
    groups = {
        "soil": _soil(configuration.soil, select, layers),
        "vegetation": _vegetation(configuration.vegetation, general, select),
        "snow": _snow(configuration, select),
        "general": _general(general, select),
    }
    sections: Mapping[str, Soil | Vegetation | Snow | General] = {
        "soil": configuration.soil,
        "vegetation": configuration.vegetation,
        "snow": configuration.snow,
        "general": general,
    }
    for key, section in sections.items():
        for name, value in section.parameters.items():
            groups[key][name] = select.values(value, layers if key == "soil" else None)
    return groups


def _soil(soil: Soil, select: Columns, layers: int) -> dict[str, NDArray[Any]]:
    return {**soil_values(select.values(soil.classes, layers), soil.table, soil.hydraulics)}


def _vegetation(vegetation: Vegetation, general: General, select: Columns) -> dict[str, NDArray[Any]]:
    given = {name: select.values(getattr(vegetation, name)) for name in ("minimum_fraction", "maximum_fraction")}
    classes = select.values(vegetation.class_)
    of_class = cover_values(VegetationParameters, classes, vegetation.table, general=general.table, given=given)
    return {**given, **of_class}


def _snow(configuration: Configuration, select: Columns) -> dict[str, NDArray[Any]]:
    albedo, vegetation = configuration.snow.deep_snow_albedo, configuration.vegetation
    given = {} if albedo is None else {"deep_snow_albedo": select.values(albedo)}
    classes, table = select.values(vegetation.class_), configuration.general.table
    return {**given, **cover_values(SnowParameters, classes, vegetation.table, general=table, given=given)}


def _general(general: General, select: Columns) -> dict[str, NDArray[Any]]:
    names = ("deep_temperature", "air_temperature_height", "wind_height")
    given = {name: select.values(getattr(general, name)) for name in names}
    return {**given, **general_values(select.values(general.slope_class), general.table, given=given)}


def parameters_of(groups: Groups) -> Parameters:
    """Parameters as the model takes them, of arrays of float64 that are their own."""
    members: dict[str, Any] = {}
    for field in dataclasses.fields(Parameters):
        given = {name: np.array(values, dtype=np.float64) for name, values in groups[field.name].items()}
        members[field.name] = field.metadata["container"](**given)
    return Parameters(**members)
