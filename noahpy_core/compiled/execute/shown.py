"""What kernels have shown on a graphics processor: what was never compared with the processor there steps eagerly.

A thread for each column is other code than vectors of columns, and the driver of the device makes the machine code of
it. What it computes is known where it was compared, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Literal

import torch

from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.shape import CONTAINERS, Shape
from noahpy_core.quantities import quantities
from noahpy_core.slot_list import SLOTS

Kind = Literal["steps", "changes", "steps back", "second derivatives"]
"""Kernels: steps, steps with their change in a direction, steps back, steps back with their change in a direction."""
TRY_VARIABLE = "NOAHPY_TRY_GRAPHICS"
"""Environment variable; not empty, kernels that were not compared are taken all the same."""
GRAPHICS = frozenset({"cuda"})
"""Types of devices this is about."""

SHOWN_KINDS: frozenset[Kind] = frozenset({"steps"})
SHOWN_NUMBERS = frozenset({torch.float64})
SHOWN_SCHEMES: Mapping[str, frozenset[str]] = {
    "transitions": frozenset({"sharp", "smooth"}),
    "surface": frozenset({"noah"}),
    "snow_cover": frozenset({"noah", "exponential"}),
    "thermal_roughness": frozenset({"zilitinkevich1995", "chen_zhang2009"}),
    "turbulence": frozenset({"chen1997", "louis1979", "paulson1970", "yang2008"}),
    "canopy_resistance": frozenset({"jarvis1976"}),
    "evaporation": frozenset({"noah"}),
    "soil_resistance": frozenset({"none"}),
    "snow_melt": frozenset({"noah"}),
    "infiltration": frozenset({"koren1999", "schaake1996"}),
    "soil_hydraulics": frozenset({"noah", "zhang2007"}),
    "soil_thermal": frozenset({"cote_konrad2005", "peters_lidard1998"}),
    "supercooled_water": frozenset({"koren1999", "niu_yang2006"}),
    "phase_change": frozenset({"enthalpy", "heat_limited"}),
    "soil_water": frozenset({"noah"}),
    "phase": frozenset({"noah"}),
    "fresh_density": frozenset({"noah"}),
    "compaction": frozenset({"noah"}),
    "snow_conductivity": frozenset({"noah"}),
    "snow_albedo": frozenset({"noah"}),
    "retention": frozenset({"noah"}),
    "snow": frozenset({"noah"}),
    "surface_balance": frozenset({"noah"}),
}
"""Schemes whose steps agreed with those of the processor within 1e-9 on an NVIDIA H200: in four set-ups of 2, 3, 4 and
20 layers, of random columns in every regime and of columns at thresholds. A fifth one, of `soil_water: richards`, did,
but its kernel has become another since."""
SHOWN_FIELDS = frozenset(
    {("forcing", "leaf_area_index"), ("forcing", "snow_free_albedo")}
    | {("parameters", f"soil.{name}") for name in ("dry_limit", "field_capacity", "wilting_point")}
    | {("parameters", "soil.saturated_diffusivity")}
)
"""Optional quantities that were among the inputs."""


def require_shown(shape: Shape, kind: Kind, device: torch.device) -> None:
    """Raise NotCompiled for a kernel that was never compared on a graphics processor, unless the user wants to try it.

    Parameters
    ----------
    shape : Of the step.
    kind : What the kernel does.
    device : Where it is to run; on the CPU all are compared.
    """
    if device.type not in GRAPHICS or os.environ.get(TRY_VARIABLE):
        return
    found = next(_unseen(shape, kind), None)
    if found is not None:
        raise NotCompiled(
            f"execution: {found} was never compared on a graphics processor with that of the CPU. Use execution "
            f"'eager', or the CPU; to try it there, set the environment variable {TRY_VARIABLE} to 1."
        )


def _unseen(shape: Shape, kind: Kind) -> Iterator[str]:
    """What was never compared, in words."""
    if kind not in SHOWN_KINDS:
        yield f"the kernel of {kind}"
    if shape.dtype not in SHOWN_NUMBERS:
        yield f"a kernel in {str(shape.dtype).removeprefix('torch.')}"
    if shape.own is not None:
        yield "a kernel with a scheme that is not built in"
    for slot, scheme in vars(shape.options).items():
        # A slot that is newer than the comparison leaves the steps as they were with the scheme it has by default.
        if shape.own is None and scheme not in SHOWN_SCHEMES.get(slot, {SLOTS[slot].default}):
            yield f"a kernel with {slot} {scheme!r}"
    for name, container in CONTAINERS.items():
        for path, facts in quantities(container):
            given = facts["optional"] and (name, path) not in shape.absent
            if given and (name, path) not in SHOWN_FIELDS:
                yield f"a kernel that reads {name}.{path}"
