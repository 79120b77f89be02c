"""The compiled step of a model: its kernels, and calls of them on tensors or arrays."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from noahpy_core.compiled.emit.arguments import ARGUMENTS, ENTRY, input_sources, state_rows
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.execute.cache import Artefact
from noahpy_core.compiled.execute.dump import asked_for, dump
from noahpy_core.compiled.execute.library import Function, Loaded, assemble, digest, load_or_build, vector_bytes
from noahpy_core.compiled.execute.tables import Numbers, address_of, entry
from noahpy_core.compiled.execute.threads import scratch_memory, thread_count, workers
from noahpy_core.compiled.shape import Shape, Source

if TYPE_CHECKING:
    from typing import Literal

    import torch
    from torch import Tensor

    from noahpy_core.compiled.emit.builder import Kernel
    from noahpy_core.compiled.record.step_graph import StepGraph, Wanted

FEWEST_COLUMNS_OF_A_THREAD = 64
LAYERS_AT_A_TIME = 2
"""Of many columns: elementary functions are long chains of operations, and a processor works on two at once."""
Kind: TypeAlias = 'Wanted | Literal["tangent"] | tuple[Literal["second"], Wanted] | None'
"""Of kernel: steps back, steps with changes, steps back with changes, steps."""


class Program:
    """Compiled steps of one shape on the CPU, for one kind of code.

    Calls take tensors and arrays alike. Torch is imported where a kernel has to be made, not where it is in the cache.

    Parameters
    ----------
    shape : Schemes, layers, number type.
    target : What code is made.
    """

    def __init__(self, shape: Shape, target: CodeTarget) -> None:
        self.shape, self.target = shape, target
        self.steps_forward = self._function(None)
        self.message = "; ".join(dict.fromkeys(self.steps_forward.artefact.messages))
        self.constants = [self._placed(array) for array in self.steps_forward.artefact.constants]
        self.sources = input_sources(shape, self.constants)
        self.position = {source: k for k, (source, _) in enumerate(self.sources)}
        self.rows = state_rows(shape)
        self.row_count = sum(max(layers, 1) for _, layers, _ in self.rows)
        self.results = shape.results()
        self.result_position = {path: k for k, (path, _) in enumerate(self.results)}
        self.tables = np.array([address_of(constant) for constant in self.constants], dtype=np.int64)

    @property
    def device(self) -> torch.device:
        """Where tensors and kernels are."""
        import torch

        return torch.device("cpu")

    def _placed(self, constant: NDArray[Any]) -> Numbers:
        """A constant of the steps where kernels can read it."""
        found: Numbers = constant.copy()
        return found

    # --- tables -----------------------------------------------------------------------------------------------------

    def input_table(self, tensors: Mapping[Source, Numbers], columns: int, *, own: bool = True) -> np.ndarray:
        """Addresses and distances of inputs, or of room for derivatives with respect to them; 0 where none is given.

        Parameters
        ----------
        own : Whether to enter what the step brings along itself.
        """
        table = np.zeros((len(self.sources), len(ENTRY)), dtype=np.int64)
        for k, (source, layers) in enumerate(self.sources):
            tensor = self.constants[source[1]] if own and source[0] == "constant" else tensors.get(source)
            if tensor is not None:
                table[k] = entry(tensor, layers, columns, timed=source[0] == "forcing", name=".".join(map(str, source)))
        return table

    def output_table(self, tensors: Mapping[str, Numbers], columns: int) -> np.ndarray:
        """The same for results, ``[time, ..., column]`` each, by path; what is left out is not written."""
        table = np.zeros((len(self.results), len(ENTRY)), dtype=np.int64)
        for path, tensor in tensors.items():
            k = self.result_position[path]
            table[k] = entry(tensor, self.results[k][1], columns, timed=True, name=path)
        return table

    # --- calls ------------------------------------------------------------------------------------------------------

    def forward(
        self,
        inputs: np.ndarray,
        outputs: np.ndarray,
        columns: int,
        steps: int,
        *,
        states: Numbers | None = None,
        final: Numbers | None = None,
        first_step: int = 0,
    ) -> np.ndarray | None:
        """Take steps. Returns the first step of each column that was not solved (-1 for none), None if all were.

        Parameters
        ----------
        states : Receives the states before the steps, ``[step, row, column]``.
        final : Receives the state after the last one, ``[row, column]``.
        """
        failures = np.full(columns, -1, dtype=np.int64)
        self.call(
            self.steps_forward,
            columns,
            first_step=first_step,
            last_step=first_step + steps,
            inputs=inputs,
            tables=self.tables,
            outputs=outputs,
            states=states,
            final=final,
            failures=failures,
        )
        return failures if failures.max() >= 0 else None

    def tangent(
        self,
        inputs: np.ndarray,
        changes: np.ndarray,
        outputs: np.ndarray,
        columns: int,
        steps: int,
        final: Numbers | None = None,
    ) -> np.ndarray | None:
        """Take steps, and find their change in one direction. Returns as `forward`.

        Parameters
        ----------
        changes : Of inputs, as a table of inputs.
        outputs : A table of results, followed by one of their changes.
        final : Receives the state after the last step and its change, ``[2, row, column]``.
        """
        failures = np.full(columns, -1, dtype=np.int64)
        self.call(
            self.steps_tangent,
            columns,
            last_step=steps,
            inputs=inputs,
            tables=self.tables,
            outputs=outputs,
            final=final,
            failures=failures,
            gradients=changes,
        )
        return failures if failures.max() >= 0 else None

    def reverse(
        self,
        wanted: Wanted,
        inputs: np.ndarray,
        cotangents: np.ndarray,
        gradients: np.ndarray,
        columns: int,
        steps: range,
        states: Tensor,
        adjoint: Tensor,
    ) -> None:
        """Take steps back.

        Parameters
        ----------
        wanted : Which derivatives; fluxes are those with derivatives in `cotangents`.
        gradients : Where derivatives with respect to inputs go, as a table of inputs.
        states : Before the steps, ``[step, row, column]``.
        adjoint : Derivative with respect to the state after the last step; becomes that before the first.
        """
        self.call(
            self.steps_back(wanted),
            columns,
            first_step=steps.start,
            last_step=steps.stop,
            inputs=inputs,
            tables=self.tables,
            outputs=cotangents,
            states=states,
            final=adjoint,
            gradients=gradients,
        )

    def second(
        self,
        wanted: Wanted,
        inputs: np.ndarray,
        cotangents: np.ndarray,
        gradients: np.ndarray,
        columns: int,
        steps: int,
        pairs: Tensor,
        adjoint: Tensor,
    ) -> None:
        """Take steps back, with the change of all derivatives in one direction.

        Parameters
        ----------
        wanted : Which derivatives; fluxes are those with derivatives, or changes of these, in `cotangents`.
        inputs, cotangents : Tables, followed by tables of changes.
        gradients : Where derivatives with respect to inputs go, as a table of inputs, and a second for changes.
        pairs : States before the steps and their changes, ``[step, 2 row, column]``.
        adjoint : Derivative with respect to the state after the last step and its change, ``[2 row, column]``; become
            those before the first.
        """
        self.call(
            self.steps_second(wanted),
            columns,
            last_step=steps,
            inputs=inputs,
            tables=self.tables,
            outputs=cotangents,
            states=pairs,
            final=adjoint,
            gradients=gradients,
        )

    def call(self, function: Loaded, columns: int, **values: Any) -> None:
        """Call a kernel with arguments by name (`ARGUMENTS`), columns divided among threads."""
        threads = min(thread_count(), columns // FEWEST_COLUMNS_OF_A_THREAD)
        if threads <= 1:
            self._part(function, columns, 0, columns, values)
            return
        share = -(-columns // threads)
        # Whole blocks only: a column then has the same neighbours, and digits, with any number of threads.
        share += -share % self.target.columns
        bounds = [(start, min(start + share, columns)) for start in range(0, columns, share)]
        work = [workers().submit(self._part, function, columns, *bound, values) for bound in bounds[1:]]
        # This thread works too, instead of waiting.
        self._part(function, columns, *bounds[0], values)
        for part in work:
            part.result()

    def _part(self, function: Loaded, columns: int, begin: int, end: int, values: Mapping[str, Any]) -> None:
        """A range of columns, in this thread."""
        size = vector_bytes()
        scratch = scratch_memory(function.artefact.scratch * self.target.size + 2 * size)
        known: dict[str, Any] = {"columns": columns, "begin": begin, "end": end, **values}
        # At the start of a vector: numpy aligns to less.
        known["scratch"] = scratch.ctypes.data + -scratch.ctypes.data % size
        arguments = (ctypes.c_int64 * len(ARGUMENTS))(*(address_of(known.get(name)) for name in ARGUMENTS))
        function.call(ctypes.addressof(arguments))

    # --- kernels ----------------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - programs live as long as the process
    def steps_back(self, wanted: Wanted) -> Loaded:
        """The kernel of steps back, for some derivatives."""
        return self._function(wanted)

    @functools.cached_property
    def steps_tangent(self) -> Loaded:
        """The kernel of steps and their change in one direction."""
        return self._function("tangent")

    @functools.cache  # noqa: B019 - as above
    def steps_second(self, wanted: Wanted) -> Loaded:
        """The kernel of steps back with the change of their derivatives."""
        made = self._function(("second", wanted))
        # It is recorded for itself, and reads tables by the numbers that they have in the steps forward.
        assert all(map(np.array_equal, made.artefact.constants, self.steps_forward.artefact.constants))
        return made

    def _function(self, kind: Kind) -> Loaded:
        """The kernel forward, with changes, back for some derivatives, or back with the changes of these."""
        key = digest(self.shape.key(), self.target, kind)
        if asked_for():
            # A kernel of the cache is machine code only, of which there is nothing to print.
            return self._load(self._build(kind))
        return self._load(load_or_build(key, lambda: self._build(kind)))

    def _load(self, artefact: Artefact) -> Loaded:
        return Function(artefact)

    def _build(self, kind: Kind) -> Artefact:
        from noahpy_core.compiled.record.second_order import ORDER
        from noahpy_core.compiled.record.step_graph import record_step

        second = isinstance(kind, tuple)
        step = record_step(self.shape, ORDER) if second else record_step(self.shape)
        kernel = kernel_of(step, self.target, kind)
        dump(step, kernel)
        constants = [constant.to(self.shape.dtype).contiguous().numpy() for constant in step.constants]
        messages = [message for _, message in step.requirements]
        code = assemble(kernel.text, self.target.processor)
        return Artefact(kernel.name, code, kernel.scratch, constants, messages)


def kernel_of(step: StepGraph, target: CodeTarget, kind: Kind) -> Kernel:
    """The text of a kernel."""
    from noahpy_core.compiled.emit.kernels import forward_kernel, reverse_kernel
    from noahpy_core.compiled.emit.second_kernel import second_kernel
    from noahpy_core.compiled.emit.tangent_kernel import tangent_kernel

    if kind is None:
        return forward_kernel(step, target)
    if kind == "tangent":
        return tangent_kernel(step, target)
    if isinstance(kind, tuple):
        return second_kernel(step, target, kind[1])
    return reverse_kernel(step, target, kind)


def vector_target(number: str, *, single: bool) -> CodeTarget:
    """Code with vectors over the layers of a single column, or over columns.

    Parameters
    ----------
    number : Type of numbers, "float64" or "float32".
    single : Whether there is one column.
    """
    # A single column has no neighbours to share a vector with, but it has layers.
    vector = vector_bytes() // (8 if number == "float64" else 4)
    return CodeTarget(number_of(number), vector if single else LAYERS_AT_A_TIME * vector, 1 if single else vector)


def number_of(number: str) -> str:
    """A number type in LLVM's words."""
    return "double" if number == "float64" else "float"
