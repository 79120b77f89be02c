"""Heat conduction in soil with freezing and thawing limited by the heat at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from noahpy_core.column import SoilColumn
from noahpy_core.constants import FREEZING_POINT, LATENT_HEAT_FUSION, WATER_DENSITY
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_least, at_most, between, positive_part, safe_divide, solve_tridiagonal
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_thermal import heat_capacity, solids_heat_capacity

FUSION = WATER_DENSITY * LATENT_HEAT_FUSION
"""Latent heat of fusion by volume of water. [J m-3]"""


class Coupling(NamedTuple):
    """How the top of the soil feels the surface, ``[column]``.

    The flux into the top layer is ``conductivity (temperature - T_1)/(thickness_1/2)/factor``.
    """

    temperature: Tensor
    """Temperature the surface balance would have without ground heat (Noah: YY). [K]"""
    factor: Tensor
    """One plus the ratio of ground to surface exchange (Noah: ZZ1). [1]"""
    conductivity: Tensor
    """Of the half layer between surface and first node (Noah: DF1). [W m-1 K-1]"""


class SoilHeat(NamedTuple):
    """Soil after the heat step, ``[layer, column]``, and its boundary fluxes, ``[column]``."""

    temperature: Tensor
    liquid: Tensor
    ice: Tensor
    top_flux: Tensor
    """Into the soil. [W m-2]"""
    bottom_flux: Tensor
    """Out of the lowest layer. [W m-2]"""
    storage_change: Tensor
    """Sensible and latent heat gained. [W m-2]"""
    remainder: Tensor | None = None
    """What the temperature has no digits for, if the state keeps it, ``[layer, column]``. [K]"""


class HeatConduction(NamedTuple):
    """Coefficients of one step: heat capacity of each layer [J m-2 K-1] and conductances [W m-2 K-1]."""

    capacity: Tensor
    top: Tensor
    between: Tensor
    bottom: Tensor


def heat_conduction(
    liquid: Tensor, ice: Tensor, coupling: Coupling, conductivity: Tensor, column: SoilColumn, parameters: Parameters
) -> HeatConduction:
    """Coefficients at the start of the step.

    The conductivity between two layers is that of the upper one, as in the original; in the top layer it is the one of
    the surface coupling, which includes snow or the shading by vegetation.

    Parameters
    ----------
    liquid, ice : ``[layer, column]``. [m3 m-3]
    coupling : To the surface.
    conductivity : Thermal conductivity, ``[layer, column]``. [W m-1 K-1]
    column : Soil layers.
    parameters : Porosity, heat capacity of the solids and deep boundary are read.
    """
    general = parameters.general
    solids = solids_heat_capacity(general.mineral_heat_capacity, parameters.soil)
    capacity = heat_capacity(liquid, ice, parameters.soil.porosity, solids)
    layer_conductivity = torch.cat([coupling.conductivity[None], conductivity[1:]])
    return HeatConduction(
        capacity=capacity * column.thickness,
        top=coupling.conductivity / (0.5 * column.thickness[0] * coupling.factor),
        between=layer_conductivity[:-1] / column.node_distance,
        bottom=layer_conductivity[-1] / (general.deep_temperature_depth - column.node_depth[-1]),
    )


def interface_temperatures(
    temperature: Tensor, surface_temperature: Tensor, deep_temperature: Tensor, deep_depth: Tensor, column: SoilColumn
) -> tuple[Tensor, Tensor]:
    """Temperatures at the top and bottom of each layer (Noah: TSURF, TBND). [K]

    Between two nodes the temperature is interpolated with the thickness of the upper layer over that of both; below the
    lowest layer with its thickness over twice its distance to the deep boundary.

    Parameters
    ----------
    temperature : Of the nodes, ``[layer, column]``. [K]
    surface_temperature, deep_temperature : ``[column]``. [K]
    deep_depth : Of the deep boundary, positive down. [m]
    column : Soil layers.
    """
    thickness = column.thickness
    weight = thickness[:-1] / (thickness[:-1] + thickness[1:])
    inner = temperature[:-1] + (temperature[1:] - temperature[:-1]) * weight
    bottom_of_column = column.bottom_depth[-1]
    deep_weight = thickness[-1] / (2.0 * deep_depth - bottom_of_column - (bottom_of_column - thickness[-1]))
    lowest = temperature[-1] + (deep_temperature - temperature[-1]) * deep_weight
    return torch.cat([surface_temperature[None], inner]), torch.cat([inner, lowest[None]])


def layer_mean_temperature(top: Tensor, middle: Tensor, bottom: Tensor) -> Tensor:
    """Mean temperature of a layer near freezing, its unfrozen parts counted at the freezing point (Noah: TMPAVG). [K]

    Parameters
    ----------
    top, middle, bottom : Temperatures, ``[layer, column]``. [K]

    Notes
    -----
    With the deficits a, b, c = T_0 - T at top, middle and bottom and n = max(deficit, 0) the mean is
    T_0 - 1/4 [(n_a + n_b)^2/(|a| + |b|) + (n_b + n_c)^2/(|b| + |c|)], or the plain mean when none is below T_0.
    """
    a, b, c = FREEZING_POINT - top, FREEZING_POINT - middle, FREEZING_POINT - bottom
    upper = safe_divide((positive_part(a) + positive_part(b)) ** 2, a.abs() + b.abs())
    lower = safe_divide((positive_part(b) + positive_part(c)) ** 2, b.abs() + c.abs())
    warm = (a <= 0) & (b <= 0) & (c <= 0)
    return torch.where(warm, (top + 2.0 * middle + bottom) / 4.0, FREEZING_POINT - 0.25 * (upper + lower))


class HeatLimitedSoilHeat(ModelPart):
    """Noah's heat step: phase change by explicit flux convergence, then implicit conduction (HRT, HSTEP, SNKSRC).

    Frozen soil is that of Koren et al. 1999, J. Geophys. Res. 104(D16), doi:10.1029/1999JD900232.
    Each layer's flux convergence freezes or thaws water until the supercooled equilibrium is reached; the latent heat
    enters the implicit step. The flux at the lower boundary is explicit. Reproduces the original; its derivative across
    a freeze is not usable.
    """

    def __init__(self, column: SoilColumn, supercooled_water: nn.Module) -> None:
        super().__init__()
        self.column = column
        self.supercooled_water = supercooled_water

    def forward(
        self, temperature: Tensor, liquid: Tensor, ice: Tensor, coupling: Coupling, conductivity: Tensor,
        parameters: Parameters, dt: Tensor | float, source: Tensor | None = None,
    ) -> SoilHeat:  # fmt: skip
        """Advance soil temperature and phase by one step.

        Parameters
        ----------
        temperature, liquid, ice : At the start (water after its movement), ``[layer, column]``. [K, m3 m-3]
        coupling : To the surface.
        conductivity : Thermal conductivity of each layer; the first is not used. [W m-1 K-1]
        dt : [s]
        source : Heat that others add to each layer, ``[layer, column]``. [W m-2]
        """
        deep = parameters.general.deep_temperature
        coefficients = heat_conduction(liquid, ice, coupling, conductivity, self.column, parameters)
        inner_flux = coefficients.between * (temperature[:-1] - temperature[1:])
        top_flux = coefficients.top * (coupling.temperature - temperature[0])
        bottom_flux = coefficients.bottom * (temperature[-1] - deep)
        convergence = torch.cat([top_flux[None], inner_flux]) - torch.cat([inner_flux, bottom_flux[None]])
        if source is not None:
            convergence = convergence + source

        melted = self._melt(temperature, liquid, ice, coupling, convergence * dt, parameters)
        right = convergence * dt - melted * FUSION * self.column.thickness
        increment = solve_conduction(coefficients, right, dt)
        new_temperature = temperature + increment
        new_liquid = liquid + melted
        storage_change = (coefficients.capacity * increment + melted * FUSION * self.column.thickness).sum(0) / dt
        return SoilHeat(
            temperature=new_temperature,
            liquid=new_liquid,
            ice=positive_part(liquid + ice - new_liquid),
            top_flux=coefficients.top * (coupling.temperature - new_temperature[0]),
            bottom_flux=bottom_flux,
            storage_change=storage_change,
        )

    def _melt(
        self, temperature: Tensor, liquid: Tensor, ice: Tensor, coupling: Coupling, heat: Tensor,
        parameters: Parameters,
    ) -> Tensor:  # fmt: skip
        """Water thawed (positive) or frozen by the `heat` [J m-2] each layer receives. [m3 m-3]"""
        general = parameters.general
        surface = (coupling.temperature + (coupling.factor - 1.0) * temperature[0]) / coupling.factor
        top, bottom = interface_temperatures(
            temperature, surface, general.deep_temperature, general.deep_temperature_depth, self.column
        )
        mean = layer_mean_temperature(top, temperature, bottom)
        largest = self.supercooled_water(mean, liquid, ice, parameters.soil)
        total = liquid + ice
        proposal = liquid + heat / (FUSION * self.column.thickness)
        limited = between(proposal, at_most(largest, liquid), at_least(liquid, largest))
        limited = between(limited, 0.0, total)
        touched = (ice > 0) | (temperature < FREEZING_POINT) | (top < FREEZING_POINT) | (bottom < FREEZING_POINT)
        return torch.where(touched, limited - liquid, 0.0)


def solve_conduction(coefficients: HeatConduction, right: Tensor, dt: Tensor | float) -> Tensor:
    """Temperature change of an implicit conduction step whose lower boundary flux is part of `right`. [K]

    Parameters
    ----------
    coefficients : Of the step.
    right : Heat each layer receives by the fluxes at the start, ``[layer, column]``. [J m-2]
    dt : Length of the step. [s]
    """
    none = torch.zeros_like(coefficients.between[:1])
    above = torch.cat([coefficients.top[None], coefficients.between]) * dt
    below = torch.cat([coefficients.between, none]) * dt
    above_inner = torch.cat([none, coefficients.between]) * dt
    return solve_tridiagonal(-above_inner, coefficients.capacity + above + below, -below, right)
