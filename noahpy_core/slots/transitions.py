"""What happens at the model's switches."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from noahpy_core.contract import Scheme, Slot, by_column
from noahpy_core.limited import Limited
from noahpy_core.physics.surface import limited_fraction
from noahpy_core.physics.transitions import WeightedSides
from noahpy_core.slots.acceptance import Unfit, called, check_tensor
from noahpy_core.slots.trial_columns import TrialColumns


class TransitionsScheme(Protocol):
    """Weights of the two sides of a switch: above and below a threshold, and of a small amount."""

    def rising(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor: ...

    def falling(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor: ...

    def amount(self, x: Tensor, scale: float) -> Tensor: ...


class LimitedTransitions(WeightedSides, Limited):
    """Supplied transitions: weights between 0 and 1, and none of what is not there. Sides are merged by weighted mean.

    The small amounts of snow the original does away with are those of the scheme, or none.
    """

    def __init__(self, scheme: Any) -> None:
        super().__init__()
        self.scheme = scheme
        for name in ("negligible_snow", "smallest_pack", "thin_layer"):
            setattr(self, name, float(getattr(scheme, name, 0.0)))

    def rising(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        """The scheme's weight above a threshold, 0 to 1.

        Parameters
        ----------
        x, threshold, width : ``[column]`` or ``[layer, column]``, in any one unit.

        Returns
        -------
        The weight, of the shape of x. [1]
        """
        return limited_fraction(self.scheme.rising(x, threshold, width))

    def falling(self, x: Tensor, threshold: Tensor | float, width: Tensor | float) -> Tensor:
        """The scheme's weight below a threshold, 0 to 1.

        Parameters
        ----------
        x, threshold, width : ``[column]`` or ``[layer, column]``, in any one unit.

        Returns
        -------
        The weight, of the shape of x. [1]
        """
        return limited_fraction(self.scheme.falling(x, threshold, width))

    def amount(self, x: Tensor, scale: float) -> Tensor:
        """The scheme's weight of an amount ``[column]``, 0 to 1 and 0 where there is none. [1]"""
        return torch.where(x > 0, limited_fraction(self.scheme.amount(x, scale)), 0.0)


def _checked(scheme: Scheme, made: TrialColumns) -> bool:
    across = (made.values(274.0, 272.0), 273.15, 2.0)
    trials = {"rising": across, "falling": across, "amount": (made.values(0.2, 5.0), 1.0)}
    for method, given in trials.items():
        if not callable(getattr(scheme, method, None)):
            raise Unfit(f"has no method {method}. Derive it from noahpy_core.physics.transitions.SmoothTransitions.")
        weight = called(f" by {method}", getattr(scheme, method), given)
        check_tensor(f"the weight {method}", weight, made, layers=False)
    return True


SLOT = Slot(
    name="transitions",
    contract=TransitionsScheme,
    returns=(by_column("1", 0.0, 1.0, name="weight"),),
    trial=lambda made: (),
    enforced="amount 0 where x is not positive; the two sides are merged by weighted mean",
    check=_checked,
    hold=lambda slot, scheme, column: LimitedTransitions(scheme),
)
