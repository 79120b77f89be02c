"""Heat conduction and freezing solved together: implicit in temperature and in the liquid water that goes with it.

Energy is conserved at any step length and the result is a Lipschitz function of every input, so derivatives are right
through freeze and thaw.

References
----------
.. [1] Tubini, Gruber and Rigon 2021, The Cryosphere 15, doi:10.5194/tc-15-2541-2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.fixed import ModelPart
from noahpy_core.numerics import at_most, between, implicit_root, positive_part
from noahpy_core.parameters import Parameters, SoilParameters
from noahpy_core.physics.enthalpy_root import solve_freezing
from noahpy_core.physics.enthalpy_system import Conduction
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.physics.soil_heat import FUSION, Coupling, HeatConduction, SoilHeat, heat_conduction

NEAR = 8.0
"""By so many units of round-off a layer that holds ice may be warmer than its freezing point in single precision."""


class EnthalpySoilHeat(ModelPart):
    """Implicit heat step with the freezing curve as part of the storage.

    Notes
    -----
    For each layer dz C (T - T_old) + dz rho_w L_f (W(T) - W_old) = dt (q_above - q_below), with total water, the heat
    capacity C and the conductivities of the start of the step, and all fluxes at its end, the one at the lower boundary
    too. Water that seeps into frozen ground freezes at once and warms it: equilibrium freezing.
    """

    def __init__(self, column: SoilColumn, supercooled_water: FreezingCurve) -> None:
        super().__init__()
        self.column = column
        self.curve = supercooled_water

    def forward(
        self,
        temperature: Tensor,
        liquid: Tensor,
        ice: Tensor,
        coupling: Coupling,
        conductivity: Tensor,
        parameters: Parameters,
        dt: Tensor | float,
        source: Tensor | None = None,
        remainder: Tensor | None = None,
    ) -> SoilHeat:
        """Advance soil temperature and phase by one step; arguments as for `HeatLimitedSoilHeat`.

        Parameters
        ----------
        temperature, liquid, ice : At the start (water after its movement), ``[layer, column]``. [K, m3 m-3]
        coupling : To the surface.
        conductivity : Thermal conductivity of each layer; the first is not used. [W m-1 K-1]
        parameters : Of soil and deep boundary.
        dt : Length of the step. [s]
        source : Heat that others add to each layer, ``[layer, column]``. [W m-2]
        remainder : What the temperature has no digits for, where the state keeps it, ``[layer, column]``. [K]

        Raises
        ------
        ConvergenceError : naming the columns whose equations were not solved.
        """
        soil, total, start = parameters.soil, liquid + ice, temperature
        if remainder is not None:
            temperature = temperature + remainder
        coefficients = heat_conduction(liquid, ice, coupling, conductivity, self.column, parameters)
        system = self._system(coefficients, temperature, liquid, coupling, parameters.general.deep_temperature, dt)
        if source is not None:
            system = system._replace(right=system.right + source * dt)
        root = solve_freezing(self.curve, system, temperature, liquid, total, soil)
        new_temperature = self._implicit_derivative(root, system, total, soil)
        new_liquid, _ = self.curve.equilibrium(new_temperature, total, soil)
        deep, end = parameters.general.deep_temperature, new_temperature
        single = temperature.dtype == torch.float32
        if single or remainder is not None:
            into = _heat_into_layers(coefficients, end, coupling, deep, source) * dt
        if single:
            warmed = end - temperature if remainder is None else (end - start) - remainder
            stored = liquid + (into - coefficients.capacity * warmed) / system.latent
            new_temperature, new_liquid = self._closing(end, new_liquid, stored, total, soil, coefficients, system)
        if remainder is None:
            warmed = new_temperature - temperature
        else:
            warmed = (into - system.latent * (new_liquid - liquid)) / coefficients.capacity
            new_temperature, left = _with_all_digits(end, start, remainder + warmed)
            warmed = (new_temperature - start) + (left - remainder)
        gained = coefficients.capacity * warmed + system.latent * (new_liquid - liquid)
        return SoilHeat(
            temperature=new_temperature,
            liquid=new_liquid,
            ice=positive_part(total - new_liquid),
            top_flux=coefficients.top * (coupling.temperature - end[0]),
            bottom_flux=coefficients.bottom * (end[-1] - deep),
            storage_change=gained.sum(0) / dt,
            remainder=None if remainder is None else left,
        )

    def _closing(
        self,
        temperature: Tensor,
        liquid: Tensor,
        stored: Tensor,
        total: Tensor,
        soil: SoilParameters,
        coefficients: HeatConduction,
        system: Conduction,
    ) -> tuple[Tensor, Tensor]:
        """Temperature and liquid water that close the balance of each layer, with the derivatives on the curve.

        In single precision temperature has steps of 3e-5 K, between which water freezes whose latent heat is thousands
        of W m-2 over a short step. The heat that a layer has got says how much it is; what is more than all of it warms
        the layer, what is less than none cools it.

        Parameters
        ----------
        temperature, liquid : At the root, and on the curve. [K, m3 m-3]
        stored : Liquid water that closes the balance at this temperature. [m3 m-3]
        """
        warmest = self.curve.freezing_point(total, soil) * (1.0 + NEAR * torch.finfo(temperature.dtype).eps)
        low = at_most(torch.full_like(total, self.curve.smallest), total)
        closing = torch.where(temperature <= warmest, between(stored, low, total), liquid)
        rest = (stored - closing) * system.latent / coefficients.capacity
        return temperature + rest.detach(), liquid + (closing - liquid).detach()

    def _system(
        self,
        coefficients: HeatConduction,
        temperature: Tensor,
        liquid: Tensor,
        coupling: Coupling,
        deep_temperature: Tensor,
        dt: Tensor | float,
    ) -> Conduction:
        between = coefficients.between * dt
        none = torch.zeros_like(between[:1])
        top, bottom = coefficients.top * dt, coefficients.bottom * dt
        above, below = torch.cat([top[None], between]), torch.cat([between, bottom[None]])
        latent = (FUSION * self.column.thickness).expand_as(temperature)
        boundary = torch.cat(
            [(top * coupling.temperature)[None], torch.zeros_like(temperature[1:-1]), (bottom * deep_temperature)[None]]
        )
        return Conduction(
            lower=-torch.cat([none, between]),
            diagonal=coefficients.capacity + above + below,
            upper=-torch.cat([between, none]),
            right=coefficients.capacity * temperature + latent * liquid + boundary,
            latent=latent,
        )

    def _implicit_derivative(self, root: Tensor, system: Conduction, total: Tensor, soil: SoilParameters) -> Tensor:
        """The root with its derivatives: steps with one Jacobian, whose graph is the implicit function theorem."""
        _, slope = self.curve.equilibrium(root, total, soil)
        return implicit_root(root, lambda x: system.step(x, self.curve.equilibrium(x, total, soil)[0], slope))


def _heat_into_layers(
    coefficients: HeatConduction, temperature: Tensor, coupling: Coupling, deep: Tensor, source: Tensor | None
) -> Tensor:
    """Heat conducted into each layer, from differences of temperature, and what others add. [W m-2]"""
    top = coefficients.top * (coupling.temperature - temperature[0])
    bottom = coefficients.bottom * (temperature[-1] - deep)
    down = torch.cat([top[None], coefficients.between * (temperature[:-1] - temperature[1:]), bottom[None]])
    into = down[:-1] - down[1:]
    return into if source is None else into + source


def _with_all_digits(end: Tensor, start: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """Temperature after a change, with the derivative of the solution, and what it has no digits for. [K]

    Parameters
    ----------
    end : The solution.
    start : Temperature before, which has the digits of a number in kelvins.
    change : Since then, what the temperature before had no digits for included.
    """
    temperature = (start + change).detach()
    # The difference of neighbouring temperatures is exact.
    left = change.detach() - (temperature - start.detach())
    return end + (temperature - end).detach(), left
