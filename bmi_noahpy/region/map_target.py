"""What a variable of a domain file may set, and names that are nearly right."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class MapTarget:
    """A key of a configuration that may be a map.

    Parameters
    ----------
    section : Of the configuration.
    key : In the section.
    parameter : Name below ``parameters``; empty for a key of its own.
    leading : "layer", "month" or "": what may stand before the horizontal dimensions.
    """

    section: str
    key: str
    parameter: str = ""
    leading: str = ""

    @property
    def path(self) -> str:
        """Dotted key: ``soil.parameters.porosity``."""
        return ".".join(filter(None, (self.section, self.key, self.parameter)))


def likely_slips(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Variables that set nothing but are named almost like one that does: name -> that one."""
    known = list(known)
    slips = {}
    for name in names:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name not in known and near:
            slips[name] = near[0]
    return slips
