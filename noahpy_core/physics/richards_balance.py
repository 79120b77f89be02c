"""What a part of a Richards step leaves in each layer, and the fluxes that lead there to the last digit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from noahpy_core.numerics import at_least, at_most, between, positive_part
from noahpy_core.physics.richards import Flow, System


class Balance(NamedTuple):
    """Water at the end of a part of the step, and the rates in it that lead there to the last digit. [m3 m-3, m s-1]"""

    content: Tensor
    infiltration: Tensor
    exfiltration: Tensor
    exchange: Tensor
    drainage: Tensor
    soil_evaporation: Tensor
    root_uptake: Tensor


def balanced(system: System, flow: Flow, room: Tensor) -> Balance:
    """Fluxes between layers from the balance of the layers below, so that nothing is left over.

    What the iteration left undone, of the size of round-off, goes into the infiltration of ponded ground. Elsewhere,
    where the infiltration is exactly the supply, the first layer keeps as much of it as it has room for, and the rest
    leaves at the surface. In single precision it adds up to millimetres: see `balanced_in_single`.

    Parameters
    ----------
    system : At the root.
    flow : Of this part.
    room : Pores without ice, ``[layer, column]``. [m3 m-3]
    """
    if system.content.dtype == torch.float32:
        return balanced_in_single(system, flow, room)
    thickness, dt = flow.thickness, flow.dt
    from_top = _given_from_top(system, system.content, flow)
    entered = from_top[-1] + system.drainage
    surface, rest = _through_surface(system, flow, entered)
    undone = rest / thickness[0]
    kept = at_most(undone, at_least(room[0] - system.content[0], 0.0).detach())
    pressed_out = (undone - kept) * thickness[0] / dt
    return Balance(
        content=torch.cat([(system.content[0] + kept)[None], system.content[1:]]),
        infiltration=positive_part(surface),
        exfiltration=positive_part(-surface) + pressed_out,
        exchange=entered - from_top[:-1],
        drainage=system.drainage,
        soil_evaporation=system.soil_evaporation,
        root_uptake=system.root_uptake,
    )


def balanced_in_single(system: System, flow: Flow, room: Tensor) -> Balance:
    """The same in single precision: each layer bears what the iteration left undone in its own equation.

    Parameters
    ----------
    system, flow, room : As for `balanced`.

    Notes
    -----
    What a layer may leave over is round-off of its own water and of what flows through it. Added up over deep layers in
    wet ground it is more than a thin first layer in frozen ground holds.
    """
    content, drainage = _each_its_own(system, flow, room)
    surface, rest = _through_surface(system, flow, _given_from_top(system, content, flow)[-1] + drainage)
    content, rest = _placed_upwards(content, rest, flow, room)

    from_top = _given_from_top(system, content, flow)
    entered = from_top[-1] + drainage
    return Balance(
        content=content,
        infiltration=positive_part(surface),
        exfiltration=positive_part(-surface) + positive_part(rest) / flow.dt,
        exchange=entered - from_top[:-1],
        drainage=drainage,
        soil_evaporation=system.soil_evaporation,
        root_uptake=system.root_uptake,
    )


def _through_surface(system: System, flow: Flow, entered: Tensor) -> tuple[Tensor, Tensor]:
    """Flux through the surface, and water that comes from there and that no equation placed. [m s-1, m]

    Parameters
    ----------
    system, flow : As for `balanced`.
    entered : What the layers have gained and given. [m s-1]
    """
    left = flow.supply - entered
    ponded = system.ponded & (left > 0.0)
    return torch.where(ponded, entered, flow.supply), torch.where(ponded, 0.0, left * flow.dt).detach()


def _given_from_top(system: System, content: Tensor, flow: Flow) -> Tensor:
    """What all layers down to each have gained and given to sinks, ``[layer, column]``. [m s-1]"""
    soil_sink = torch.cat([system.soil_evaporation[None], torch.zeros_like(flow.old[1:])])
    gained = flow.thickness * (content - flow.old) / flow.dt + soil_sink + system.root_uptake
    return torch.cumsum(gained, 0)


def _each_its_own(system: System, flow: Flow, room: Tensor) -> tuple[Tensor, Tensor]:
    """Contents that the fluxes of the solution lead to, as far as layers can, and the drainage. [m3 m-3, m s-1]

    Parameters
    ----------
    system, flow, room : As for `balanced`.

    Notes
    -----
    Full layers stay full. What they leave over, and what the number of a layer has no digits for, goes down to the
    next, and at last into the drainage.
    """
    residual, held = system.residual.detach(), system.content.detach()
    extra, placed = torch.zeros_like(flow.dt), []
    for k in range(held.shape[0]):
        extra = extra - residual[k]
        wanted = between(held[k] + extra / flow.thickness[k], 0.0, room[k])
        placed.append(torch.where(held[k] < room[k], wanted, held[k]))
        # The difference of neighbouring numbers is exact: this is what rounding has left.
        extra = extra - flow.thickness[k] * (placed[-1] - held[k])
    held_drainage = system.drainage.detach()
    more = between(extra / flow.dt, -held_drainage, held_drainage)
    # All of the derivative is that of the solution.
    return system.content + (torch.stack(placed) - held).detach(), system.drainage + more.detach()


def _placed_upwards(content: Tensor, rest: Tensor, flow: Flow, room: Tensor) -> tuple[Tensor, Tensor]:
    """Contents with a rest of water, or without it, from the lowest layer that can take or give it; what is left. [m]

    Parameters
    ----------
    content : ``[layer, column]``. [m3 m-3]
    rest : ``[column]``. [m]
    flow, room : As for `balanced`.
    """
    held, placed = content.detach(), []
    for k in reversed(range(held.shape[0])):
        wanted = between(held[k] + rest / flow.thickness[k], 0.0, room[k])
        # But for the first layer, full ones stay full.
        able = (held[k] < room[k]) if k else torch.ones_like(rest, dtype=torch.bool)
        placed.append(torch.where(able, wanted, held[k]))
        rest = rest - flow.thickness[k] * (placed[-1] - held[k])
    return content + (torch.stack(placed[::-1]) - held).detach(), rest.detach()
