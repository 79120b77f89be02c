"""From a configuration to everything a run needs."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.config import Configuration, ConfigurationError, ConfigurationWarning, Problem
from bmi_noahpy.config.sections import EQUILIBRIUM, General, Snow, Soil, Vegetation
from bmi_noahpy.config.values import MONTHS, spread
from bmi_noahpy.forcing import ForcingSeries, ForcingSpec, PrescribedVegetation, TimeSpec, VariableSpec, open_forcing
from bmi_noahpy.forcing.monthly import monthly_value
from bmi_noahpy.forcing.table import VEGETATION
from noahpy_core import tables
from noahpy_core.column import SoilColumn
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import saturation_specific_humidity
from noahpy_core.quantities import quantities, replace_quantity
from noahpy_core.simulation import equilibrium_liquid, initial_state
from noahpy_core.state import State

STANDARD_PRESSURE = 101325.0
"""For a first guess of the humidity of the surface when no forcing is at hand. [Pa]"""


@dataclasses.dataclass(frozen=True)
class Domain:
    """Where the columns are.

    Parameters
    ----------
    kind : "column" for a single one, "grid" for y x.
    latitude : ``[y]`` [degrees north]
    longitude : ``[x]`` [degrees east]
    """

    kind: Literal["column", "grid"]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns of the grid."""
        return len(self.latitude), len(self.longitude)

    @property
    def columns(self) -> int:
        """Number of soil columns; the longitude varies fastest."""
        return len(self.latitude) * len(self.longitude)


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything a run needs.

    Parameters
    ----------
    forcing : The forcing of each step; None when a framework supplies it.
    start : Time at which the first step begins, UTC.
    step : Length of a step. [s]
    steps : Number of steps.
    """

    configuration: Configuration
    model: NoahModel
    parameters: Parameters
    initial_state: State
    forcing: ForcingSeries | None
    domain: Domain
    start: np.datetime64
    step: float
    steps: int

    def vegetation(self, step: int) -> dict[str, Tensor | None]:
        """Vegetation the configuration prescribes for a step (counted from 0), by field of `Forcing`, ``[column]``.

        None where the configuration says nothing. Months repeat every year, so any step has a value.
        """
        moment = self.start + np.timedelta64(round(step * self.step), "s")
        values: dict[str, Tensor | None] = {}
        for quantity in VEGETATION:
            monthly = self._prescribed.value(quantity)
            values[quantity] = None if monthly is None else self._tensor(monthly_value(monthly, moment))
        return values

    @functools.cached_property
    def _prescribed(self) -> PrescribedVegetation:
        return prescribed_vegetation(self.configuration)

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values, dtype=self.initial_state.skin_temperature.dtype)


def prepare(configuration: Configuration, *, dtype: torch.dtype = torch.float64) -> Run:
    """Build model, parameters, initial state and forcing.

    Raises
    ------
    ConfigurationError : when the forcing does not fit the run, or a scheme cannot be built.
    """
    period = configuration.period
    domain = _domain(configuration)
    start = np.datetime64(period.start, "s")
    column = SoilColumn(torch.tensor(configuration.soil.thickness, dtype=dtype))
    try:
        model = NoahModel(column, configuration.schemes)
    except ValueError as error:
        slot, _, text = str(error).partition(": ")
        raise ConfigurationError([Problem(f"schemes.{slot}", text)]) from error
    forcing = _forcing(configuration, domain, start, dtype)
    parameters = _parameters(configuration, domain.columns, column.layers, dtype)
    return Run(
        configuration=configuration,
        model=model,
        parameters=parameters,
        initial_state=_initial_state(configuration, model, parameters, forcing, start),
        forcing=forcing,
        domain=domain,
        start=start,
        step=period.step,
        steps=period.steps,
    )


def prescribed_vegetation(configuration: Configuration) -> PrescribedVegetation:
    """Vegetation that the configuration gives, for every column of its domain."""
    columns, vegetation = _domain(configuration).columns, configuration.vegetation
    return PrescribedVegetation(
        fraction=_monthly(vegetation.fraction, columns),
        leaf_area_index=_monthly(vegetation.leaf_area_index, columns),
        snow_free_albedo=_monthly(vegetation.albedo, columns),
    )


def _domain(configuration: Configuration) -> Domain:
    latitude, longitude = (
        np.atleast_1d(np.asarray(side, dtype=np.float64))
        for side in (configuration.domain.latitude, configuration.domain.longitude)
    )
    return Domain("grid" if latitude.size * longitude.size > 1 else "column", latitude, longitude)


def _parameters(configuration: Configuration, columns: int, layers: int, dtype: torch.dtype) -> Parameters:
    soil, vegetation = configuration.soil, configuration.vegetation
    snow, general = configuration.snow, configuration.general

    def tensor(value: Any, leading: int | None = None) -> Tensor:
        return torch.as_tensor(spread(value, columns, leading))

    land_cover = tensor(vegetation.class_)
    parameters = Parameters(
        soil=tables.soil_parameters(
            tensor(soil.classes, layers), table=soil.table, hydraulics=soil.hydraulics, dtype=dtype
        ),
        vegetation=tables.vegetation_parameters(
            land_cover,
            table=vegetation.table,
            minimum_fraction=tensor(vegetation.minimum_fraction),
            maximum_fraction=tensor(vegetation.maximum_fraction),
            dtype=dtype,
        ),
        snow=tables.snow_parameters(
            land_cover,
            table=vegetation.table,
            deep_snow_albedo=None if snow.deep_snow_albedo is None else tensor(snow.deep_snow_albedo),
            dtype=dtype,
        ),
        general=tables.general_parameters(
            columns,
            slope_class=tensor(general.slope_class),
            deep_temperature=tensor(general.deep_temperature),
            air_temperature_height=tensor(general.air_temperature_height),
            wind_height=tensor(general.wind_height),
            dtype=dtype,
        ),
    )
    return _override(parameters, configuration, columns, layers)


def _override(parameters: Parameters, configuration: Configuration, columns: int, layers: int) -> Parameters:
    """Parameters with those that the configuration gives by name instead of by class."""
    sections: dict[str, Soil | Vegetation | Snow | General] = {
        "soil": configuration.soil,
        "vegetation": configuration.vegetation,
        "snow": configuration.snow,
        "general": configuration.general,
    }
    dtype = parameters.soil.porosity.dtype
    dims = {path: metadata["dims"] for path, metadata in quantities(Parameters)}
    for key, section in sections.items():
        for name, value in section.parameters.items():
            path = f"{key}.{name}"
            values = spread(value, columns, layers if dims[path] else None)
            parameters = replace_quantity(parameters, path, torch.as_tensor(values, dtype=dtype))
    return parameters


def _initial_state(
    configuration: Configuration,
    model: NoahModel,
    parameters: Parameters,
    forcing: ForcingSeries | None,
    start: np.datetime64,
) -> State:
    initial, column, dtype = configuration.initial, model.column, model.column.thickness.dtype
    columns = parameters.soil.porosity.shape[-1]

    def surface(value: Any) -> Tensor:
        return torch.as_tensor(spread(value, columns), dtype=dtype)

    def soil(value: Any) -> Tensor:
        return torch.as_tensor(spread(value, columns, column.layers), dtype=dtype)

    def season(value: Any) -> Tensor:
        return surface(monthly_value(spread(value, columns, MONTHS), start))

    skin_temperature = surface(initial.skin_temperature)
    if forcing is None:
        humidity = saturation_specific_humidity(skin_temperature, torch.full_like(skin_temperature, STANDARD_PRESSURE))
    else:
        humidity = forcing.at(0).specific_humidity
    temperature, moisture = soil(initial.soil_temperature), soil(initial.soil_moisture)
    if initial.soil_liquid == EQUILIBRIUM:
        liquid = equilibrium_liquid(temperature, moisture, parameters, model.supercooled_water)
    else:
        liquid = soil(initial.soil_liquid)
    return initial_state(
        column,
        soil_temperature=temperature,
        soil_moisture=moisture,
        soil_liquid=liquid,
        skin_temperature=skin_temperature,
        snow_water_equivalent=surface(initial.snow_water_equivalent),
        snow_depth=surface(initial.snow_depth),
        canopy_water=surface(initial.canopy_water),
        albedo=season(initial.albedo),
        roughness_length=season(initial.roughness_length),
        specific_humidity=humidity,
    )


def _forcing(
    configuration: Configuration, domain: Domain, start: np.datetime64, dtype: torch.dtype
) -> ForcingSeries | None:
    section, period = configuration.forcing, configuration.period
    if section is None:
        return None
    spec = ForcingSpec(
        file=section.file,
        format=section.format,
        variables={quantity: VariableSpec(source.name, source.units) for quantity, source in section.variables.items()},
        time=TimeSpec(section.time.name, section.time.format, section.time.utc_offset),
    )
    # A step longer than the records is the mean of those that begin within it.
    end = np.datetime64(period.end, "s") + np.timedelta64(int(period.step), "s")
    try:
        table = open_forcing(spec, (start, end))
        series = ForcingSeries(
            table,
            start,
            period.step,
            period.steps,
            prescribed_vegetation(configuration),
            columns=domain.columns,
            dtype=dtype,
        )
    except ValueError as error:
        raise ConfigurationError([Problem("forcing", str(error))]) from error
    _warn_of_interval(section.interval, table.interval)
    return series


def _warn_of_interval(declared: float | None, found: np.timedelta64 | None) -> None:
    if declared is None or found is None:
        return
    seconds = float(found / np.timedelta64(1, "s"))
    if seconds != declared:
        warnings.warn(
            f"forcing.interval: {declared:g} s, but the records are {seconds:g} s apart, and are used as they are. "
            "Correct forcing.interval (forcing_timestep in a namelist).",
            ConfigurationWarning,
            stacklevel=4,
        )


def _monthly(value: Any, columns: int) -> NDArray[np.float64] | None:
    """Twelve values for every column, ``[12, column]``."""
    return None if value is None else spread(value, columns, MONTHS)
