"""A map of values, one for every column of a domain, in the place of a number of a configuration."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.region.domain import Domain


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CellMap:
    """Values of the columns of a domain.

    Parameters
    ----------
    values : ``[column]``, or ``[layer or month, column]`` (length 1 where all layers or months are the same).
    domain : The columns.
    source : File and variable, for messages.
    units : Of the values, None when they are those of the model.
    """

    values: NDArray[Any]
    domain: Domain
    source: str
    units: str | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """So that a map stands wherever numbers of a configuration are spread over columns."""
        return np.asarray(self.values, dtype=dtype)

    def __repr__(self) -> str:
        return f"the map {self.source}"
