"""What a compiled run reads, in the order its kernels expect it."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noahpy_core.compiled.execute.driver import obstacle
from noahpy_core.compiled.execute.not_compiled import NotCompiled
from noahpy_core.compiled.execute.own import own_shape, weight_leaves, why_not_recorded
from noahpy_core.compiled.execute.program import Program
from noahpy_core.compiled.execute.programs import program
from noahpy_core.compiled.execute.shown import require_shown
from noahpy_core.compiled.record.step_graph import CONTAINERS, STEP_LENGTH, THICKNESS, Shape, Source
from noahpy_core.fixed import has_global_hooks
from noahpy_core.model import NoahModel
from noahpy_core.parameters import Parameters
from noahpy_core.quantities import quantities
from noahpy_core.shape_checks import check_shapes
from noahpy_core.state import Forcing, State

READERS = {
    name: [(path, operator.attrgetter(path)) for path, _ in quantities(container)]
    for name, container in CONTAINERS.items()
}
Trees = tuple[State, Forcing, Parameters]
NAMES = ("state", "forcing", "parameters")
HOOKED = "it has hooks, which only torch calls"


@dataclasses.dataclass(frozen=True)
class Case:
    """Everything a run reads, in the order of the program's inputs.

    Parameters
    ----------
    columns : Number of columns; a tensor with one column is the same in all.
    sources : Container and path of each leaf.
    """

    program: Program
    columns: int
    steps: int
    sources: tuple[Source, ...]

    def table(self, leaves: Sequence[Tensor]) -> np.ndarray:
        """Table of inputs."""
        return self.program.input_table(dict(zip(self.sources, leaves, strict=True)), self.columns)

    def empty_state(self, steps: int | None = None) -> Tensor:
        """Room for one state in flat form, or for several."""
        # Not zeros: every row is written before anything reads it.
        size = (self.program.row_count, self.columns)
        return self._empty(size if steps is None else (steps, *size))

    def empty_series(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Room for series of results, ``[time, ..., column]`` each, by name."""
        layers = dict(self.program.results)
        shapes = {name: (layers[name], self.columns) if layers[name] else (self.columns,) for name in names}
        return {name: self._empty((self.steps, *shape)) for name, shape in shapes.items()}

    def _empty(self, size: tuple[int, ...]) -> Tensor:
        return torch.empty(size, dtype=self.program.shape.dtype, device=self.program.device)

    def flat(self, leaves: Sequence[Tensor]) -> Tensor:
        """The state among the leaves, in flat form."""
        flat = self.empty_state()
        given = dict(zip(self.sources, leaves, strict=True))
        for (path, _, _), part in zip(self.program.rows, self.state_parts(flat), strict=True):
            part.copy_(given["state", path])
        return flat

    def state_parts(self, flat: Tensor) -> list[Tensor]:
        """The parts of a state in flat form, in the order of `State`."""
        return [flat[row : row + layers] if layers else flat[row] for _, layers, row in self.program.rows]

    def point_to(self, table: np.ndarray, flat: Tensor) -> np.ndarray:
        """A table whose state is one in flat form."""
        moved: np.ndarray = table.copy()
        size, columns = flat.element_size(), self.columns
        for k, (_, layers, row) in enumerate(self.program.rows):
            # Columns lie side by side and layers a row apart; a state has no time.
            moved[k] = (flat.data_ptr() + row * columns * size, 1, columns if layers else 0, 0)
        return moved


def why_not_compiled(model: Any) -> str | None:
    """What keeps a model from being compiled, or None."""
    # A subclass may step in another way, of which a recording of the schemes would know nothing.
    if type(model) is not NoahModel:
        return f"the model is a {type(model).__name__}, not a NoahModel"
    return HOOKED if _has_hooks(model) else why_not_recorded(model)


def _has_hooks(model: NoahModel) -> bool:
    return has_global_hooks() or any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def unlike(source: Source, leaf: Tensor, like: Tensor) -> NotCompiled:
    """The error of a tensor that does not fit the others.

    Parameters
    ----------
    source : Container and path of the tensor.
    leaf : The tensor.
    like : The skin temperature, whose number type and device all others have.
    """
    return NotCompiled(
        f"execution: {'.'.join(source)} is {leaf.dtype} on {leaf.device}, the skin temperature {like.dtype} on "
        f"{like.device}. Compiled steps need one number type, float64 or float32, on one device; use execution 'eager'."
    )


def negated(source: Source) -> NotCompiled:
    """The error of a tensor whose memory holds the negative of its values, such as an imaginary part."""
    return NotCompiled(
        f"execution: {'.'.join(source)} is a view of negated numbers, which kernels would read with the wrong sign. "
        "Give its resolve_neg()."
    )


@functools.cache
def _obstacle(device: torch.device) -> str | None:
    """What keeps a device from running kernels, or None."""
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        return f"there are no kernels for the device {device}"
    return obstacle(device)


def make_case(
    model: NoahModel, trees: Trees, dt: Tensor | float, *, timed: bool, back: bool = False
) -> tuple[Case, list[Tensor]]:
    """Program and leaves of a run, step length, layer thickness and weights last.

    Parameters
    ----------
    timed : Whether forcing is a series, ``[time, column]``.
    back : Whether there is a way back where a leaf wants a gradient.

    Raises
    ------
    ShapeError : Something is no tensor, or of another shape than is needed.
    NotCompiled : As `collect`.
    """
    columns = check_shapes(*trees, model.column.thickness, dt, series=timed)
    shape, sources, leaves = collect(model, trees, dt)
    if back and any(leaf.requires_grad for leaf in leaves):
        # Before any kernel is made, which takes seconds.
        require_shown(shape, "steps back", leaves[0].device)
    steps = trees[1].air_temperature.shape[0] if timed else 1
    of = program(shape, single=columns == 1, device=leaves[0].device)
    return Case(of, columns, steps, tuple(sources)), leaves


def collect(model: NoahModel, trees: Trees, dt: Tensor | float) -> tuple[Shape, list[Source], list[Tensor]]:
    """Shape of a step, and sources and tensors of what it reads, step length, thickness and weights last.

    Raises
    ------
    NotCompiled : Tensors of different types or on different devices, a device without kernels or without such that were
        shown to be right, or hooks.
    """
    if _has_hooks(model):
        raise NotCompiled(f"execution: compiled steps are not possible any more, because {HOOKED}.")
    like = trees[0].skin_temperature
    dtype, device = like.dtype, like.device
    # In the order of `input_sources`: callers of single steps know inputs by their place in the table.
    absent, sources, leaves = set(), list[Source](), list[Tensor]()
    for name, tree in zip(NAMES, trees, strict=True):
        for path, read in READERS[name]:
            leaf = read(tree)
            if leaf is None:
                absent.add((name, path))
            else:
                sources.append((name, path))
                leaves.append(leaf)
    sources += [STEP_LENGTH, THICKNESS]
    leaves += [torch.as_tensor(dt, dtype=dtype, device=device).reshape(-1), model.column.thickness]
    for source, leaf in zip(sources, leaves, strict=True):
        if leaf.dtype != dtype or leaf.device != device or dtype not in (torch.float32, torch.float64):
            raise unlike(source, leaf, like)
        if leaf.is_neg():
            raise negated(source)
    reason = _obstacle(device)
    if reason is not None:
        raise NotCompiled(f"execution: compiled steps are not possible, because {reason}; use execution 'eager'.")

    pack = trees[0].snow.layer_mass
    snow_layers = 0 if pack is None else pack.shape[0]
    shape = Shape(model.options, model.column.layers, dtype, frozenset(absent), snow_layers)
    shape = own_shape(model, shape)
    # Steps are what every caller needs; who needs more asks for that too.
    require_shown(shape, "steps", device)
    weights = weight_leaves(model, shape)
    for (source, _), weight in zip(shape.weights(), weights, strict=True):
        if weight.device != device:
            raise unlike(source, weight, like)
        sources.append(source)
        leaves.append(weight)
    return shape, sources, leaves


def build(container: type, values: dict[str, Tensor], prefix: str = "") -> Any:
    """A container from its tensors by dotted path.

    Parameters
    ----------
    container : Its class, such as `State`.
    values : Tensors by path; what is left out is None.
    prefix : Of the paths, for a container within another.
    """
    members = {}
    for field in dataclasses.fields(container):
        path = prefix + field.name
        nested = field.metadata.get("container")
        members[field.name] = build(nested, values, f"{path}.") if nested else values.get(path)
    return container(**members)
