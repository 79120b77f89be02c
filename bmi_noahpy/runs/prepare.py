"""From a configuration to everything a run needs."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bmi_noahpy.config import Configuration, ConfigurationError, Problem
from bmi_noahpy.config.run_sections import Execution
from bmi_noahpy.config.sections import EQUILIBRIUM, General, Snow, Soil, Vegetation
from bmi_noahpy.config.values import MONTHS
from bmi_noahpy.forcing import ForcingSeries, ForcingTable, StreamedTable
from bmi_noahpy.forcing.monthly import monthly_value
from bmi_noahpy.runs.columns import Columns, configured_domain
from bmi_noahpy.runs.forcing_of_run import forcing_series, open_records
from bmi_noahpy.runs.numbering import warn_of_numbering
from bmi_noahpy.runs.physical_checks import check_physics
from bmi_noahpy.runs.run import Run
from noahpy_core import tables
from noahpy_core.column import SoilColumn
from noahpy_core.errors import SchemeError
from noahpy_core.model import NoahModel
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import saturation_specific_humidity
from noahpy_core.physics.snow_layered import LayeredSnow
from noahpy_core.processes import SCHEMES
from noahpy_core.quantities import quantities
from noahpy_core.simulation import equilibrium_liquid, initial_state
from noahpy_core.state import State

STANDARD_PRESSURE = 101325.0
"""For a first guess of the humidity of the surface when no forcing is at hand. [Pa]"""


def prepare(
    configuration: Configuration,
    *,
    dtype: torch.dtype = torch.float64,
    columns: ArrayLike | None = None,
    check_forcing: bool = True,
    execution: str | None = None,
    device: str | None = None,
    records: ForcingTable | StreamedTable | None = None,
    shared_model: bool = False,
) -> Run:
    """Build model, parameters, initial state and forcing.

    Parameters
    ----------
    columns : Numbers of the columns to run, rising; None for all.
    check_forcing : False when gridded records are known to be complete and possible, which takes as long as reading
        them.
    execution : How steps are computed, as `noahpy_core.simulation.run` takes it; None: as the configuration says.
    device : Where steps are computed, "cpu" or "cuda"; None: as the configuration says.
    records : Used instead of those that the configuration names.
    shared_model : Whether the model may be one that other runs have too, for callers that never change it.

    Raises
    ------
    ConfigurationError : when the forcing does not fit the run, a scheme cannot be built, or the numbers are such that
        no run can begin with them.
    ValueError : for another execution.
    TypeError : for something else than a configuration, such as the path of one.
    """
    require_configuration(configuration)
    if execution is not None and execution not in get_args(Execution):
        raise ValueError(f"execution: unknown value {execution!r}. Use {', '.join(get_args(Execution))}.")
    place = _device(device or configuration.device)
    period = configuration.period
    chosen = None if columns is None else np.asarray(columns, dtype=np.int64)
    start = np.datetime64(period.start, "s")
    try:
        model = _model(configuration, dtype, shared=shared_model)
    except SchemeError as error:
        raise ConfigurationError([Problem(f"schemes.{error.slot}", error.reason)]) from error
    snow_layers = _snow_layers(configuration, model)
    table, chosen, domain = open_records(configuration, chosen, check_forcing, records)
    select = Columns(configured_domain(configuration).columns, chosen)
    forcing = None if table is None else forcing_series(configuration, table, select, dtype)
    parameters = _parameters(configuration, select, model.column.layers, dtype)
    run = Run(
        configuration=configuration,
        model=model,
        parameters=parameters,
        initial_state=_initial_state(configuration, model, parameters, forcing, select, snow_layers),
        forcing=forcing,
        domain=domain,
        start=start,
        step=period.step,
        steps=period.steps,
        columns=chosen,
        execution=execution or configuration.execution,
        device=place,
    )
    check_physics(run)
    warn_of_numbering(configuration)
    return run


def require_configuration(given: Any) -> None:
    """Raise TypeError for something else than a configuration."""
    if isinstance(given, (str, Path)):
        raise TypeError(f"configuration: {str(given)!r} is a path. Give load_configuration({str(given)!r}).")
    if not isinstance(given, Configuration):
        raise TypeError(f"configuration: a {type(given).__name__}. Give what load_configuration returns.")


def _model(configuration: Configuration, dtype: torch.dtype, *, shared: bool) -> NoahModel:
    """The model of a configuration, one for all runs of the same layers and built-in schemes if it may be shared."""
    options = configuration.schemes
    layers = tuple(float(thickness) for thickness in configuration.soil.thickness)
    choices = {slot: getattr(options, slot) for slot in SCHEMES}
    if shared and all(isinstance(choice, str) and choice in SCHEMES[slot] for slot, choice in choices.items()):
        return _shared_model(layers, options, dtype)
    return NoahModel(SoilColumn(torch.tensor(layers, dtype=dtype)), options)


@functools.lru_cache(maxsize=64)
def _shared_model(layers: tuple[float, ...], options: Options, dtype: torch.dtype) -> NoahModel:
    return NoahModel(SoilColumn(torch.tensor(layers, dtype=dtype)), options)


def _device(name: str) -> torch.device:
    """The device of a name, which must be there."""
    if name.startswith("cuda"):
        number = int(name.partition(":")[2] or 0)
        if number >= torch.cuda.device_count():
            text = f"{name!r}, but PyTorch finds {torch.cuda.device_count()} graphics processors here. Use cpu, or "
            raise ConfigurationError([Problem("device", text + "install a PyTorch build for the processor at hand.")])
    return torch.device(name)


def warn_of_device(run: Run, what: str) -> None:
    """Warn that something takes its steps on the CPU, when the configuration names another device.

    Parameters
    ----------
    run : Prepared.
    what : Takes the steps, with its verb: "a calibration steps".
    """
    if run.device.type != "cpu":
        warnings.warn(
            f"device: '{run.device}' is where `noahpy run` computes; {what} on the CPU. Leave `device` out, or set it "
            "to cpu, for the same without this warning.",
            RuntimeWarning,
            stacklevel=3,
        )


def _parameters(configuration: Configuration, select: Columns, layers: int, dtype: torch.dtype) -> Parameters:
    soil, vegetation = configuration.soil, configuration.vegetation
    snow, general = configuration.snow, configuration.general

    def tensor(value: Any, leading: int | None = None) -> Tensor:
        return torch.as_tensor(select.values(value, leading))

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
            general=general.table,
            dtype=dtype,
        ),
        snow=tables.snow_parameters(
            land_cover,
            table=vegetation.table,
            deep_snow_albedo=None if snow.deep_snow_albedo is None else tensor(snow.deep_snow_albedo),
            general=general.table,
            dtype=dtype,
        ),
        general=tables.general_parameters(
            select.count,
            slope_class=tensor(general.slope_class),
            deep_temperature=tensor(general.deep_temperature),
            air_temperature_height=tensor(general.air_temperature_height),
            wind_height=tensor(general.wind_height),
            table=general.table,
            dtype=dtype,
        ),
    )
    return _override(parameters, configuration, select, layers)


def _override(parameters: Parameters, configuration: Configuration, select: Columns, layers: int) -> Parameters:
    """Parameters with those that the configuration gives by name instead of by class."""
    sections: dict[str, Soil | Vegetation | Snow | General] = {
        "soil": configuration.soil,
        "vegetation": configuration.vegetation,
        "snow": configuration.snow,
        "general": configuration.general,
    }
    dtype = parameters.soil.porosity.dtype
    groups = {}
    for key, section in sections.items():
        if not section.parameters:
            continue
        group = getattr(parameters, key)
        dims = {name: metadata["dims"] for name, metadata in quantities(type(group))}
        given = {
            name: torch.as_tensor(select.values(value, layers if dims[name] else None), dtype=dtype)
            for name, value in section.parameters.items()
        }
        groups[key] = dataclasses.replace(group, **given)
    return dataclasses.replace(parameters, **groups)


SNOW_LAYERS = 3
"""Of a pack in layers: with fewer it melts late, with more nothing is gained."""


def _snow_layers(configuration: Configuration, model: NoahModel) -> int:
    """Layers of the pack; 0 for snow that has none.

    Raises
    ------
    ConfigurationError : layers are given for snow that has none.
    """
    given = configuration.snow.layers
    if isinstance(model.schemes["snow"], LayeredSnow):
        return given or SNOW_LAYERS
    if given is not None:
        text = f"{given}, but the snow of these schemes has none. Remove it, or take schemes: {{preset: conservative}}."
        raise ConfigurationError([Problem("snow.layers", text)], str(configuration.source or ""))
    return 0


def _initial_state(
    configuration: Configuration,
    model: NoahModel,
    parameters: Parameters,
    forcing: ForcingSeries | None,
    select: Columns,
    snow_layers: int,
) -> State:
    initial, column, dtype = configuration.initial, model.column, model.column.thickness.dtype
    start = np.datetime64(configuration.period.start, "s")

    def surface(value: Any) -> Tensor:
        return torch.as_tensor(select.values(value), dtype=dtype)

    def soil(value: Any) -> Tensor:
        return torch.as_tensor(select.values(value, column.layers), dtype=dtype)

    def season(value: Any) -> Tensor:
        return torch.as_tensor(monthly_value(select.values(value, MONTHS), start), dtype=dtype)

    skin_temperature = surface(initial.skin_temperature)
    if forcing is None:
        humidity = saturation_specific_humidity(skin_temperature, torch.full_like(skin_temperature, STANDARD_PRESSURE))
    else:
        humidity = forcing.block(0, 1).at(0).specific_humidity
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
        snow_layers=snow_layers,
    )
