"""The columns of a configuration, and those of them that are run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config import Configuration
from bmi_noahpy.config.values import column_values
from bmi_noahpy.region.domain import Domain


@dataclasses.dataclass(frozen=True)
class Columns:
    """How many columns a configuration has, and the numbers of those that are run (None: all)."""

    configured: int
    chosen: NDArray[np.int64] | None = None

    @property
    def count(self) -> int:
        """Number of columns that are run."""
        return self.configured if self.chosen is None else len(self.chosen)

    def values(self, value: Any, leading: int | None = None) -> NDArray[Any]:
        """A value of the configuration for the columns that are run: ``[column]`` or ``[leading, column]``."""
        configured = column_values(value, self.configured, leading)
        return configured if self.chosen is None else configured[..., self.chosen]


def configured_domain(configuration: Configuration) -> Domain:
    """The columns of a configuration: its place, its grid, or the land cells of its domain file."""
    if configuration.domain.file is not None:
        domain: Domain = configuration.domain.file.domain
        return domain
    latitude, longitude = (
        np.atleast_1d(np.asarray(side, dtype=np.float64))
        for side in (configuration.domain.latitude, configuration.domain.longitude)
    )
    return Domain("grid" if latitude.size * longitude.size > 1 else "column", latitude, longitude)
