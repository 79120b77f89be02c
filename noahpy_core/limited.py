"""Supplied schemes, held to what the model enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from noahpy_core.contract import Scheme, Slot


class Limited(nn.Module):
    """A supplied scheme held to what the model enforces; the scheme itself is its member `scheme`."""


class LimitedScheme(Limited):
    """A supplied scheme, and the limits of its slot around it.

    A supplied scheme proposes, the model limits; built-in schemes are not touched. Where a proposal is beyond a limit
    its derivative is zero, so a network learns best when its outputs are within them by construction
    (`noahpy_core.learning`).
    """

    def __init__(self, slot: Slot, scheme: Scheme) -> None:
        super().__init__()
        self.scheme = scheme
        self.slot = slot

    def forward(self, *given: Any) -> Any:
        """The proposal within the limits of the slot; arguments are those of the slot."""
        return self.slot.limited(self.scheme(*given), *given)
