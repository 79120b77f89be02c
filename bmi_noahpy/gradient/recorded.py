"""What is kept of a recorded step, and the step made of it again."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bmi_noahpy.gradient.names import FORCING_PATHS, Core, state_shapes, unpack
from bmi_noahpy.gradient.recording import Overwrite
from bmi_noahpy.gradient.step import forcing_values
from bmi_noahpy.gradient.taken_step import TakenStep
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import replace_quantity
from noahpy_core.state import Forcing, State

Fields = tuple[tuple[str, int], ...]
"""Fields of `Forcing` that are there, with their number of layers, 0 for none."""


@dataclasses.dataclass(frozen=True)
class RecordedStep:
    """What has to be kept of a step to compute it again.

    Parameters
    ----------
    fields : Fields of `Forcing` that have a value, and how many layers each has (0 for none).
    inputs : Their values, a row for each layer, and the two components of the wind, ``[row, column]``.
    overwrites : States that were set before the step, in order.
    guessed : As in `TakenStep`.
    """

    fields: Fields
    inputs: Tensor
    overwrites: tuple[Overwrite, ...]
    guessed: Tensor | None

    @classmethod
    def of(cls, step: TakenStep, overwrites: tuple[Overwrite, ...] = ()) -> RecordedStep:
        """A step that was taken, after states had been set."""
        values = forcing_values(step.forcing, step.state.skin_temperature.shape[0])
        fields = tuple((path, value.shape[0] if value.ndim > 1 else 0) for path, value in values.items())
        rows = [value if value.ndim > 1 else value[None] for value in (*values.values(), *step.wind)]
        return cls(fields, torch.cat(rows), overwrites, step.guessed)

    def by_field(self, inputs: Tensor) -> Core:
        """Rows of something like `inputs`, with or without those of the wind, by field of `Forcing`."""
        found, start = {}, 0
        for path, layers in self.fields:
            found[path] = inputs[start : start + layers] if layers else inputs[start]
            start += max(layers, 1)
        return found

    def forcing(self) -> Forcing:
        """Of the step."""
        rows = self.by_field(self.inputs)
        return Forcing(**{path: rows.get(path) for path in FORCING_PATHS})  # type: ignore[arg-type]

    @property
    def wind(self) -> tuple[Tensor, Tensor]:
        """Components of the wind."""
        return self.inputs[-2], self.inputs[-1]

    @property
    def starts_as_kept(self) -> bool:
        """Whether the model is given the state as it was kept: nothing was set, and no first guess gives way."""
        return not self.overwrites and self.guessed is None

    def core(self, flat: Tensor, like: State) -> Core:
        """All that the step and the state before it contain, by path; states that were set as ``set.0``, ``set.1``."""
        core = {f"state.{path}": value for path, value in unpack(flat, like).items()}
        core |= {f"forcing.{path}": value for path, value in self.by_field(self.inputs).items()}
        return core | {f"set.{k}": overwrite.value for k, overwrite in enumerate(self.overwrites)}

    def step(self, core: Core, like: State, parameters: Parameters) -> TakenStep:
        """The step, computed from its parts by path."""
        state, forcing = like, self.forcing()
        for path in state_shapes(like):
            state = replace_quantity(state, path, core[f"state.{path}"])
        for k, overwrite in enumerate(self.overwrites):
            state = overwrite.apply(state, core[f"set.{k}"])
        for path, _ in self.fields:
            forcing = replace_quantity(forcing, path, core[f"forcing.{path}"])
        return TakenStep(state, forcing, parameters, self.wind, self.guessed)
