"""From a configuration to everything a run needs."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike

from bmi_noahpy.config import Configuration, ConfigurationError, Problem
from bmi_noahpy.config.run_sections import Execution
from bmi_noahpy.forcing import ForcingTable, StreamedTable
from bmi_noahpy.runs.outline import Outline, outlined, snow_layers
from bmi_noahpy.runs.parameter_arrays import parameters_of
from bmi_noahpy.runs.run import Run
from noahpy_core.column import SoilColumn
from noahpy_core.containers import map_leaves
from noahpy_core.errors import SchemeError
from noahpy_core.model import NoahModel
from noahpy_core.options import Options, is_built_in
from noahpy_core.parameters import Parameters
from noahpy_core.physics.atmosphere import saturation_specific_humidity
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
    check_forcing : False when gridded records are known to be complete, possible and likely, which takes as long as
        reading them.
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
    chosen = None if columns is None else np.asarray(columns, dtype=np.int64)
    # What does not go together is refused before the records are read.
    model = _model(configuration, dtype, shared=shared_model)
    snow_layers(configuration)
    outline = outlined(configuration, columns=chosen, check_forcing=check_forcing, records=records, dtype=dtype)
    return _run(outline, model, execution, place)


def prepare_outlined(outline: Outline, *, execution: str | None = None, device: str | None = None) -> Run:
    """What `prepare` does, of float64, for a run whose records have been read and checked already."""
    configuration = outline.configuration
    place = _device(device or configuration.device)
    return _run(outline, _model(configuration, torch.float64, shared=False), execution, place)


def _run(outline: Outline, model: NoahModel, execution: str | None, place: torch.device) -> Run:
    configuration, dtype = outline.configuration, model.column.thickness.dtype
    parameters = map_leaves(lambda values: torch.tensor(values, dtype=dtype), parameters_of(outline.parameters))
    return Run.of(
        outline,
        parameters=parameters,
        initial_state=_initial_state(outline, model, parameters, snow_layers(configuration)),
        model=model,
        execution=execution or configuration.execution,
        device=place,
    )


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
    try:
        if shared and is_built_in(options):
            return _shared_model(layers, options, dtype)
        return NoahModel(SoilColumn(torch.tensor(layers, dtype=dtype)), options)
    except SchemeError as error:
        raise ConfigurationError([Problem(f"schemes.{error.slot}", error.reason)]) from error


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


def _initial_state(outline: Outline, model: NoahModel, parameters: Parameters, snow_layers: int) -> State:
    dtype = model.column.thickness.dtype
    given = {name: torch.tensor(values, dtype=dtype) for name, values in outline.initial.items()}
    skin_temperature = given["skin_temperature"]
    if outline.forcing is None:
        humidity = saturation_specific_humidity(skin_temperature, torch.full_like(skin_temperature, STANDARD_PRESSURE))
    else:
        humidity = outline.forcing.block(0, 1).at(0).specific_humidity
    if "soil_liquid" not in given:
        given["soil_liquid"] = equilibrium_liquid(
            given["soil_temperature"], given["soil_moisture"], parameters, model.supercooled_water
        )
    # In single precision heat below the last digit of a temperature would be lost.
    remainder = True if dtype == torch.float32 and model.keeps_remainder else None
    return initial_state(
        model.column, **given, specific_humidity=humidity, snow_layers=snow_layers, temperature_remainder=remainder
    )
