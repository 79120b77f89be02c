"""What a run is by its configuration and its records, in arrays, before a model and tensors are made of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config import Configuration, ConfigurationError, Problem
from bmi_noahpy.config.sections import EQUILIBRIUM
from bmi_noahpy.config.values import MONTHS
from bmi_noahpy.forcing import ForcingSeries, ForcingTable, StreamedTable
from bmi_noahpy.forcing.monthly import monthly_value
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.columns import Columns, configured_domain
from bmi_noahpy.runs.forcing_of_run import forcing_series, open_records
from bmi_noahpy.runs.numbering import warn_of_numbering
from bmi_noahpy.runs.parameter_arrays import Groups, parameter_arrays
from bmi_noahpy.runs.physical_checks import check_physics

if TYPE_CHECKING:
    import torch

SNOW_LAYERS = 3
"""Of a pack in layers: with fewer it melts late, with more nothing is gained."""
PROFILES = ("soil_temperature", "soil_moisture", "soil_liquid")
SURFACE = ("skin_temperature", "snow_water_equivalent", "snow_depth", "canopy_water")
SEASONAL = ("albedo", "roughness_length")


@dataclasses.dataclass(frozen=True)
class Outline:
    """A run without its model.

    Parameters
    ----------
    configuration : What it was made of.
    select : Its columns, among those of the configuration.
    forcing : The forcing of each step; None when a framework supplies it.
    domain : Where the columns are.
    liquid : Liquid water in equilibrium, ``[layer, column]``, where it is known already. [m3 m-3]
    """

    configuration: Configuration
    select: Columns
    forcing: ForcingSeries | None
    domain: Domain
    liquid: NDArray[np.float64] | None = None

    @property
    def columns(self) -> NDArray[np.int64] | None:
        """Numbers of the columns among those of the configuration; None when all are run."""
        return self.select.chosen

    @property
    def start(self) -> np.datetime64:
        """Time at which the first step begins, UTC."""
        return np.datetime64(self.configuration.period.start, "s")

    @property
    def step(self) -> float:
        """Length of a step. [s]"""
        return self.configuration.period.step

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.configuration.period.steps

    @property
    def device(self) -> str:
        """Where the configuration has steps computed."""
        return self.configuration.device

    @property
    def thickness(self) -> tuple[float, ...]:
        """Of the soil layers. [m]"""
        return tuple(float(thickness) for thickness in self.configuration.soil.thickness)

    @functools.cached_property
    def parameters(self) -> Groups:
        """Parameters by section and name, ``[column]`` or ``[layer, column]``."""
        return parameter_arrays(self.configuration, self.select)

    @functools.cached_property
    def initial(self) -> Mapping[str, NDArray[np.float64]]:
        """What the configuration begins with, by its keys; no ``soil_liquid`` in unknown equilibrium."""
        given, layers = self.configuration.initial, len(self.thickness)
        profiles = {name: getattr(given, name) for name in PROFILES}
        liquid = {}
        if given.soil_liquid == EQUILIBRIUM:
            del profiles["soil_liquid"]
            liquid = {} if self.liquid is None else {"soil_liquid": self.liquid}
        return {
            **{name: self.select.values(value, layers) for name, value in profiles.items()},
            **liquid,
            **{name: self.select.values(getattr(given, name)) for name in SURFACE},
            **{name: self._of_season(getattr(given, name)) for name in SEASONAL},
        }

    def _of_season(self, value: Any) -> NDArray[np.float64]:
        return np.asarray(monthly_value(self.select.values(value, MONTHS), self.start))


def outlined(
    configuration: Configuration,
    *,
    columns: NDArray[np.int64] | None = None,
    check_forcing: bool = True,
    records: ForcingTable | StreamedTable | None = None,
    dtype: torch.dtype | None = None,
) -> Outline:
    """Read and check the records of a run; arguments and errors are those of `bmi_noahpy.runs.prepare.prepare`."""
    table, chosen, domain = open_records(configuration, columns, check_forcing, records)
    select = Columns(configured_domain(configuration).columns, chosen)
    forcing = None if table is None else forcing_series(configuration, table, select, dtype, judge=check_forcing)
    return Outline(configuration, select, forcing, domain)


def checked_outline(configuration: Configuration) -> Outline:
    """The outline of a run with all checks of `bmi_noahpy.runs.prepare.prepare` but those of its schemes."""
    snow_layers(configuration)
    outline = outlined(configuration)
    check_physics(outline)
    warn_of_numbering(configuration)
    return outline


def snow_layers(configuration: Configuration) -> int:
    """Layers of the pack; 0 for snow that has none.

    Raises
    ------
    ConfigurationError : layers are given for snow that has none.
    """
    given = configuration.snow.layers
    if configuration.schemes.snow == "layered":
        return given or SNOW_LAYERS
    if given is not None:
        text = f"{given}, but the snow of these schemes has none. Remove it, or take schemes: {{preset: conservative}}."
        raise ConfigurationError([Problem("snow.layers", text)], str(configuration.source or ""))
    return 0
