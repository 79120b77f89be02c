"""Numbers of soil classes that look like those of another table."""

from __future__ import annotations

import warnings

import numpy as np

from bmi_noahpy.config import Configuration, ConfigurationWarning

BEDROCK = 14
"""In the tables noah and noahpy; water in those of public SOILPARM files."""
COUNTED_FROM_CLAY = ("noah", "noahpy")
SHARE = 0.02
"""Of the columns from which on bare rock at the surface is doubted."""


def warn_of_numbering(configuration: Configuration) -> None:
    """Warn of rock at the surface, which is water when the numbers are those of WRF, HRLDAS or SOILPARM files."""
    soil = configuration.soil
    if not isinstance(soil.table, str) or soil.table not in COUNTED_FROM_CLAY:
        return
    # One number, one for each layer, or [layer][y][x]; maps of a file have layers first as well.
    classes = np.asarray(soil.classes)
    found = np.atleast_1d((classes if classes.ndim == 0 else classes[0]) == BEDROCK)
    if found.mean() > SHARE:
        where = f"in {found.mean():.0%} of the columns" if found.size > 1 else "at the surface"
        warnings.warn(
            f"soil.classes: {BEDROCK} {where} is bedrock in the table {soil.table!r}. In WRF, HRLDAS and public "
            "SOILPARM files it is water, and other numbers mean other soils: if these are theirs, set soil.table to "
            "'stas'.",
            ConfigurationWarning,
            stacklevel=4,
        )
