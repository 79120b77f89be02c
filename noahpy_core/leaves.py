"""Tensors and arrays as one: where nothing is differentiated, containers hold either, and torch is not imported."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def array_of(values: Any) -> NDArray[Any]:
    """A tensor or an array as an array, in the same memory where that is the processor's."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def made_like(values: NDArray[Any], like: Any) -> Any:
    """A copy of an array as what another leaf is: an array, or a tensor on its device, of its number type."""
    if isinstance(like, np.ndarray):
        return values.astype(like.dtype)
    import torch

    return torch.as_tensor(values.copy(), dtype=like.dtype, device=like.device)
