"""Parameters, state and time of the gradient extension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bmi_noahpy.gradient.protocol import STATE

if TYPE_CHECKING:
    from torch import Tensor

    from bmi_noahpy.gradient.host import Host, Named

Array = NDArray[Any]


class WindowError(RuntimeError):
    """A call does not fit the recording: nothing recorded, already recording, or still recording.

    Parameters
    ----------
    function : Name of the function that was called.
    reason : What does not fit, and what to do.
    """

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"{function}: {reason}")
        self.function, self.reason = function, reason


class Access:
    """Parameters, complete state and time of a component.

    Parameters
    ----------
    host : Gives the run behind the component; called with the name of the function that needs it, raises
        `RuntimeError` when there is none.
    """

    def __init__(self, host: Callable[[str], Host]) -> None:
        self._run = host

    # --- parameters -------------------------------------------------------------------------------------------------

    def get_parameter_names(self) -> tuple[str, ...]:
        """Parameters to differentiate by: all but switches, and but those that now follow from other parameters."""
        from bmi_noahpy.gradient.names import parameter_names

        run = self._run("get_parameter_names")
        return tuple(parameter_names(run.parameters, run.named()))

    def get_parameter_size(self, name: str) -> int:
        """Number of values: one for each column, or for each layer of each column (layer slowest)."""
        return self._size(self._parameter(name, "get_parameter_size"))

    def get_parameter_units(self, name: str) -> str:
        """Units, as udunits reads them."""
        return self._parameter(name, "get_parameter_units").units

    def get_parameter_bounds(self, name: str) -> tuple[float, float]:
        """Smallest and largest acceptable value."""
        bounds = self._parameter(name, "get_parameter_bounds").bounds
        return (-np.inf, np.inf) if bounds is None else (float(bounds[0]), float(bounds[1]))

    def get_parameter_grid(self, name: str) -> int:
        """Identifier of the BMI grid the values are on."""
        return self._parameter(name, "get_parameter_grid").grid

    def get_parameter(self, name: str, dest: Array) -> Array:
        """Copy the values into the caller's array."""
        self._parameter(name, "get_parameter")
        return fill(name, dest, self._run("get_parameter").get(name))

    def set_parameter(self, name: str, src: Array) -> None:
        """Replace the values.

        Raises
        ------
        ValueError : A value is outside the bounds, or steps are being recorded.
        """
        self._parameter(name, "set_parameter")
        self._run("set_parameter").set(name, src)

    # --- state and time ---------------------------------------------------------------------------------------------

    def get_state_size(self) -> int:
        """Number of values of the complete prognostic state."""
        return int(self._flat_state("get_state_size").numel())

    def get_state(self, dest: Array) -> Array:
        """Copy the state, bit by bit, into the caller's array."""
        from bmi_noahpy.gradient.names import to_numpy

        return fill(STATE, dest, to_numpy(self._flat_state("get_state")))

    def set_state(self, src: Array) -> None:
        """Go on from a state that `get_state` gave. Time and inputs stay as they are.

        While steps are recorded this is part of the computation: what came before has no part in what follows, and
        ``"@state"`` of the next step is the state given here.

        Raises
        ------
        ValueError : It has another size, or a value is not finite.
        """
        from bmi_noahpy.gradient.names import state_of
        from bmi_noahpy.gradient.recording import WholeState

        run = self._run("set_state")
        flat = self._vector(STATE, src, self.get_state_size())
        wrong = (~flat.isfinite()).nonzero()
        if len(wrong):
            raise ValueError(f"{STATE}: value {float(flat[wrong[0]])} at index {int(wrong[0])} is not finite.")
        like = run.state
        flat = flat.to(like.skin_temperature)
        run.replace_state(state_of(flat, like))
        run.recording.note(WholeState(flat))

    def set_time(self, time: float) -> None:
        """Make the step that begins at `time`, in seconds since the start, the next one. The state stays.

        With `set_state`, this repeats steps whose inputs come from a file, or depend on the season. While steps are
        recorded it only chooses which inputs the next ones have.

        Raises
        ------
        ValueError : No step begins then.
        """
        self._run("set_time").go_to(time)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _parameter(self, name: str, function: str) -> Named:
        variable = self._run(function).find(name)
        if name not in self.get_parameter_names():
            raise ValueError(f"{function}: {name} is no parameter to differentiate by. See get_parameter_names().")
        return variable

    def _size(self, variable: Named) -> int:
        return self._run(variable.name).size(variable.grid)

    def _length(self, name: str) -> int:
        return self.get_state_size() if name == STATE else self._size(self._run(name).find(name))

    def _columns_of(self, what: str, names: Sequence[str], values: Array) -> list[Tensor]:
        """Numbers of a caller, one name after the other, as those of the columns, for each name."""
        sizes = [self._length(name) for name in names]
        pieces = self._vector(what, values, sum(sizes)).split(sizes)
        return [self._packed(name, piece) for name, piece in zip(names, pieces, strict=True)]

    def _packed(self, name: str, values: Tensor) -> Tensor:
        """Those of the columns; what lies outside a mask must be zero or no number."""
        import torch

        if name == STATE:
            return values
        run, flat = self._run(name), values.numpy()
        layout = run.layout(run.find(name).grid)
        layout.inside(name, flat, flat != 0.0)
        return torch.from_numpy(layout.gather(flat))

    def _cells_of(self, names: Sequence[str], derivative: Tensor) -> Array:
        """Derivatives of the columns, one name after the other, as a caller sees them: zero outside a mask."""
        flat, start, found = derivative.detach().cpu().numpy(), 0, []
        for name in names:
            size = self._packed_length(name)
            piece = flat[start : start + size]
            start += size
            if name != STATE:
                run = self._run(name)
                piece = run.layout(run.find(name).grid).spread(piece, missing=0.0)
            found.append(piece)
        return np.concatenate(found) if len(found) != 1 else found[0]

    def _packed_length(self, name: str) -> int:
        """Number of values of the columns."""
        if name == STATE:
            return self.get_state_size()
        run = self._run(name)
        layout = run.layout(run.find(name).grid)
        return self._length(name) // layout.shown * layout.columns

    def _flat_state(self, function: str) -> Tensor:
        from bmi_noahpy.gradient.names import pack

        return pack(self._run(function).state)

    def _vector(self, what: str, values: Array, size: int) -> Tensor:
        """Numbers of a caller as a flat tensor of the right size."""
        import torch

        flat = np.asarray(values, dtype=np.float64).reshape(-1)
        if flat.size != size:
            raise ValueError(f"{what}: {flat.size} values given, {size} needed.")
        return torch.from_numpy(flat.copy())


def fill(what: str, dest: Array, values: Array) -> Array:
    """Copy values into the caller's array, which is returned; ValueError when the sizes differ."""
    if dest.size != values.size:
        raise ValueError(f"{what}: the array given holds {dest.size} values, {values.size} are needed.")
    dest[...] = values.reshape(dest.shape)
    return dest
