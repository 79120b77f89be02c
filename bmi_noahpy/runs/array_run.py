"""A run whose steps are in the cache of kernels: prepared and taken with arrays, so that torch is not imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.config import Configuration
from bmi_noahpy.forcing import ForcingSeries
from bmi_noahpy.region.domain import Domain
from bmi_noahpy.runs.any_run import Array, Taken
from bmi_noahpy.runs.kept_liquid import liquid_at_hand
from bmi_noahpy.runs.numbering import warn_of_numbering
from bmi_noahpy.runs.outline import Outline, snow_layers
from bmi_noahpy.runs.parameter_arrays import parameters_of
from bmi_noahpy.runs.physical_checks import check_physics
from noahpy_core.compiled.execute.array_run import program_of_arrays, run_of_arrays
from noahpy_core.compiled.execute.program import Program
from noahpy_core.first_state import ARRAYS, first_state
from noahpy_core.options import Options, is_built_in
from noahpy_core.parameters import Parameters
from noahpy_core.physics.first_pack import LAYERS_OF_ARRAYS
from noahpy_core.state import Forcing, State


@dataclasses.dataclass(frozen=True)
class ArrayRun:
    """What `bmi_noahpy.runs.run.Run` is, of arrays of float64 and a kernel of the cache.

    Parameters
    ----------
    thickness : Of the soil layers, ``[layer, 1]``. [m]
    program : Takes the steps.
    """

    configuration: Configuration
    thickness: Array
    parameters: Parameters
    initial_state: State
    forcing: ForcingSeries
    domain: Domain
    start: np.datetime64
    step: float
    steps: int
    columns: NDArray[np.int64] | None
    program: Program
    device: str = "cpu"

    @property
    def schemes(self) -> Options:
        """The scheme of each slot."""
        return self.configuration.schemes

    @property
    def weights(self) -> Mapping[str, Any]:
        """Built-in schemes bring no numbers along."""
        return {}

    def block(self, first: int, last: int) -> Forcing:
        """The forcing of the steps from `first` up to, not including, `last`, ``[time, column]``."""
        return _block(self.forcing, first, last)

    def take(self, state: State, forcing: Forcing, outputs: Sequence[str]) -> Taken:
        """Take steps.

        Parameters
        ----------
        state : Before the first of them.
        forcing : Of these steps, ``[time, column]``.
        outputs : Paths in `State` and names in `Fluxes`.
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
    thickness = np.array(outline.thickness)[:, None]
    program = program_of_arrays(outline.configuration.schemes, thickness, (state, forcing, parameters))
    if program is None:
        return None
    check_physics(outline, np.asarray(state.soil.ice))
    warn_of_numbering(outline.configuration)
    return ArrayRun(
        configuration=outline.configuration,
        thickness=thickness,
        parameters=parameters,
        initial_state=state,
        forcing=outline.forcing,
        domain=outline.domain,
        start=outline.start,
        step=outline.step,
        steps=outline.steps,
        columns=outline.columns,
        program=program,
    )


def _block(series: ForcingSeries, first: int, last: int) -> Forcing:
    values: Mapping[str, Any] = series.arrays(first, last)
    return Forcing(**values)
