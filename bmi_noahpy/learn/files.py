"""Learned weights and parameters as plain files that the configuration of a run names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from bmi_noahpy.atomic import replaced
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities


def write_weights(module: nn.Module, path: str | Path) -> Path:
    """Write a learned scheme's weights, for ``schemes: {slot: {class: ..., weights: path}}``."""
    path = Path(path)
    with replaced(path) as partial:
        torch.save(module.state_dict(), partial)
    return path


def write_parameter_map(
    path: str | Path, values: Mapping[str, Tensor], *, latitude: ArrayLike, longitude: ArrayLike
) -> Path:
    """Write parameters of scattered columns as a domain file, which ``domain: {file: path}`` reads.

    Parameters
    ----------
    values : Path in `Parameters` -> ``[column]``, or ``[layer, column]`` for soil.
    latitude, longitude : Of each column. [degree]

    Raises
    ------
    ValueError : for a path that is no parameter, or a number of columns that is not that of the coordinates.
    """
    import xarray

    known = dict(quantities(Parameters))
    coordinates = {"lat": (latitude, "latitude", "degrees_north"), "lon": (longitude, "longitude", "degrees_east")}
    variables: dict[str, Any] = {
        name: ("cell", np.asarray(where, dtype=np.float64), {"standard_name": standard, "units": units})
        for name, (where, standard, units) in coordinates.items()
    }
    columns = variables["lat"][1].shape[0]
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{key} is no parameter. Use one of {', '.join(known)}.")
        array = value.detach().cpu().numpy()
        if array.shape[-1] != columns:
            raise ValueError(f"{key} has {array.shape[-1]} columns, the coordinates have {columns}. Give one for each.")
        section, name = key.split(".")
        attributes = {"units": known[key]["units"], "long_name": known[key]["long_name"]}
        variables[f"{section}_{name}"] = (("layer", "cell")[-array.ndim :], array, attributes)
    path = Path(path)
    with replaced(path) as partial:
        xarray.Dataset(variables, attrs={"Conventions": "CF-1.11"}).to_netcdf(partial)
    return path
