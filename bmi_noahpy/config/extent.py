"""How many columns a configuration has, and problems that are about some of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config.errors import Problem
from bmi_noahpy.config.maps import cells_problem
from bmi_noahpy.region.cell_map import CellMap
from bmi_noahpy.region.domain import Domain

Read = Mapping[str, Any]
"""``section.field`` -> value, for everything that could be read."""

NO_PHYSICS = "holds classes that do not exist, or that the model has no physics for,"


def region_of(read: Read) -> Domain | None:
    """The cells of the domain file; None without one."""
    region = read.get("domain.file")
    return None if region is None else region.domain


def column_count(read: Read) -> int:
    """Number of columns of the domain."""
    region = region_of(read)
    return region.columns if region is not None else math.prod(grid_shape(read))


def grid_shape(read: Read) -> tuple[int, int]:
    """Rows and columns of the domain without a file; (1, 1) for a single column."""
    sides = (read.get("domain.latitude"), read.get("domain.longitude"))
    y, x = (len(side) if isinstance(side, tuple) else 1 for side in sides)
    return y, x


def of_columns(key: str, text: str, remedy: str, wrong: NDArray[np.bool_], read: Read) -> Iterator[Problem]:
    """A problem of some columns, which are named when they come from a domain file."""
    region = region_of(read)
    if wrong.any():
        yield Problem(key, f"{text}. {remedy}") if region is None else cells_problem(key, text, wrong, region)


def wrong_classes(key: str, classes: CellMap, valid: Iterable[int], text: str) -> Iterator[Problem]:
    """The problem of a map with classes that are not among the valid ones."""
    wrong = ~np.isin(classes.values, list(valid))
    if wrong.any():
        found = ", ".join(str(number) for number in np.unique(classes.values[wrong])[:5])
        yield cells_problem(key, f"{classes!r} {text} ({found})", wrong, classes.domain)
