"""Regions: domain files, maps of parameters and initial states, and the cells of a grid that are run."""

from __future__ import annotations

from bmi_noahpy.region.cell_map import CellMap
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.region.file import DomainFileError, Region, read_region

__all__ = ["CellMap", "Domain", "DomainFileError", "Region", "read_region"]
