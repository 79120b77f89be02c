"""The compiled step on a graphics processor: the same graph, one thread for each column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from noahpy_core.compiled.emit.arguments import ARGUMENTS
from noahpy_core.compiled.emit.instructions import CodeTarget
from noahpy_core.compiled.execute.cache import Artefact
from noahpy_core.compiled.execute.driver import DeviceFunction
from noahpy_core.compiled.execute.library import Loaded
from noahpy_core.compiled.execute.program import Program, number_of
from noahpy_core.compiled.execute.tables import Numbers, address_of
from noahpy_core.compiled.shape import Shape


class GraphicsFunction:
    """A kernel on a device, and what it was made with."""

    def __init__(self, artefact: Artefact, device: torch.device) -> None:
        self.artefact = artefact
        self.call: Callable[..., Any] = DeviceFunction(artefact.code, artefact.name, device).start


class GraphicsProgram(Program):
    """Compiled steps of one shape on a graphics processor.

    Parameters
    ----------
    shape : Schemes, layers, number type.
    device : Where tensors and kernels are.
    """

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self._device = device
        super().__init__(shape, CodeTarget(number_of(shape.number), 1, 1, "ptx"))

    @property
    def device(self) -> torch.device:
        """Where tensors and kernels are."""
        return self._device

    def _placed(self, constant: NDArray[Any]) -> Numbers:
        return torch.from_numpy(constant.copy()).to(self._device)

    def call(self, function: Loaded, columns: int, **values: Any) -> None:
        """Start a kernel with arguments by name (`ARGUMENTS`); waits for it only where its steps can fail."""
        noted = values.pop("failures", None)
        failures = None
        if noted is not None and self.message:
            failures = torch.full((columns,), -1, dtype=torch.int64, device=self.device)

        # Arguments and tables in one piece: each transfer takes longer than a small kernel.
        tables = {name: value.ravel() for name, value in values.items() if isinstance(value, np.ndarray)}
        host = np.concatenate([np.zeros(len(ARGUMENTS), np.int64), *tables.values()])
        there = torch.empty(len(host), dtype=torch.int64, device=self.device)
        known: dict[str, Any] = {"columns": columns, "begin": 0, "end": columns, "failures": failures, **values}
        place = len(ARGUMENTS)
        for name, table in tables.items():
            known[name] = there.data_ptr() + place * there.element_size()
            place += len(table)
        host[: len(ARGUMENTS)] = [address_of(known.get(name)) for name in ARGUMENTS]
        there.copy_(torch.from_numpy(host))

        # Its memory is torch's again when this returns, but torch gives it only to work that comes after the kernel.
        function.call(there.data_ptr(), columns)
        if failures is not None:
            noted[:] = failures.cpu().numpy()

    def _load(self, artefact: Artefact) -> GraphicsFunction:
        return GraphicsFunction(artefact, self.device)
