"""Largest liquid water below the freezing point: a freezing curve, or a function."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import torch
from torch import Tensor, nn

from noahpy_core.column import SoilColumn
from noahpy_core.constants import FREEZING_POINT
from noahpy_core.contract import Scheme, Slot, by_layer
from noahpy_core.limited import Limited, LimitedScheme
from noahpy_core.numerics import at_most, between, positive_part
from noahpy_core.parameters import SoilParameters
from noahpy_core.physics.freezing import FreezingCurve
from noahpy_core.slots.acceptance import Unfit, called, check_tensor
from noahpy_core.slots.trial_columns import TrialColumns

CURVE_EXPONENT = (1.0, 30.0)
"""Of a freezing curve. [1]"""


class SupercooledWaterScheme(Protocol):
    """Largest liquid water at a temperature. With the enthalpy heat step it is a `FreezingCurve`."""

    def __call__(
        self,
        temperature: Annotated[Tensor, by_layer("K", 180.0, 350.0)],
        liquid: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        ice: Annotated[Tensor, by_layer("m3 m-3", 0.0, 1.0)],
        soil: SoilParameters,
    ) -> Tensor: ...


class LimitedWater(LimitedScheme):
    """A supplied function for the largest liquid water: for the heat-limited step, and for an initial state."""

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        """What it gives for water without ice, ``[layer, column]`` [m3 m-3], and no slope.

        Parameters
        ----------
        temperature : ``[layer, column]``. [K]
        total : Liquid and frozen water, ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        none = torch.zeros_like(total)
        return self(temperature, total, none, soil), none


class LimitedCurve(FreezingCurve, Limited):
    """A supplied freezing curve: its exponent limited, the equation solved by the model, liquid between 0 and total."""

    def __init__(self, scheme: FreezingCurve) -> None:
        super().__init__()
        self.scheme = scheme
        self.smallest = scheme.smallest
        self.ITERATIONS = scheme.ITERATIONS

    def has_own(self, method: str) -> bool:
        """What the scheme has, not this class around it."""
        return self.scheme.has_own(method)

    def exponent(self, soil: SoilParameters) -> Tensor:
        return between(self.scheme.exponent(soil), *CURVE_EXPONENT)

    def ice_term(self, ice: Tensor) -> Tensor:
        return self.scheme.ice_term(ice)

    def ice_term_slope(self, ice: Tensor) -> Tensor:
        return self.scheme.ice_term_slope(ice)

    def ice_factor(self, ice: Tensor) -> Tensor:
        """As the scheme has it, exp of its `ice_term`. [1]"""
        return self.scheme.ice_factor(ice)

    def freezing_point(self, total: Tensor, soil: SoilParameters) -> Tensor:
        """As for any freezing curve; a scheme that says it itself keeps it, up to the melting point.

        Parameters
        ----------
        total : Liquid and frozen water, ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        if not self.has_own("freezing_point"):
            return super().freezing_point(total, soil)
        return at_most(self.scheme.freezing_point(total, soil), FREEZING_POINT)

    def equilibrium(self, temperature: Tensor, total: Tensor, soil: SoilParameters) -> tuple[Tensor, Tensor]:
        """As for any freezing curve; a scheme with an `equilibrium` of its own keeps it, within 0 and total.

        Parameters
        ----------
        temperature : ``[layer, column]``. [K]
        total : Liquid and frozen water, ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        if not self.has_own("equilibrium"):
            return super().equilibrium(temperature, total, soil)
        liquid, slope = self.scheme.equilibrium(temperature, total, soil)
        return between(liquid, 0.0, total), positive_part(slope)

    def forward(self, temperature: Tensor, liquid: Tensor, ice: Tensor, soil: SoilParameters) -> Tensor:
        """Largest liquid content: the scheme's own, or the equilibrium if it has no `forward`. [m3 m-3]

        Parameters
        ----------
        temperature : ``[layer, column]``. [K]
        liquid, ice : ``[layer, column]``. [m3 m-3]
        soil : Parameters ``[layer, column]``, derived ones filled in.
        """
        total = liquid + ice
        if type(self.scheme).forward is nn.Module.forward:
            return self.equilibrium(temperature, total, soil)[0]
        return between(self.scheme(temperature, liquid, ice, soil), 0.0, total)


def _at_most_total(largest: Tensor, temperature: Tensor, liquid: Tensor, ice: Tensor, *given: Any) -> Tensor:
    return between(largest, 0.0, liquid + ice)


def _trial(made: TrialColumns) -> tuple[Any, ...]:
    return (made.soil.temperature, *made.water, made.parameters.soil)


def _checked_curve(curve: Scheme, made: TrialColumns) -> bool:
    """A freezing curve is tried by its parts; anything else is a function like those of other slots."""
    if not isinstance(curve, FreezingCurve):
        return False
    temperature, liquid, ice, soil = _trial(made)
    for name, result in (
        ("exponent", called(" by exponent", curve.exponent, (soil,))),
        ("ice_term", called(" by ice_term", curve.ice_term, (ice,))),
        ("ice_term_slope", called(" by ice_term_slope", curve.ice_term_slope, (ice,))),
    ):
        check_tensor(name, result, made, layers=True)
    if bool((curve.ice_term(0.0 * ice) != 0).any()) or bool((curve.ice_term_slope(ice) < 0).any()):
        raise Unfit("has an ice_term that is not 0 without ice or falls with ice. Make it grow from 0.")
    if type(curve).forward is not nn.Module.forward:
        check_tensor("liquid water", called("", curve, (temperature, liquid, ice, soil)), made, layers=True)
    return True


def _held(slot: Slot, scheme: Scheme, column: SoilColumn) -> nn.Module:
    return LimitedCurve(scheme) if isinstance(scheme, FreezingCurve) else LimitedWater(slot, scheme)


SLOT = Slot(
    name="supercooled_water",
    contract=SupercooledWaterScheme,
    returns=(by_layer("m3 m-3", 0.0, 1.0, name="liquid water"),),
    trial=_trial,
    limit=_at_most_total,
    enforced="0 to total water; exponent of a curve 1 to 30, its equation solved by the model",
    check=_checked_curve,
    hold=_held,
)
