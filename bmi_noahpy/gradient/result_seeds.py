"""Seeds of outputs as derivatives by the results of a step: parts of the state, fluxes, forcing."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from bmi_noahpy.gradient.names import STATE_PATHS, Core, Find, pack, state_of, state_shapes, unpack
from bmi_noahpy.gradient.protocol import STATE
from bmi_noahpy.gradient.taken_step import StepResult
from noahpy_core.column import SoilColumn
from noahpy_core.quantities import get_quantity, quantities
from noahpy_core.state import CLOSURES, LAYER, Fluxes, State

LAYERED = frozenset(name for name, facts in quantities(Fluxes) if facts["dims"] == LAYER)


class DirectResults:
    """Which outputs are one result of a step as it is, found by asking each for what it makes of marked results.

    Parameters
    ----------
    find : Gives the variable of a name.
    like : A state of the shapes in question.
    """

    def __init__(self, find: Find, like: State, column: SoilColumn) -> None:
        self._find = find
        column_value, profile = torch.zeros_like(like.skin_temperature), torch.zeros_like(like.soil.ice)
        fluxes = {
            name: (profile if facts["dims"] else column_value).clone()
            for name, facts in quantities(Fluxes)
            if facts["dims"] in ((), LAYER)
        }
        # Every part a tensor of its own: those of a state may be shared.
        marked = state_of(pack(like), like)
        self._result = StepResult(marked, Fluxes(**fluxes), None, column, 1.0)
        self._owner = {id(get_quantity(marked, path)): path for path in state_shapes(like)}
        self._owner |= {id(value): name for name, value in fluxes.items()}
        self._known: dict[str, str | None] = {STATE: STATE}

    def path(self, name: str) -> str | None:
        """The state's path, or the name of the flux, that an output is; None for any other."""
        if name not in self._known:
            value = self._find(name).source.result(self._result)
            self._known[name] = None if value is None else self._owner.get(id(value))
        return self._known[name]


class ResultSeeds:
    """Derivatives by results of a step, as the kernel takes them.

    Parameters
    ----------
    adjoint : By the state, flat; changed in place.
    like : A state of the shapes in question.
    """

    def __init__(self, adjoint: Tensor, like: State) -> None:
        self.adjoint, self._like = adjoint, like
        self.fluxes: dict[str, Tensor] = {}
        self.forcing: Core = {}

    @functools.cached_property
    def _parts(self) -> Core:
        """Views of the parts of the derivative by the state."""
        return unpack(self.adjoint, self._like)

    def add(self, path: str, gradient: Tensor) -> None:
        """Add to the derivative by the state, a part of it, a flux or forcing. What closes budgets has none."""
        if path == STATE:
            self.adjoint += gradient.to(self.adjoint)
        elif path.startswith("forcing."):
            self.forcing[path] = gradient
        elif path in STATE_PATHS:
            part = self._parts[path]
            part += gradient.to(part).reshape(part.shape)
        elif path not in CLOSURES:
            like = self._like.soil.ice if path in LAYERED else self._like.skin_temperature
            shaped = gradient.to(self.adjoint).reshape(like.shape)
            self.fluxes[path] = self.fluxes[path] + shaped if path in self.fluxes else shaped
