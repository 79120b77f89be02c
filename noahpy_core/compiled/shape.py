"""What a step is generated for, and the names of what enters it. A kernel of the cache is found by it without torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from noahpy_core.options import Options
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.state import LAYER, SNOW_LAYER, Fluxes, Forcing, State

if TYPE_CHECKING:
    import torch

    from noahpy_core.compiled.record.step_graph import OwnStep

CONTAINERS: dict[str, type] = {"state": State, "forcing": Forcing, "parameters": Parameters}
WEIGHT = "weight"
"""Container of what all columns share: weights and constants of schemes that are not built in."""
STEP_LENGTH, THICKNESS = ("step", "length"), ("column", "thickness")

Source = tuple[str, Any]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a step is generated for.

    Parameters
    ----------
    options : Schemes, all of them built in.
    layers : Number of soil layers.
    number : Type of numbers, "float64" or "float32".
    absent : Optional fields that are None, as (container, path).
    snow_layers : Number of snow layers; 0 for a pack without.
    own : The step of a model with schemes that are not built in.
    """

    options: Options
    layers: int
    number: str
    absent: frozenset[tuple[str, str]]
    snow_layers: int = 0
    own: OwnStep | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Type of numbers, of tensors."""
        return number_type(self.number)

    def fields(self, container: str) -> list[tuple[str, int]]:
        """Paths of a container's fields that are there, with their number of layers (0 for none)."""
        return [
            (path, self.length(metadata["dims"]))
            for path, metadata in quantities(CONTAINERS[container])
            if (container, path) not in self.absent
        ]

    def key(self) -> tuple[Any, ...]:
        """All of it, in an order that is the same in every process: what the name of a kernel is made from."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        # A set has another order in every process, and the key must not.
        schemes, absent = sorted(vars(fields.pop("options")).items()), sorted(fields.pop("absent"))
        own = fields.pop("own")
        return schemes, absent, sorted((name, str(value)) for name, value in fields.items()), own and own.digest

    def weights(self) -> list[tuple[Source, int]]:
        """Weights, with their number of values (0 for a single one)."""
        return [((WEIGHT, name), size) for name, size in self.own.weights] if self.own else []

    def length(self, dims: tuple[str, ...]) -> int:
        """Number of layers of a quantity with these dimensions, 0 for none."""
        return {(): 0, LAYER: self.layers, SNOW_LAYER: self.snow_layers}[dims]

    def fluxes(self) -> list[tuple[str, int]]:
        """Names of fluxes, with their number of layers; the optional ones are those of layered snow."""
        return [
            (name, self.length(metadata["dims"]))
            for name, metadata in quantities(Fluxes)
            if self.snow_layers or not metadata["optional"]
        ]

    def results(self) -> list[tuple[str, int]]:
        """Paths of the next state and names of fluxes, with their number of layers."""
        return self.fields("state") + self.fluxes()


def number_name(dtype: torch.dtype) -> str:
    """The name of a number type of tensors, which is that of arrays too."""
    return str(dtype).removeprefix("torch.")


def number_type(name: str) -> torch.dtype:
    """The number type of tensors of a name."""
    import torch

    found: torch.dtype = getattr(torch, name)
    return found
