"""The contract of a slot: what its scheme is given and returns, and what the model makes of it."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from noahpy_core.numerics import at_least, at_most
from noahpy_core.options import BUILT_IN

if TYPE_CHECKING:
    from torch import Tensor, nn

    from noahpy_core.column import SoilColumn
    from noahpy_core.slots.trial_columns import TrialColumns

Scheme = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Values:
    """A tensor that goes into a scheme or comes out of it.

    Parameters
    ----------
    units : As udunits reads them.
    low, high : Its range; of what a scheme returns, the model enforces it.
    layers : Whether it is ``[layer, column]``; otherwise ``[column]``.
    name : What a scheme returns is called; arguments have the name of the parameter.
    """

    units: str
    low: float = -math.inf
    high: float = math.inf
    layers: bool = False
    name: str = ""

    @property
    def range(self) -> str:
        """In words, as ``0 to 1 m2 s-1``."""
        units = "" if self.units == "1" else f" {self.units}"
        if math.isinf(self.high):
            return "any" if math.isinf(self.low) else f"{self.low:g}{units} or more"
        return f"{self.low:g} to {self.high:g}{units}"

    @property
    def dimensions(self) -> str:
        """``[column]`` or ``[layer, column]``."""
        return "[layer, column]" if self.layers else "[column]"

    def held(self, proposal: Tensor) -> Tensor:
        """A proposal brought into the range; the derivative is 0 where it was outside."""
        if not math.isinf(self.low):
            proposal = at_least(proposal, self.low)
        return proposal if math.isinf(self.high) else at_most(proposal, self.high)


def by_column(units: str, low: float = -math.inf, high: float = math.inf, name: str = "") -> Values:
    """Values ``[column]``; the arguments are those of `Values`.

    Parameters
    ----------
    units : As udunits reads them.
    low, high : Its range.
    name : Of what a scheme returns.
    """
    return Values(units, low, high, name=name)


def by_layer(units: str, low: float = -math.inf, high: float = math.inf, name: str = "") -> Values:
    """Values ``[layer, column]``; the arguments are those of `Values`.

    Parameters
    ----------
    units : As udunits reads them.
    low, high : Its range.
    name : Of what a scheme returns.
    """
    return Values(units, low, high, layers=True, name=name)


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place in the model where one of several schemes, or a user's own, can stand.

    Parameters
    ----------
    name : Of its option.
    contract : Protocol of its schemes: arguments and result with shapes, units and ranges.
    returns : The tensors a scheme returns, in order, with the ranges the model enforces.
    trial : The arguments a scheme is tried with when the model is built; None where only built-in schemes can stand.
    container : Named tuple that holds what is returned, if it is one.
    unpack : (what a scheme returned) -> what of it is read.
    limit : (what is returned within its ranges, the arguments) -> what the model takes of it.
    enforced : That limit, and what the step does besides, in words.
    trusts_subclasses : Whether what is derived from a built-in scheme is as good as it.
    check : How a scheme that is more than one function is tried, instead of calling it.
    hold : How such a scheme is held to what the model enforces.
    """

    name: str
    contract: type
    returns: tuple[Values, ...]
    trial: Callable[[TrialColumns], tuple[Any, ...]] | None = None
    container: Callable[..., Any] | None = None
    unpack: Callable[[Any], Any] | None = None
    limit: Callable[..., Any] | None = None
    enforced: str = ""
    trusts_subclasses: bool = False
    check: Callable[[Scheme, TrialColumns], bool] | None = None
    hold: Callable[[Slot, Scheme, SoilColumn], nn.Module] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A slot is the same in every process: it is found again, as the `SLOT` beside its contract.
        return _slot_beside, (self.contract.__module__,)

    @property
    def schemes(self) -> Mapping[str, Callable[..., nn.Module]]:
        """The built-in schemes by name.

        An argument of their constructors that is called `column`, or like a slot that is built before, is filled in by
        the model.
        """
        return BUILT_IN[self.name].classes

    @property
    def default(self) -> str:
        """Name of the scheme of the standard permafrost setup."""
        return BUILT_IN[self.name].default

    @property
    def is_open(self) -> bool:
        """Whether a scheme of one's own can stand here."""
        return BUILT_IN[self.name].is_open

    @property
    def choices(self) -> str:
        """The names that can be given, in words."""
        return BUILT_IN[self.name].choices

    def limited(self, proposal: Any, *given: Any) -> Any:
        """What the model takes of a proposal, given the arguments it was made for."""
        if self.unpack:
            proposal = self.unpack(proposal)
        held: Any
        if len(self.returns) == 1:
            held = self.returns[0].held(proposal)
        else:
            parts = tuple(value.held(part) for value, part in zip(self.returns, proposal, strict=True))
            held = self.container(*parts) if self.container else parts
        return self.limit(held, *given) if self.limit else held


def _slot_beside(module: str) -> Slot:
    """The slot of a module."""
    slot: Slot = importlib.import_module(module).SLOT
    return slot
