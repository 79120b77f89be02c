"""Inputs that all columns take at once, as frameworks set them before every step: the checks without the way around."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bmi_noahpy.component.value_checks import Floats


class QuickInput(NamedTuple):
    """What has to be known of an input to take its values.

    Parameters
    ----------
    field : What `FrameworkInputs` calls it.
    shape : Of the tensor, ``(column,)`` or ``(layer, column)``.
    low, high : Acceptable range in BMI units.
    scale : Value over core value.
    """

    field: str
    shape: tuple[int, ...]
    size: int
    low: float
    high: float
    scale: float

    def taken(self, values: Any) -> Tensor | None:
        """The core values; None for what has to be looked at more closely, errors among it."""
        if type(values) is not np.ndarray or values.dtype != np.float64 or values.size != self.size:
            return None
        if self.size == 1:
            if not self.low <= values.item() <= self.high:
                return None
        # No number among them fails both comparisons.
        elif not (values.min() >= self.low and values.max() <= self.high):
            return None
        # A copy in any case: the caller's array is his.
        core: Floats = values.copy() if self.scale == 1.0 else values / self.scale
        return torch.from_numpy(core if core.shape == self.shape else core.reshape(self.shape))
