"""What a run takes, made from unknowns: every start is a copy of the run's columns with values of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bmi_noahpy.calibration.file.calibration import Calibration
from bmi_noahpy.calibration.problem.controls import Controls, base_values
from bmi_noahpy.config.sections import EQUILIBRIUM
from bmi_noahpy.forcing.corrected import corrected
from bmi_noahpy.forcing.corrections import Correction
from bmi_noahpy.runs.run import Run
from bmi_noahpy.runs.spin_up import spin_up_steps
from noahpy_core.numerics import at_most
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.simulation import equilibrium_liquid
from noahpy_core.simulation import run as run_model
from noahpy_core.state import Forcing, State
from noahpy_core.trees import Tree, map_tensors

NEW_SNOW_DENSITY = 250.0
"""Density of snow that the run does not have at its start. [kg m-3]"""

STATE_OF_SOIL = ("soil.organic_matter", "soil.porosity", "soil.clapp_hornberger_b", "soil.saturated_suction")
"""Parameters that the initial state must fit."""


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a run of all starts takes, ``[..., start * column]``; the start varies slowest."""

    parameters: Parameters
    state: State
    corrections: Mapping[str, Correction]

    def forcing(self, series: Forcing, starts: int) -> Forcing:
        """The forcing of all starts from a series ``[time, column]``."""
        return corrected(map_tensors(lambda values: values.repeat(1, starts), series), self.corrections)


class InputMaker:
    """Makes the inputs of runs.

    Parameters
    ----------
    run : The prepared run, whose values stand where nothing is calibrated.
    """

    def __init__(self, run: Run, controls: Controls) -> None:
        self.run, self.controls = run, controls
        self._base = base_values(run, [control.wanted for control in controls.controls])
        self.touches_state = any(path.startswith("initial.") or path in STATE_OF_SOIL for path in self._base)

    def make(self, unknowns: Tensor) -> Inputs:
        """Inputs of unknowns ``[unknown, start]``."""
        return self.with_values(self.controls.values(unknowns))

    def with_values(self, values: Mapping[str, Tensor], *, own: bool = False) -> Inputs:
        """Inputs of values, factors and offsets by path, ``[group, start]``.

        With `own`, the run's own values and the derivatives of changing those of a group together.
        """
        starts = next(iter(values.values())).shape[1]
        return self._make(self.controls.spread_out(values, self._base, own=own), starts)

    def unchanged(self) -> Inputs:
        """Inputs of the run as it is configured, one start."""
        return Inputs(self.run.parameters, self.run.initial_state, {})

    def _make(self, given: Mapping[str, Tensor], starts: int) -> Inputs:
        parameters = _repeat(self.run.parameters, starts)
        corrections = {}
        for control in self.controls.controls:
            path, value = control.wanted.path, given[control.wanted.path]
            section, _, name = path.partition(".")
            if section == "forcing":
                scaled = control.wanted.mode == "factor"
                corrections[name] = Correction(factor=value[0]) if scaled else Correction(offset=value[0])
            elif section != "initial":
                layered = bool(control.groups.shape[0] > 1)
                parameters = replace_quantity(parameters, path, value if layered else value[0])
        state = _repeat(self.run.initial_state, starts)
        if self.touches_state:
            state = self._initial(state, parameters, given)
        return Inputs(parameters, state, corrections)

    def _initial(self, state: State, parameters: Parameters, given: Mapping[str, Tensor]) -> State:
        """The initial state with calibrated values; soil water never exceeds porosity."""
        temperature = given.get("initial.soil_temperature", state.soil.temperature)
        moisture = at_most(given.get("initial.soil_moisture", state.soil.moisture), parameters.soil.resolved().porosity)
        if self.run.configuration.initial.soil_liquid == EQUILIBRIUM:
            liquid = equilibrium_liquid(temperature, moisture, parameters, self.run.model.supercooled_water)
        else:
            liquid = at_most(state.soil.liquid_water, moisture)
        soil = dataclasses.replace(state.soil, temperature=temperature, liquid_water=liquid, ice=moisture - liquid)
        state = dataclasses.replace(state, soil=soil)
        for key, path in (("skin_temperature", "skin_temperature"), ("canopy_water", "canopy_water")):
            if f"initial.{key}" in given:
                state = replace_quantity(state, path, given[f"initial.{key}"][0])
        if "initial.snow_water_equivalent" not in given:
            return state
        water, snow = given["initial.snow_water_equivalent"][0], state.snow
        present = snow.depth > 0.0
        density = snow.water_equivalent / torch.where(present, snow.depth, 1.0)
        depth = water / torch.where(present, density, NEW_SNOW_DENSITY)
        return dataclasses.replace(state, snow=dataclasses.replace(snow, water_equivalent=water, depth=depth))


@dataclasses.dataclass(frozen=True)
class Repeated:
    """Steps from the start of a run that are repeated before it."""

    cycles: int = 0
    steps: int = 0

    @classmethod
    def of(cls, calibration: Calibration, run: Run) -> Repeated:
        """What a calibration asks for."""
        asked = calibration.spin_up
        return cls() if asked is None else cls(asked.cycles, spin_up_steps(run, asked.period))


def trajectory(
    run: Run, inputs: Inputs, forcing: Forcing, outputs: Sequence[str], repeated: Repeated, execution: str | None = None
) -> dict[str, Tensor]:
    """Outputs of every step of a forcing series, ``[step, ..., start * column]``, after the repetitions."""
    state, how = inputs.state, execution or run.execution
    for _ in range(repeated.cycles):
        series = first_steps(forcing, repeated.steps)
        path = run_model(run.model, state, series, inputs.parameters, run.step, outputs=[], execution=how, check=False)
        state = path.final_state
    path = run_model(
        run.model, state, forcing, inputs.parameters, run.step, outputs=list(outputs), execution=how, check=False
    )
    return path.outputs


def first_steps(forcing: Forcing, steps: int) -> Forcing:
    """The beginning of a series."""
    return map_tensors(lambda series: series[:steps], forcing)


def _repeat(tree: Tree, starts: int) -> Tree:
    return map_tensors(lambda values: values.repeat(*[1] * (values.ndim - 1), starts), tree)


def with_tangents(tree: Tree) -> Tree:
    """The same with a tangent of zeros where there is none: torch is slow with missing ones."""

    def dense(value: Tensor) -> Tensor:
        missing = value.is_floating_point() and forward_ad.unpack_dual(value).tangent is None
        return forward_ad.make_dual(value, torch.zeros_like(value)) if missing else value

    return map_tensors(dense, tree)
