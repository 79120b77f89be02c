"""What a run is told, checked before any time is spent, and what its derivative turns out to be."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from noahpy_core.differentiation import innermost
from noahpy_core.physics.soil_heat import HeatLimitedSoilHeat

LARGEST_GROWTH = 1.0e12
"""Of a derivative by the state on the way back: what is beyond is no sensitivity of a land surface."""


def check_step_length(dt: Any) -> None:
    """Raise ValueError for a step length that is no number, or not positive and finite. [s]"""
    if isinstance(dt, bool) or not isinstance(dt, (Tensor, numbers.Real)):
        raise ValueError(f"dt: {_brief(dt)} is no number. Give seconds, as 1800.0, or a tensor of them.")
    if isinstance(dt, Tensor):
        if dt.is_complex() or dt.dtype == torch.bool:
            raise ValueError(f"dt: a tensor of {dt.dtype}. Give seconds, as real numbers.")
        value = innermost(dt.detach())
        wrong = value[~((value > 0) & torch.isfinite(value))]
        if wrong.numel() == 0:
            return
        found = float(wrong.flatten()[0])
    elif 0.0 < float(dt) < float("inf"):
        return
    else:
        found = float(dt)
    raise ValueError(f"dt: a step of {found} s. Give a positive number of seconds.")


def check_interval(name: str, steps: Any) -> None:
    """Raise ValueError for a number of steps that is no whole number, or below 1."""
    if steps is None:
        return
    if isinstance(steps, bool) or not isinstance(steps, numbers.Integral):
        raise ValueError(f"{name}: {_brief(steps)} is no whole number of steps. Give one, or None.")
    if steps < 1:
        raise ValueError(f"{name}: {steps} steps. Give at least 1, or None.")


def _brief(value: Any) -> str:
    return f"{value!r}"[:40]


def warn_of_growth(model: Any, seeds: Sequence[Tensor | None], adjoint: Sequence[Tensor]) -> None:
    """Warn, once in a process, of a derivative that the heat-limited scheme has made useless.

    Parameters
    ----------
    seeds : Derivatives that the way back started from.
    adjoint : Derivative by the state it has come to.
    """
    if not isinstance(getattr(model, "schemes", {}).get("phase_change"), HeatLimitedSoilHeat):
        return
    start = max((float(seed.abs().max()) for seed in seeds if seed is not None and seed.numel()), default=0.0)
    largest = LARGEST_GROWTH * max(start, 1.0)
    # Each by itself: the largest of several can be a number though one of them is none.
    if not all(float(part.abs().max()) <= largest for part in adjoint if part.numel()):
        warnings.warn(
            "The derivative of this run grows without bound: phase_change 'heat_limited' amplifies it in every freeze "
            "and thaw, and over a season it is no sensitivity, or not even a number. Use phase_change 'enthalpy', "
            "a shorter run, or truncate_every.",
            RuntimeWarning,
            stacklevel=2,
        )
