"""Liquid water in equilibrium, kept in the cache of kernels: torch computes it once, and later runs do without torch.

Arrays could not take its place: logarithms and exponentials of numpy have other last digits.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.runs.outline import Outline
from noahpy_core.compiled.execute.cache import keep_numbers, kept_numbers
from noahpy_core.compiled.execute.library import digest

Array = NDArray[np.float64]
MOST_NUMBERS = 2**16
"""What has more is not kept: a file of so many is as large as a kernel, and of each run there is one."""
INSTRUCTIONS = "ATEN_CPU_CAPABILITY"
"""Environment variable that chooses the instructions of torch, and with them its last digits."""


def liquid_at_hand(outline: Outline) -> Array | None:
    """What an outline says of liquid water, or what was kept of its equilibrium, ``[layer, column]``; else None."""
    given = outline.initial.get("soil_liquid")
    if given is not None or not _is_small(outline):
        return given
    return kept_numbers(_key(outline))


def keep_liquid(outline: Outline, liquid: Array) -> None:
    """Keep the liquid water in equilibrium of an outline, ``[layer, column]`` of float64, unless it was given."""
    if "soil_liquid" not in outline.initial and _is_small(outline):
        keep_numbers(_key(outline), liquid)


def _is_small(outline: Outline) -> bool:
    return outline.initial["soil_moisture"].size <= MOST_NUMBERS


def _key(outline: Outline) -> str:
    """Of all that the numbers depend on."""
    total = hashlib.sha256()
    for name, values in _read(outline):
        array = np.ascontiguousarray(values, dtype=np.float64)
        total.update(f"{name}{array.shape};".encode())
        total.update(array.tobytes())
    schemes = sorted(vars(outline.configuration.schemes).items())
    return digest("liquid in equilibrium", schemes, total.hexdigest(), os.environ.get(INSTRUCTIONS, ""))


def _read(outline: Outline) -> Iterator[tuple[str, Any]]:
    yield from ((name, outline.initial[name]) for name in ("soil_temperature", "soil_moisture"))
    yield from sorted(outline.parameters["soil"].items())
