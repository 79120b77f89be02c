"""What a BMI component reads and writes: the model's tensors as flat arrays under CSDMS names."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.component.derived import DERIVED, Moment
from bmi_noahpy.component.framework_inputs import FrameworkInputs
from bmi_noahpy.component.mass_balance import MassBalance
from bmi_noahpy.component.overwrites import Overwrite
from bmi_noahpy.component.value_checks import Floats, Mask, check_settable, check_snow, check_values, flat_values
from bmi_noahpy.component.variables import Variable, find_variable
from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import get_quantity, quantities, replace_quantity
from noahpy_core.state import Fluxes, Forcing, State


class ValueStore:
    """State, forcing, fluxes and parameters of a run, read and written by name.

    Values given to `set` and values written through an array of `pointer` count from the next step on. Only elements
    that differ from what was published are taken over, so that reading, or writing back what was read, changes no bit.

    Parameters
    ----------
    state, parameters : At the start of the run.
    column : Soil layers.
    columns : Number of columns.
    step : Length of a time step. [s]
    first_forcing : Forcing of the first step when a file gives it, shown until the first step is done.
    """

    def __init__(
        self,
        state: State,
        parameters: Parameters,
        column: SoilColumn,
        *,
        columns: int,
        step: float,
        first_forcing: Forcing | None,
    ) -> None:
        self._shapes = {0: (columns,), 1: (column.layers, columns), 2: (1,)}
        self.state: State = self._expanded(state)
        self.parameters: Parameters = self._expanded(parameters)
        self.column = column
        self.fluxes: Fluxes | None = None
        self.forcing = first_forcing
        self.inputs = FrameworkInputs(columns)
        self.balance = MassBalance(self.state, column)
        self._step = step
        self._buffers: dict[str, tuple[Floats, Floats]] = {}
        self._snow_was_set = False
        self.overwrites: list[Overwrite] | None = None

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, name: str) -> Floats:
        """A copy of the values in BMI units, flat. NaN in an input that has no value yet."""
        self.absorb()
        return self._read(find_variable(name))

    def pointer(self, name: str) -> Floats:
        """The array that shows the values from now on, the same one at every call."""
        self.absorb()
        if name not in self._buffers:
            values = self._read(find_variable(name))
            self._buffers[name] = (values, values.copy())
        return self._buffers[name][0]

    # --- writing ----------------------------------------------------------------------------------------------------

    def set(self, name: str, values: Any) -> None:
        """Replace all values of a variable.

        Raises
        ------
        ValueError : when the variable is an output, or values have the wrong size, are not finite or out of bounds.
        """
        self.absorb()
        variable = find_variable(name)
        check_settable(variable)
        new = flat_values(variable, values, self._size(variable))
        self._take(variable, new, np.ones(new.shape, dtype=bool))
        self._refresh()

    def set_at(self, name: str, indices: Any, values: Any) -> None:
        """Replace the values at flat indices. Raises as `set`."""
        self.absorb()
        variable = find_variable(name)
        check_settable(variable)
        index = self.index(name, indices)
        new = self._read(variable)
        new[index] = flat_values(variable, values, index.size)
        given = np.zeros(new.shape, dtype=bool)
        given[index] = True
        self._take(variable, new, given)
        self._refresh()

    def index(self, name: str, indices: Any) -> NDArray[np.int64]:
        """Flat indices, checked."""
        index, size = np.asarray(indices).ravel(), self._size(find_variable(name))
        if index.size and (index.min() < 0 or index.max() >= size):
            wrong = index[(index < 0) | (index >= size)][0]
            raise IndexError(f"{name}: index {wrong} is outside 0 to {size - 1}.")
        return index.astype(np.int64)

    def absorb(self) -> None:
        """Take over what was written through pointers.

        Raises
        ------
        ValueError : when any of it is not acceptable; every array then shows its former values again.
        """
        written = [
            (find_variable(name), buffer.copy(), _differs(buffer, published))
            for name, (buffer, published) in self._buffers.items()
            if not np.array_equal(buffer, published, equal_nan=True)
        ]
        if not written:
            return
        before = self.state, self.parameters, self.inputs.copy()
        recorded = len(self.overwrites or ())
        try:
            for variable, values, given in written:
                check_settable(variable)
                self._take(variable, values, given)
        except ValueError:
            self.state, self.parameters, self.inputs = before
            if self.overwrites is not None:
                del self.overwrites[recorded:]
            raise
        finally:
            self._refresh()

    def check_before_step(self) -> None:
        """Raise ValueError when states that were set contradict each other."""
        if self._snow_was_set:
            check_snow(self.state.snow)

    def has_first_humidity(self, initial: State) -> bool:
        """Whether the surface humidity is the first guess still."""
        return torch.equal(self.state.surface.specific_humidity, initial.surface.specific_humidity)

    def replace_state(self, state: State) -> None:
        """Go on from another state."""
        self.absorb()
        self.state, self._snow_was_set = state, True
        self._refresh()

    def advance(self, state: State, fluxes: Fluxes, forcing: Forcing) -> None:
        """Publish the result of a step."""
        self.balance.add_step(self.state, state, fluxes, forcing, self._step)
        self.state, self.fluxes, self.forcing = state, fluxes, forcing
        self._snow_was_set = False
        self._refresh()

    # --- one variable -----------------------------------------------------------------------------------------------

    def _read(self, variable: Variable) -> Floats:
        value = self._tensor(variable)
        shape = self._shapes[variable.grid]
        if value is None:
            empty = 0.0 if variable.root == "fluxes" else np.nan
            return np.full(int(np.prod(shape)), empty)
        flat = value.detach().expand(shape).reshape(-1).to("cpu", torch.float64).numpy().copy()
        return flat if variable.scale == 1.0 else flat * variable.scale

    def _tensor(self, variable: Variable) -> Tensor | None:
        """The core value, None when there is none yet."""
        root, path = variable.root, variable.path
        if root == "state":
            return get_quantity(self.state, path)
        if root == "parameters":
            return self._parameter(path)
        if root == "fluxes":
            return None if self.fluxes is None else getattr(self.fluxes, path)
        if root == "derived":
            return DERIVED[path].read(Moment(self.state, self.fluxes, self.column, self._step))
        if root == "balance":
            return torch.tensor([self.balance.value(path)], dtype=torch.float64)
        value = self.inputs.value(_input_field(variable), self.forcing)
        if value is None and variable.optional and self.fluxes is not None:
            return getattr(self.fluxes, path)
        return value

    def _parameter(self, path: str) -> Tensor:
        """A parameter; for one that is None the value that it follows from, and no organic matter."""
        value = get_quantity(self.parameters, path)
        if value is None:
            value = get_quantity(dataclasses.replace(self.parameters, soil=self.parameters.soil.resolved()), path)
        return torch.zeros_like(self.parameters.soil.porosity) if value is None else value

    def _take(self, variable: Variable, values: Floats, given: Mask) -> None:
        """Take over the values in `given`, after checking them."""
        asked = given
        if self.overwrites is not None and variable.root == "parameters":
            raise ValueError(
                f"{variable.name}: parameters cannot change while steps are recorded. Call stop_recording() first."
            )
        if variable.root == "state" or variable.path == "moisture":
            # Writing back what was read must not change a bit, whatever the conversion of units.
            given = given & _differs(values, self._read(variable))
        check_values(variable, values, given)
        reference, shape = self.state.skin_temperature, self._shapes[variable.grid]
        core = torch.from_numpy(values / variable.scale).to(reference).reshape(shape)
        where = torch.from_numpy(given).to(reference.device).reshape(shape)
        if variable.root == "state":
            self.state = _merged(self.state, variable.path, core, where, get_quantity(self.state, variable.path))
            self._snow_was_set |= variable.path.startswith("snow.")
        elif variable.path == "moisture":
            self._take_moisture(core, where)
        elif variable.root == "parameters":
            current = self._tensor(variable)
            assert current is not None
            self.parameters = _merged(self.parameters, variable.path, core, where, current)
        else:
            self.inputs.set(_input_field(variable), core, where)
        if self.overwrites is not None and variable.root in ("state", "derived"):
            self.overwrites.append(
                Overwrite.recorded(variable, torch.from_numpy(asked).reshape(shape), core, self.state)
            )

    def _take_moisture(self, total: Tensor, where: Tensor) -> None:
        """Total soil water: the ice stays and the liquid makes up the rest; less than the ice leaves ice only."""
        soil = self.state.soil
        ice = torch.minimum(soil.ice, total)
        self.state = _merged(self.state, "soil.liquid_water", total - ice, where, soil.liquid_water)
        self.state = _merged(self.state, "soil.ice", ice, where, soil.ice)

    # --- buffers -------------------------------------------------------------------------------------------------

    def _size(self, variable: Variable) -> int:
        return int(np.prod(self._shapes[variable.grid]))

    def _refresh(self) -> None:
        for name, (buffer, published) in self._buffers.items():
            published[:] = self._read(find_variable(name))
            buffer[:] = published

    def _expanded(self, holder: Any) -> Any:
        """A container whose tensors all have one value for each column, so that single columns can be set."""
        for path, facts in quantities(type(holder)):
            value = get_quantity(holder, path)
            shape = self._shapes[1 if "layer" in facts["dims"] else 0]
            if value is not None and value.shape != shape:
                holder = replace_quantity(holder, path, value.expand(shape).clone())
        return holder


def _input_field(variable: Variable) -> str:
    return f"wind.{variable.path}" if variable.root == "wind" else variable.path


def _merged(holder: Any, path: str, new: Tensor, where: Tensor, current: Tensor) -> Any:
    return replace_quantity(holder, path, torch.where(where, new, current))


def _differs(values: Floats, published: Floats) -> Mask:
    return ~((values == published) | (np.isnan(values) & np.isnan(published)))
