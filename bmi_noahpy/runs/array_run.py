"""A run whose steps are in the cache of kernels: prepared and taken with arrays, so that torch is not imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bmi_noahpy.config import Configuration
from bmi_noahpy.forcing import ForcingSeries
from bmi_noahpy.runs.any_run import AnyRun, Array, Taken
from bmi_noahpy.runs.kept_liquid import liquid_at_hand
from bmi_noahpy.runs.outline import Outline, snow_layers
from bmi_noahpy.runs.parameter_arrays import parameters_of
from noahpy_core.compiled.execute.array_run import program_of_arrays, run_of_arrays
from noahpy_core.compiled.execute.program import Program
from noahpy_core.first_state import first_state
from noahpy_core.options import is_built_in
from noahpy_core.physics.first_pack import ARRAYS, LAYERS_OF_ARRAYS
from noahpy_core.state import Forcing, State


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayRun(AnyRun):
    """A run of arrays of float64 and a kernel of the cache.

    Parameters
    ----------
    program : Takes the steps.
    """

    program: Program

    @property
    def thickness(self) -> Array:
        """Of the soil layers, ``[layer, 1]``. [m]"""
        return _thickness(self.configuration)

    def block(self, first: int, last: int) -> Forcing:
        """Arrays; see `AnyRun`."""
        assert self.forcing is not None
        return _block(self.forcing, first, last)

    def take(self, state: State, forcing: Forcing, outputs: Sequence[str]) -> Taken:
        """Take steps; see `AnyRun`.

        Parameters
        ----------
        state, forcing, outputs : Of arrays.
        """
        trees = state, forcing, self.parameters
        final, series = run_of_arrays(self.program, trees, self.step, self.thickness, outputs)
        return Taken(series, final)


def may_be_of_arrays(configuration: Configuration, execution: str, device: str) -> bool:
    """Whether nothing that a configuration asks for needs torch, as far as that is known without its records.

    Torch takes the steps of schemes of one's own, of eager execution and on other devices; it corrects forcing, and
    divides snow into many layers.
    """
    return (
        is_built_in(configuration.schemes)
        and snow_layers(configuration) <= LAYERS_OF_ARRAYS
        and execution != "eager"
        and device == "cpu"
        and configuration.forcing is not None
        and not configuration.forcing.corrections
    )


def array_run(outline: Outline) -> ArrayRun | None:
    """The run of an outline; None where its kernel, or liquid water in equilibrium, is not in the cache.

    An initial state that has to be refused gives None too.

    Raises
    ------
    ConfigurationError : As `bmi_noahpy.runs.prepare.prepare`.
    """
    assert outline.forcing is not None
    liquid = liquid_at_hand(outline)
    if liquid is None or (liquid > outline.initial["soil_moisture"]).any():
        return None
    parameters, forcing = parameters_of(outline.parameters), _block(outline.forcing, 0, 1)
    initial = {**outline.initial, "soil_liquid": liquid}
    given = {name: np.array(values, dtype=np.float64) for name, values in initial.items()}
    layers = snow_layers(outline.configuration)
    state = first_state(
        ARRAYS, **given, specific_humidity=forcing.specific_humidity[0], snow_layers=layers, temperature_remainder=None
    )
    thickness = _thickness(outline.configuration)
    program = program_of_arrays(outline.configuration.schemes, thickness, (state, forcing, parameters))
    if program is None:
        return None
    return ArrayRun.of(outline, parameters=parameters, initial_state=state, program=program)


def _thickness(configuration: Configuration) -> Array:
    return np.array(configuration.soil.thickness, dtype=np.float64)[:, None]


def _block(series: ForcingSeries, first: int, last: int) -> Forcing:
    values: Mapping[str, Any] = series.arrays(first, last)
    return Forcing(**values)
