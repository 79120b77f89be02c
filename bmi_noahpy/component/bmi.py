"""The land surface model behind the Basic Model Interface of CSDMS (bmipy 2.0)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from bmi_noahpy.component.grid_functions import GridFunctions
from bmi_noahpy.component.grids import NUMBER
from bmi_noahpy.component.introspection import Introspection
from bmi_noahpy.component.lasting_inputs import LastingInputs
from bmi_noahpy.component.serialization import NextGenNames, Serialization
from bmi_noahpy.component.variables import INPUTS, OUTPUTS, find_variable
from bmi_noahpy.gradient.extension import GradientExtension

if TYPE_CHECKING:
    from bmi_noahpy.component.grids import Grid
    from bmi_noahpy.component.stepped_run import SteppedRun
    from bmi_noahpy.component.value_store import ValueStore

Array = NDArray[Any]

METADATA = Path(__file__).resolve().parents[1] / "data" / "NoahPy"


EXTENSIONS: dict[str, Callable[[Callable[[str], SteppedRun]], Any]] = {
    "gradient": GradientExtension,
    "serialization": Serialization,
    "introspection": Introspection,
    "inputs": LastingInputs,
}
"""Made from what gives the run behind the component."""


class NotInitialized(RuntimeError):
    """A function that needs a run was called before initialize(), or after finalize().

    Parameters
    ----------
    function : Its name.
    """

    def __init__(self, function: str) -> None:
        super().__init__(f"{function}: the model is not initialized. Call initialize(config_file) first.")
        self.function = function


class UnreachableTime(ValueError, NotImplementedError):
    """A time in the past or between two steps.

    Also a `NotImplementedError`: pymt takes that as a request to step and interpolate itself, which is what its users
    expect of such times, and needed when they chose another unit of time, since pymt then passes that unit.

    Parameters
    ----------
    time, now : Asked for, and of the component. [s]
    reason : Why it cannot be reached.
    """

    def __init__(self, time: float, now: float, reason: str) -> None:
        super().__init__(f"update_until: time {time} s {reason}")
        self.time, self.now = time, now


class BmiNoahPy(GridFunctions, Bmi):
    """Noah LSM with permafrost physics, for one column or a y-x grid.

    Names, units and types are known before `initialize`. Inputs come from the forcing file of the configuration; one
    that is set with `set_value` has the value set from the next step on, in place of the file's, until it is set again.
    States and parameters can be set too, and count from the next step on. `get_value_ptr` returns an array that shows
    the current values after each `update`; numbers written into it count like those of `set_value` where they differ
    from what it showed. Before the first `update` fluxes and diagnostics are zero.

    Setting the total soil water, ``soil_water__volume_fraction``, keeps the ice and changes the liquid water; a total
    below the ice leaves that much ice and no liquid.
    """

    METADATA = str(METADATA)

    def __init__(self) -> None:
        self._run: SteppedRun | None = None
        self._reserved = NextGenNames()

    # --- control ----------------------------------------------------------------------------------------------------

    def initialize(self, config_file: str) -> None:
        """Read a configuration (YAML, or a forcing file in Noah's text format) and prepare the run.

        Raises
        ------
        ValueError : no file was given, or what it says is not acceptable (`bmi_noahpy.config.ConfigurationError`).
        """
        # Frameworks import every component and ask for its names; PyTorch is needed only by those that run.
        from bmi_noahpy.component.stepped_run import SteppedRun

        self.finalize()
        if not config_file:
            raise ValueError(
                "initialize: no configuration file. Give the path of a YAML configuration (`noahpy init` writes one)."
            )
        self._run = SteppedRun(Path(config_file))

    def update(self) -> None:
        """Take one step. An error leaves the state as it was.

        Raises
        ------
        RuntimeError : the forcing file has ended, or inputs are missing: `step` and `variables` are its fields.
        ValueError : what was set is not acceptable.
        ArithmeticError : the step gave a value that is not finite, or that no land surface has: `step`, `variable` and
            `column` are its fields.
        """
        self._active("update").take_steps(1)

    def update_until(self, time: float) -> None:
        """Take steps until a time in seconds since the start, which must be the end of a step.

        Rates are then means over all these steps, depths their sum; states and diagnostics are those of the last one.

        Raises
        ------
        UnreachableTime : The time is past, or between two steps.
        RuntimeError, ValueError, ArithmeticError : As `update`; the steps before the one that failed are taken.
        """
        active = self._active("update_until")
        now, step = active.time, active.run.step
        steps = (time - now) / step
        if not math.isfinite(steps) or steps < 0:
            raise UnreachableTime(time, now, f"lies before the current time {now} s.")
        if abs(steps - round(steps)) > 1e-9 * max(1.0, time / step):
            raise UnreachableTime(time, now, f"is not a whole number of steps of {step} s from now, {now} s.")
        active.take_steps(round(steps))

    def finalize(self) -> None:
        """Release everything. Arrays obtained from `get_value_ptr` no longer follow the model."""
        self._run = None
        self._reserved = NextGenNames()

    # --- extensions -------------------------------------------------------------------------------------------------

    def get_extensions(self) -> tuple[str, ...]:
        """Names that `get_extension` knows."""
        return tuple(EXTENSIONS)

    def get_extension(self, name: str) -> Any:
        """Functions beyond BMI: one of `get_extensions`, or None for an unknown name."""
        return EXTENSIONS[name](self._active) if name in EXTENSIONS else None

    # --- information ------------------------------------------------------------------------------------------------

    def get_component_name(self) -> str:
        """Name of the component."""
        return "NoahPy"

    def get_input_item_count(self) -> int:
        """Number of input variables."""
        return len(INPUTS)

    def get_output_item_count(self) -> int:
        """Number of output variables."""
        return len(OUTPUTS)

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Inputs a framework can supply."""
        return tuple(row[0] for row in INPUTS)

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """States, fluxes and diagnostics."""
        return tuple(row[0] for row in OUTPUTS)

    def get_var_grid(self, name: str) -> int:
        """Grid identifier: 0 the columns, 1 the soil layers of the columns, 2 a single number, 3 the snow layers."""
        if self._reserved.knows(name):
            return NUMBER
        return find_variable(name).grid

    def get_var_type(self, name: str) -> str:
        """Number type: float64, but for the names reserved by NextGen."""
        if self._reserved.knows(name):
            return str(self._reserved.fact(name, 0))
        find_variable(name)
        return "float64"

    def get_var_units(self, name: str) -> str:
        """Units, as udunits reads them."""
        if self._reserved.knows(name):
            return str(self._reserved.fact(name, 1))
        return find_variable(name).units

    def get_var_itemsize(self, name: str) -> int:
        """Bytes of one value."""
        if self._reserved.knows(name):
            return int(self._reserved.fact(name, 2))
        find_variable(name)
        return 8

    def get_var_nbytes(self, name: str) -> int:
        """Bytes of all values."""
        if self._reserved.knows(name):
            return self._reserved.count(name) * self.get_var_itemsize(name)
        return 8 * self._values("get_var_nbytes").size(name)

    def get_var_location(self, name: str) -> str:
        """Where on the grid the values sit: "node" or "face"."""
        return self._grid(self.get_var_grid(name), "get_var_location").location

    # --- time -------------------------------------------------------------------------------------------------------

    def get_current_time(self) -> float:
        """Seconds since the start."""
        return self._active("get_current_time").time

    def get_start_time(self) -> float:
        """Zero."""
        return 0.0

    def get_end_time(self) -> float:
        """End of the last step of the configured period. [s]"""
        run = self._active("get_end_time").run
        return run.steps * run.step

    def get_time_units(self) -> str:
        """Seconds."""
        return "s"

    def get_time_step(self) -> float:
        """Length of a step. [s]"""
        return self._active("get_time_step").run.step

    # --- values -----------------------------------------------------------------------------------------------------

    def get_value(self, name: str, dest: Array) -> Array:
        """Copy the values into the caller's array, which is returned."""
        if self._reserved.knows(name):
            return _copy_bytes(name, self._reserved.get(name), dest)
        return _copy(name, self._values("get_value").get(name), dest)

    def get_value_ptr(self, name: str) -> Array:
        """The flat array that shows the values, valid until `finalize`."""
        if self._reserved.knows(name):
            return self._reserved.get(name)
        return self._values("get_value_ptr").pointer(name)

    def get_value_at_indices(self, name: str, dest: Array, inds: Array) -> Array:
        """Copy the values at flat indices into the caller's array, which is returned.

        Parameters
        ----------
        name : Of the variable.
        dest : Receives the values, one for each index, in the units of the variable.
        inds : Flat, from 0.
        """
        values = self._values("get_value_at_indices")
        return _copy(name, values.get(name)[values.index(name, inds)], dest)

    def set_value(self, name: str, src: Array) -> None:
        """Set all values of an input, state or parameter, from an array of any shape with the right size."""
        if self._reserved.knows(name):
            self._reserved.set(name, src, self._active(name))
            return
        self._values("set_value").set(name, src)

    def set_value_at_indices(self, name: str, inds: Array, src: Array) -> None:
        """Set the values at flat indices.

        Parameters
        ----------
        name : Of an input, a state or a parameter.
        inds : Flat, from 0.
        src : One value for each index, in the units of the variable.
        """
        self._values("set_value_at_indices").set_at(name, inds, src)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _active(self, function: str) -> SteppedRun:
        if self._run is None:
            raise NotInitialized(function)
        return self._run

    def _values(self, function: str) -> ValueStore:
        return self._active(function).values

    def _grid(self, grid: int, function: str) -> Grid:
        grids = self._active(function).grids
        if grid not in range(len(grids)):
            raise ValueError(
                f"{function}: unknown grid {grid}. Grids are 0 (columns), 1 (soil layers), 2 (a number), and 3 (snow "
                "layers) where the snow has some."
            )
        return grids[grid]


def _copy(name: str, values: Array, dest: Array) -> Array:
    if dest.size != values.size:
        raise ValueError(f"{name}: the array given holds {dest.size} values, {values.size} are needed.")
    dest[...] = values.reshape(dest.shape)
    return dest


def _copy_bytes(name: str, values: Array, dest: Array) -> Array:
    """Into an array of whatever type the framework holds bytes in."""
    if dest.nbytes != values.nbytes:
        raise ValueError(f"{name}: the array given holds {dest.nbytes} bytes, {values.nbytes} are needed.")
    dest.reshape(-1).view(np.uint8)[:] = values.view(np.uint8)
    return dest
