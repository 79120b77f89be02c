"""The run of one column as a function of its parameters and initial values."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.config import Configuration
from bmi_noahpy.runs.prepare import prepare, warn_of_device
from bmi_noahpy.runs.run import Run
from bmi_noahpy.verification.sensitivity_names import Input
from noahpy_core.model import NoahModel
from noahpy_core.numerics import positive_part
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, replace_quantity
from noahpy_core.simulation import equilibrium_liquid
from noahpy_core.state import Forcing, State
from noahpy_core.trees import map_tensors

SECONDS_PER_DAY = 86400.0
VALUE_TOLERANCE = 1.0e-6
"""How near a parameter must be to the value a file gives for it; relative."""

Inputs = dict[str, Tensor]
"""Values by path of `Input`, ``[layer, column]`` or ``[column]``."""

INITIAL_STATE = {
    "initial.skin_temperature": "skin_temperature",
    "initial.canopy_water": "canopy_water",
    "initial.snow_depth": "snow.depth",
    "initial.snow_water_equivalent": "snow.water_equivalent",
}


@dataclasses.dataclass(frozen=True)
class ColumnRun:
    """The run of a forcing file's namelist with one of the freeze-thaw schemes.

    With the enthalpy scheme it starts with the liquid water that is in equilibrium with the initial temperature.
    """

    prepared: Run
    model: NoahModel

    @property
    def configuration(self) -> Configuration:
        """Of the run."""
        return self.prepared.configuration

    @functools.cached_property
    def forcing(self) -> Forcing:
        """Of the whole run, ``[time, 1]``."""
        assert self.prepared.forcing is not None
        return self.prepared.forcing.block(0, self.prepared.steps)

    def steps(self, days: int) -> int:
        """Number of steps in so many days.

        Raises
        ------
        ValueError : The run is shorter.
        """
        steps = round(days * SECONDS_PER_DAY / self.prepared.step)
        if steps > self.prepared.steps:
            raise ValueError(
                f"sensitivities: day {days} is after the end of the run. Give the forcing of the whole run."
            )
        return steps

    def inputs(self, paths: Sequence[str]) -> Inputs:
        """The values of these inputs and the initial soil, ``[layer, 1]`` or ``[1]``."""
        parameters, state = self.prepared.parameters, self.prepared.initial_state
        liquid = state.soil.liquid_water
        if self.model.options.phase_change == "enthalpy":
            curve = self.model.supercooled_water
            liquid = equilibrium_liquid(state.soil.temperature, state.soil.moisture, parameters, curve)
        values = {
            "initial.soil_temperature": state.soil.temperature,
            "initial.soil_moisture": state.soil.moisture,
            "initial.soil_liquid": liquid,
        }
        others = [path for path in dict.fromkeys(paths) if path not in values]
        for path in others:
            at_start = path in INITIAL_STATE
            values[path] = get_quantity(state, INITIAL_STATE[path]) if at_start else get_quantity(parameters, path)
        return values

    def check_values(self, inputs: Sequence[Input], names: Sequence[str], values: NDArray[np.float64]) -> None:
        """Raise ValueError unless the inputs have the values a file gives them."""
        here = self.inputs([one.path for one in inputs])
        for one, name, value in zip(inputs, names, values, strict=True):
            ours = here[one.path][..., 0] / one.factor
            ours = ours if one.layers is None else ours[list(one.layers)]
            if not np.allclose(ours.numpy(), value, rtol=VALUE_TOLERANCE, atol=0.0):
                raise ValueError(
                    f"sensitivities: {name} is {value:g} in the file, but {ours.flatten()[0].item():g} in the run. "
                    "Give the forcing whose run the file belongs to."
                )

    def start(self, inputs: Inputs) -> tuple[State, Parameters]:
        """Initial state and parameters with these inputs, for their number of columns."""
        columns = next(iter(inputs.values())).shape[-1]
        state, parameters = self.prepared.initial_state, self.prepared.parameters
        state = map_tensors(lambda value: value.expand(*value.shape[:-1], columns), state)
        parameters = map_tensors(lambda value: value.expand(*value.shape[:-1], columns), parameters)
        liquid = inputs["initial.soil_liquid"]
        ice = positive_part(inputs["initial.soil_moisture"] - liquid)
        soil = dataclasses.replace(
            state.soil, temperature=inputs["initial.soil_temperature"], liquid_water=liquid, ice=ice
        )
        state = dataclasses.replace(state, soil=soil)
        for path, value in inputs.items():
            if path in INITIAL_STATE:
                state = replace_quantity(state, INITIAL_STATE[path], value)
            elif not path.startswith("initial."):
                parameters = replace_quantity(parameters, path, value)
        return state, parameters

    def records(self, first: int, last: int, columns: int) -> Forcing:
        """The forcing of these steps, ``[time, column]``."""
        return map_tensors(lambda series: series[first:last].expand(-1, columns), self.forcing)


def open_run(configuration: Configuration, phase_change: str) -> ColumnRun:
    """The run of a configuration with a freeze-thaw scheme.

    Raises
    ------
    ValueError : The configuration has more than one column.
    """
    prepared = prepare(configuration)
    warn_of_device(prepared, "sensitivities step")
    if prepared.domain.columns != 1:
        raise ValueError(f"sensitivities: the run has {prepared.domain.columns} columns. Give one of a single column.")
    options = dataclasses.replace(prepared.model.options, phase_change=phase_change)
    return ColumnRun(prepared, NoahModel(prepared.model.column, options))
