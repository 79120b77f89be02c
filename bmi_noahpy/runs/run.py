"""Everything a run needs, in one place."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bmi_noahpy.forcing import PrescribedVegetation
from bmi_noahpy.forcing.monthly import monthly_value
from bmi_noahpy.forcing.table import VEGETATION
from bmi_noahpy.runs.any_run import AnyRun, Taken
from bmi_noahpy.runs.forcing_of_run import prescribed_vegetation
from noahpy_core import simulation
from noahpy_core.leaves import array_of
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.state import Forcing, State
from noahpy_core.trees import map_tensors

CPU = torch.device("cpu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(AnyRun):
    """A run of tensors.

    Parameters
    ----------
    execution : How steps are computed, as `noahpy_core.simulation.run` takes it.
    device : Where they are computed. Everything here is on the CPU; `placed` is on the device.
    """

    model: NoahModel
    execution: str = "auto"
    device: torch.device = CPU

    @functools.cached_property
    def placed(self) -> tuple[NoahModel, Parameters]:
        """Model and parameters on the device."""
        if self.device == CPU:
            return self.model, self.parameters
        column = self.model.column.to(device=self.device)
        model = NoahModel(column, self.configuration.schemes).to(self.device)
        return model, map_tensors(self._place, self.parameters)

    @property
    def thickness(self) -> NDArray[Any]:
        """Of the soil layers, ``[layer, 1]`` or ``[layer, column]``. [m]"""
        return array_of(self.model.column.thickness)

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Numbers that its schemes bring along."""
        found: Mapping[str, Tensor] = self.model.state_dict()
        return found

    def block(self, first: int, last: int) -> Forcing:
        """Tensors; see `AnyRun`."""
        assert self.forcing is not None
        return self.forcing.block(first, last)

    def take(self, state: State, forcing: Forcing, outputs: Sequence[str]) -> Taken:
        """Take steps, on the device; see `AnyRun`.

        Parameters
        ----------
        state, forcing, outputs : On the CPU.
        """
        model, parameters = self.placed
        with torch.no_grad():
            found = simulation.run(
                model,
                map_tensors(self._place, state),
                map_tensors(self._place, forcing),
                parameters,
                self.step,
                outputs=list(outputs),
                execution=self.execution,
                check=False,
            )
        series = {name: array_of(values) for name, values in found.outputs.items()}
        return Taken(series, map_tensors(Tensor.cpu, found.final_state))

    def _place(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device)

    def vegetation(self, moments: Any) -> dict[str, Tensor | None]:
        """Vegetation the configuration prescribes, by field of `Forcing`, ``[column]`` or ``[moment, column]``.

        None where the configuration says nothing. Months repeat every year, so any moment has a value.

        Parameters
        ----------
        moments : One datetime64, or an array of them.
        """
        values: dict[str, Tensor | None] = {}
        for quantity in VEGETATION:
            monthly = self.prescribed.value(quantity)
            values[quantity] = None if monthly is None else self._tensor(monthly_value(monthly, moments))
        return values

    @functools.cached_property
    def prescribed(self) -> PrescribedVegetation:
        """Vegetation that the configuration gives, for every column."""
        return prescribed_vegetation(self.configuration, self.columns)

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values, dtype=self.initial_state.skin_temperature.dtype)
