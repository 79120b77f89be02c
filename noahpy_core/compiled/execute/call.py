"""The same call of a kernel again and again, prepared once: for callers that take one step at a time."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from noahpy_core.compiled.emit.arguments import ARGUMENTS
from noahpy_core.compiled.execute.library import Loaded, vector_bytes
from noahpy_core.compiled.execute.program import FEWEST_COLUMNS_OF_A_THREAD, Program
from noahpy_core.compiled.execute.tables import address_of
from noahpy_core.compiled.record.step_graph import Wanted

PLACE = {name: number for number, name in enumerate(ARGUMENTS)}


class Call:
    """A call of a kernel for one step. What its tables hold may change between calls.

    Parameters
    ----------
    of : The program the kernel is of.
    values : Arguments by name (`ARGUMENTS`): arrays, tensors or numbers.
    """

    def __init__(self, of: Program, function: Loaded, columns: int, **values: Any) -> None:
        self._program, self._function, self._columns = of, function, columns
        self._values = {"last_step": 1, "tables": of.tables, **values}
        size = vector_bytes()
        # Kept by this object, as are the values: the kernel is given addresses only.
        self._scratch = np.empty(function.artefact.scratch * of.target.size + size, dtype=np.uint8)
        known = {"columns": columns, "end": columns, **self._values}
        # At the start of a vector: numpy aligns to less.
        known["scratch"] = self._scratch.ctypes.data + -self._scratch.ctypes.data % size
        self._arguments = (ctypes.c_int64 * len(ARGUMENTS))(*(address_of(known.get(name)) for name in ARGUMENTS))
        self._address = ctypes.addressof(self._arguments)
        self._direct = of.device.type == "cpu" and columns < 2 * FEWEST_COLUMNS_OF_A_THREAD

    def point(self, name: str, address: int) -> None:
        """Let an argument be at another address from now on."""
        self._arguments[PLACE[name]] = self._values[name] = address

    def __call__(self) -> None:
        """Run the kernel, in several threads if there are columns enough."""
        # One thread uses the arguments as they are; several need a range and scratch memory each.
        if self._direct:
            self._function.call(self._address)
        else:
            self._program.call(self._function, self._columns, **self._values)


class ForwardCall:
    """A step forward.

    Parameters
    ----------
    inputs, outputs : Tables (`Program.input_table`, `Program.output_table`).
    """

    def __init__(self, of: Program, columns: int, inputs: np.ndarray, outputs: np.ndarray) -> None:
        self._failures = np.full(columns, -1, dtype=np.int64)
        self._may_fail = bool(of.message)
        self._final = 0
        self._call = Call(of, of.steps_forward, columns, inputs=inputs, outputs=outputs, failures=self._failures)

    def __call__(self, final: int = 0) -> np.ndarray | None:
        """Take the step; returns as `Program.forward`.

        Parameters
        ----------
        final : Address of room for the state after it in flat form; 0 for none.
        """
        if final != self._final:
            self._call.point("final", final)
            self._final = final
        self._call()
        # Where no equation is solved by iteration nothing can fail, and nothing is looked at.
        if not self._may_fail:
            return None
        # Of one column the number itself: numpy takes longer than all else to find a largest one.
        if (self._failures.item() if self._failures.size == 1 else self._failures.max()) < 0:
            return None
        # A copy, because the kernel writes to the array itself again.
        failures: np.ndarray = self._failures.copy()
        self._failures.fill(-1)
        return failures


class TangentCall:
    """A step with its change in one direction.

    Parameters
    ----------
    inputs, changes, outputs : Tables as for `Program.tangent`.
    """

    def __init__(self, of: Program, columns: int, inputs: np.ndarray, changes: np.ndarray, outputs: np.ndarray) -> None:
        # The kernel notes failures in any case, so it needs the room.
        self._failures = np.full(columns, -1, dtype=np.int64)
        self._call = Call(
            of, of.steps_tangent, columns, inputs=inputs, gradients=changes, outputs=outputs, failures=self._failures
        )

    def __call__(self) -> None:
        """Take the step, which was taken before and is known to be solved."""
        self._call()


class ReverseCall:
    """A step back.

    Parameters
    ----------
    inputs, cotangents, gradients : Tables as for `Program.reverse`.
    """

    def __init__(
        self,
        of: Program,
        wanted: Wanted,
        columns: int,
        inputs: np.ndarray,
        cotangents: np.ndarray,
        gradients: np.ndarray,
    ) -> None:
        function = of.steps_back(wanted)
        self._call = Call(of, function, columns, inputs=inputs, outputs=cotangents, gradients=gradients)

    def __call__(self, state: int, adjoint: int) -> None:
        """Take the step back.

        Parameters
        ----------
        state, adjoint : Addresses of the state before the step, and of the derivative by the state after it, which
            becomes that by the state before it, in flat form.
        """
        self._call.point("states", state)
        self._call.point("final", adjoint)
        self._call()
