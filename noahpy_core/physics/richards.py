"""The implicit, mixed-form Richards equation for liquid water with ice as an obstacle.

Each layer's balance, dz (W - W_old) = dt (q_above - q_below - e), has everything on its right at the end of the step.
Within one soil every term is monotone in the unknowns, so the system has one solution, bounded and free of oscillation
(an M-function); between very different soils it may depart from that a little.

References
----------
.. [1] Celia, Bouloutas and Zarba 1990, Water Resour. Res. 26, doi:10.1029/WR026i007p01483 (mixed form).
.. [2] Ross 2003, Agron. J. 95, doi:10.2134/agronj2003.1352 (Kirchhoff potentials between layers).
.. [3] Scharfetter and Gummel 1969, IEEE Trans. Electron Devices 16, doi:10.1109/T-ED.1969.16566 (exponential fitting).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.constants import MINIMUM_MOISTURE
from noahpy_core.duals import Dual, choose
from noahpy_core.numerics import at_most, positive_part
from noahpy_core.physics.limits import SHARP_LIMITS, Limits
from noahpy_core.physics.retention import (
    TINY,
    PoreSpace,
    Unknown,
    Water,
    conduction_at,
    unknown_with,
    water_of,
)
from noahpy_core.physics.richards_profile import Profile, at_face

UPTAKE_RANGE = 0.01
"""Liquid water above its minimum over which a layer's uptake rises to what is asked for. [m3 m-3]"""
SIMILAR_HEADS = 1.0e-6
"""Difference of heads below which two soils share a flow by their conductivities, not by their potentials. [m]"""
LARGEST_PECLET = 1.0e6
"""Beyond which gravity flow is that of the upper layer."""
ROUND_OFF = 64.0
"""Units of round-off added to the diagonal: the pressure of a column full from end to end is not fixed at first."""


class Flow(NamedTuple):
    """What a step of the equation is given besides the soil; ``[column]`` but for the layers' values. [m, m s-1, s]"""

    old: Tensor
    """Liquid water at the start, ``[layer, column]``. [m3 m-3]"""
    thickness: Tensor
    soil_demand: Tensor
    """Evaporation asked of the first layer."""
    root_demand: Tensor
    """Uptake asked of each layer, ``[layer, column]``."""
    root_minimum: Tensor
    """Water that roots leave, ``[layer, column]``. [m3 m-3]"""
    supply: Tensor
    drainage_factor: Tensor
    """Share of the lowest layer's conductivity that drains. [1]"""
    dt: Tensor
    unfrozen: Tensor
    """Share of the conductivity that ice leaves, ``[layer, column]``. [1]"""
    upstream: Tensor
    """1 where gravity acts with the conductivity of the upper layer alone, 0 where it is fitted. [1]"""


class System(NamedTuple):
    """The equations at a guess: residual [m], Jacobian, and the fluxes [m s-1]."""

    residual: Tensor
    lower: Tensor
    diagonal: Tensor
    upper: Tensor
    content: Tensor
    """Liquid water. [m3 m-3]"""
    ponded: Tensor
    """Whether the surface takes in less than the supply, ``[column]``."""
    drainage: Tensor
    soil_evaporation: Tensor
    root_uptake: Tensor
    size: Tensor
    """Of the terms of the residual, to judge it by. [m]"""


def unknown_for(pores: PoreSpace, flow: Flow) -> Unknown:
    """The change of variable that suits the step: it switches where exchange outweighs storage in a step."""
    thickness = flow.thickness
    between = 0.5 * (thickness[1:] + thickness[:-1])
    above, below = torch.cat([0.5 * thickness[:1], between]), torch.cat([between, 0.5 * thickness[-1:]])
    exchange = flow.dt * pores.scale * (pores.b + 3.0) * (1.0 / above + 1.0 / below)
    even = pores.room * thickness / (exchange + TINY)
    # Never 0 under the logarithm.
    even = torch.clamp(even, min=1.0e-30, max=1.0)
    switch = torch.exp(torch.log(even) / (pores.b + 2.0))
    return unknown_with(torch.clamp(torch.maximum(switch, pores.least), max=1.0), pores.b)


def equations(
    u: Tensor, pores: PoreSpace, flow: Flow, profile: Profile, unknown: Unknown, *, jacobian: bool,
    limits: Limits = SHARP_LIMITS,
) -> System:  # fmt: skip
    """Residual and fluxes at the unknowns u, ``[layer, column]``; the Jacobian is exact if asked for, else zero.

    Parameters
    ----------
    u : The unknowns, ``[layer, column]``. [1]
    pores : What holds and conducts the water.
    flow : Old water, demands, supply and the step.
    profile : Of the conductivity within layers at the start.
    unknown : The change of variable.
    jacobian : Whether slopes are worked out.
    limits : How what enters is held to what the surface lets in.
    """
    none = torch.zeros_like(u[:1])
    water = water_of(Dual(u, torch.ones_like(u) if jacobian else None), pores, unknown)
    exchange = exchange_between(water, pores, flow, profile)
    capacity = _surface(water, pores, flow)
    entering = limits.lesser(flow.supply, capacity.value, flow.supply)
    infiltration, ponded = entering.value, entering.limited
    drainage = Dual(water.conductivity.value[-1], _last(water.conductivity.upper)) * flow.drainage_factor

    soil_demand = torch.cat([flow.soil_demand[None], torch.zeros_like(u[1:])])
    evaporation = _given(water.content, MINIMUM_MOISTURE) * soil_demand
    uptake = _given(water.content, flow.root_minimum) * flow.root_demand
    sink = evaporation + uptake

    inflow, outflow = torch.cat([infiltration[None], exchange.value]), torch.cat([exchange.value, drainage.value[None]])
    dt, thickness = flow.dt, flow.thickness
    residual = thickness * (water.content.value - flow.old) - dt * (inflow - outflow - sink.value)
    size = thickness * (water.content.value + flow.old) + dt * (inflow.abs() + outflow.abs() + sink.value)

    lower = diagonal = upper = none
    if jacobian:
        by_upper, by_lower = _slope(exchange.upper), _slope(exchange.lower)
        enters = _slope(capacity.upper) * (1.0 - entering.share)
        into, out = torch.cat([enters[None], by_lower]), torch.cat([by_upper, _slope(drainage.upper)[None]])
        diagonal = thickness * _slope(water.content.upper) + dt * (out - into + _slope(sink.upper))
        diagonal = diagonal * (1.0 + ROUND_OFF * torch.finfo(u.dtype).eps) + 1.0e-30
        lower, upper = -dt * torch.cat([none, by_upper]), dt * torch.cat([by_lower, none])

    return System(
        residual, lower, diagonal, upper, water.content.value, ponded, drainage.value, evaporation.value[0],
        uptake.value, size,
    )  # fmt: skip


def _surface(water: Water, pores: PoreSpace, flow: Flow) -> Dual:
    """What a pond of no depth would let into the first layer. [m s-1]

    Parameters
    ----------
    water, pores : Of all layers, ``[layer, column]``.
    flow : With the thickness of layers. [m]
    """
    half = 0.5 * flow.thickness[0]
    top = pores.rows(0, 1)
    at_surface = top.full_potential(Dual(torch.zeros_like(top.b))).value[0]
    potential = Dual(water.potential.value[0], None if water.potential.upper is None else water.potential.upper[0])
    return (-potential + at_surface) * (1.0 / half) + top.full_conductivity[0]


def _given(content: Dual, minimum: Tensor | float) -> Dual:
    """Share of what is asked for that a layer gives: 0 at its minimum, 1 above a range; slopes are those from below."""
    part = (content - minimum) * (1.0 / UPTAKE_RANGE)
    # Round-off must not decide on which side of its kink a layer stands that the iteration has put there.
    above = part.value > 1.0 + 256.0 * torch.finfo(part.value.dtype).eps
    part = part - positive_part(part.value - 1.0).detach()
    rising = choose(part.value > 0.0, part, torch.zeros_like(part.value))
    return choose(above, torch.ones_like(part.value), rising)


def exchange_between(water: Water, pores: PoreSpace, flow: Flow, profile: Profile) -> Dual:
    """Downward flux from each layer to the next, ``[layer - 1, column]``. [m s-1]

    Parameters
    ----------
    water, pores : Of all layers, ``[layer, column]``.
    flow : With the thickness of layers, and whether gravity is that of the upper layers.
    profile : Of the conductivity within layers at the start.

    Notes
    -----
    Each soil's own Kirchhoff potential between the two heads drives the flow through its half layer; the two halves are
    in series. Gravity acts with K between the values at the two heads, each as its layer's profile has it at the face
    between them, fitted exponentially: half of each in fine layers, that of the upper one in coarse ones. So within one
    soil the flux grows with the upper and falls with the lower unknown however thick the layers are.
    """
    up, lo, thickness = water.upper(), water.lower(), flow.thickness
    above, below = pores.rows(None, -1), pores.rows(1, None)
    up_at_lo = conduction_at(lo.head, lo.log_head, above)
    lo_at_up = conduction_at(up.head, up.log_head, below)
    share = thickness[:-1] / (thickness[:-1] + thickness[1:])
    distance = 0.5 * (thickness[:-1] + thickness[1:])

    in_upper, in_lower = up.potential - up_at_lo.potential, lo_at_up.potential - lo.potential
    weight_upper = in_upper.magnitude() + (up.conductivity + up_at_lo.conductivity) * SIMILAR_HEADS + TINY
    weight_lower = in_lower.magnitude() + (lo.conductivity + lo_at_up.conductivity) * SIMILAR_HEADS + TINY
    through_upper, through_lower = weight_lower * share, weight_upper * (1.0 - share)
    diffusion = (through_upper * in_upper + through_lower * in_lower) / (through_upper + through_lower)

    at_upper_head, part_upper = _in_series(up.conductivity, lo_at_up.conductivity, share)
    at_lower_head, part_lower = _in_series(up_at_lo.conductivity, lo.conductivity, share)
    wetter = up.head.value > lo.head.value
    part = choose(wetter, part_upper, part_lower)
    suction = -choose(wetter, up.head, lo.head)
    rate_above, rate_below = _growth_of_conductivity(suction, above), _growth_of_conductivity(suction, below)

    fitted = 1.0 - flow.upstream
    at_bottom = at_face(up.conductivity, profile.conductivity[:-1], profile.bottom[:-1] * fitted)
    excess = profile.top[1:] * fitted
    at_top = at_face(lo.conductivity, profile.conductivity[1:], excess)
    at_upper_head, at_lower_head = at_upper_head * at_bottom, at_lower_head * at_top
    # At the face K may grow faster with M than in the layer.
    peclet = (part * (rate_above - rate_below) + rate_below) * (distance * (1.0 + 2.0 * positive_part(excess)))
    weight = exponential_weight(peclet) * fitted + flow.upstream
    gravity = at_lower_head + weight * (at_upper_head - at_lower_head)
    flux = diffusion * (1.0 / distance) + gravity
    # Over wet ground the fitted gravity can exceed what a layer with little mobile water has to give.
    free = up.potential * (1.0 / (share * distance)) + up.conductivity * at_bottom * (1.0 / share)
    return choose(flux.value > free.value, free, flux)


def _in_series(first: Dual, second: Dual, share: Tensor) -> tuple[Dual, Dual]:
    """Conductivity of two half layers in series, and the first one's part of the resistance.

    Parameters
    ----------
    first, second : Conductivities, ``[layer - 1, column]``. [m s-1]
    share : Of the first in the distance. [1]
    """
    both = second * share + first * (1.0 - share) + TINY
    part = second / both
    return first * part, part * share


def _growth_of_conductivity(suction: Dual, pores: PoreSpace) -> Dual:
    """dK/dM of a soil at a suction. [m-1]"""
    held = choose(suction.value > pores.suction, suction, pores.suction)
    return held.over((2.0 * pores.b + 3.0) / pores.b)


def exponential_weight(peclet: Dual) -> Dual:
    """Weight 1/(1 - e^-Pe) - 1/Pe of the upper conductivity in gravity flow (exponential fitting), Pe > 0. [1]"""
    pe = peclet.value
    small, large = pe < 0.05, pe > LARGEST_PECLET
    # Near 0 the closed form is a difference of large numbers, and its series is taken. Each has harmless numbers
    # where the other is taken.
    safe = torch.where(small, 1.0, at_most(pe, LARGEST_PECLET))
    near = torch.where(small, pe, 0.0)
    # Beyond 80 the decay is below round-off, and would vanish in single precision.
    decay = torch.exp(-at_most(safe, 80.0))
    rest, inverse = 1.0 / (1.0 - decay), 1.0 / safe
    value = torch.where(small, 0.5 + near / 12.0 - near**3 / 720.0, rest - inverse)

    def slope() -> Tensor:
        curved = torch.where(large, 0.0, inverse * inverse - decay * rest * rest)
        return torch.where(small, 1.0 / 12.0 - near**2 / 240.0, curved)

    return peclet.chain(value, slope)


def _slope(slope: Tensor | None) -> Tensor:
    assert slope is not None
    return slope


def _last(slope: Tensor | None) -> Tensor | None:
    return None if slope is None else slope[-1]
