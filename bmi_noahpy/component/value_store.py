"""What a BMI component reads and writes: the model's tensors as flat arrays under CSDMS names."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.component.contents import Contents
from bmi_noahpy.component.framework_inputs import FrameworkInputs, Lasting
from bmi_noahpy.component.grids import NUMBER
from bmi_noahpy.component.layout import Integers, Layout
from bmi_noahpy.component.mass_balance import MassBalance
from bmi_noahpy.component.overwrites import Overwrite
from bmi_noahpy.component.quick_inputs import QuickInput
from bmi_noahpy.component.sources import StateSource, TotalWaterSource, WindSource
from bmi_noahpy.component.value_checks import (
    Floats,
    Mask,
    RefusedValue,
    check_effect,
    check_settable,
    check_snow,
    check_soil_water,
    check_values,
    flat_values,
)
from bmi_noahpy.component.variables import GRIDS, Variable, find_variable
from bmi_noahpy.component.weather import Weather
from bmi_noahpy.gradient.recording import Recording
from noahpy_core.column import SoilColumn
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities, replace_quantity
from noahpy_core.state import Fluxes, State


class ValueStore:
    """State, forcing, fluxes and parameters of a run, read and written by name.

    Values given to `set` and values written through an array of `pointer` count from the next step on. Only elements
    that differ from what was published are taken over, so that reading, or writing back what was read, changes no bit.

    Parameters
    ----------
    state, parameters : At the start of the run.
    column : Soil layers.
    layout : The columns, and where a caller sees them.
    cells : Place of each column in the flattened grid.
    step : Length of a time step. [s]
    lasting : How long inputs count that a caller sets.
    first_weather : Of the first step when a file gives it, shown until the first step is done. Without one the
        surface humidity of the initial state is a guess that gives way to the humidity of the air.
    recording : Is told of states that are set.
    """

    def __init__(
        self,
        state: State,
        parameters: Parameters,
        column: SoilColumn,
        *,
        layout: Layout,
        cells: Integers,
        step: float,
        lasting: Lasting,
        first_weather: Weather | None,
        recording: Recording,
    ) -> None:
        columns = layout.columns
        self._shapes: dict[int, tuple[int, ...]] = {0: (columns,), 1: (column.layers, columns), NUMBER: (1,)}
        self._layout = layout
        if state.snow.layers:
            self._shapes[3] = (state.snow.layers, columns)
        state = self._expanded(state)
        self.contents = Contents(
            state=state,
            parameters=self._expanded(parameters),
            column=column,
            inputs=FrameworkInputs(columns, column.layers, lasting),
            balance=MassBalance(state, column),
            guessed=torch.ones_like(state.skin_temperature, dtype=torch.bool) if first_weather is None else None,
            weather=first_weather,
            span=step,
            cells=torch.from_numpy(cells),
        )
        self._step = step
        self._recording = recording
        self._buffers: dict[str, tuple[Floats, Floats]] = {}
        self._quick: dict[str, QuickInput] = {}

    @property
    def state(self) -> State:
        """At the end of the last step, with what was set since."""
        return self.contents.state

    @property
    def parameters(self) -> Parameters:
        """Now in force."""
        return self.contents.parameters

    @property
    def inputs(self) -> FrameworkInputs:
        """What a framework has set."""
        return self.contents.inputs

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, name: str) -> Floats:
        """A copy of the values in BMI units, flat. NaN in an input that has no value yet."""
        self.accept_written()
        return self._read(find_variable(name))

    def pointer(self, name: str) -> Floats:
        """The array that shows the values from now on, the same one at every call."""
        self.accept_written()
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
        quick = self._quick.get(name)
        if quick is not None and not self._buffers and self.contents.guessed is None:
            taken = quick.taken(values)
            if taken is not None and self.contents.inputs.set_everywhere(quick.field, taken):
                return
        self.accept_written()
        variable = find_variable(name)
        check_settable(variable)
        new = flat_values(variable, values, self._size(variable))
        self._accept(variable, new, np.ones(new.shape, dtype=bool))
        self._refresh()
        if quick is None and variable.source.kind == "input":
            self._learn(variable)

    def _learn(self, variable: Variable) -> None:
        """Take an input the quick way from now on, where all that is shown are columns in double precision."""
        like, shape = self.state.skin_temperature, self._shape(variable)
        if self._layout.cells is None and like.dtype == torch.float64 and like.device.type == "cpu" and variable.bounds:
            low, high = variable.bounds
            size = math.prod(shape)
            self._quick[variable.name] = QuickInput(field_of(variable), shape, size, low, high, variable.scale)

    def set_at(self, name: str, indices: Any, values: Any) -> None:
        """Replace the values at flat indices. Raises as `set`."""
        self.accept_written()
        variable = find_variable(name)
        check_settable(variable)
        index = self.index(name, indices)
        new = self._read(variable)
        new[index] = flat_values(variable, values, index.size)
        given = np.zeros(new.shape, dtype=bool)
        given[index] = True
        self._accept(variable, new, given)
        self._refresh()

    def index(self, name: str, indices: Any) -> NDArray[np.int64]:
        """Flat indices, checked."""
        index, size = np.asarray(indices).ravel(), self._size(find_variable(name))
        if index.size and (index.min() < 0 or index.max() >= size):
            wrong = index[(index < 0) | (index >= size)][0]
            raise IndexError(f"{name}: index {wrong} is outside 0 to {size - 1}.")
        return index.astype(np.int64)

    def accept_written(self) -> None:
        """Take over what was written through pointers.

        Raises
        ------
        ValueError : when any of it is not acceptable; every array then shows its former values again.
        """
        if not self._buffers:
            return
        written = [
            (find_variable(name), buffer.copy(), _differs(buffer, published))
            for name, (buffer, published) in self._buffers.items()
            if not np.array_equal(buffer, published, equal_nan=True)
        ]
        if not written:
            return
        before, recorded = self.contents.copy(), len(self._recording.overwrites)
        try:
            for variable, values, given in written:
                check_settable(variable)
                self._accept(variable, values, given)
        except ValueError:
            self.contents = before
            self._recording.forget_after(recorded)
            raise
        finally:
            self._refresh()

    def check_before_step(self) -> None:
        """Raise ValueError when states that were set contradict each other."""
        if self.contents.snow_was_set:
            check_snow(self.contents.state.snow, self._layout)

    def replace_state(self, state: State) -> None:
        """Go on from another state."""
        self.accept_written()
        contents = self.contents
        contents.state, contents.snow_was_set, contents.guessed = state, True, None
        self._refresh()

    def replace_contents(self, contents: Contents) -> None:
        """Go on from what another run, or this one, held before."""
        self.contents = contents
        self._refresh()

    def advance(self, state: State, fluxes: Fluxes, weather: Weather) -> None:
        """Publish the result of a step."""
        contents = self.contents
        contents.balance.add_step(contents.state, state, fluxes, weather, self._step)
        contents.state, contents.fluxes, contents.weather, contents.span = state, fluxes, weather, self._step
        contents.snow_was_set, contents.guessed = False, None
        self._refresh()

    def end_call(self) -> None:
        """What was set for one call counts no more."""
        if self.contents.inputs.end_call():
            self._refresh()

    def release(self, variable: Variable) -> None:
        """What was set of an input counts no more."""
        self.accept_written()
        self.contents.inputs.release(field_of(variable))
        self._refresh()

    def show_means(self, fluxes: Fluxes, span: float) -> None:
        """Show the mean over several steps, `span` seconds in all, in place of the fluxes of the last one."""
        self.contents.fluxes, self.contents.span = fluxes, span
        self._refresh()

    # --- one variable -----------------------------------------------------------------------------------------------

    def _read(self, variable: Variable) -> Floats:
        value = variable.source.read(self.contents)
        shape = self._shape(variable)
        layout = self.layout(variable.grid)
        if value is None:
            return layout.spread(np.full(int(np.prod(shape)), variable.source.missing))
        flat: Floats = value.detach().expand(shape).reshape(-1).to("cpu", torch.float64).numpy().copy()
        return layout.spread(flat if variable.scale == 1.0 else flat * variable.scale)

    def _accept(self, variable: Variable, values: Floats, asked: Mask) -> None:
        """Take over the values in `asked`, after checking them."""
        source, layout = variable.source, self.layout(variable.grid)
        asked = asked & layout.inside(variable.name, values, asked)
        given = asked
        if self._recording.active and source.kind == "parameter":
            raise RefusedValue(
                variable.name, "parameters cannot change while steps are recorded. Call stop_recording() first."
            )
        if source.kind == "state":
            if source.read(self.contents) is None:
                raise RefusedValue(variable.name, "the schemes of this run have none.")
            # Writing back what was read must not change a bit, whatever the conversion of units.
            given = given & _differs(values, self._read(variable))
        check_values(variable, values, given)
        if bool((given & _differs(values, self._read(variable))).any()):
            check_effect(variable, layered=self.state.snow.layers > 0)
        value, where = self._core(variable, values), self._mask(variable, given)
        if isinstance(source, TotalWaterSource):
            check_soil_water(variable.name, value, self.parameters.soil.resolved().porosity, where, layout)
        source.write(self.contents, value, where)
        every = self._mask(variable, asked)
        source.mark_set(self.contents, every)
        if isinstance(source, StateSource):
            self._recording.note(Overwrite(variable.name, source, every, value, source.stored(self.state)))

    def _core(self, variable: Variable, values: Floats) -> Tensor:
        like = self.state.skin_temperature
        packed = self.layout(variable.grid).gather(values)
        return torch.from_numpy(packed / variable.scale).to(like).reshape(self._shape(variable))

    def _mask(self, variable: Variable, where: Mask) -> Tensor:
        device = self.state.skin_temperature.device
        packed = self.layout(variable.grid).gather(where)
        return torch.from_numpy(packed).to(device).reshape(self._shape(variable))

    def size(self, name: str) -> int:
        """Number of values of a variable; ValueError when this run has none."""
        return self._size(find_variable(name))

    # --- buffers -------------------------------------------------------------------------------------------------

    def layout(self, grid: int) -> Layout:
        """Where a caller sees the values on a grid."""
        return Layout(1) if grid == NUMBER else self._layout

    def _size(self, variable: Variable) -> int:
        return math.prod(self._shape(variable)[:-1]) * self.layout(variable.grid).shown

    def _shape(self, variable: Variable) -> tuple[int, ...]:
        if variable.grid not in self._shapes:
            raise RefusedValue(variable.name, "the snow of this run has no layers. Choose a scheme that has them.")
        return self._shapes[variable.grid]

    def _refresh(self) -> None:
        for name, (buffer, published) in self._buffers.items():
            published[:] = self._read(find_variable(name))
            buffer[:] = published

    def _expanded(self, holder: Any) -> Any:
        """A container whose tensors all have one value for each column, so that single columns can be set."""
        kind: Any = type(holder)
        for path, read, grid in _placed(kind):
            value = read(holder)
            if value is not None and value.shape != (shape := self._shapes[grid]):
                holder = replace_quantity(holder, path, value.expand(shape).clone())
        return holder


@functools.cache
def _placed(container: type) -> tuple[tuple[str, Callable[[Any], Any], int], ...]:
    """Path, reader and grid of every quantity of a container."""
    return tuple((path, operator.attrgetter(path), GRIDS[facts["dims"]]) for path, facts in quantities(container))


def field_of(variable: Variable) -> str:
    """What `FrameworkInputs` calls an input.

    Raises
    ------
    RefusedValue : It is no input.
    """
    if variable.source.kind != "input":
        raise RefusedValue(variable.name, "is no input. See get_extension('introspection').get_variable_set('inputs').")
    path = variable.source.path
    return f"wind.{path}" if isinstance(variable.source, WindSource) else path


def _differs(values: Floats, published: Floats) -> Mask:
    same: Mask = (values == published) | (np.isnan(values) & np.isnan(published))
    return ~same
