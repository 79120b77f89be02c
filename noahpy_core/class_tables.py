"""Tables of classes: those of the package, and those that are given instead."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files

Rows = Mapping[int, Mapping[str, str]]
"""Number of a class -> column -> text of a number, or a name."""


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """Classes of soil or land cover with their parameters, in the place of a table of the package.

    Parameters
    ----------
    name : For messages.
    rows : Number of each class, from 1 on without gaps -> column -> text. Columns are the names of parameters in SI
        units, ``name``, and ``material`` (soil, gravel, bedrock, ice, water) or ``cover`` (land, bare, urban, ice,
        water).
    """

    name: str
    rows: Rows

    def __str__(self) -> str:
        return self.name

    @cached_property
    def with_organic(self) -> Rows:
        """The classes, and after the last one those of organic soil: the same object each time."""
        return _with_organic(self.rows)


@dataclasses.dataclass(frozen=True)
class GeneralTable:
    """Numbers that depend on no class of soil or land cover, in the place of those of the package.

    Parameters
    ----------
    name : For messages.
    constants : Parameter -> value in SI units; what is missing is as in the package.
    drainage_factors : Of the slope classes from 1 on.
    """

    name: str
    constants: Mapping[str, float]
    drainage_factors: tuple[float, ...]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def slopes(self) -> Rows:
        """The classes of slope: the same object each time."""
        return {number: {"drainage_factor": repr(value)} for number, value in enumerate(self.drainage_factors, start=1)}


@cache
def read_rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table of the package."""
    text = (files("noahpy_core") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def rows_of(name: str) -> Rows:
    """The rows of a table of the package by the number of their class."""
    return {int(row["class"]): row for row in read_rows(name)}


def soil_rows(table: str | ClassTable) -> Rows:
    """The classes of a soil table, and after the last one those of organic soil."""
    return _soil_rows_of(table) if isinstance(table, str) else table.with_organic


@cache
def _soil_rows_of(name: str) -> Rows:
    return _with_organic(rows_of(f"soil_{name}"))


def _with_organic(rows: Rows) -> Rows:
    return {**rows, **{len(rows) + number: row for number, row in rows_of("soil_organic").items()}}


def vegetation_rows(table: str | ClassTable) -> Rows:
    """The classes of a table of land cover."""
    return rows_of(f"vegetation_{table}") if isinstance(table, str) else table.rows


def slope_rows(table: GeneralTable | None = None) -> Rows:
    """The classes of slope."""
    return rows_of("drainage") if table is None else table.slopes


def constants(table: GeneralTable | None = None) -> dict[str, float]:
    """Parameters that depend on no class."""
    return dict(_packaged_constants()) if table is None else {**_packaged_constants(), **table.constants}


@cache
def _packaged_constants() -> dict[str, float]:
    return {row["parameter"]: float(row["value"]) for row in read_rows("general")}
