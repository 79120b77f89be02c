"""Retention and conductivity of soil in the pore space that ice leaves (Campbell 1974), and their change of variable.

References
----------
.. [1] Campbell 1974, Soil Sci. 117; Clapp and Hornberger 1978, doi:10.1029/WR014i004p00601.
.. [2] Brenner and Cances 2017, SIAM J. Numer. Anal. 55, doi:10.1137/16M1083372 (the unknown).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import MINIMUM_MOISTURE
from noahpy_core.duals import Dual, choose
from noahpy_core.numerics import at_least, positive_part
from noahpy_core.parameters import SoilParameters

SMALLEST_ROOM = 1.0e-6
"""[m3 m-3]"""
TINY = 1.0e-36
"""Keeps quotients of vanishing flows finite, in single precision too."""


class PoreSpace(NamedTuple):
    """What holds and conducts liquid water, ``[layer, column]``, and powers of it that stay the same in a step.

    S is liquid water over room, h = -psi_s S^-b, K = k (S^(2b+3) - S_r^(2b+3)), and M = m (S^(b+3) - S_r^(b+3)) with
    m = k psi_s b/(b+3), which is int K dh but for S_r. A full layer goes on with h free and M growing with it by K.
    Below S_r water does not move.
    """

    b: Tensor
    suction: Tensor
    """At S = 1, psi_s. [m]"""
    room: Tensor
    """Pores without ice. [m3 m-3]"""
    conductivity: Tensor
    """k, with the effect of ice. [m s-1]"""
    log_suction: Tensor
    log_least: Tensor
    """ln S_r."""
    immobile: Tensor
    """S_r^b. [1]"""
    least: Tensor
    """S_r. [1]"""
    scale: Tensor
    """m. [m2 s-1]"""

    def rows(self, start: int | None, end: int | None) -> PoreSpace:
        """Some of the layers."""
        return PoreSpace(*(part[start:end] for part in self))

    @property
    def least_potential(self) -> Tensor:
        """S_r^(b+3). [1]"""
        return self.immobile * self.least**3

    @property
    def least_conductance(self) -> Tensor:
        """S_r^(2b+3). [1]"""
        return self.immobile * self.immobile * self.least**3

    @property
    def full_conductivity(self) -> Tensor:
        """K of the full layer. [m s-1]"""
        return self.conductivity * positive_part(1.0 - self.least_conductance)

    def full_potential(self, head: Dual) -> Dual:
        """M of a full layer. [m2 s-1]"""
        just_full = self.scale * positive_part(1.0 - self.least_potential)
        return (head + self.suction) * self.full_conductivity + just_full


def pore_space(b: Tensor, suction: Tensor, room: Tensor, conductivity: Tensor) -> PoreSpace:
    """The pore space with its powers.

    Parameters
    ----------
    b, suction, room, conductivity : As `frozen_pore_space` returns them, ``[layer, column]``. [1, m, m3 m-3, m s-1]
    """
    least = MINIMUM_MOISTURE / room
    log_least = torch.log(least)
    return PoreSpace(
        b=b,
        suction=suction,
        room=room,
        conductivity=conductivity,
        log_suction=torch.log(suction),
        log_least=log_least,
        immobile=torch.exp(b * log_least),
        least=least,
        scale=conductivity * suction * b / (b + 3.0),
    )


def frozen_pore_space(
    soil: SoilParameters, liquid: Tensor, ice: Tensor, share: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """b, suction, room and conductivity of soil with ice in it, ``[layer, column]``.

    Parameters
    ----------
    soil : Resolved.
    liquid, ice : At the start of the step; a layer that holds more than its pores keeps room for it. [m3 m-3]
    share : Of the conductivity, that the ice leaves (see `ice_impedance`), ``[layer, column]``. [1]

    Notes
    -----
    The suction is that which the diffusivity at saturation stands for, psi_s = D_s porosity/(b K_s).
    """
    assert soil.saturated_diffusivity is not None
    b, saturated = soil.clapp_hornberger_b, soil.saturated_hydraulic_conductivity
    room = at_least(at_least(soil.porosity - ice, SMALLEST_ROOM), liquid)
    conductivity = torch.where(room > MINIMUM_MOISTURE, saturated * share, 0.0)
    return b.expand_as(room), soil.saturated_diffusivity * soil.porosity / (b * saturated), room, conductivity


class Unknown(NamedTuple):
    """The change of variable: u = S up to `switch`, from there linear in S^(b+3), beyond saturation too.

    Then storage is linear in u where it rules a layer's equation, and M where the exchange does. The solution does not
    depend on it, so it carries no derivative.
    """

    switch: Tensor
    switch_power: Tensor
    """switch^(b+3)."""
    full: Tensor
    """u at saturation, less a few units of round-off."""

    def of(self, saturation: Tensor, b: Tensor) -> Tensor:
        """u of a degree of saturation of at most 1."""
        power = b + 3.0
        wet = torch.exp(power * torch.log(at_least(saturation, self.switch))) / self.switch_power
        return torch.where(saturation <= self.switch, saturation, self.switch * (1.0 + (wet - 1.0) / power))

    def of_pressure(self, head: Tensor, pores: PoreSpace) -> Tensor:
        """u of a full layer at a head above -psi_s. [m]"""
        power = pores.b + 3.0
        linear = 1.0 + (head + pores.suction) * power / (pores.suction * pores.b)
        return self.switch * (1.0 + (linear / self.switch_power - 1.0) / power)

    def of_head(self, head: Tensor, pores: PoreSpace) -> Tensor:
        """u at any head. [m]"""
        held = at_least(-head, pores.suction)
        drawn = self.of(torch.exp((pores.log_suction - torch.log(held)) / pores.b), pores.b)
        return torch.where(head > -pores.suction, self.of_pressure(head, pores), drawn)


def unknown_with(switch: Tensor, b: Tensor) -> Unknown:
    """The change of variable at a degree of saturation above 0, at most 1."""
    power = b + 3.0
    switch_power = torch.exp(power * torch.log(switch))
    # The margin keeps S^(b+3) of a layer that is not full at or below 1, whatever round-off does.
    margin = 1.0 - 16.0 * torch.finfo(switch.dtype).eps
    full = switch * (1.0 + (1.0 / switch_power - 1.0) / power) * margin
    return Unknown(switch, switch_power, full)


class Water(NamedTuple):
    """A layer's water as functions of its unknown; slopes are in `upper`."""

    content: Dual
    """[m3 m-3]"""
    potential: Dual
    """M. [m2 s-1]"""
    conductivity: Dual
    """K. [m s-1]"""
    head: Dual
    """[m]"""
    log_head: Dual
    """ln(-h), where h is negative."""

    def upper(self) -> Water:
        """All layers but the lowest, as the upper one of each pair."""
        return Water(*(Dual(part.value[:-1], _rows(part.upper, None, -1)) for part in self))

    def lower(self) -> Water:
        """All layers but the first, as the lower one of each pair."""
        return Water(*(Dual(part.value[1:], None, _rows(part.upper, 1, None)) for part in self))


class Conduction(NamedTuple):
    """M [m2 s-1] and K [m s-1] of a soil at a given head."""

    potential: Dual
    conductivity: Dual


def water_of(u: Dual, pores: PoreSpace, unknown: Unknown) -> Water:
    """What a layer holds and how it conducts; at a kink slopes are those from below.

    Parameters
    ----------
    u : The unknown, ``[layer, column]``; its slope is in `upper`, if slopes are wanted. [1]
    pores : What holds and conducts it.
    unknown : The change of variable.
    """
    b, switch = pores.b, unknown.switch
    power = b + 3.0
    full = u.value > unknown.full
    dry = (u.value <= switch) & ~full
    linear = ((u * (1.0 / switch) - 1.0) * power + 1.0) * unknown.switch_power
    base = choose(dry, u, linear)
    # Never 0 under the logarithm, on the side that is not taken either.
    base = choose(full, torch.ones_like(base.value), choose(base.value > TINY, base, torch.full_like(base.value, TINY)))
    log_saturation = base.log() * torch.where(dry, 1.0, 1.0 / power)
    mobile = log_saturation.value > pores.log_least
    held = choose(mobile, log_saturation, pores.log_least)
    saturation, retention = held.exp(), (held * b).exp()
    cube = saturation * saturation * saturation
    pressed = (linear - 1.0) * (pores.suction * b / power) - pores.suction
    head = choose(full, pressed, retention.over(-pores.suction))
    below = (choose(dry, retention * cube, linear) - pores.least_potential) * pores.scale
    potential = choose(full, pores.full_potential(pressed), below)
    drained = (retention * retention * cube - pores.least_conductance) * pores.conductivity
    conductivity = choose(full, pores.full_conductivity, drained)
    # A head that is not negative has no logarithm, and none is asked for there.
    negative = choose(full & (pressed.value < -TINY), -pressed, torch.full_like(b, TINY).expand_as(pressed.value))
    log_head = choose(full, negative.log(), -(held * b) + pores.log_suction)
    # Full is full, also where all that the pores can hold is less than the least that moves.
    content = choose(full, torch.ones_like(saturation.value), choose(dry, u, saturation)) * pores.room
    return Water(content, potential, conductivity, head, log_head)


def conduction_at(head: Dual, log_head: Dual, pores: PoreSpace) -> Conduction:
    """M and K of a soil at the head of another layer.

    Parameters
    ----------
    head, log_head : Of the other layer, h and ln(-h), ``[layer, column]``. [m, 1]
    pores : Of this soil.
    """
    b = pores.b
    full = head.value > -pores.suction
    log_saturation = (-log_head + pores.log_suction) * (1.0 / b)
    mobile = (log_saturation.value > pores.log_least) & ~full
    held = choose(full, torch.zeros_like(log_saturation.value), log_saturation)
    held = choose(mobile | full, held, pores.log_least)
    saturation = held.exp()
    # S^b = psi_s/(-h) by the retention curve itself.
    # Chosen twice: the inner choice keeps the quotient finite where the outer one does not take it.
    retention = choose(mobile, choose(mobile, -head, pores.suction).over(pores.suction), pores.immobile)
    retention = choose(full, torch.ones_like(retention.value), retention)
    cube = saturation * saturation * saturation
    below = (retention * cube - pores.least_potential) * pores.scale
    drained = (retention * retention * cube - pores.least_conductance) * pores.conductivity
    return Conduction(choose(full, pores.full_potential(head), below), choose(full, pores.full_conductivity, drained))


def _rows(slope: Tensor | None, start: int | None, end: int | None) -> Tensor | None:
    return None if slope is None else slope[start:end]
