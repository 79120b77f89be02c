"""Which scheme stands in which slot."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class OwnScheme:
    """A scheme of one's own, by the name of its class.

    Parameters
    ----------
    name : ``"package.module:Class"``.
    arguments : Of its constructor, by name. An argument called `column`, or as a slot built before it, is filled in by
        the model when it is not given.
    weights : File with the state of the module (``torch.save(module.state_dict(), file)``), as training leaves it.
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    weights: str | Path | None = None

    def __str__(self) -> str:
        """The class, its arguments, and the name of the weights file wherever it is."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({given})" + (f" with {Path(self.weights).name}" if self.weights is not None else "")


@dataclasses.dataclass(frozen=True)
class Options:
    """Schemes, straight from a configuration. The defaults are the standard permafrost setup.

    Each is the name of a built-in scheme, ``"package.module:Class"``, or an `OwnScheme` with arguments and weights (see
    `noahpy_core.processes`).
    """

    transitions: str | OwnScheme = "sharp"
    surface: str | OwnScheme = "noah"
    snow_cover: str | OwnScheme = "noah"
    turbulence: str | OwnScheme = "chen1997"
    thermal_roughness: str | OwnScheme = "zilitinkevich1995"
    canopy_resistance: str | OwnScheme = "jarvis1976"
    evaporation: str | OwnScheme = "noah"
    snow_melt: str | OwnScheme = "noah"
    infiltration: str | OwnScheme = "schaake1996"
    soil_hydraulics: str | OwnScheme = "zhang2007"
    soil_thermal: str | OwnScheme = "cote_konrad2005"
    supercooled_water: str | OwnScheme = "koren1999"
    phase_change: str | OwnScheme = "heat_limited"
