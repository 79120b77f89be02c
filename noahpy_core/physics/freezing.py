"""How much water stays liquid below the freezing point."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from noahpy_core.constants import FREEZING_POINT, GRAVITY, LATENT_HEAT_FUSION, MINIMUM_MOISTURE
from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.parameters import SoilParameters

ICE_SUCTION_FACTOR = 8.0
"""Increase of suction with ice content, c_k of Koren et al. 1999, eq. 17."""
LARGEST_EXPONENT = 5.5
"""Upper limit of b in the freezing curve."""
SUPERCOOLING = 1.0e-3
"""Cooling below which no water freezes. [K]"""


class Koren1999(nn.Module):
    """Largest liquid content with suction increased by ice (Koren et al. 1999, eq. 17; Noah: FRH2O).

    Notes
    -----
    Solves ln(psi_s g/L_f (1 + 8 ice)^2 (porosity/(total - ice))^b) = ln((T_0 - T)/T) for ice by Newton's method from
    the present ice content, at most ten steps, stopping once a step is below 0.005 as the original does: the result is the
    iterate, not the root, and its derivative is that of the iteration. Columns that do not converge take the explicit
    curve without the ice factor (Flerchinger and Saxton 1989).
    """

    ITERATIONS = 10
    TOLERANCE = 0.005

    def forward(self, temperature: Tensor, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        total = liquid + ice
        below = temperature <= FREEZING_POINT - SUPERCOOLING
        cold = torch.where(below, temperature, FREEZING_POINT - 1.0)
        b = at_most(soil.clapp_hornberger_b, LARGEST_EXPONENT)
        most_ice = total - MINIMUM_MOISTURE
        frozen = positive_part(at_most(ice, most_ice))
        constant = torch.log(soil.saturated_suction * (GRAVITY / LATENT_HEAT_FUSION)) + b * torch.log(soil.porosity)
        target = torch.log((FREEZING_POINT - cold) / cold) - constant
        converged = ~below
        for _ in range(self.ITERATIONS):
            remaining = at_least(total - frozen, 1.0e-10)
            factor = 1.0 + ICE_SUCTION_FACTOR * frozen
            excess = 2.0 * torch.log(factor) - b * torch.log(remaining) - target
            slope = 2.0 * ICE_SUCTION_FACTOR / factor + b / remaining
            proposal = positive_part(at_most(frozen - excess / slope, most_ice))
            small = (proposal - frozen).abs() <= self.TOLERANCE
            frozen = torch.where(converged, frozen, proposal)
            converged = converged | small
        limited = torch.where(converged, total - frozen, self._explicit(cold, total, b, soil))
        return torch.where(below, limited, total)

    @staticmethod
    def _explicit(cold: Tensor, total: Tensor, b: Tensor, soil: SoilParameters) -> Tensor:
        potential = LATENT_HEAT_FUSION / GRAVITY * (FREEZING_POINT - cold) / cold / soil.saturated_suction
        return at_most(at_least(soil.porosity * potential ** (-1.0 / b), MINIMUM_MOISTURE), total)


class NiuYang2006(nn.Module):
    """Explicit freezing curve without the ice factor (Niu and Yang 2006, doi:10.1175/JHM538.1, eq. 3).

    Liquid = porosity (L_f (T_0 - T)/(g T psi_s))^(-1/b), at most the total.
    """

    def forward(self, temperature: Tensor, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        total = liquid + ice
        below = temperature < FREEZING_POINT
        cold = torch.where(below, temperature, FREEZING_POINT - 1.0)
        potential = LATENT_HEAT_FUSION / GRAVITY * (FREEZING_POINT - cold) / cold / soil.saturated_suction
        largest = soil.porosity * potential ** (-1.0 / soil.clapp_hornberger_b)
        return torch.where(below, between(largest, 0.0, total), total)


SUPERCOOLED_WATER_SCHEMES = {"koren1999": Koren1999, "niu_yang2006": NiuYang2006}
