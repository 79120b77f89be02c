"""Heat conduction with freezing and thawing."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.contract import Slot, by_layer
from noahpy_core.limited import Limited
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.physics.soil_heat import (
    FUSION,
    Coupling,
    SoilHeat,
    heat_conduction,
    solve_conduction,
)
from noahpy_core.slots.trial_columns import STEP, TrialColumns


class PhaseChangeScheme(Protocol):
    """Liquid water at the end of a step of `dt` seconds; of a `SoilHeat` only that is read."""

    def __call__(
        self,
        temperature: Annotated[Tensor, by_layer("K", 180.0, 350.0)],
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        coupling: Coupling,
        conductivity: Annotated[Tensor, by_layer("W m-1 K-1", 0.01, 10.0)],
        parameters: Parameters,
        dt: Tensor | float,
    ) -> SoilHeat | Tensor: ...


class LimitedPhaseChange(Limited):
    """A supplied heat step proposes how much water is liquid at its end; temperature follows from conservation.

    Notes
    -----
    Of a `SoilHeat` only `liquid` is read. Freezing and thawing are limited to what is there, and to the heat at hand:
    it may bring a layer no further than the range of its temperatures at the start, at the end of conduction alone, and
    of freezing. The latent heat enters the implicit conduction of the heat-limited scheme.
    """

    def __init__(self, scheme: PhaseChangeScheme, column: SoilColumn) -> None:
        super().__init__()
        self.scheme = scheme
        self.column = column

    def forward(
        self, temperature: Tensor, liquid: Tensor, ice: Tensor, coupling: Coupling, conductivity: Tensor,
        parameters: Parameters, dt: Tensor | float, source: Tensor | None = None,
    ) -> SoilHeat:  # fmt: skip
        """Soil at the end of the step, with the liquid water the scheme proposes as far as the limits let it.

        Parameters
        ----------
        temperature, liquid, ice : At the start (water after its movement), ``[layer, column]``. [K, m3 m-3]
        coupling : To the surface.
        conductivity : Thermal conductivity of each layer; the first is not used. [W m-1 K-1]
        parameters : Of soil and deep boundary.
        dt : Length of the step. [s]
        source : Heat that others add to each layer, ``[layer, column]``; the scheme does not see it. [W m-2]
        """
        proposal = self.scheme(temperature, liquid, ice, coupling, conductivity, parameters, dt)
        wanted = proposal.liquid if isinstance(proposal, SoilHeat) else proposal
        deep, thickness = parameters.general.deep_temperature, self.column.thickness
        coefficients = heat_conduction(liquid, ice, coupling, conductivity, self.column, parameters)
        inner_flux = coefficients.between * (temperature[:-1] - temperature[1:])
        top_flux = coefficients.top * (coupling.temperature - temperature[0])
        bottom_flux = coefficients.bottom * (temperature[-1] - deep)
        heat = (torch.cat([top_flux[None], inner_flux]) - torch.cat([inner_flux, bottom_flux[None]])) * dt
        if source is not None:
            heat = heat + source * dt

        conducted = temperature + solve_conduction(coefficients, heat, dt)
        highest = at_least(at_least(conducted, temperature), FREEZING_POINT)
        lowest = at_most(at_most(conducted, temperature), FREEZING_POINT)
        per_degree = coefficients.capacity / (FUSION * thickness)
        melted = between(between(wanted, 0.0, liquid + ice) - liquid, (conducted - highest) * per_degree,
                         (conducted - lowest) * per_degree)  # fmt: skip
        increment = solve_conduction(coefficients, heat - melted * FUSION * thickness, dt)
        new_liquid = positive_part(liquid + melted)
        gained = coefficients.capacity * increment + (new_liquid - liquid) * FUSION * thickness
        return SoilHeat(
            temperature=temperature + increment,
            liquid=new_liquid,
            ice=positive_part(liquid + ice - new_liquid),
            top_flux=coefficients.top * (coupling.temperature - (temperature[0] + increment[0])),
            bottom_flux=bottom_flux,
            storage_change=gained.sum(0) / dt,
        )


def _at_most_total(wanted: Tensor, temperature: Tensor, liquid: Tensor, ice: Tensor, *given: Any) -> Tensor:
    return between(wanted, 0.0, liquid + ice)


def _trial(made: TrialColumns) -> tuple[Any, ...]:
    coupling = Coupling(made.values(292.0, 260.0), made.values(1.5, 1.0), made.values(1.0, 0.3))
    return (made.soil.temperature, *made.water, coupling, made.profile(1.2, 1.8), made.parameters, STEP)


SLOT = Slot(
    name="phase_change",
    contract=PhaseChangeScheme,
    returns=(by_layer("m3 m-3", 0.0, 1.0, name="liquid water"),),
    trial=_trial,
    unpack=lambda result: result.liquid if isinstance(result, SoilHeat) else result,
    limit=_at_most_total,
    enforced="0 to total water, and what the heat at hand freezes or thaws; temperature and fluxes follow by implicit "
    "conduction. A scheme derived from a built-in one keeps its own balance",
    trusts_subclasses=True,
    hold=lambda slot, scheme, column: LimitedPhaseChange(scheme, column),
)
