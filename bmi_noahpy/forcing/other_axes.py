"""Dimensions of variables that are no places: heights, members of an ensemble, versions, bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bmi_noahpy.forcing.table import ForcingError

NO_PLACES = frozenset(
    {
        "height", "level", "lev", "levels", "plev", "pressure_level", "isobaricinhpa", "heightaboveground", "depth",
        "number", "member", "ensemble", "ensemble_member", "realization", "realisation", "expver", "quantile", "model",
        "scenario", "bnds", "nv", "nbnd", "band",
    }
)  # fmt: skip
"""Names of such dimensions, in lower case."""
STANDARD_NAMES = frozenset(
    {"height", "realization", "air_pressure", "depth", "atmosphere_hybrid_sigma_pressure_coordinate"}
)
SHOWN = 6


def refuse_other_axes(variable: Any, dimensions: Iterable[str], source: str) -> None:
    """Refuse a variable with several heights, members or the like: they would be taken for columns.

    Parameters
    ----------
    dimensions : Of the variable, longer than one, besides that of time.

    Raises
    ------
    ForcingError : naming variable, dimension and its values.
    """
    for name in dimensions:
        held = dict(variable.coords).get(name)
        facts = {} if held is None else held.attrs
        vertical = facts.get("axis") == "Z" or facts.get("standard_name") in STANDARD_NAMES
        if not vertical and name.lower() not in NO_PLACES:
            continue
        values = "" if held is None else ": " + ", ".join(map(str, np.asarray(held.values).ravel()[:SHOWN]))
        raise ForcingError(
            f"{source}: {variable.name}: its dimension {name!r} ({variable.sizes[name]} long{values}) is no place. "
            f"Keep one of them, as with xarray: data.isel({name}=0)."
        )
