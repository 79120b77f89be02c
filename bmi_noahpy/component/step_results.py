"""What is made of the results of several steps: means over a call."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from bmi_noahpy.component.sources import MEANS
from noahpy_core.state import Fluxes


class MeanFluxes:
    """Mean of the fluxes of several steps. What is no rate is that of the last one."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, Tensor] = {}
        self._last: Fluxes | None = None

    def add(self, fluxes: Fluxes) -> None:
        """Add a step. Its tensors may be overwritten later."""
        given = {name: getattr(fluxes, name) for name in MEANS}
        rates = {name: rate for name, rate in given.items() if rate is not None}
        self._sums = {
            name: self._sums[name] + rate if name in self._sums else rate.clone() for name, rate in rates.items()
        }
        self.count, self._last = self.count + 1, fluxes

    def value(self) -> Fluxes:
        """The mean."""
        assert self._last is not None
        return dataclasses.replace(self._last, **{name: total / self.count for name, total in self._sums.items()})
