"""Whether the numbers that a run is given are possible in their units, asked once, before the first step."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from noahpy_core.differentiation import innermost
from noahpy_core.errors import BoundsError
from noahpy_core.likely_units import likely_units
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import Forcing, State

SLACK = 1e-5
"""As a share of the greater bound: what derivatives by differences add to a number at its bound is let through."""


def check_bounds(state: State, forcing: Forcing, parameters: Parameters) -> None:
    """Refuse numbers outside the bounds that their quantities declare; what is not a number is left to the run.

    Raises
    ------
    BoundsError : naming quantity, number, place, bounds and the units that the numbers look like.
    """
    for name, given in (("state", state), ("forcing", forcing), ("parameters", parameters)):
        for path, metadata in quantities(type(given)):
            value = operator.attrgetter(path)(given)
            if value is not None and metadata["bounds"] is not None:
                _check(name, path, innermost(value.detach()), metadata)


def _check(name: str, path: str, values: Tensor, metadata: dict[str, Any]) -> None:
    low, high = metadata["bounds"]
    if not values.numel() or not values.is_floating_point():
        return
    # As numbers: comparing tensors of one number takes longer than finding them.
    lowest, highest = (value.item() for value in torch.aminmax(values))
    # Two numbers decide; only where they do not is every number looked at.
    if low <= lowest and highest <= high:
        return
    slack = SLACK * max(abs(low), abs(high))
    wrong = (values < low - slack) | (values > high + slack)
    if not bool(wrong.any()):
        return
    place = torch.nonzero(wrong)[0].tolist()
    units = "" if metadata["units"] == "1" else f" {metadata['units']}"
    found = float(values[tuple(place)])
    raise BoundsError(
        f"{name}.{path}",
        f"{found:g} at {place} is outside {low:g} to {high:g}{units} ({int(wrong.sum())} of {values.numel()} numbers). "
        f"{_remedy(path, values, wrong)} check=False takes any number.",
    )


def _remedy(path: str, values: Tensor, wrong: Tensor) -> str:
    """The units that the numbers look like, when all of them do."""
    finite = values[torch.isfinite(values)]
    if bool(wrong.sum() * 2 >= finite.numel()):
        found = likely_units(path, lambda low, high: bool(((finite >= low) & (finite <= high)).all()))
        if found is not None:
            return f"The numbers look like {found.called}: convert them."
    return "Correct it, or its units."
