"""Runs: initial state, the time loop, and whole trajectories as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.model import NoahModel
from noahpy_core.numerics import positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.state import Fluxes, Forcing, SnowState, SoilState, State, SurfaceMemory

INITIAL_EMISSIVITY = 0.96
INITIAL_CONDUCTANCE = 1.0e-4
"""First guess of the exchange conductances. [m s-1]"""


def initial_state(
    column: SoilColumn,
    *,
    soil_temperature: Tensor,
    soil_moisture: Tensor,
    soil_liquid: Tensor,
    skin_temperature: Tensor,
    snow_water_equivalent: Tensor,
    snow_depth: Tensor,
    canopy_water: Tensor,
    albedo: Tensor,
    roughness_length: Tensor,
    specific_humidity: Tensor,
) -> State:
    """State before the first step, with the first guesses of the original driver where nothing is known.

    Parameters
    ----------
    soil_temperature, soil_moisture, soil_liquid : ``[layer, column]``. [K, m3 m-3, m3 m-3]
    skin_temperature : [K]
    snow_water_equivalent, snow_depth, canopy_water : [kg m-2, m, kg m-2]
    albedo, roughness_length : Snow-free values of the season; used by the first step only. [1, m]
    specific_humidity : Of the surface; the original takes the first forcing record's. [kg kg-1]

    Raises
    ------
    ValueError : The soil profile does not have the column's number of layers.
    """
    if soil_temperature.shape[0] != column.layers:
        raise ValueError(
            f"initial state: {soil_temperature.shape[0]} soil temperatures for {column.layers} layers. "
            "Give one per layer."
        )
    like = skin_temperature
    soil = SoilState(soil_temperature, soil_liquid, positive_part(soil_moisture - soil_liquid))
    surface = SurfaceMemory(
        albedo=albedo,
        emissivity=torch.full_like(like, INITIAL_EMISSIVITY),
        roughness_length=roughness_length,
        snow_free_roughness_length=roughness_length,
        specific_humidity=specific_humidity,
        aerodynamic_conductance=torch.full_like(like, INITIAL_CONDUCTANCE),
        momentum_conductance=torch.full_like(like, INITIAL_CONDUCTANCE),
    )
    snow = SnowState(snow_water_equivalent, snow_depth, torch.zeros_like(like))
    return State(soil, snow, surface, canopy_water, skin_temperature)


def iterate(
    model: NoahModel, state: State, forcing: Iterable[Forcing], parameters: Parameters, dt: float
) -> Iterator[tuple[State, Fluxes]]:
    """State and fluxes after each step, one step per forcing."""
    for record in forcing:
        state, fluxes = model(state, record, parameters, dt)
        yield state, fluxes
