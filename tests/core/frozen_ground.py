"""Frozen, bare ground on which water at the melting point is poured, in air of the same temperature."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import torch
from random_columns import TWENTY_LAYERS
from torch import Tensor

from noahpy_core import (
    Forcing,
    NoahModel,
    Parameters,
    SoilColumn,
    equilibrium_liquid,
    initial_state,
    preset,
    run,
    tables,
)
from noahpy_core.constants import FREEZING_POINT, STEFAN_BOLTZMANN

BARE = 19
SATURATIONS = (0.3, 0.5, 0.7, 0.9)
HOURS = 72.0
SUPPLY = 100.0
"""In all that time. [kg m-2]"""


def parametric_infiltration(saturation: Tensor, temperature: Tensor, hours: float) -> Tensor:
    """Infiltration into frozen prairie soil of limited capacity whose surface is saturated. [mm]

    Parameters
    ----------
    saturation : Ice and water in the pores of the upper 0.4 m at the start. [1]
    temperature : Of the same layer. [degC]
    hours : For which water is at hand.

    References
    ----------
    .. [1] Zhao and Gray 1999, Hydrol. Process. 13, 1827-1842, with C = 2.10 of prairie soils.
    .. [2] Gray et al. 2001, Hydrol. Process. 15, 3095-3111, doi:10.1002/hyp.320.
    """
    return 2.10 * (1.0 - saturation) ** 1.64 * (-temperature / 273.15) ** -0.45 * hours**0.44


def limited_infiltration(saturation: Tensor, snow_water: float) -> Tensor:
    """Snow melt that enters frozen prairie soil of limited capacity, whatever its temperature. [mm]

    Parameters
    ----------
    saturation : Ice and water in the pores of the upper 0.3 m at the start. [1]
    snow_water : Water that melts. [mm]

    References
    ----------
    .. [1] Granger et al. 1984, Can. J. Earth Sci. 21, 669-677, doi:10.1139/e84-073.
    """
    return 5.0 * (1.0 - saturation) * snow_water**0.584


def entered(
    scheme: str,
    classes: Sequence[int],
    temperatures: Sequence[float],
    *,
    dt: float,
    layers: Sequence[float] = TWENTY_LAYERS,
    execution: str = "compiled",
) -> Tensor:
    """Water that has entered the ground at the end, ``[class, saturation, temperature]``. [kg m-2]

    Parameters
    ----------
    scheme : In the slot `ice_impedance`.
    classes : Of soil.
    temperatures : Of the soil at the start. [degC]
    dt : [s]
    layers : Thickness. [m]
    execution : As for `run`.
    """
    grid = list(itertools.product(classes, SATURATIONS, temperatures))
    one, profile = torch.ones(len(grid), dtype=torch.float64), torch.ones(len(layers), len(grid), dtype=torch.float64)
    column = SoilColumn(torch.tensor(layers, dtype=torch.float64))
    model = NoahModel(column, dataclasses.replace(preset("conservative"), ice_impedance=scheme))
    parameters = _parameters(torch.tensor([kind for kind, _, _ in grid]).expand(len(layers), -1))
    temperature = profile * (FREEZING_POINT + torch.tensor([cold for _, _, cold in grid], dtype=torch.float64))
    moisture = parameters.soil.porosity * torch.tensor([wet for _, wet, _ in grid], dtype=torch.float64)
    state = initial_state(
        column,
        soil_temperature=temperature,
        soil_moisture=moisture,
        soil_liquid=equilibrium_liquid(temperature, moisture, parameters, model.supercooled_water),
        skin_temperature=temperature[0],
        snow_water_equivalent=0.0 * one,
        snow_depth=0.0 * one,
        canopy_water=0.0 * one,
        albedo=0.2 * one,
        roughness_length=0.05 * one,
        specific_humidity=0.003 * one,
        snow_layers=1,
    )
    steps = round(HOURS * 3600.0 / dt)
    with torch.no_grad():
        found = run(
            model, state, _melt(steps, len(grid)), parameters, dt, outputs=["infiltration"], execution=execution
        )
    total = found.outputs["infiltration"].sum(0) * dt
    return total.reshape(len(classes), len(SATURATIONS), len(temperatures))


def _parameters(classes: Tensor) -> Parameters:
    none, ground = torch.zeros(classes.shape[-1], dtype=torch.float64), torch.full(classes.shape[-1:], BARE)
    return Parameters(
        soil=tables.soil_parameters(classes),
        vegetation=tables.vegetation_parameters(ground, minimum_fraction=none, maximum_fraction=none),
        snow=tables.snow_parameters(ground),
        general=tables.general_parameters(
            classes.shape[-1], deep_temperature=none + 272.0, air_temperature_height=2.0, wind_height=10.0
        ),
    )


def _melt(steps: int, columns: int) -> Forcing:
    """Water at the melting point, and air that neither warms nor cools a surface of that temperature."""
    one = torch.ones(steps, columns, dtype=torch.float64)
    return Forcing(
        air_temperature=FREEZING_POINT * one,
        air_pressure=1.0e5 * one,
        specific_humidity=0.622 * 611.0 / 1.0e5 * one,
        wind_speed=0.5 * one,
        shortwave_down=0.0 * one,
        longwave_down=STEFAN_BOLTZMANN * FREEZING_POINT**4 * one,
        precipitation=SUPPLY / (HOURS * 3600.0) * one,
        vegetation_fraction=0.0 * one,
        snowfall=0.0 * one,
    )
