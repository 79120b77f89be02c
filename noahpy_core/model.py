"""The land surface model: schemes in slots, and the step they make together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from noahpy_core.column import SoilColumn
from noahpy_core.contract import Scheme
from noahpy_core.fixed import ModelPart, fix
from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.processes import build_processes
from noahpy_core.run_checks import check_step_length
from noahpy_core.shape_checks import check_shapes, for_all_columns
from noahpy_core.state import Fluxes, Forcing, State


class NoahModel(ModelPart):
    """The land branch of Noah LSM 3.4.1 in its permafrost version, for any number of columns and layers.

    It stays as it was built: assigning to its options, its slots or the constants of a built-in scheme is refused.

    Parameters
    ----------
    column : Soil layers.
    options : Scheme of each slot.
    processes : Objects that replace the scheme of their slot (see `noahpy_core.slots`).

    Attributes
    ----------
    supplied : Slots that `processes` has replaced.
    step : The order in which they are solved: the scheme of the slot `surface_balance`.
    """

    def __init__(
        self,
        column: SoilColumn,
        options: Options | None = None,
        processes: Mapping[str, Scheme] | None = None,
    ) -> None:
        super().__init__()
        self.column = column
        self.options = options or Options()
        self.supplied = tuple(processes or ())
        self._schemes = build_processes(self.options, column, processes)
        self.step = self._schemes["surface_balance"]
        for slot, scheme in self._schemes.items():
            if slot not in self.supplied:
                fix(slot, scheme)
        fix("model", self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Convert or move all tensors (`torch.nn.Module.to`), the layers of the soil too."""
        super()._apply(fn, recurse)
        old, thickness = self.column, fn(self.column.thickness)
        if thickness is not old.thickness:
            column = SoilColumn(thickness)
            # The schemes have the same layers, not equal ones: derivatives by them must meet.
            for part in self.modules():
                if part.__dict__.get("column") is old:
                    part.__dict__["column"] = column
        return self

    @property
    def schemes(self) -> Mapping[str, Any]:
        """Slot -> the scheme that stands there."""
        return MappingProxyType(self._schemes)

    @property
    def supercooled_water(self) -> Any:
        """The freezing curve, for an initial state in equilibrium."""
        return self.schemes["supercooled_water"]

    @property
    def keeps_remainder(self) -> bool:
        """Whether a step goes on with `soil.temperature_remainder`, where a state has one."""
        return bool(getattr(self.step, "keeps_remainder", False))

    def forward(
        self, state: State, forcing: Forcing, parameters: Parameters, dt: Tensor | float
    ) -> tuple[State, Fluxes]:
        """Advance the state by one step.

        Parameters
        ----------
        state : At the start of the step, ``[column]``, ``[layer, column]`` and ``[snow layer, column]``.
        forcing : Air and vegetation during the step, ``[column]``.
        parameters : See `noahpy_core.parameters`.
        dt : Length of the step, one number or one per column. [s]

        Returns
        -------
        The state at the end of the step, and the mean fluxes over it. Each field says its units.

        Raises
        ------
        ShapeError : Something given is no tensor, or has another shape than a step needs.
        ValueError : `dt` is not positive.
        """
        # A step that is being traced has no numbers to look at.
        if not torch.compiler.is_compiling():
            check_step_length(dt)
        columns = check_shapes(state, forcing, parameters, self.column.thickness, dt, series=False)
        after, fluxes = self.step(for_all_columns(state, columns), forcing, parameters, dt)
        return after, fluxes
