"""Which scheme stands in which slot."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noahpy_core.contract import Slot
from noahpy_core.slots import (
    canopy_resistance,
    compaction,
    evaporation,
    fresh_density,
    ice_impedance,
    infiltration,
    phase,
    phase_change,
    retention,
    snow,
    snow_albedo,
    snow_conductivity,
    snow_cover,
    snow_melt,
    soil_hydraulics,
    soil_resistance,
    soil_thermal,
    soil_water,
    supercooled_water,
    surface,
    thermal_roughness,
    transitions,
    turbulence,
)
from noahpy_core.steps import surface_balance


@dataclasses.dataclass(frozen=True)
class OwnScheme:
    """A scheme of one's own, by the name of its class.

    Parameters
    ----------
    name : ``"package.module:Class"``.
    arguments : Of its constructor, by name. An argument called `column`, or as a slot built before it, is filled in by
        the model when it is not given.
    weights : File with the state of the module (``torch.save(module.state_dict(), file)``), as training leaves it.
    digest : SHA-256 of that file in hexadecimal digits, if another file must not be taken for it.
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    weights: str | Path | None = None
    digest: str | None = None

    def __str__(self) -> str:
        """The class, its arguments, and the name of the weights file wherever it is."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({given})" + (f" with {Path(self.weights).name}" if self.weights is not None else "")


Choice = str | OwnScheme


def _scheme_of(slot: Slot) -> Any:
    """The field of a slot, whose default is that of the slot."""
    return dataclasses.field(default=slot.default, metadata={"slot": slot})


@dataclasses.dataclass(frozen=True)
class Options:
    """Schemes, straight from a configuration. The defaults are the standard permafrost setup.

    Each is the name of a built-in scheme, ``"package.module:Class"``, or an `OwnScheme` with arguments and weights. A
    scheme may use those above it.
    """

    transitions: Choice = _scheme_of(transitions.SLOT)
    surface: Choice = _scheme_of(surface.SLOT)
    snow_cover: Choice = _scheme_of(snow_cover.SLOT)
    thermal_roughness: Choice = _scheme_of(thermal_roughness.SLOT)
    turbulence: Choice = _scheme_of(turbulence.SLOT)
    canopy_resistance: Choice = _scheme_of(canopy_resistance.SLOT)
    evaporation: Choice = _scheme_of(evaporation.SLOT)
    soil_resistance: Choice = _scheme_of(soil_resistance.SLOT)
    snow_melt: Choice = _scheme_of(snow_melt.SLOT)
    infiltration: Choice = _scheme_of(infiltration.SLOT)
    soil_hydraulics: Choice = _scheme_of(soil_hydraulics.SLOT)
    soil_thermal: Choice = _scheme_of(soil_thermal.SLOT)
    supercooled_water: Choice = _scheme_of(supercooled_water.SLOT)
    phase_change: Choice = _scheme_of(phase_change.SLOT)
    ice_impedance: Choice = _scheme_of(ice_impedance.SLOT)
    soil_water: Choice = _scheme_of(soil_water.SLOT)
    phase: Choice = _scheme_of(phase.SLOT)
    fresh_density: Choice = _scheme_of(fresh_density.SLOT)
    compaction: Choice = _scheme_of(compaction.SLOT)
    snow_conductivity: Choice = _scheme_of(snow_conductivity.SLOT)
    snow_albedo: Choice = _scheme_of(snow_albedo.SLOT)
    retention: Choice = _scheme_of(retention.SLOT)
    snow: Choice = _scheme_of(snow.SLOT)
    surface_balance: Choice = _scheme_of(surface_balance.SLOT)


SLOTS: Mapping[str, Slot] = {field.name: field.metadata["slot"] for field in dataclasses.fields(Options)}
"""Slots by name, in the order in which their schemes are built."""
